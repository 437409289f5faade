"""Runs of whole nodes from seeds, by swarm testing (Groce et al., ISSTA 2012).

First a seed draws which features its run may use: kinds of faults, kinds of liars, a network, a topology, a ledger, a
shape of the workload, protocol parameters off their defaults. Then it draws the run from these. Liars are at most as
many as the protocol claims to bear; everything else may happen to anybody, several at once. All faults end within the
storm, so that afterwards everything must settle.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from raclette.chain.presets import SAMPLE_BALANCE
from raclette.lab.hunt.nodes.schedule import NodeSchedule
from raclette.lab.scenario.claims import too_many
from raclette.ledgers.samples import SAMPLES
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols import find_protocol
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import (
    Churn,
    Crash,
    CutLink,
    DriftClock,
    Fault,
    FullDisk,
    Impair,
    Partition,
    Pause,
    SkewClock,
    SlowDisk,
    SlowLink,
)
from raclette.sim.liars import LIARS, LiarSpec, private_chain
from raclette.sim.liars.contract import LiarKind
from raclette.sim.models import internet_2019
from raclette.sim.topology import make_topology

_STREAM, _STREAM_LEDGER = 103, 105
STORM_MIN_NS, STORM_MAX_NS = 2 * SECOND, 6 * SECOND
# Where committees change as a chain of proof of work grows, a storm lasts over two or three of them, and each fault
# less than the blocks at which that chain is taken to be stable.
_ROTATING = ("hybrid",)
ROTATING_STORM_NS = (12 * SECOND, 20 * SECOND)
ROTATING_FAULT_NS = 3 * SECOND
# Percent of the hash power that liars own together there: few enough seats.
ROTATING_LIARS_PERCENT = 4
FAULTS_MAX = 7
MODES: tuple[Literal["clean", "lose", "tear"], ...] = ("clean", "lose", "tear")
# Clock errors stay below what protocols allow a block to be ahead (15 s).
SKEW_MAX_S = 6
# What runs are on. Half of them on the ledger that most mutants are about, and most tricks.
_LEDGERS = ("bank", "bank", "bank", "bank", "coins", "coins", "poll", "poll", "data")
# Liars who pay with accounts.
_BANKERS = (private_chain.NAME,)
# Receivers of one payment; tricks of clients on a ledger that is not the bank.
_OUTPUTS_MAX, _TRICKS_MAX = 5, 8
# Nodes where stakes weigh: protocols that draw by stake bear no liar among very few.
_WEIGHED_SIZES = (4, 5, 7, 7, 8, 10)
# What a run may or may not have, besides kinds of faults and of liars.
_FEATURES = (
    "observers",
    "sparse",
    "mischief",
    "poisson",
    "parameters",
    "slow-machines",
    "uneven-power",
    "late-load",
    "burst",
)


class Storm:
    """Draws within one run."""

    def __init__(self, random: Random, nodes: int, end: int, *, may_wipe: bool, longest: int = 0) -> None:
        """`longest` is the most ns that a fault lasts; 0: until the storm's end."""
        self.random, self.nodes, self.end, self.may_wipe = random, nodes, end, may_wipe
        self.longest = longest or end

    def window(self) -> tuple[int, int]:
        """(at, lasting), over before the storm's end."""
        at = SECOND // 4 + self.random.below(self.end - SECOND)
        return at, 50 * MILLISECOND + self.random.below(min(self.longest, self.end - at) - 50 * MILLISECOND)

    def node(self) -> int:
        """Anybody."""
        return self.random.below(self.nodes)

    def pair(self) -> list[int]:
        """Two different nodes."""
        return self.random.sample(range(self.nodes), 2)

    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Two parts of all nodes."""
        order = self.random.sample(range(self.nodes), self.nodes)
        cut = 1 + self.random.below(self.nodes - 1)
        return tuple(sorted(order[:cut])), tuple(sorted(order[cut:]))


def _crash(storm: Storm) -> Fault:
    at, lasting = storm.window()
    mode = storm.random.choice(MODES)
    return Crash(at, storm.node(), mode, lasting, wipe=storm.may_wipe and storm.random.chance(1, 4))


def _churn(storm: Storm) -> Fault:
    at, lasting = storm.window()
    return Churn(at, lasting, 200 * MILLISECOND + storm.random.below(SECOND), (storm.node(),))


def _partition(storm: Storm) -> Fault:
    at, lasting = storm.window()
    return Partition(at, storm.groups(), lasting, one_way=storm.random.chance(1, 3))


def _impair(storm: Storm) -> Fault:
    random = storm.random
    nodes = (storm.node(),) if random.chance(1, 3) else ()
    loss, duplicates, disorder = random.below(300_000), random.below(100_000), random.below(200_000)
    return Impair(*storm.window(), loss, duplicates, disorder, nodes=nodes)


def _cut_link(storm: Storm) -> Fault:
    at, lasting = storm.window()
    a, b = storm.pair()
    return CutLink(at, a, b, lasting)


def _slow_link(storm: Storm) -> Fault:
    at, lasting = storm.window()
    a, b = storm.pair()
    return SlowLink(at, a, b, lasting, 50 * MILLISECOND + storm.random.below(SECOND))


def _pause(storm: Storm) -> Fault:
    at, lasting = storm.window()
    return Pause(at, storm.node(), lasting)


def _skew_clock(storm: Storm) -> Fault:
    at, lasting = storm.window()
    return SkewClock(at, storm.node(), lasting, storm.random.between(-SKEW_MAX_S, SKEW_MAX_S) * SECOND)


def _drift_clock(storm: Storm) -> Fault:
    at, lasting = storm.window()
    return DriftClock(at, storm.node(), lasting, storm.random.between(-200_000, 200_000))


def _slow_disk(storm: Storm) -> Fault:
    at, lasting = storm.window()
    return SlowDisk(at, storm.node(), lasting, storm.random.choice((5, 50, 200)) * MILLISECOND)


def _full_disk(storm: Storm) -> Fault:
    at, lasting = storm.window()
    return FullDisk(at, storm.node(), lasting)


# Every kind of fault that can be drawn. A crash is as common as three others: it is what systems get wrong.
MAKERS: Mapping[str, Callable[[Storm], Fault]] = {
    "crash": _crash,
    "churn": _churn,
    "partition": _partition,
    "impair": _impair,
    "cut-link": _cut_link,
    "slow-link": _slow_link,
    "pause": _pause,
    "skew-clock": _skew_clock,
    "drift-clock": _drift_clock,
    "slow-disk": _slow_disk,
    "full-disk": _full_disk,
}


def draw_config(protocol: str, seed: int) -> NodeSchedule:
    """The run of this seed. Raises ConfigError for an unknown protocol."""
    entry = find_protocol(protocol)
    random = Random(seed, _STREAM)
    features = [feature for feature in _FEATURES if random.chance(1, 2)]
    rotates = protocol in _ROTATING
    mines = entry.seals and not rotates
    nodes = random.choice(_WEIGHED_SIZES if entry.enrolls else (3, 4, 5, 6, 8) if mines else (4, 4, 4, 4, 5, 7))
    end = random.between(*(ROTATING_STORM_NS if rotates else (STORM_MIN_NS, STORM_MAX_NS)))
    liars = _draw_liars(random, protocol, nodes)
    # Who loses its disk takes along what only it had executed: with other trouble around, that may be a payment.
    may_wipe = mines and not entry.enrolls and not liars
    storm = Storm(random, nodes, end, may_wipe=may_wipe, longest=ROTATING_FAULT_NS if rotates else 0)
    topology, degree = _draw_topology(random, nodes) if mines and "sparse" in features else ("full", 8)
    if not _is_joined(topology, degree, nodes, seed, liars):
        topology, degree = "full", 8
    config = SimConfig(
        protocol=protocol,
        nodes=nodes,
        observers=1 if "observers" in features and _may_observe(nodes, liars) else 0,
        seed=seed,
        network=random.choice(("lan", "lan", "wan", "internet-2019")),
        topology=topology,
        degree=degree,
        parameters=_draw_parameters(random, protocol, plain="parameters" not in features),
        # Where stakes weigh, each node has the account of its number.
        accounts=max(nodes if entry.enrolls else 0, random.choice((2, 5, 20))),
        workload=_draw_workload(random, features, end),
        faults=_draw_faults(storm),
        liars=liars,
        hash_shares=_draw_shares(random, nodes, liars) if mines and "uneven-power" in features else (),
        duration=end,
        settle=(600 if entry.seals else 120) * SECOND,
        fsync_us=random.choice((0, 200, 200, 5_000)),
        cpu_us=random.choice((20, 500)) if "slow-machines" in features else 0,
    )
    if protocol == "ballot" and liars:
        config = replace(config, balances=_poor_liars(config))
    if rotates and liars:
        config = replace(config, hash_shares=_few_seats(nodes, liars))
    return NodeSchedule(_with_ledger(config))


def _with_ledger(config: SimConfig) -> SimConfig:
    """The same run on a ledger of its own choice, with draws of their own: half of all runs keep the bank."""
    random = Random(config.seed, _STREAM_LEDGER)
    ledger = random.choice(_LEDGERS)
    if ledger == "bank" or any(spec.name in _BANKERS for spec in config.liars.values()):
        return config
    # Nobody else's bugs hide behind these tricks: there are always some.
    load = replace(config.workload, mischief=max(config.workload.mischief, random.between(1, _TRICKS_MAX)))
    if SAMPLES[ledger].splits and config.accounts > 1:
        load = replace(load, outputs=(1, random.between(1, min(_OUTPUTS_MAX, config.accounts - 1))))
    return replace(config, ledger=ledger, workload=load)


def _poor_liars(config: SimConfig) -> tuple[int, ...]:
    """Where the richest weigh many times as much, a claim about numbers of liars holds for the poorest."""
    return tuple(SAMPLE_BALANCE // 2 if node in config.liars else SAMPLE_BALANCE for node in range(config.accounts))


def with_faults(config: SimConfig) -> SimConfig:
    """The same run with faults and liars, drawn from its seed; it lasts at least as long as a storm may.

    Raises ConfigError if there are less than two nodes."""
    if config.nodes < 2:
        raise ConfigError(f"nodes: {config.nodes}; accepted with faults are 2 and more")
    random = Random(config.seed, _STREAM + 1)
    entry = find_protocol(config.protocol)
    liars = _draw_liars(random, config.protocol, config.nodes)
    duration = max(config.duration, STORM_MAX_NS)
    wipes = entry.seals and not entry.enrolls and config.protocol not in _ROTATING
    storm = Storm(random, config.nodes, duration, may_wipe=wipes)
    return replace(config, faults=_draw_faults(storm), liars=liars, duration=duration)


def _may_observe(nodes: int, liars: Mapping[int, LiarSpec]) -> bool:
    """May the last node be without a vote? The liars must not be more than the others bear without it."""
    return nodes > 4 and nodes - 1 not in liars and len(liars) <= (nodes - 2) // 3


def _draw_faults(storm: Storm) -> tuple[Fault, ...]:
    random = storm.random
    kinds = [kind for kind in MAKERS if random.chance(1, 2)]
    if not kinds:
        return ()
    count = random.below(FAULTS_MAX + 1)
    storm.may_wipe = storm.may_wipe and count == 1
    return tuple(MAKERS[random.choice(kinds)](storm) for _ in range(count))


def fitting_liars(protocol: str) -> list[LiarKind]:
    """Kinds that make sense for the protocol."""
    return [kind for _, kind in sorted(LIARS.items()) if not kind.protocols or protocol in kind.protocols]


def _draw_liars(random: Random, protocol: str, nodes: int) -> dict[int, LiarSpec]:
    """None in one run of three. Two kinds at a time at most, so that each does something."""
    kinds = random.sample(fitting_liars(protocol), 2)
    bound = (nodes - 1) // 3
    if find_protocol(protocol).enrolls:
        # Who is drawn by stake is not counted in thirds of the nodes.
        bound = max((count for count in range(nodes) if not too_many(protocol, range(count), nodes, ())), default=0)
    if not bound or random.chance(1, 3):
        return {}
    chosen = random.sample(range(nodes), random.between(1, bound))
    if 0 not in chosen and random.chance(1, 3):
        chosen[0] = 0  # where leaders change only when one fails, the first leads longest
    honest = [node for node in range(nodes) if node not in chosen]
    return {node: _draw_spec(random, random.choice(kinds), honest) for node in sorted(chosen)}


def _draw_spec(random: Random, kind: LiarKind, honest: list[int]) -> LiarSpec:
    """Mostly the defaults; sometimes a parameter between a quarter and four times its default. A victim is honest."""
    given: dict[str, Any] = {}
    for name, parameter in kind.parameters.items():
        if name == "victim":
            given[name] = random.choice(honest)
        elif random.chance(1, 3):
            low = max(parameter.lowest, parameter.default // 4)
            high = max(low, min(parameter.highest, 4 * parameter.default))
            given[name] = random.between(low, high)
    return LiarSpec.of(kind.name, **given)


def _draw_topology(random: Random, nodes: int) -> tuple[str, int]:
    if random.chance(1, 2) or nodes < 4:
        return "bitcoin", 8
    return "regular", 2 if nodes < 5 else random.choice((2, 4))


def _is_joined(topology: str, degree: int, nodes: int, seed: int, liars: Mapping[int, LiarSpec]) -> bool:
    """Are the honest nodes linked with each other without the liars' help? Nothing is promised otherwise."""
    graph = make_topology(topology, nodes, seed, degree, internet_2019().degree_per_1000)
    honest = [node for node in range(nodes) if node not in liars]
    reached = honest[:1]
    for node in reached:
        reached += [peer for peer in graph[node] if peer in honest and peer not in reached]
    return len(reached) == len(honest)


