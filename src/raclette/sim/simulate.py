"""A whole run: make the world that a config describes, let it run until it has settled, and report."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from raclette.chain.genesis import Genesis
from raclette.chain.ledger import Transaction
from raclette.ledgers import ledger_of
from raclette.ledgers.samples import Demand, sample_transactions
from raclette.node.host import HostedNode
from raclette.node.memo import DecodeMemo
from raclette.node.node import Node, NodeConfig
from raclette.node.view import NodeView
from raclette.primitives.errors import ConfigError, Misuse
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Ed25519Signer, Ed25519Verifier, Signer
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim.checkers import Accountability, Checker, Subject, Violation, make_checkers, watch
from raclette.sim.config import EPOCH_S, SimConfig, hash_power, make_genesis
from raclette.sim.faults import plan_faults, quiet_from
from raclette.sim.host import Host
from raclette.sim.liars import LiarSpec, Scene, make_liar
from raclette.sim.liars.private_chain import SIGNED
from raclette.sim.log import Entry, EventLog
from raclette.sim.mischief import Mischief
from raclette.sim.models import internet_2019, make_model
from raclette.sim.record import Order, Recorder, RunRecord, stretch_of
from raclette.sim.replay import Replayer
from raclette.sim.revenue import Revenue
from raclette.sim.topology import make_topology
from raclette.sim.workload import Clients
from raclette.sim.world import World, WorldSetup, make_seal, make_signatures, node_ids
from raclette.store.memory import MemoryStore

# How often it is looked whether everything has settled. Looking leaves no trace.
LOOK_NS = 100 * MILLISECOND
_STREAM_LIARS = 4


@dataclass(frozen=True)
class SimReport:
    """What a run gave. Only virtual quantities: the same config gives the same report, byte for byte.

    `agreed`: all honest living nodes have the same head (final, where the protocol makes blocks final), every
    transaction is executed, and no checker found anything. `evidence`: the most proofs of guilt at one node. `beyond`:
    there were more liars than the protocol claims to bear, on purpose. `verdict`: who is to blame for a fork, or why
    nobody can be named; empty without one. `attack`: what liars earned, where blocks are mined (see `revenue`).
    `digest` is over every event of the run. Times in ms.
    """

    protocol: str
    ledger: str
    nodes: int
    seed: int
    network: str
    fidelity: str
    agreed: bool
    height: int
    head: str
    state_root: str
    digest: str
    violations: list[dict[str, Any]]
    sometimes: dict[str, bool]
    transactions: int
    submitted: int
    events: int
    virtual_ms: int
    events_per_virtual_s: int
    p50_ms: float
    p99_ms: float
    messages: dict[str, int]
    bytes: dict[str, int]
    lost: dict[str, int]
    refused: dict[str, int] = field(default_factory=dict)
    misbehaved: dict[str, int] = field(default_factory=dict)
    crashes: int = 0
    evidence: int = 0
    liars: dict[str, str] = field(default_factory=dict)
    beyond: bool = False
    verdict: str = ""
    attack: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-able, in a fixed order."""
        return asdict(self)

    def to_text(self) -> str:
        """As one line of JSON."""
        return json.dumps(self.to_json())


def view_of(host: Host) -> NodeView:
    """The read side of an honest node. Raises Misuse for a host that runs something else."""
    if not isinstance(host.node, Node):
        raise Misuse(f"node {host.index} is no whole node")
    return host.node.view


