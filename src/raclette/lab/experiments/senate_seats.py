"""A senate drawn by stake: who sits in it, and who writes its blocks, over many heights.

Seeds form a chain as they do on a real one: each is the output of the last director's random function. Tickets, the
order of tickets, points and the walk over the holders are the protocol's own code; only keys are ideal
(`IdealSignatures`), whose outputs are as uniform as those of the curve. Seats and directorships are compared with the
shares of the stake, holder by holder, and all together by Pearson's chi-square.
"""

from math import sqrt

from raclette.chain.roll import Member
from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import points
from raclette.lab.experiments.statistics import binomial_tolerance, bound, compare, wilson
from raclette.lab.figures import Axis, Figure, Line
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import IdealSignatures, Lot
from raclette.protocols.senate.lottery import make_ticket
from raclette.protocols.senate.seats import Senate
from raclette.protocols.senate.statements import Statements

DESIGN = Paper("Leader selection in proof of stake (the first design)", "seats and lottery in proportion to stake")
CHI_SQUARE = Paper("Pearson 1900; quantile by Wilson and Hilferty 1931", "PNAS 17")
# Standard normal point of which a thousandth lies beyond.
_Z_THOUSANDTH = 3.0902
_REPORTS = 50


def chi_square_point(degrees: int) -> float:
    """The value that chi-square exceeds once in a thousand times."""
    part = 2 / (9 * degrees)
    return float(degrees * (1 - part + _Z_THOUSANDTH * sqrt(part)) ** 3)


def run(settings: Settings, progress: Progress) -> Result:
    """A row for each holder's seats and blocks, and two for the whole."""
    stakes, seats, heights = settings.wholes("stakes"), settings.whole("seats"), settings.whole("heights")
    held, written = count(stakes, seats, heights, settings.seed, progress)
    rows = [
        row
        for quantity, counts, trials in (("seats", held, seats * heights), ("blocks", written, heights))
        for row in _rows(settings, quantity, stakes, counts, trials)
    ]
    return Result(tuple(rows), (_figure(rows),))


def count(
    stakes: tuple[int, ...], seats: int, heights: int, seed: int, progress: Progress
) -> tuple[list[int], list[int]]:
    """Seats and blocks of each holder over so many heights."""
    world, statements = IdealSignatures(b"senate %d" % seed), Statements(1, bytes(32))
    members = tuple(Member(bytes((i,)) * 32, bytes((i,)) * 20, stake) for i, stake in enumerate(stakes))
    current, held, written = sha256(b"first seed"), [0] * len(stakes), [0] * len(stakes)
    for height in range(1, heights + 1):
        if height % max(1, heights // _REPORTS) == 0:
            progress(height / heights, f"height {height}")
        for node in Senate(members, current, seats).seats:
            held[node[0]] += 1
        alpha = statements.ticket_alpha(height, current)
        best = None
        for node, _, stake in members:
            ticket = make_ticket(node, stake, Lot(node, alpha, world.lot(node, alpha)).output)
            best = ticket if best is None or ticket.beats(best) else best
        if best is not None:
            written[best.director[0]] += 1
            alpha = statements.seed_alpha(height, current)
            current = sha256(Lot(best.director, alpha, world.lot(best.director, alpha)).output)
    return held, written


def _rows(settings: Settings, quantity: str, stakes: tuple[int, ...], counts: list[int], trials: int) -> list[Row]:
    total, rows = sum(stakes), []
    for holder, (stake, hits) in enumerate(zip(stakes, counts, strict=True)):
        share = stake / total
        rows.append(
            compare(
                f"share of {quantity}",
                {"holder": holder, "stake": stake},
                hits / trials,
                wilson(hits, trials),
                published=share,
                tolerance=binomial_tolerance(share, trials),
                grounds=f"4 sigma of the {quantity}",
                trials=trials,
                seed=settings.seed,
                source=str(DESIGN),
            )
        )
    expected = [trials * stake / total for stake in stakes]
    value = sum((hits - mean) ** 2 / mean for hits, mean in zip(counts, expected, strict=True))
    rows.append(
        bound(
            f"chi-square of {quantity}",
            {"degrees": len(stakes) - 1},
            value,
            (value, value),
            at_most=chi_square_point(len(stakes) - 1),
            tolerance=0.0,
            grounds="exceeded by luck once in a thousand runs",
            trials=trials,
            seed=settings.seed,
            source=str(CHI_SQUARE),
        )
    )
    return rows


def _figure(rows: list[Row]) -> Figure:
    seats = [row for row in rows if row.quantity == "share of seats"]
    blocks = [row for row in rows if row.quantity == "share of blocks"]
    shares = [float(row.published or 0) for row in seats]

    def share_of(row: Row) -> float:
        return float(row.published or 0)

    return Figure(
        "senate-seats",
        "Seats and blocks follow the stake",
        Axis("share of the stake"),
        Axis("share drawn"),
        [
            Line("in proportion", [0.0, max(shares)], [0.0, max(shares)]),
            points("seats", seats, share_of),
            points("blocks written", blocks, share_of),
        ],
        caption="Points: measured, with 95 % intervals; line: exact proportion.",
    )


EXPERIMENT = Experiment(
    id="senate-seats",
    title="A senate drawn by stake: seats and blocks",
    claim="Seats and blocks fall to each holder in proportion to its stake.",
    papers=(DESIGN, CHI_SQUARE),
    parameters=(
        Parameter("stakes", "stake of each holder", (1, 2, 3, 5, 8, 13, 21, 47), 1, 10**18, whole=True),
        Parameter("seats", "seats of a senate", 21, 1, 1_024, whole=True),
        Parameter("heights", "heights", 5_000, 10, 10_000_000, quick=500, whole=True),
    ),
    run=run,
)
