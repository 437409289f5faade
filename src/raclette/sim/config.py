"""What a simulation is: protocol, ledger, network, workload, faults, liars, and when it ends."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from raclette.chain.genesis import CHAIN_ID_DEFAULT, Genesis, even_alloc
from raclette.chain.presets import SAMPLE_ACCOUNTS, SAMPLE_BALANCE
from raclette.ledgers import LEDGERS
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim.faults import Fault
from raclette.sim.liars import LiarSpec, find_liar

# Virtual time 0 on every clock: a date after which nothing in the formats changes (14 November 2023).
EPOCH_S = 1_700_000_000
# Whole nodes in one process cost about 20 MB each; thousands are for the engine fidelity.
NODES_MAX = 1_000
# What a simulated proof-of-work chain starts from: expected hashes of a block, and the seconds it should take.
MINING_DIFFICULTY = 1 << 24
MINING_INTERVAL_S = 5


@dataclass(frozen=True, slots=True)
class Workload:
    """`count` signed transfers between the sample accounts, one every `interval` ns from `start` on, handed to the
    nodes in turn. What is not executed after `patience` ns goes to the next node too, as a client would do."""

    count: int = 100
    interval: int = SECOND // 20
    start: int = SECOND
    patience: int = 3 * SECOND

    @property
    def end(self) -> int:
        """Virtual time of the last first submission."""
        return self.start + self.interval * self.count


@dataclass(frozen=True)
class SimConfig:
    """Everything that a run depends on: the same config gives the same trace, anywhere.

    `network` is a name for `models.make_model`, `topology` one for `topology.make_topology`; `parameters` go to
    genesis' `config.protocol`; the last `observers` of the `nodes` only follow; `liars` maps node numbers to lies;
    `hash_shares` is the relative hash power of each node (if empty, equal for all that mine). The run lasts `duration`
    ns at least, then until everything has settled, but `settle` ns more at most.
    With `real_keys` nodes sign with Ed25519.
    """

    protocol: str = "pbft"
    ledger: str = "bank"
    nodes: int = 4
    observers: int = 0
    seed: int = 1
    network: str = "lan"
    topology: str = "full"
    degree: int = 8
    parameters: Mapping[str, Any] = field(default_factory=dict)
    accounts: int = 100
    workload: Workload = Workload()
    faults: tuple[Fault, ...] = ()
    liars: Mapping[int, LiarSpec] = field(default_factory=dict)
    hash_shares: tuple[int, ...] = ()
    duration: int = 10 * SECOND
    settle: int = 120 * SECOND
    fsync_us: int = 200
    cpu_us: int = 0
    real_keys: bool = False

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


def protocol_parameters(config: SimConfig, ids: list[bytes]) -> dict[str, Any]:
    """Genesis' `config.protocol` for nodes with these ids: what the config says over what a simulation needs."""
    defaults: dict[str, Any] = {}
    if config.protocol == "pbft":
        defaults["validators"] = ["0x" + node_id.hex() for node_id in ids[: config.nodes - config.observers]]
    elif PROTOCOLS[config.protocol].seals:
        defaults["initial_difficulty"] = MINING_DIFFICULTY
        defaults["block_interval_s"] = MINING_INTERVAL_S
    return defaults | dict(config.parameters)


def make_genesis(config: SimConfig, ids: list[bytes]) -> Genesis:
    """The chain of this run."""
    return Genesis(
        protocol=config.protocol,
        ledger=config.ledger,
        chain_id=CHAIN_ID_DEFAULT,
        protocol_parameters=protocol_parameters(config, ids),
        alloc=even_alloc(config.accounts, SAMPLE_BALANCE),
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
