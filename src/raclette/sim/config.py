"""What a simulation is: protocol, ledger, network, workload, faults, liars, and when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raclette.chain.genesis import CHAIN_ID_DEFAULT, Genesis, even_alloc
from raclette.chain.presets import SAMPLE_ACCOUNTS, SAMPLE_BALANCE
from raclette.chain.roll import with_nodes
from raclette.ledgers import LEDGERS
from raclette.ledgers.samples import ONE_OUTPUT, check_outputs, sample_parameters
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.units import HOUR, SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim import fixed
from raclette.sim.faults import Fault
from raclette.sim.liars import LiarSpec, find_liar
from raclette.sim.liars.private_chain import purses
from raclette.sim.mischief import accounts_of, prepare
from raclette.sim.models import NetworkSpec

# Virtual time 0 on every clock: a date after which nothing in the formats changes (14 November 2023).
EPOCH_S = 1_700_000_000
# Whole nodes in one process cost about 20 MB each; thousands are for the engine fidelity.
NODES_MAX = 1_000
# What a simulated proof-of-work chain starts from: expected hashes of a block, and the seconds it should take.
MINING_DIFFICULTY = 1 << 24
MINING_INTERVAL_S = 5
_STREAM_ARRIVALS, _STREAM_AMOUNTS = 9, 10
# The smallest amount of a Pareto workload is this part of the largest.
_PARETO_SPAN = 1_000


@dataclass(frozen=True, slots=True)
class Workload:
    """`count` signed transactions of the sample accounts from `start` on, handed to the nodes in turn: one every
    `interval` ns, or as a Poisson process with that mean interval. What they do depends on the ledger
    (`ledgers.samples`). What is not executed after `patience` ns goes to the next node too, as a client would do.

    Where money moves, it is 1 to `value_max` each: drawn "uniform", "fixed" (all the most) or "pareto" (shape 1.16,
    the 80/20 law; most are small); where one payment can have several receivers, `outputs` are the least and the most
    of them. `mischief` is how many tricks clients who mean harm play beside them (`sim.mischief`), with accounts of
    their own."""

    count: int = 100
    interval: int = SECOND // 20
    start: int = SECOND
    patience: int = 3 * SECOND
    poisson: bool = False
    values: str = "uniform"
    value_max: int = 1_000_000
    mischief: int = 0
    outputs: tuple[int, int] = ONE_OUTPUT

    def times(self, seed: int) -> list[int]:
        """Virtual time of each first submission, ascending."""
        if not self.poisson:
            return [self.start + number * self.interval for number in range(self.count)]
        random, time, times = Random(seed, _STREAM_ARRIVALS), self.start, []
        for _ in range(self.count):
            time += 1 + fixed.exponential(self.interval, random.next64())
            times.append(time)
        return times

    def end(self, seed: int) -> int:
        """When the schedule is over."""
        times = self.times(seed)
        return times[-1] + self.interval if times else self.start

    def amounts(self, seed: int) -> list[int]:
        """Wei of each transfer; empty for uniform ones, which are drawn with their receivers."""
        random = Random(seed, _STREAM_AMOUNTS)
        if self.values == "fixed":
            return [self.value_max] * self.count
        if self.values == "pareto":
            scale = max(1, self.value_max // _PARETO_SPAN)
            return [min(self.value_max, fixed.pareto(scale, 116, 100, random.next64())) for _ in range(self.count)]
        return []


@dataclass(frozen=True)
class SimConfig:
    """Everything that a run depends on: the same config gives the same trace, anywhere.

    `network` is a name or a spec for `models.make_model`, `topology` a name for `topology.make_topology`; `parameters`
    go to genesis' `config.protocol` (where `validators` may be how many of the first nodes); the last `observers` of
    the `nodes` only follow; `liars` maps node numbers to lies; `hash_shares` is the relative hash power of each node
    (if empty, equal for all that mine), `balances` the wei of each sample account (if empty, equal). `checkers` are the
    names of those that watch (if empty, all that apply).

    The run lasts `duration` ns at least; with `blocks` (or `final_blocks`) it goes on until every honest node's head
    (or final block) has that height, but `limit` ns at most, and then until everything has settled, but `settle` ns
    more at most. With `real_keys` nodes sign with Ed25519. `beyond`: more liars than the protocol claims to bear are
    meant to be there; it changes nothing in the run and everything about what it proves.
    """

    protocol: str = "pbft"
    ledger: str = "bank"
    nodes: int = 4
    observers: int = 0
    seed: int = 1
    network: str | NetworkSpec = "lan"
    topology: str = "full"
    degree: int = 8
    parameters: Mapping[str, Any] = field(default_factory=dict)
    accounts: int = 100
    balances: tuple[int, ...] = ()
    workload: Workload = Workload()
    faults: tuple[Fault, ...] = ()
    liars: Mapping[int, LiarSpec] = field(default_factory=dict)
    hash_shares: tuple[int, ...] = ()
    checkers: tuple[str, ...] = ()
    duration: int = 10 * SECOND
    blocks: int = 0
    final_blocks: int = 0
    limit: int = HOUR
    settle: int = 120 * SECOND
    fsync_us: int = 200
    cpu_us: int = 0
    real_keys: bool = False
    beyond: bool = False

    def validate(self) -> None:
        """Raises ConfigError that names the field and what is accepted."""
        if self.protocol not in PROTOCOLS:
            raise ConfigError(f"protocol: {self.protocol!r} is unknown; accepted are {', '.join(PROTOCOLS)}")
        if self.ledger not in LEDGERS:
            raise ConfigError(f"ledger: {self.ledger!r} is unknown; accepted are {', '.join(LEDGERS)}")
        if not 1 <= self.nodes <= NODES_MAX:
            raise ConfigError(f"nodes: {self.nodes}; accepted are 1 to {NODES_MAX}")
        if not 0 <= self.observers < self.nodes:
            raise ConfigError(f"observers: {self.observers}; accepted are 0 to {self.nodes - 1}")
        if not 1 <= self.accounts <= SAMPLE_ACCOUNTS:
            raise ConfigError(f"accounts: {self.accounts}; accepted are 1 to {SAMPLE_ACCOUNTS}")
        for node, behaviour in self.liars.items():
            if not 0 <= node < self.nodes:
                raise ConfigError(f"liars: there is no node {node}; accepted are 0 to {self.nodes - 1}")
            kind = find_liar(behaviour.name, self.protocol, f"liars.{node}")
            kind.read(dict(behaviour.parameters), f"liars.{node}")
        if self.hash_shares and (len(self.hash_shares) != self.nodes or min(self.hash_shares) < 0):
            raise ConfigError(f"hash_shares: accepted is one share of at least 0 for each of the {self.nodes} nodes")
        voters = self.parameters.get("validators")
        if isinstance(voters, int) and not 1 <= voters <= self.nodes - self.observers:
            raise ConfigError(f"parameters.validators: {voters}; accepted are 1 to {self.nodes - self.observers}")
        check_outputs(self.ledger, self.workload.outputs)
        tricks_max = (SAMPLE_ACCOUNTS - self.accounts) // accounts_of(1)
        if not 0 <= self.workload.mischief <= tricks_max:
            raise ConfigError(f"workload.mischief: {self.workload.mischief}; accepted are 0 to {tricks_max}")
        if self.balances and (len(self.balances) != self.accounts or min(self.balances) < 0):
            raise ConfigError(f"balances: accepted is one of at least 0 for each of the {self.accounts} accounts")
        for name, wanted in (("blocks", self.blocks), ("final_blocks", self.final_blocks)):
            if wanted < 0:
                raise ConfigError(f"{name}: {wanted}; accepted are 0 and more")


def protocol_parameters(config: SimConfig, ids: list[bytes]) -> dict[str, Any]:
    """Genesis' `config.protocol` for nodes with these ids: what the config says over what a simulation needs. A number
    of `validators` stands for that many of the first nodes."""
    parameters = dict(config.parameters)
    defaults: dict[str, Any] = {}
    if "validators" in PROTOCOLS[config.protocol].parameters.model_fields:
        first = config.nodes - config.observers
        if isinstance(parameters.get("validators"), int):
            first = parameters.pop("validators")
        defaults["validators"] = ["0x" + node_id.hex() for node_id in ids[:first]]
    if PROTOCOLS[config.protocol].seals:
        defaults["initial_difficulty"] = MINING_DIFFICULTY
        defaults["block_interval_s"] = MINING_INTERVAL_S
    return defaults | parameters


def make_alloc(config: SimConfig) -> dict[str, Any]:
    """Genesis' `alloc`: the sample accounts with what the config gives each, mischief's, and attackers' purses."""
    alloc = even_alloc(config.accounts + accounts_of(config.workload.mischief), SAMPLE_BALANCE)
    for entry, balance in zip(alloc.values(), config.balances, strict=False):
        entry["balance"] = str(balance)
    return alloc | purses(config.liars)