class Simulation:
    """A world of whole nodes with its clients and checkers. `run` it once; look at `world` before or after.

    With `record` it keeps a `RunRecord` (see there), which is complete when `run` returns.
    """

    def __init__(self, config: SimConfig, log: Callable[[Entry], None] | None = None, *, record: bool = False) -> None:
        """`log` gets every entry of the event log. Raises ConfigError."""
        config.validate()
        self.config = config
        self._signers = make_signers(config)
        ids = [signer.public_key for signer in self._signers]
        self.genesis: Genesis = make_genesis(config, ids)
        self._stores: dict[tuple[int, str], MemoryStore] = {}
        self._plots: dict[LiarSpec, dict[str, Any]] = {}
        setup = WorldSetup(
            graph=make_topology(
                config.topology, config.nodes, config.seed, config.degree, internet_2019().degree_per_1000
            ),
            seed=config.seed,
            model=make_model(config.network, config.nodes, config.seed),
            epoch=EPOCH_S * SECOND,
            fsync=config.fsync_us * 1000,
            cpu_per_event=config.cpu_us * 1000,
            hash_power=hash_power(config, self.genesis),
        )
        self.world = World(setup, self._make, Ed25519Verifier() if config.real_keys else None)
        for index in config.liars:
            self.world.hosts[index].honest = False
        ledger = ledger_of(self.genesis)
        decode = DecodeMemo(ledger.decode)
        if log is not None:
            EventLog(self.world, log)
        self.clients = Clients(self.world, config.workload, self._transactions(decode), view_of)
        self.mischief = Mischief(
            self.world,
            decode,
            self.genesis,
            count=config.workload.mischief,
            first=config.accounts,
            start=config.workload.start,
            lasting=config.duration,
        )
        plan_faults(self.world, config.faults)
        reward = self._any_honest().engine.reward
        replayer = Replayer(self.genesis, ledger, reward, decode)
        subject = Subject(config, self.genesis, view_of, replayer, self._sent, self.missing)
        self.checkers = choose_checkers(make_checkers(subject), config.checkers)
        watch(self.world, self.checkers)
        self._revenue = Revenue(subject, self._plots) if config.liars and PROTOCOLS[config.protocol].seals else None
        if self._revenue is not None:
            self.world.observers.append(self._revenue)
        self._recorder = self._make_recorder() if record else None

    @property
    def record(self) -> RunRecord | None:
        """What has been recorded so far; None unless asked for."""
        return self._recorder.record if self._recorder is not None else None

    def run(self) -> SimReport:
        """Until everything has settled, or the config's patience ends."""
        for _ in self.steps():
            pass
        return self.finish()

    def steps(self) -> Iterator[None]:
        """The run, slice by slice of at most `LOOK_NS`, for those who want to look on; `finish` it afterwards."""
        config, world = self.config, self.world
        start = max(config.duration, quiet_from(config.faults), config.workload.end(config.seed), self.mischief.end)
        if config.blocks or config.final_blocks:
            while world.kernel.now < config.limit and (world.kernel.now < start or self._too_low()):
                self._run_on(world.kernel.now + LOOK_NS)
                yield
            start = world.kernel.now
        while world.kernel.now < start or (world.kernel.now < start + config.settle and self.missing(world)):
            horizon = world.kernel.now + LOOK_NS
            self._run_on(min(horizon, start) if world.kernel.now < start else horizon)
            yield

    def finish(self) -> SimReport:
        """The checkers' last word, the rest of the record, and the report."""
        for checker in self.checkers:
            checker.finish(self.world)
        if self._recorder is not None:
            self._recorder.finish(Order(*span) for span in self.clients.spans())
        return self._report()

    def _run_on(self, horizon: int) -> None:
        self.world.run_until(horizon)
        for checker in self.checkers:
            checker.look(self.world)

    def _too_low(self) -> str:
        """Which height that the config asks for is not reached yet; empty if all are."""
        views = [view_of(host) for host in self.world.hosts if host.honest and host.alive]
        head = min((view.head.number for view in views), default=0)
        final = min((view.finalized.number for view in views), default=0)
        if head < self.config.blocks:
            return f"height {head} of {self.config.blocks} is reached"
        return f"height {final} of {self.config.final_blocks} is final" if final < self.config.final_blocks else ""

    def _sent(self, raw: bytes) -> bool:
        """Did anybody sign this transaction for this chain?"""
        attackers = any(raw in plot.get(SIGNED, ()) for plot in self._plots.values())
        return self.clients.sent(raw) or self.mischief.lawful(raw) or attackers

    def missing(self, world: World) -> str:
        """What still keeps the run from being settled; empty if nothing does."""
        hosts = [host for host in world.hosts if host.honest]
        dead = [host.index for host in hosts if not host.alive]
        if dead:
            return f"nodes {dead} are down"
        low = self._too_low()
        if low:
            return f"only {low}"
        if self.clients.waiting:
            return f"{self.clients.waiting} transactions are not executed"
        heads = {view_of(host).head.hash for host in hosts}
        if len(heads) > 1:
            return f"{len(heads)} different heads"
        view = view_of(hosts[0])
        if self._any_honest().engine.needs_certificate and any(
            view_of(h).finalized.hash != view.head.hash for h in hosts
        ):
            return "the head is not final everywhere"
        executed: set[bytes] = set()
        header = view.head
        while header.number:
            block, parent = view.block(header.hash), view.header(header.parent_hash)
            if block is None or parent is None:
                return f"height {header.number} is incomplete"
            executed.update(block.transactions)
            header = parent
        lost = self.clients.missing_in(executed)
        return f"{lost} transactions fell out of the chain" if lost else ""

    # Making nodes

    def _make(self, index: int, store: MemoryStore) -> HostedNode:
        behaviour = self.config.liars.get(index)
        if behaviour is None:
            return self._make_honest(index, store)

        def make(disk: str) -> HostedNode:
            if not disk:
                return self._make_honest(index, store)
            own = self._stores.setdefault((index, disk), MemoryStore())
            return self._make_honest(index, own)

        return make_liar(behaviour, self._scene(behaviour, index, make))

    def _scene(self, behaviour: LiarSpec, index: int, make: Callable[[str], HostedNode]) -> Scene:
        """Those with the same lie are one plot."""
        return Scene(
            make=make,
            index=index,
            ids=[signer.public_key for signer in self._signers],
            signer=self._signers[index],
            protocol=self.config.protocol,
            random=Random(self.config.seed, _STREAM_LIARS << 24 | index),
            accomplices=tuple(i for i in sorted(self.config.liars) if self.config.liars[i] == behaviour),
            plot=self._plots.setdefault(behaviour, {}),
        )

    def _make_honest(self, index: int, store: MemoryStore) -> Node:
        signer = self._signers[index]
        config = NodeConfig(
            genesis=self.genesis,
            signer=signer,
            beneficiary=beneficiary_of(signer.public_key),
            active=index < self.config.nodes - self.config.observers,
            seal_check=make_seal(self.config.seed),
        )
        return Node(config, store)

    def _transactions(self, decode: Callable[[bytes], Transaction]) -> list[Transaction]:
        config = self.config
        load = config.workload
        amounts = load.amounts(config.seed)
        demand = Demand(load.count, config.seed, config.accounts, load.value_max, amounts, load.outputs)
        return [decode(raw) for raw in sample_transactions(self.genesis, demand)]

    def _make_recorder(self) -> Recorder:
        config, world = self.config, self.world
        record = RunRecord(
            protocol=config.protocol,
            seed=config.seed,
            nodes=config.nodes,
            regions=[world.setup.model.region(node) for node in range(config.nodes)],
            honest=[host.honest for host in world.hosts],
            power=hash_power(config, self.genesis),
            liars={str(node): str(config.liars[node]) for node in sorted(config.liars)},
            faults=[stretch_of(fault) for fault in config.faults],
        )
        return Recorder(world, record, view_of, [beneficiary_of(signer.public_key) for signer in self._signers])

    def _any_honest(self) -> Node:
        for host in self.world.hosts:
            if isinstance(host.node, Node):
                return host.node
        raise Misuse("a world without an honest node proves nothing")

    # The report

    def _report(self) -> SimReport:
        config, world = self.config, self.world
        honest = [host for host in world.hosts if host.honest and host.alive]
        violations = [violation for checker in self.checkers for violation in checker.violations]
        lowest = min(honest, key=lambda host: view_of(host).head.number) if honest else None
        head = view_of(lowest).head if lowest is not None else view_of(world.hosts[0]).genesis
        latencies = self.clients.latencies()
        traffic = world.network.traffic
        virtual = world.kernel.now
        return SimReport(
            protocol=config.protocol,
            ledger=config.ledger,
            nodes=config.nodes,
            seed=config.seed,
            network=str(config.network),
            fidelity="full",
            agreed=not violations,
            height=head.number,
            head="0x" + head.hash.hex(),
            state_root="0x" + head.state_root.hex(),
            digest=world.kernel.digest(),
            violations=[as_json(violation) for violation in violations],
            sometimes={c.name: not c.violations for c in self.checkers if c.mode == "sometimes"},
            transactions=self.clients.executed,
            submitted=config.workload.count,
            events=world.kernel.events,
            virtual_ms=virtual // MILLISECOND,
            events_per_virtual_s=world.kernel.events * SECOND // max(1, virtual),
            p50_ms=quantile_ms(latencies, 50),
            p99_ms=quantile_ms(latencies, 99),
            messages=dict(sorted(traffic.messages.items())),
            bytes=dict(sorted(traffic.bytes.items())),
            lost=dict(sorted(traffic.lost.items())),
            refused=total(host.refused for host in world.hosts),
            misbehaved=total(host.misbehaved for host in world.hosts),
            crashes=sum(host.crashes for host in world.hosts),
            evidence=max((len(view_of(host).evidence()) for host in honest), default=0),
            liars={f"n{index:02d}": str(config.liars[index]) for index in sorted(config.liars)},
            beyond=config.beyond,
            verdict=next((each.verdict for each in self.checkers if isinstance(each, Accountability)), ""),
            attack=self._revenue.report(world) if self._revenue is not None else {},
        )


