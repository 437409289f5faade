"""Grinding: what a director gains who may try again.

An attacker holds a share of the stake, under several names. Whenever one of them may write the block it tries up to
`tries` versions of it (other transactions, another time) and keeps the one that serves it best next: for seats, or for
writing the next block too. Asked is what it has over many heights beyond its share of the stake:

- *contents*: the protocol as it is. Neither the next seed nor the next tickets depend on what is in the block;
- *abstain*: the protocol as it is, and an attacker that instead stays silent when the seed that it would leave is a bad
  one for it, or lets that one of its names write whose seed is best (spec/senate.md, "What is left to choose");
- *lead*: the protocol as it is, and an attacker that besides lets as many rounds pass as it owns seats in a row at the
  front of the senate, and then proposes the block with the best seed of those that it may propose;
- *block hash*: a seed that is the hash of the last block, the mutant S3;
- *parent ticket*: tickets drawn from the parent's hash, as the first description of the lottery had it.

The random functions are ideal, all else is the protocol's own code. One step is looked ahead.
"""

from collections.abc import Callable
from math import log, sqrt

from raclette.chain.roll import Member
from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.statistics import SIGMAS, around, bound, compare, mean_and_error
from raclette.lab.figures import Axis, Bars, Figure
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import IdealSignatures, Lot, digest_of
from raclette.protocols.senate.lottery import Ticket, make_ticket
from raclette.protocols.senate.seats import Senate
from raclette.protocols.senate.statements import Statements

DESIGN = Paper("Leader selection in proof of stake (the first design)", "seed and lottery")
HASHED = Paper("TrueChain, election seeded by block hashes", "mutant S3 of the catalogue")
HONEST_NAMES = 12
# Stake of everybody together: divisible by every number of names up to 12, and by the honest ones.
TOTAL = 12 * 27_720 * 1_000
_REPORTS = 40


