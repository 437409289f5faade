"""What is compared: the protocols, one workload, one network, and four cases that differ in one thing each.

*calm*: nothing goes wrong. *crash*: node 0, which leads first where somebody leads, is down for a third of the load.
*liar*: node 0 says one thing to some and another to others, as far as anybody knows how to in its protocol; where
nobody does, it runs twice with one key. *partition*: two halves do not hear each other for a third of the load.

Parameters are the protocols' defaults, but for those that the user sets: nothing is tuned to the network, because a
parameter that is right for one workload is wrong for the next. What follows from that stands in docs/compare.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raclette.lab.scenario.claims import too_many
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.protocols import PROTOCOLS, find_protocol
from raclette.sim.config import MINING_INTERVAL_S, NODES_MAX, SimConfig, Workload
from raclette.sim.faults import Crash, Fault, Partition
from raclette.sim.liars import LIARS, LiarSpec

# Nodes: the fewest of which one liar is within every protocol's claim (a ninth of the weight for ballot).
NODES_DEFAULT = 10
# Load, in virtual time: long enough for a few blocks of proof of work in each third.
SECONDS_DEFAULT = 60
# Transactions per virtual second: far below what any of them carries, so that latency is the protocol's own.
RATE_DEFAULT = 2
# Depth at which a block of proof of work is called final here: Bitcoin's habit.
DEPTH_DEFAULT = 6
# Time after the load in which blocks of proof of work may still become deep, in times of what `depth` blocks take on
# average. Others run until what was sent is final, and no longer, because idle nodes greet each other and that is not
# what a block costs.
AFTERMATH = 3
CASES: Mapping[str, str] = {
    "calm": "nothing goes wrong",
    "crash": "node 0, the first leader, is down for a third of the load",
    "liar": "node 0 equivocates (where nobody knows how to, it runs twice with one key)",
    "partition": "two halves do not hear each other for a third of the load",
}
_LEADER = 0


@dataclass(frozen=True)
class Comparison:
    """`seconds` and `rate` are the load's; `depth` is when a block counts as final in protocols without finality;
    `parameters` maps protocols to what genesis says beside their defaults."""

    protocols: Sequence[str] = tuple(PROTOCOLS)
    nodes: int = NODES_DEFAULT
    network: str = "wan"
    seeds: int = 3
    first_seed: int = 1
    seconds: int = SECONDS_DEFAULT
    rate: int = RATE_DEFAULT
    depth: int = DEPTH_DEFAULT
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def validate(self) -> None:
        """Raises ConfigError that names the option and what is accepted."""
        for name in (*self.protocols, *self.parameters):
            if name not in PROTOCOLS:
                raise ConfigError(f"protocols: {name!r} is unknown; accepted are {', '.join(PROTOCOLS)}")
        if not self.protocols or len(set(self.protocols)) != len(self.protocols):
            raise ConfigError("protocols: accepted is a list of different names, one at least")
        limits = {
            "nodes": (self.nodes, 4, NODES_MAX),
            "seeds": (self.seeds, 1, 1_000),
            "seconds": (self.seconds, 3, 3_600),
            "rate": (self.rate, 1, 1_000),
            "depth": (self.depth, 1, 1_000),
        }
        for name, (value, low, high) in limits.items():
            if not low <= value <= high:
                raise ConfigError(f"{name}: {value}; accepted are {low} to {high}")


@dataclass(frozen=True)
class Case:
    """One run's trouble: `config` is the whole run, `beyond` says what is more than the protocol claims to bear."""

    config: SimConfig
    beyond: str


@dataclass(frozen=True)
class Job:
    """One run: a protocol in a case under a seed."""

    protocol: str
    case: str
    seed: int


def jobs_of(comparison: Comparison) -> Iterator[Job]:
    """Every run, protocol by protocol. Raises ConfigError."""
    comparison.validate()
    for protocol in comparison.protocols:
        for case in CASES:
            for seed in range(comparison.first_seed, comparison.first_seed + comparison.seeds):
                yield Job(protocol, case, seed)


def case_of(comparison: Comparison, job: Job) -> Case:
    """The run of a job."""
    third = comparison.seconds * SECOND // 3
    start = SECOND
    aftermath = AFTERMATH * comparison.depth * MINING_INTERVAL_S if find_protocol(job.protocol).seals else 0
    faults: tuple[Fault, ...] = ()
    liars: dict[int, LiarSpec] = {}
    if job.case == "crash":
        faults = (Crash(start + third, _LEADER, lasting=third),)
    elif job.case == "partition":
        half = comparison.nodes // 2
        groups = (tuple(range(half)), tuple(range(half, comparison.nodes)))
        faults = (Partition(start + third, groups, third),)
    elif job.case == "liar":
        liars = {_LEADER: LiarSpec(lie_in(job.protocol))}
    config = SimConfig(
        protocol=job.protocol,
        nodes=comparison.nodes,
        seed=job.seed,
        network=comparison.network,
        parameters=comparison.parameters.get(job.protocol, {}),
        workload=Workload(count=comparison.seconds * comparison.rate, interval=SECOND // comparison.rate, start=start),
        faults=faults,
        liars=liars,
        duration=start + (comparison.seconds + aftermath) * SECOND,
    )
    power, parameters = [1] * comparison.nodes, comparison.parameters.get(job.protocol, {})
    return Case(config, too_many(job.protocol, liars, comparison.nodes, power, parameters))


def lie_in(protocol: str) -> str:
    """The equivocation that somebody taught the simulator for this protocol, or else twins."""
    spoken = LIARS["equivocate"].protocols
    return "equivocate" if not spoken or protocol in spoken else "twins"