def choose_checkers(found: list[Checker], names: Sequence[str]) -> list[Checker]:
    """Those with these names (all, if none are named). Raises ConfigError that lists the names there are."""
    known = [checker.name for checker in found]
    for index, name in enumerate(names):
        if name not in known:
            raise ConfigError(f"checkers[{index}]: {name!r} does not apply here; accepted are {', '.join(known)}")
    return [checker for checker in found if not names or checker.name in names]


def beneficiary_of(node_id: bytes) -> bytes:
    """The account (20 bytes) that this node's blocks pay."""
    return sha256(node_id).digest()[:20]


def simulate(config: SimConfig, log: Callable[[Entry], None] | None = None) -> SimReport:
    """Run it. Raises ConfigError."""
    return Simulation(config, log).run()


def make_signers(config: SimConfig) -> list[Signer]:
    """One a node: ideal, or real Ed25519 keys made from the seed."""
    if config.real_keys:
        seeds = [sha256(b"raclette world key %d %d" % (config.seed, i)).digest() for i in range(config.nodes)]
        return [Ed25519Signer(seed) for seed in seeds]
    ideal = make_signatures(config.seed)
    return [ideal.signer(node_id) for node_id in node_ids(config.nodes, config.seed)]


def as_json(violation: Violation) -> dict[str, Any]:
    """For the report."""
    return {
        "checker": violation.checker,
        "time_ms": violation.time // MILLISECOND,
        "node": violation.node,
        "detail": violation.detail,
    }


def quantile_ms(latencies: list[int], percent: int) -> float:
    """That percentile of sorted nanoseconds, in ms with three decimals; 0 for none."""
    if not latencies:
        return 0.0
    return latencies[min(len(latencies) - 1, len(latencies) * percent // 100)] // 1000 / 1000


def total(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    """Sums by key, sorted."""
    sums: Counter[str] = Counter()
    for count in counts:
        sums.update(count)
    return dict(sorted(sums.items()))
