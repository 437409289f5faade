"""Many runs, each with faults of its own: crashes, loss, partitions and liars, all drawn from the seed.

The seed is the bug report: `schedule(protocol, seed)` is the whole run, and running it again shows the same failure.
Liars are at most as many as the protocol claims to bear; everything else may happen to anybody, several at once. It
all ends after `STORM_NS`, and then everything must be settled within the config's patience.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash, CutLink, Fault, Impair, Partition, Pause, SkewClock, SlowDisk, SlowLink
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import simulate

# Faults begin and end within this; the run goes on until the network has settled.
STORM_NS = 8 * SECOND
FAULTS_MAX = 6
_STREAM_SCHEDULE = 7
# Where equivocation is impossible or proves nothing (mining twice is only mining), liars keep silent or late.
_BEHAVIOURS = {"pbft": ("twins", "twins", "selective", "delay", "silent"), "nakamoto": ("selective", "delay", "silent")}


class Outcome(NamedTuple):
    """What one seed gave. `violations` are the report's."""

    seed: int
    agreed: bool
    height: int
    transactions: int
    digest: str
    violations: list[dict[str, Any]]


def random_schedule(seed: int, nodes: int) -> tuple[Fault, ...]:
    """Up to six faults within the storm. Raises ValueError if `nodes` is less than 2."""
    if nodes < 2:
        raise ValueError(f"faults need at least two nodes, not {nodes}")
    random = Random(seed, _STREAM_SCHEDULE)
    return tuple(_draw_fault(random, nodes) for _ in range(random.below(FAULTS_MAX + 1)))


def _draw_fault(random: Random, nodes: int) -> Fault:
    at = SECOND // 2 + random.below(STORM_NS - SECOND)
    lasting = 50 * MILLISECOND + random.below(STORM_NS - at - 50 * MILLISECOND)
    node, other = random.sample(range(nodes), 2)
    match random.below(12):
        case 0 | 1 | 2:
            return Crash(at, node, random.choice(("clean", "lose", "tear")), lasting)
        case 3 | 4:
            return Impair(at, lasting, random.below(300_000), random.below(100_000), random.below(200_000))
        case 5 | 6:
            return Partition(at, _draw_groups(random, nodes), lasting, one_way=random.chance(1, 3))
        case 7:
            return CutLink(at, node, other, lasting)
        case 8:
            return Pause(at, node, lasting)
        case 9:
            return SlowDisk(at, node, lasting, 50 * MILLISECOND)
        case 10:
            return SlowLink(at, node, other, lasting, SECOND)
        case _:
            return SkewClock(at, node, lasting, random.between(-3, 3) * SECOND)


def _draw_groups(random: Random, nodes: int) -> tuple[tuple[int, ...], ...]:
    order = random.sample(range(nodes), nodes)
    cut = 1 + random.below(nodes - 1)
    return tuple(sorted(order[:cut])), tuple(sorted(order[cut:]))


def with_faults(config: SimConfig) -> SimConfig:
    """The same run with faults and at most as many liars as its protocol bears, drawn from its seed.

    Raises ConfigError if there are less than two nodes."""
    if config.nodes < 2:
        raise ConfigError(f"nodes: {config.nodes}; accepted with faults are 2 and more")
    random = Random(config.seed, _STREAM_SCHEDULE + 2)
    duration = max(config.duration, STORM_NS)
    liars = _draw_liars(random, config.protocol, config.nodes)
    return replace(config, faults=random_schedule(config.seed, config.nodes), liars=liars, duration=duration)


def _draw_liars(random: Random, protocol: str, nodes: int) -> dict[int, LiarSpec]:
    return {
        node: LiarSpec(random.choice(_BEHAVIOURS[protocol])) for node in random.sample(range(nodes), (nodes - 1) // 3)
    }


def schedule(protocol: str, seed: int) -> SimConfig:
    """The run of this seed: mostly four nodes, sometimes seven; liars in two runs of three."""
    random = Random(seed, _STREAM_SCHEDULE + 1)
    nodes = 7 if random.chance(1, 8) else 4
    liars = _draw_liars(random, protocol, nodes) if random.chance(2, 3) else {}
    config = SimConfig(
        protocol=protocol,
        nodes=nodes,
        seed=seed,
        network=random.choice(("lan", "lan", "wan", "internet-2019")),
        accounts=40,
        workload=Workload(count=random.between(30, 100), interval=SECOND // 15, start=SECOND // 4, patience=2 * SECOND),
        faults=random_schedule(seed, nodes),
        liars=liars,
        duration=STORM_NS,
    )
    if protocol == "pbft":
        return replace(config, parameters={"view_timeout_ms": 500, "view_timeout_cap_ms": 8_000})
    return replace(config, parameters={"block_interval_s": 1}, settle=600 * SECOND)


def run_seed(protocol: str, seed: int) -> Outcome:
    """One run, start to end. An exception inside it (a broken invariant of ours) ends that run, not the campaign: it is
    reported as the violation that it is."""
    try:
        report = simulate(schedule(protocol, seed))
    except Exception as error:
        found = {"checker": "exception", "time_ms": -1, "node": -1, "detail": f"{type(error).__name__}: {error}"}
        return Outcome(seed, False, 0, 0, "", [found])
    return Outcome(seed, report.agreed, report.height, report.transactions, report.digest, report.violations)


def _run_job(job: tuple[str, int]) -> Outcome:
    return run_seed(*job)


def campaign(
    protocol: str, seeds: Iterable[int], *, jobs: int = 1, progress: Callable[[Outcome], None] | None = None
) -> list[Outcome]:
    """Run every seed, over `jobs` processes; `progress` hears of each as it ends, in order. Failures are kept, never
    retried."""
    work: Sequence[tuple[str, int]] = [(protocol, seed) for seed in seeds]
    outcomes: list[Outcome] = []

    def take(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome)

    if jobs <= 1:
        for job in work:
            take(_run_job(job))
        return outcomes
    with ProcessPoolExecutor(jobs) as pool:
        for outcome in pool.map(_run_job, work, chunksize=4):
            take(outcome)
    return outcomes