class Race:
    """One way to grind, height by height. `names` of the members are the attacker's, the first of the roll."""

    def __init__(self, settings: Settings, salt: bytes) -> None:
        share, self.names = settings.number("share"), settings.whole("names")
        self.seats, self.tries = settings.whole("seats"), settings.whole("tries")
        self.world = IdealSignatures(b"grinding %d" % settings.seed + salt)
        self.statements = Statements(1, bytes(32))
        theirs = int(TOTAL * share) // self.names
        others = (TOTAL - theirs * self.names) // HONEST_NAMES
        stakes = [theirs] * self.names + [others] * HONEST_NAMES
        self.members = tuple(Member(bytes((i,)) * 32, bytes((i,)) * 20, stake) for i, stake in enumerate(stakes))
        self.share = theirs * self.names / sum(stakes)
        self.seed = sha256(b"first seed" + salt)
        self.parent = sha256(b"genesis" + salt)
        self.height = 1

    def seats_of(self, seed: bytes) -> int:
        """What the attacker would own with that seed."""
        return sum(node[0] < self.names for node in Senate(self.members, seed, self.seats).seats)

    def tickets(self, alpha: bytes, members: tuple[Member, ...]) -> list[Ticket]:
        """Best first."""
        ordered: list[Ticket] = []
        for node, _, stake in members:
            ticket = make_ticket(node, stake, Lot(node, alpha, self.world.lot(node, alpha)).output)
            place = next((i for i, other in enumerate(ordered) if ticket.beats(other)), len(ordered))
            ordered.insert(place, ticket)
        return ordered

    def seed_by(self, director: bytes) -> bytes:
        """What the protocol makes the next seed if this holder writes the block, whatever it writes."""
        alpha = self.statements.seed_alpha(self.height, self.seed)
        return sha256(Lot(director, alpha, self.world.lot(director, alpha)).output)

    def versions(self) -> list[bytes]:
        """Hashes of the blocks that a director may try."""
        return [sha256(self.parent + number.to_bytes(4, "big")) for number in range(self.tries)]

    def contents(self) -> bool:
        """The protocol: every version of the block leaves the same seed and the same tickets."""
        best = self.tickets(self.statements.ticket_alpha(self.height, self.seed), self.members)[0]
        is_ours = best.director[0] < self.names
        seeds = [self.seed_by(best.director) for _ in (self.versions() if is_ours else [b""])]
        self.seed = max(seeds, key=self.seats_of)
        return is_ours

    def abstain(self) -> bool:
        """The protocol: of the names that hold the best tickets the one with the best seed writes, or none."""
        order = self.tickets(self.statements.ticket_alpha(self.height, self.seed), self.members)
        ours = 0
        while order[ours].director[0] < self.names:
            ours += 1
        seeds = [self.seed_by(ticket.director) for ticket in order[:ours]]
        chosen = max(seeds, key=self.seats_of, default=b"")
        if chosen and self.seats_of(chosen) >= self.share * self.seats:
            self.seed = chosen
            return True
        self.seed = self.seed_by(order[ours].director)
        return False

    def lead(self) -> bool:
        """The protocol: as `abstain`; and the leader of rounds 0 to r has seen the r + 1 best blocks, seeds and all."""
        order = self.tickets(self.statements.ticket_alpha(self.height, self.seed), self.members)
        ours = next(place for place, ticket in enumerate(order) if ticket.director[0] >= self.names)
        seats = Senate(self.members, self.seed, self.seats).seats
        rounds = next((place for place, owner in enumerate(seats) if owner[0] >= self.names), len(seats))
        if not rounds:
            return self.abstain()
        choices = [(ticket.director, self.seed_by(ticket.director)) for ticket in order[: ours + rounds]]
        director, self.seed = max(choices, key=lambda choice: self.seats_of(choice[1]))
        return director[0] < self.names

    def block_hash(self) -> bool:
        """The seed is the hash of the block."""
        best = self.tickets(self.statements.ticket_alpha(self.height, self.seed), self.members)[0]
        is_ours = best.director[0] < self.names
        hashes = self.versions() if is_ours else self.versions()[:1]
        self.parent = max(hashes, key=lambda version: self.seats_of(sha256(version)))
        self.seed = sha256(self.parent)
        return is_ours

    def parent_ticket(self) -> bool:
        """Tickets are drawn from the parent's hash; the attacker knows its own of the next height, and no others."""

        def alpha(parent: bytes, height: int) -> bytes:
            return digest_of("ticket by parent", height, parent)

        best = self.tickets(alpha(self.parent, self.height), self.members)[0]
        is_ours = best.director[0] < self.names
        kept: tuple[Ticket, bytes] | None = None
        for version in self.versions() if is_ours else self.versions()[:1]:
            own = self.tickets(alpha(version, self.height + 1), self.members[: self.names])[0]
            if kept is None or own.beats(kept[0]):
                kept = (own, version)
        self.parent = kept[1] if kept is not None else self.parent
        self.seed = self.seed_by(best.director)
        return is_ours


WAYS: dict[str, Callable[[Race], bool]] = {
    "contents": Race.contents,
    "abstain": Race.abstain,
    "lead": Race.lead,
    "block hash": Race.block_hash,
    "parent ticket": Race.parent_ticket,
}


