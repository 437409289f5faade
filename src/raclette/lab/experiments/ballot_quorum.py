"""From which quorum on a stake-weighted vote is safe: forks and double spends as the quorum grows.

The ballot protocol elects a candidate once more than a quorum of the voters has voted. Below one half, two parts of a
divided network elect two chains, and one of them loses what it has written, payments included. From one half on, the
elected candidate needs more than the quorum of the weight, and two of those share more than (2q - 1) of it, which the
liars here do not have. Whole nodes on a network that is cut in two every minute, liars who vote twice and pay twice;
afterwards every chain is executed again from genesis, so every balance is audited.
"""

from collections.abc import Sequence
from fractions import Fraction

from raclette.lab.experiments.ballot_spenders import Found, Spenders, config_of
from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.statistics import bound, compare, wilson
from raclette.lab.figures import Axis, Figure, Line
from raclette.primitives.errors import ConfigError
from raclette.protocols.ballot.weights import band_weight

SAFETY = Paper("Raclette, spec/ballot.md", "From which quorum on it is safe")
# Quorums are exact fractions in the protocol; a setting is taken for the nearest one of small terms.
DENOMINATOR_MAX = 100
HALF = Fraction(1, 2)
FORKS, AUDIT = "blocks given up, of all adopted", "faults found by the audit and the checkers of agreement"


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every quorum."""
    nodes, liars = settings.whole("nodes"), settings.whole("liars")
    if 3 * liars > nodes:
        raise ConfigError(f"liars: {liars} of {nodes} nodes; accepted are at most a third")
    quorums = [Fraction(quorum).limit_denominator(DENOMINATOR_MAX) for quorum in settings.numbers("quorum")]
    rows: list[Row] = []
    stalled = 0
    for place, quorum in enumerate(quorums):
        found: list[Found] = []
        for number in range(settings.whole("runs")):
            done = (place + number / settings.whole("runs")) / len(quorums)
            progress(done, f"quorum {quorum}, run {number + 1}")
            found.append(_one(settings, quorum, number))
        rows += _point(settings, quorum, found)
        stalled += sum(1 for one in found if one.stalled)
    share = liar_share(nodes, liars)
    notes = (
        f"The {liars} liars have {share} of the weight; by theory forks end at q = {(1 + share) / 2}.",
        f"Runs that did not go on to the end: {stalled}. By theory splits are overcome from {(1 + 3 * share) / 2} on.",
    )
    return Result(tuple(rows), (_figure(settings, rows),), notes)


def _one(settings: Settings, quorum: Fraction, number: int) -> Found:
    nodes, liars = settings.whole("nodes"), settings.whole("liars")
    config = config_of(
        quorum,
        nodes=nodes,
        liars=liars,
        faults=min(liar_share(nodes, liars), max(Fraction(0), 2 * quorum - 1)),
        apart=nodes // 2,
        blocks=settings.whole("blocks"),
        seed=settings.seed + number,
    )
    return Spenders(config, settings.wholes("confirmations")).found()


def liar_share(nodes: int, liars: int) -> Fraction:
    """Of the weight, for liars in the middle of the order of stakes."""
    weights = [band_weight(place, nodes) for place in range(nodes)]
    first = (nodes - liars) // 2
    return Fraction(sum(weights[first : first + liars]), sum(weights))


def is_safe(settings: Settings, quorum: Fraction) -> bool:
    """BAL-24: does theory promise that nothing adopted is given up?"""
    share = liar_share(settings.whole("nodes"), settings.whole("liars"))
    return quorum >= HALF and share <= 2 * quorum - 1


def _point(settings: Settings, quorum: Fraction, found: Sequence[Found]) -> list[Row]:
    at = {"quorum": float(quorum)}
    stale, adopted = sum(one.stale for one in found), sum(one.stale + one.blocks for one in found)
    attempted = sum(one.attempted for one in found)
    rows = [_rate(settings, FORKS, at, stale, adopted, quorum)]
    for confirmations in settings.wholes("confirmations"):
        hits = sum(one.succeeded[confirmations] for one in found)
        rows.append(_rate(settings, spends(confirmations), at, hits, attempted, quorum))
    faults = sum(len(one.broken) for one in found)
    details = "; ".join(detail for one in found for detail in one.broken[:1])
    rows.append(
        bound(
            AUDIT,
            at,
            float(faults),
            (float(faults), float(faults)),
            at_most=0.0,
            tolerance=0.0,
            grounds=details or "every chain is executed again from genesis: validity, exactly once, supply",
            trials=sum(one.blocks for one in found),
            seed=settings.seed,
            source=str(SAFETY),
        )
    )
    return rows


def spends(confirmations: int) -> str:
    """The name of that row."""
    return f"double spends that succeed after {confirmations} confirmations"


def _rate(settings: Settings, quantity: str, at: dict[str, float], hits: int, trials: int, quorum: Fraction) -> Row:
    """A share; by theory 0 where the quorum is safe, and nothing to compare with where it is not."""
    share, interval = hits / max(1, trials), wilson(hits, trials) if trials else (0.0, 1.0)
    if is_safe(settings, quorum):
        grounds = "two certificates would share an honest voter"
        return bound(
            quantity,
            at,
            share,
            interval,
            at_most=0.0,
            tolerance=0.0,
            grounds=grounds,
            trials=trials,
            seed=settings.seed,
            source=str(SAFETY),
        )
    return compare(
        quantity,
        at,
        share,
        interval,
        published=None,
        tolerance=0.0,
        grounds="nothing is promised below the safe quorum",
        trials=trials,
        seed=settings.seed,
    )


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    share = liar_share(settings.whole("nodes"), settings.whole("liars"))
    edge = float((1 + share) / 2)
    deep = [
        points(f"paid twice after {confirmations}", having(rows, spends(confirmations)), "quorum", series=1 + place)
        for place, confirmations in enumerate(settings.wholes("confirmations"))
    ]
    return Figure(
        "ballot-quorum",
        "What a low quorum costs",
        Axis("quorum"),
        Axis("part of blocks, or of double spends", limits=(0, 0.5)),
        [
            points("blocks given up", having(rows, FORKS), "quorum", series=0),
            *deep,
            Line("safe from here on", (edge, edge), (0, 0.5), dashed=True, series=4),
        ],
        caption="Points: part of the adopted blocks that were given up, and of the double spends that succeed against "
        "a merchant who waits for so many confirmations, with 95 % intervals. The network is cut in two halves for "
        "half of the time. Dashed: (1 + the liars' share of the weight) / 2.",
    )


EXPERIMENT = Experiment(
    id="ballot-quorum",
    title="Forks and double spends as the quorum of a vote grows",
    claim="With liars of share f of the weight, nothing is given up from a quorum of (1 + f) / 2 on; below 1/2 it is.",
    papers=(SAFETY,),
    parameters=(
        Parameter("quorum", "part that must agree", (1 / 3, 0.4, 0.5, 0.6, 2 / 3, 0.7), 0, 0.9, quick=(1 / 3, 2 / 3)),
        Parameter("nodes", "voters, each with another stake", 12, 4, 100, whole=True),
        Parameter("liars", "of them, who vote twice and pay twice", 2, 1, 33, whole=True),
        Parameter("blocks", "length of each chain", 110, 5, 10_000, quick=15, whole=True),
        Parameter("confirmations", "after which a merchant delivers", (1, 3), 1, 50, whole=True),
        Parameter("runs", "chains for each quorum", 1, 1, 100, whole=True),
    ),
    run=run,
)
