"""Responsiveness: a hybrid confirms at the speed of the network, however slow its snail chain is.

Pass and Shi 2017 call a protocol responsive if the time to confirm depends on the network's actual delay alone, and not
on a bound that is known beforehand. Nakamoto's chain is not: its block interval is chosen far above the delay, and a
transaction waits for several of them. Whole nodes run both, over wires of one fixed delay, through several days of the
hybrid.

How many delays a transaction takes in the hybrid follows from its day's seats. It reaches the leader (1, or 0 where it
was handed in there), is proposed (1), prepared (1) and committed (1), and more than a third of the seats sign the entry
(1): five in all. A member whose own seats make up what is missing need not wait, so that uneven committees are faster:
`delays` says for each transaction how many it should have been, and that is what is compared.
"""

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.statistics import SIGMAS, around, bound, compare, mean_and_error, slope
from raclette.lab.figures import Axis, Figure, Layer, Line, Points
from raclette.primitives.errors import InvariantBroken
from raclette.primitives.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from raclette.sim.simulate import Simulation

RESPONSIVE = Paper("Pass and Shi 2017, Hybrid Consensus", "abstract (responsiveness)")
NAKAMOTO = Paper("Nakamoto 2008, Bitcoin", "section 11 (blocks as a Poisson process)")
NODES = SEATS = 7
STABLE_DEPTH = 2
# Snail blocks of a run: the first committee and two elected ones.
_SNAIL_BLOCKS = 3 * (SEATS + STABLE_DEPTH)
# Transactions are so far apart, in delays, that one is final before the next comes.
_APART = 12
# Each step of the committee is on disk before it is told: proposal, PREPARE, COMMIT, entry. As the simulator's default.
FSYNC_MS = 0.2
_WRITES = 6
# Of the transactions, so many at least meet no hand-over.
_EXACT_MIN = 0.9
# Blocks on top of one that counts as final where there are no certificates.
DEPTH = 6


class Wait(NamedTuple):
    """Of one transaction: milliseconds until it was final at the first node, and the delays that it should take."""

    ms: float
    delays: int


def delays(weights: Mapping[bytes, int], quorum: int, threshold: int, leader: bytes, asked: bytes) -> int:
    """Message delays from a client's hand to the first node that has proof, in PBFT's normal case with these seats.

    A member's word counts for itself at once, for the others a delay later; it speaks again when it has heard enough.
    """
    proposed = 0 if asked == leader else 1
    said = {member: proposed + (member != leader) for member in weights}
    for needed in (quorum, quorum):
        said = {member: _heard(said, weights, needed, member) for member in weights}
    return min(_heard(said, weights, threshold, member) for member in weights)


def _heard(said: Mapping[bytes, int], weights: Mapping[bytes, int], needed: int, member: bytes) -> int:
    """When `member`, not before it speaks of the same itself, has heard of so many seats."""
    seats = 0
    for time, other in sorted((said[other] + (other != member), other) for other in weights):
        seats += weights[other]
        if seats >= needed:
            return max(time, said[member])
    raise InvariantBroken(f"{needed} of {seats} seats")