def make_ledger_parameters(config: SimConfig) -> dict[str, Any]:
    """Genesis' `config.ledger`: what the clients need, honest or not."""
    parameters = sample_parameters(config.ledger, config.accounts, config.workload.count)
    return prepare(config.ledger, parameters) if config.workload.mischief else parameters


def make_genesis(config: SimConfig, ids: list[bytes]) -> Genesis:
    """The chain of this run. Where votes are weighed, account number i is that of node i."""
    voters = ids[: config.nodes - config.observers]
    return Genesis(
        protocol=config.protocol,
        ledger=config.ledger,
        chain_id=CHAIN_ID_DEFAULT,
        protocol_parameters=protocol_parameters(config, ids),
        ledger_parameters=make_ledger_parameters(config),
        alloc=with_nodes(make_alloc(config), voters) if PROTOCOLS[config.protocol].enrolls else make_alloc(config),
        timestamp=EPOCH_S,
    )


def hash_power(config: SimConfig, genesis: Genesis) -> list[int]:
    """Hashes a second of each miner: equal, and together a block every `block_interval_s` at the initial difficulty."""
    if not PROTOCOLS[config.protocol].seals:
        return [0] * config.nodes
    parameters = genesis.protocol_parameters
    total = int(parameters["initial_difficulty"]) // int(parameters["block_interval_s"])
    miners = config.nodes - config.observers
    shares = config.hash_shares or (1,) * miners + (0,) * config.observers
    whole = max(1, sum(shares))
    return [max(1, total * share // whole) if share else 0 for share in shares]