def run(settings: Settings, progress: Progress) -> Result:
    """Seats and blocks of the attacker, each way to grind."""
    rows: list[Row] = []
    for number, (way, step) in enumerate(WAYS.items()):
        race = Race(settings, way.encode())
        seats, blocks, heights = [], [], settings.whole("heights")
        for height in range(heights):
            if height % max(1, heights // _REPORTS) == 0:
                progress((number + height / heights) / len(WAYS), way)
            seats.append(race.seats_of(race.seed) / race.seats)
            blocks.append(float(step(race)))
            race.height += 1
        rows += _rows(settings, way, race.share, seats, blocks)
    return Result(tuple(rows), (_figure(rows),), notes=(f"of {settings.whole('tries')} versions of a block",))


def _rows(settings: Settings, way: str, share: float, seats: list[float], blocks: list[float]) -> list[Row]:
    heights, each = len(seats), settings.whole("seats")
    found = {}
    for quantity, values, sigma in (
        ("seats", seats, sqrt(share * (1 - share) / (heights * each))),
        ("blocks", blocks, sqrt(share * (1 - share) / heights)),
    ):
        mean, error = mean_and_error(values)
        name, at = f"share of {quantity}, {way}", {"share": share, "names": settings.whole("names")}
        luck = SIGMAS * sigma
        interval = around(mean, error)
        if way == "contents" or (way, quantity) in (("block hash", "blocks"), ("parent ticket", "seats")):
            found[quantity] = compare(
                name,
                at,
                mean,
                interval,
                published=share,
                tolerance=luck,
                grounds="4 sigma of the draws",
                source=str(DESIGN),
                trials=heights,
                seed=settings.seed,
            )
        elif way in ("abstain", "lead"):
            gain, grounds = (abstaining if way == "abstain" else leading)(share, each)[quantity]
            found[quantity] = bound(
                name,
                at,
                mean,
                interval,
                at_most=share + gain,
                tolerance=luck,
                grounds=grounds,
                trials=heights,
                seed=settings.seed,
            )
        else:
            grounds = "what the rule is for: without it the gain is beyond 4 sigma"
            found[quantity] = bound(
                name,
                at,
                mean,
                interval,
                at_least=share + luck,
                tolerance=0.0,
                grounds=grounds,
                source=str(HASHED),
                trials=heights,
                seed=settings.seed,
            )
    return list(found.values())


def abstaining(share: float, seats: int) -> dict[str, tuple[float, str]]:
    """Upper bounds of what choosing among own seeds or silence adds to a share, with their grounds: with g own tickets
    in front (geometric) the greatest of g + 1 draws is at most sqrt(2 ln(g + 1)) deviations above the mean."""
    deviation = sqrt(share * (1 - share) / seats)
    terms = (share**g * (1 - share) * sqrt(2 * log(g + 1)) for g in range(1, 200))
    return {
        "seats": (deviation * sum(terms), "the greatest of g + 1 draws, g own tickets in front"),
        "blocks": (0.0, "silence costs blocks"),
    }


def leading(share: float, seats: int) -> dict[str, tuple[float, str]]:
    """Upper bounds of what leading adds. With g own tickets and l own seats in front there are c = g + max(1, l) seeds
    to choose among. The seed that decides on l was itself the best of c, so l own seats were in front of one of these:
    P(l or more) <= E c share^l, and E c <= 1 + share / (1 - share) + E c share^2 / (1 - share). E sqrt(2 ln c) <=
    sqrt(2 ln E c), a concave function. A block more takes two own seats in front."""
    choices = 1 / (1 - share - share**2)
    return {
        "seats": (sqrt(share * (1 - share) / seats * 2 * log(choices)), "the greatest of c draws, E c as proven"),
        "blocks": ((1 - share) * choices * share**2, "two own seats in front, an honest ticket"),
    }


def _figure(rows: list[Row]) -> Figure:
    names = [row.quantity.removeprefix("share of ") for row in rows]
    share = [float(row.parameters["share"]) for row in rows]
    gains = [row.simulated - own for row, own in zip(rows, share, strict=True)]
    low = [row.low - own for row, own in zip(rows, share, strict=True)]
    high = [row.high - own for row, own in zip(rows, share, strict=True)]
    return Figure(
        "grinding",
        "What grinding adds to a share of the stake",
        Axis("what is counted, and how it is ground"),
        Axis("gain (part of all seats or blocks)"),
        [Bars("beyond the share of the stake", names, gains, low, high)],
        caption="Gain of an attacker in seats and in blocks, with 95 % intervals. The first six bars are under the "
        "protocol's rules: varying a block, keeping silent, leading. The last four are under rules that it refused.",
    )


EXPERIMENT = Experiment(
    id="grinding",
    title="Grinding: a director who may try again",
    claim="A director gains nothing by what it writes into its block; seeds or tickets from block hashes would pay.",
    papers=(DESIGN, HASHED),
    parameters=(
        Parameter("share", "attacker's share of the stake", 0.3, 0.01, 0.6),
        Parameter("names", "names that it holds its stake under", 4, 1, 12, whole=True),
        Parameter("seats", "seats of a senate", 21, 1, 1_024, whole=True),
        Parameter("tries", "versions of a block that it tries", 32, 1, 100_000, quick=16, whole=True),
        Parameter("heights", "heights", 3_000, 50, 10_000_000, quick=400, whole=True),
    ),
    run=run,
)