def measure(protocol: str, delay_ms: int, interval_s: int, count: int, seed: int) -> list[Wait]:
    """A run of whole nodes."""
    from raclette.lab.compare.watch import FinalWatch
    from raclette.sim.config import SimConfig, Workload
    from raclette.sim.models import NetworkSpec
    from raclette.sim.simulate import Simulation, view_of

    hybrid = protocol == "hybrid"
    parameters: dict[str, int | str] = {"block_interval_s": interval_s, "difficulty_rule": "fixed"}
    if hybrid:
        parameters |= {"committee_size": SEATS, "stable_depth": STABLE_DEPTH}
    span = interval_s * SECOND * (_SNAIL_BLOCKS if hybrid else count)
    apart = max(span // count, _APART * delay_ms * MILLISECOND)
    config = SimConfig(
        protocol=protocol,
        nodes=NODES,
        seed=seed,
        network=NetworkSpec("constant", latency=delay_ms * MILLISECOND, bits_per_s=0),
        parameters=parameters,
        # A client that waits for a snail block is patient.
        workload=Workload(count=count, interval=apart, patience=10_000 * SECOND),
        # Time for the last ones to become final by depth.
        duration=count * apart + (0 if hybrid else 8 * DEPTH * interval_s * SECOND),
        fsync_us=round(FSYNC_MS * 1000),
    )
    simulation = Simulation(config)
    watch = FinalWatch(view_of, 0 if hybrid else DEPTH)
    simulation.world.observers.append(watch)
    report = simulation.run()
    if not report.agreed or len(watch.final_at) < count:
        raise InvariantBroken(f"{len(watch.final_at)} of {count} transactions are final: {report.violations}")
    begun = [submitted for submitted, _ in simulation.clients.spans()]
    raws = simulation.clients.raws
    waits = [(watch.final_at[raw] - start) / MILLISECOND for start, raw in zip(begun, raws, strict=True)]
    predicted = _predict(simulation, raws) if hybrid else [0] * count
    return [Wait(*pair) for pair in zip(waits, predicted, strict=True)]


def _predict(simulation: "Simulation", raws: Sequence[bytes]) -> list[int]:
    """The delays that each transaction should take, by the committee and the leader of its block."""
    from raclette.node.node import Node
    from raclette.primitives.signing import NODE_ID_BYTES
    from raclette.protocols.hybrid import HybridEngine
    from raclette.protocols.hybrid.day import day_of
    from raclette.sim.simulate import view_of

    host = simulation.world.hosts[0]
    if not isinstance(host.node, Node) or not isinstance(host.node.engine, HybridEngine):
        raise InvariantBroken("no hybrid")
    almanac, view = host.node.engine.snail.chain.almanac(), view_of(host)
    found: dict[bytes, tuple[Mapping[bytes, int], int, int, bytes]] = {}
    for number in range(1, view.head.number + 1):
        header = view.canonical(number)
        block = view.block(header.hash) if header is not None else None
        day = almanac.find(day_of(header)) if header is not None else None
        if header is None or block is None or day is None:
            raise InvariantBroken(f"block {number} is not there")
        for raw in block.transactions:
            quorum = (len(day.seats) + (len(day.seats) - 1) // 3 + 2) // 2
            found[raw] = (day.weights, quorum, day.threshold, header.extra_data[:NODE_ID_BYTES])
    asked = [simulation.world.hosts[place % NODES].node_id for place in range(len(raws))]
    return [delays(*found[raw], node) for raw, node in zip(raws, asked, strict=True)]


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every delay and interval, the slopes, and Nakamoto's chain beside it."""
    slow, fast = settings.wholes("interval_s"), settings.wholes("delay_ms")
    count, rows, left = settings.whole("transactions"), list[Row](), list[tuple[float, float]]()
    steps = len(fast) * len(slow) + len(slow)
    for number, (delay, interval) in enumerate((delay, interval) for delay in fast for interval in slow):
        progress(number / steps, f"hybrid, {delay} ms, {interval} s")
        waits = measure("hybrid", delay, interval, count, settings.seed)
        rows += _hybrid_rows(settings, delay, interval, waits)
        left += [(interval, (wait.ms - wait.delays * delay) / delay) for wait in waits if _is_predicted(wait, delay)]
    if len(slow) > 1:
        rows.append(_slope_row(settings, left))
    means = []
    for number, interval in enumerate(slow):
        progress(1 - (len(slow) - number) / steps, f"nakamoto, {interval} s")
        blocks = settings.whole("blocks")
        waits = measure("nakamoto", fast[0], interval, blocks, settings.seed)
        rows.append(_nakamoto_row(settings, fast[0], interval, [wait.ms / 1000 for wait in waits]))
        means.append(rows[-1])
    if len(slow) > 1:
        rows.append(_nakamoto_slope(settings, means))
    return Result(tuple(rows), (_by_delay(settings, rows), _by_interval(settings, rows)))


def _is_predicted(wait: Wait, delay: int) -> bool:
    """Not one that waited for a committee to follow the one before it."""
    return 0 <= wait.ms - wait.delays * delay <= _WRITES * FSYNC_MS


def _hybrid_rows(settings: Settings, delay: int, interval: int, waits: list[Wait]) -> list[Row]:
    at = {"delay_ms": delay, "interval_s": interval}
    found = median(wait.ms / delay for wait in waits)
    error = 1.2533 * mean_and_error([wait.ms / delay for wait in waits if _is_predicted(wait, delay)])[1]
    theory = float(median(wait.delays for wait in waits))
    exact = sum(_is_predicted(wait, delay) for wait in waits) / len(waits)
    return [
        compare(
            "delays to finality, median",
            at,
            found,
            around(found, error),
            published=theory,
            closed_form=theory,
            tolerance=_WRITES * FSYNC_MS / delay,
            grounds=f"{_WRITES} disk writes of {FSYNC_MS:g} ms",
            source=str(RESPONSIVE),
            trials=len(waits),
            seed=settings.seed,
        ),
        bound(
            "part that takes exactly so many delays",
            at,
            exact,
            (exact, exact),
            at_least=_EXACT_MIN,
            tolerance=0.0,
            grounds="a hand-over takes a few decisions of the old committee",
            source=str(RESPONSIVE),
            trials=len(waits),
            seed=settings.seed,
        ),
    ]


def _slope_row(settings: Settings, left: list[tuple[float, float]]) -> Row:
    """What the interval adds to what the delays explain: nothing."""
    found = slope([x for x, _ in left], [y for _, y in left])
    error = _slope_error(left, found)
    return compare(
        "slope of delays to finality over the interval (1/s)",
        {},
        found,
        around(found, error),
        published=0.0,
        tolerance=SIGMAS * error,
        grounds="4 standard errors of the regression",
        trials=len(left),
        seed=settings.seed,
        source=str(RESPONSIVE),
    )


def _slope_error(pairs: list[tuple[float, float]], found: float) -> float:
    x_mean, y_mean = (sum(pair[place] for pair in pairs) / len(pairs) for place in (0, 1))
    rest = sum((y - y_mean - found * (x - x_mean)) ** 2 for x, y in pairs)
    return sqrt(rest / (len(pairs) - 2) / sum((x - x_mean) ** 2 for x, _ in pairs))


def _nakamoto_row(settings: Settings, delay: int, interval: int, waits: list[float]) -> Row:
    mean = sum(waits) / len(waits)
    theory = float((DEPTH + 1) * interval)
    # Of the time that so many blocks of a Poisson process take, as the share of the mean that it is.
    error = theory / sqrt(len(waits))
    return compare(
        "seconds to finality of nakamoto, mean",
        {"delay_ms": delay, "interval_s": interval},
        mean,
        around(mean, error),
        published=theory,
        tolerance=SIGMAS * error,
        grounds=f"4 standard errors of {len(waits)} intervals",
        trials=len(waits),
        seed=settings.seed,
        source=str(NAKAMOTO),
    )


def _nakamoto_slope(settings: Settings, means: Sequence[Row]) -> Row:
    found = slope([row.parameters["interval_s"] for row in means], [row.simulated for row in means])
    error = (DEPTH + 1) / sqrt(means[0].trials)
    return compare(
        "slope of nakamoto's time to finality over the interval",
        {},
        found,
        around(found, error),
        published=float(DEPTH + 1),
        tolerance=SIGMAS * error,
        grounds=f"4 standard errors of {means[0].trials} intervals",
        trials=sum(row.trials for row in means),
        seed=settings.seed,
        source=str(NAKAMOTO),
    )


def _by_delay(settings: Settings, rows: list[Row]) -> Figure:
    fast, slow = settings.wholes("delay_ms"), settings.wholes("interval_s")
    layers: list[Layer] = [Line("5 delays", (0, max(fast)), (0, 5 * max(fast)), dashed=True)]
    for series, interval in enumerate(slow, start=1):
        seen = having(rows, "delays to finality, median", interval_s=interval)
        x = [float(row.parameters["delay_ms"]) for row in seen]
        layers.append(
            Points(
                f"a snail block each {interval} s",
                x,
                [delay * row.simulated for delay, row in zip(x, seen, strict=True)],
                series=series,
            )
        )
    return Figure(
        "responsiveness-delay",
        "The hybrid is as fast as its network",
        Axis("delay of a message (ms)"),
        Axis("from a client's hand to finality, median (ms)"),
        layers,
        caption="Whole nodes, through three committees. Points below the line: a member with many seats "
        "waits for fewer others.",
    )


def _by_interval(settings: Settings, rows: list[Row]) -> Figure:
    fast, slow = settings.wholes("delay_ms"), settings.wholes("interval_s")
    seen = having(rows, "seconds to finality of nakamoto, mean")
    layers: list[Layer] = [
        Line(f"{DEPTH + 1} intervals", slow, [(DEPTH + 1) * interval for interval in slow], dashed=True, series=0),
        points(f"nakamoto, {DEPTH} blocks deep", seen, "interval_s", series=0),
    ]
    for series, delay in enumerate(fast, start=1):
        found = having(rows, "delays to finality, median", delay_ms=delay)
        x = [float(row.parameters["interval_s"]) for row in found]
        layers.append(Points(f"hybrid, {delay} ms", x, [row.simulated * delay / 1000 for row in found], series=series))
    return Figure(
        "responsiveness-interval",
        "Finality, and how slow the chain of work is",
        Axis("block interval (s)", scale="log"),
        Axis("from a client's hand to finality (s)", scale="log"),
        layers,
        caption="Nakamoto's chain waits for blocks; the hybrid's committee does not.",
    )


EXPERIMENT = Experiment(
    id="responsiveness",
    title="Responsiveness of hybrid consensus",
    claim="Confirmation takes five message delays at most, but at hand-overs, however slow the chain that elects.",
    papers=(RESPONSIVE, NAKAMOTO),
    parameters=(
        Parameter("delay_ms", "delay of every message (ms)", (10, 30, 100, 300), 5, 500, quick=(20, 100), whole=True),
        Parameter("interval_s", "between two snail blocks (s)", (5, 20, 60), 5, 600, quick=(5, 20), whole=True),
        Parameter("transactions", "transactions of a run", 150, 20, 10_000, quick=40, whole=True),
        Parameter("blocks", "blocks of nakamoto's chain", 200, 50, 10_000, quick=100, whole=True),
    ),
    run=run,
)
