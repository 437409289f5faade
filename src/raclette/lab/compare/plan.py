"""What is compared: the protocols, one workload, one network, and four cases that differ in one thing each.

*calm*: nothing goes wrong. *crash*: node 0, which leads first where somebody leads, is down for a third of the load.
*liar*: node 0 says one thing to some and another to others, as far as anybody knows how to in its protocol; where
nobody does, it runs twice with one key. *partition*: two halves do not hear each other for a third of the load.

Parameters are the protocols' defaults, but for those that the user sets: nothing is tuned to the network, because a
parameter that is right for one workload is wrong for the next. What follows from that stands in docs/compare.md. One
parameter follows the number of nodes, as f does elsewhere: how many seats work elects in `hybrid` (`fitted`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from raclette.lab.scenario.claims import too_many
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.protocols import PROTOCOLS
from raclette.protocols.committee import VALIDATORS_MAX
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
# Time after the load in which blocks may still become deep where depth makes them final, in times of what `depth`
# blocks take on average. Others run until what was sent is final, and no longer, because what idle nodes and miners
# say is not what a block of the log costs.
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
    faults: tuple[Fault, ...] = ()
    liars: dict[int, LiarSpec] = {}
    parameters = parameters_of(comparison, job.protocol)
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
        parameters=parameters,
        workload=Workload(count=comparison.seconds * comparison.rate, interval=SECOND // comparison.rate, start=start),
        faults=faults,
        liars=liars,
        duration=start + comparison.seconds * SECOND,
    )
    power = [1] * comparison.nodes
    return Case(config, too_many(job.protocol, liars, comparison.nodes, power, parameters))


def aftermath(comparison: Comparison) -> int:
    """Virtual ns that a run goes on after the load where blocks become final by depth."""
    return AFTERMATH * comparison.depth * MINING_INTERVAL_S * SECOND


def parameters_of(comparison: Comparison, protocol: str) -> dict[str, Any]:
    """What genesis says beside the protocol's defaults: what follows from the number of nodes, and what the user
    set."""
    put = comparison.parameters.get(protocol, {})
    return {**fitted(protocol, comparison.nodes, put), **put}


def fitted(protocol: str, nodes: int, put: Mapping[str, Any]) -> dict[str, Any]:
    """`hybrid`: the least `committee_size`, from its default on, with which one liar among `nodes` equal miners is
    within its claim; nothing if none is (one of four is too many for any), or if the user chose one.

    Elsewhere how many liars are borne follows from n alone. Work draws a committee's seats, so a small one has a third
    of liars too often, however few they are: eight seats in 5 % of the elections where one miner of ten takes as many
    blocks as withholding ever gives.
    """
    if protocol != "hybrid" or "committee_size" in put:
        return {}
    default = PROTOCOLS[protocol].parameters.model_fields["committee_size"].default
    for size in range(default, VALIDATORS_MAX + 1):
        choice = {"committee_size": size}
        if not too_many(protocol, (_LEADER,), nodes, [1] * nodes, {**put, **choice}):
            return choice
    return {}


def lie_in(protocol: str) -> str:
    """The equivocation that somebody taught the simulator for this protocol, or else twins."""
    spoken = LIARS["equivocate"].protocols
    return "equivocate" if not spoken or protocol in spoken else "twins"