def _draw_shares(random: Random, nodes: int, liars: Mapping[int, LiarSpec]) -> tuple[int, ...]:
    """Uneven, and liars together below a third."""
    shares = [random.between(1, 10) for _ in range(nodes)]
    honest = sum(share for node, share in enumerate(shares) if node not in liars)
    for node in liars:
        shares[node] = max(1, min(shares[node], honest // (2 * len(liars)) - 1))
    return tuple(shares)


def _few_seats(nodes: int, liars: Mapping[int, LiarSpec]) -> tuple[int, ...]:
    """Seats are won by work: what a claim says of thirds of the nodes holds if liars win next to none."""
    honest = nodes - len(liars)
    theirs = max(1, ROTATING_LIARS_PERCENT * honest // len(liars))
    return tuple(theirs if node in liars else 100 for node in range(nodes))


def _draw_workload(random: Random, features: list[str], end: int) -> Workload:
    burst = "burst" in features
    count = random.choice((10, 25, 40) if burst else (3, 10, 10, 25, 40))
    start = end // 2 if "late-load" in features else SECOND // 4
    # Blocks of one transaction hide what goes wrong between two: now and then all come within a few blocks, or one.
    spread = (count + 1) * (random.choice((20, 1_000)) if burst else 1)
    return Workload(
        count=count,
        interval=max(MILLISECOND, (end - start) // spread),
        start=start,
        patience=random.choice((1, 2, 3)) * SECOND,
        poisson="poisson" in features,
        values=random.choice(("uniform", "fixed", "pareto")),
        mischief=random.between(1, 6) if "mischief" in features else 0,
    )


def _draw_parameters(random: Random, protocol: str, *, plain: bool) -> dict[str, Any]:
    """What makes a run short; and with `plain` off, everything else that genesis may say."""
    draw = _PARAMETERS.get(protocol)
    return draw(random, plain) if draw is not None else {}


def _pbft(random: Random, plain: bool) -> dict[str, Any]:
    timeout = random.choice((200, 500, 1_000))
    given: dict[str, Any] = {"view_timeout_ms": timeout, "view_timeout_cap_ms": timeout * 8}
    if not plain:
        interval = random.choice((1, 2, 4))
        given |= {
            "checkpoint_interval": interval,
            "window": max(2, interval * random.choice((2, 4))),
            "pipeline": random.choice((1, 2, 8)),
            "batch_delay_ms": random.choice((0, 5, 50)),
        }
    return given


def _simplex(random: Random, plain: bool) -> dict[str, Any]:
    delta = random.choice((70, 170, 330))
    given: dict[str, Any] = {"delta_ms": delta, "delta_cap_ms": delta * 8}
    if not plain:
        given["window"] = random.choice((4, 16, 64))
    return given


def _senate(random: Random, plain: bool) -> dict[str, Any]:
    timeout = random.choice((500, 1_000))
    # So many seats that a sixth of the stake never draws a third of them.
    given: dict[str, Any] = {"seats": 1_024, "round_timeout_ms": timeout, "round_timeout_cap_ms": timeout * 4}
    given["entry_window_ms"] = timeout // 5
    if not plain:
        given |= {
            "malicious": random.choice((-1, 200)),
            "entry_window_ms": random.choice((1, 50, timeout // 2)),
            "idle_interval_ms": random.choice((0, 1_000)),
        }
    return given


def _ballot(random: Random, plain: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"quorum": random.choice(("1/3", "2/3")), "block_interval_s": 1, "window_ms": 500}
    given |= {"claim_bound_ms": 200, "time_refresh_ms": 200, "round_ms": 500, "round_cap_ms": 4_000}
    if not plain:
        given |= {"window_ms": random.choice((200, 1_000)), "candidates": random.choice((2, 10))}
    return given


def _nakamoto(random: Random, plain: bool) -> dict[str, Any]:
    given: dict[str, Any] = {"block_interval_s": 1, "half_life_s": 60}
    if not plain:
        given |= {
            "fork_choice": random.choice(("heaviest", "ghost")),
            "difficulty_rule": random.choice(("fixed", "asert")),
            "half_life_s": random.choice((10, 60, 300)),
            "refresh_ms": random.choice((50, 1_000)),
            "time_refresh_ms": random.choice((500, 5_000)),
            "halving_interval": random.choice((4, 2_100)),
        }
    return given


def _hybrid(random: Random, plain: bool) -> dict[str, Any]:
    timeout = random.choice((500, 1_000))
    given: dict[str, Any] = {"inner": random.choice(("pbft", "simplex")), "timeout_ms": timeout}
    given |= {"block_interval_s": 1, "committee_size": 5, "stable_depth": 6, "patience": 10, "freshness": 20}
    if not plain:
        stable = random.between(5, 8)
        given |= {
            "committee_size": random.between(3, 7),
            "stable_depth": stable,
            "patience": random.between(8, 12),
            "fruits": random.choice((0, 0, 2)),
            "freshness": random.choice((2, 4)) * stable,
            "complain_ms": random.choice((2_000, 20_000)),
            "half_life_s": random.choice((60, 300)),
        }
    return given


_PARAMETERS: Mapping[str, Callable[[Random, bool], dict[str, Any]]] = {
    "pbft": _pbft,
    "nakamoto": _nakamoto,
    "hybrid": _hybrid,
    "senate": _senate,
    "ballot": _ballot,
    "simplex": _simplex,
}
