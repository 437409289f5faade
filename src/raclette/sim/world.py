"""The world: nodes, wires and virtual time, and nothing that decides anything by itself.

Whoever makes a world gives it a factory of nodes, so that it hosts whatever keeps the contract of `node.host`: whole
nodes, liars around them, or a stub in a test. The same frame is opened once in a process, however many nodes receive
it: gates are pure, so the answer is the same for all. (What only some can read, an inner engine's messages, is opened
anew by each until one can.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol, TypeAlias, runtime_checkable

from raclette.chain.ledger import Transaction
from raclette.engine.message import is_closed
from raclette.node.host import (
    Connected,
    Disconnected,
    Drop,
    HostedNode,
    NodeStarted,
    Notice,
    Parcel,
    Transmit,
)
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import Misuse, PeerFault, StoreRefused
from raclette.primitives.randomness import Random
from raclette.primitives.signing import IdealSignatures, Verifier
from raclette.primitives.units import MICROSECOND, MILLISECOND, SECOND
from raclette.protocols.nakamoto.seal import IdealSeal
from raclette.sim.host import Happening, Host
from raclette.sim.kernel import Kernel, Kind, place
from raclette.sim.models import Lan, NetworkModel
from raclette.sim.network import Frame, Network
from raclette.sim.topology import Graph
from raclette.store.memory import MemoryStore

# Time from the wish to connect to a link that works: TCP, TLS and hello frames.
CONNECT_NS = 100 * MILLISECOND
# How long silence lasts before a node believes that the link is dead.
DETECT_NS = 3 * SECOND
# A dropped peer may come back after this even when it was not banned.
REDIAL_NS = SECOND
# Frames whose opened form is remembered; more than are ever in flight at once in the worlds we run in full.
OPENED_MAX = 8_192
_STREAM_CRASH = 3

NodeFactory: TypeAlias = Callable[[int, MemoryStore], HostedNode]


class Observer(Protocol):
    """Watches a world without touching it: checkers, logs, measurements."""

    def observe(self, world: "World", host: Host, notice: Notice) -> None:
        """A node said something to its host."""


@runtime_checkable
class Listener(Protocol):
    """Hears what nodes hear, frame by frame, when they come to handle it. Only called when a world has one."""

    def heard(self, world: "World", host: Host, peer: bytes, parcel: Parcel) -> None:
        """`host` is about to handle what `peer` (node id) sent, if it still has a link with that peer."""


class Watcher(Protocol):
    """Sees everything that happens, for event logs and diagrams. Only called when a world has one."""

    def record(self, time: int, node: int, what: str, detail: dict[str, Any]) -> None:
        """`what` happened at `node` at virtual `time`."""


@dataclass(frozen=True, slots=True)
class WorldSetup:
    """What a world is made of.

    `graph` says who links with whom; `epoch` is what clocks show at virtual time 0 (ns since 1970); `fsync` how long
    a disk needs; `cpu_per_event` how long a node is busy with each event; `hash_power` hashes a second of each node.
    """

    graph: Graph
    seed: int = 1
    model: NetworkModel = field(default_factory=Lan)
    epoch: int = 1_700_000_000 * SECOND
    fsync: int = 200 * MICROSECOND
    cpu_per_event: int = 0
    hash_power: Sequence[int] = ()
    skew: Sequence[int] = ()


class World:
    """`kernel` holds time, `network` the wires, `hosts` the nodes in order."""

    def __init__(self, setup: WorldSetup, factory: NodeFactory, verifier: Verifier | None = None) -> None:
        """`factory(index, store)` makes a node; it is called again after each restart. Without a `verifier` the
        world's own ideal signatures are used (see `signatures`)."""
        self.setup = setup
        self.seed = setup.seed
        self.epoch = setup.epoch
        self.cpu_per_event = setup.cpu_per_event
        self.signatures = make_signatures(setup.seed)
        self.ideal_seal = make_seal(setup.seed)
        self.verifier: Verifier = verifier if verifier is not None else self.signatures
        self.kernel = Kernel()
        self.network = Network(self.kernel, setup.model, len(setup.graph), setup.seed, self._deliver)
        self.observers: list[Observer] = []
        self.listeners: list[Listener] = []
        self.watcher: Watcher | None = None
        self.hosts: list[Host] = []
        self._factory = factory
        self._opened: dict[bytes, Parcel | PeerFault] = {}
        self._bans: dict[tuple[int, int], int] = {}
        self._count = 0
        for index in range(len(setup.graph)):
            store = MemoryStore(crash_model=True)
            host = Host(self, index, factory(index, store), store)
            host.fsync = setup.fsync
            host.hash_power = setup.hash_power[index] if setup.hash_power else 0
            host.skew = setup.skew[index] if setup.skew else 0
            self.hosts.append(host)
        self._index = {host.node_id: host.index for host in self.hosts}
        if len(self._index) != len(self.hosts):
            raise Misuse("two nodes of one world have the same id; put twins behind one host")
        for host in self.hosts:
            self.plan(0, Kind.START, host.index, 0, self._start, host.index)
        for a, neighbours in enumerate(setup.graph):
            for b in neighbours:
                if a < b:
                    self._plan_connect(CONNECT_NS, a, b)

    # Running

    def run_until(self, time: int) -> bool:
        """Let everything up to virtual `time` (ns) happen. False if somebody halted the kernel."""
        return self.kernel.run_until(time)

    def plan(
        self, time: int, kind: Kind, node: int, content: int, action: Callable[[Any], None], argument: Any
    ) -> None:
        """Schedule something of the world's own."""
        self._count += 1
        self.kernel.schedule(time, place(kind, node), self._count, content, action, argument)

    def submit(self, node: int, transaction: Transaction) -> None:
        """A client at `node` sends a transaction now. Nothing happens if the node is down."""
        host = self.hosts[node]
        if host.alive:
            host.happen((None, (transaction,)))

    def _start(self, index: int) -> None:
        self._tell(index, (NodeStarted, ()))

    def _tell(self, index: int, happening: Happening) -> None:
        host = self.hosts[index]
        if host.alive:
            host.happen(happening)

    # Frames

    def transmit(self, host: Host, effect: Transmit) -> None:
        """Carry out a node's `Transmit`."""
        index = self._index
        receivers = [index[peer] for peer in effect.peers if peer in index]
        self.network.send(host.index, receivers, effect.lane, effect.frame, effect.kind)

    def _deliver(self, frame: Frame) -> None:
        host = self.hosts[frame.receiver]
        if self.watcher is not None:
            self.watcher.record(
                self.kernel.now,
                frame.receiver,
                "receive",
                {"kind": frame.kind, "from": frame.sender, "sent": frame.sent, "bytes": len(frame.payload)},
            )
        host.receive(frame)

    def open_frame(self, node: HostedNode, payload: bytes) -> Parcel | PeerFault:
        """What the gate makes of `payload`, remembered for the other receivers if it is the same for all."""
        opened = self._opened
        found = opened.get(payload)
        if found is None:
            try:
                found = node.gate.open(payload, self.verifier)
            except PeerFault as fault:
                found = fault
            if isinstance(found, Parcel) and isinstance(found.content, EngineSaid) and is_closed(found.content.message):
                return found  # whether it can be read depends on the reader: the next one may run that engine
            if len(opened) >= OPENED_MAX:
                for old in list(opened)[: OPENED_MAX // 2]:
                    del opened[old]
            opened[payload] = found
        return found

    # Links

    def _plan_connect(self, time: int, a: int, b: int) -> None:
        self.plan(time, Kind.LINK, a, b, self.connect, (a, b))

    def connect(self, pair: tuple[int, int]) -> None:
        """Link two nodes, unless one is dead or banned, or the way is shut: whoever changes that plans it anew."""
        a, b = pair
        network, now = self.network, self.kernel.now
        if network.is_up(a, b) or not (self.hosts[a].alive and self.hosts[b].alive):
            return
        if network.is_blocked(a, b) or network.is_blocked(b, a) or self._bans.get((min(a, b), max(a, b)), 0) > now:
            return
        network.raise_link(a, b)
        self.note(a, "link-up", {"peer": b})
        self._tell(a, (Connected, (self.hosts[b].node_id,)))
        self._tell(b, (Connected, (self.hosts[a].node_id,)))

    def disconnect(self, pair: tuple[int, int]) -> None:
        """Break the link; both ends notice."""
        a, b = pair
        if self.network.is_up(a, b):
            self.network.cut_link(a, b)
            self.note(a, "link-down", {"peer": b})
            self._tell(a, (Disconnected, (self.hosts[b].node_id,)))
            self._tell(b, (Disconnected, (self.hosts[a].node_id,)))

    def drop(self, host: Host, effect: Drop) -> None:
        """Carry out a node's `Drop`: cut the link and keep it down for the length of the ban."""
        peer = self._index.get(effect.peer)
        self.note(host.index, "drop", {"peer": peer, "reason": effect.reason, "ban_ms": effect.ban // MILLISECOND})
        if peer is None:
            return
        pair = (min(host.index, peer), max(host.index, peer))
        until = self.kernel.now + max(effect.ban, REDIAL_NS)
        self._bans[pair] = max(self._bans.get(pair, 0), until)
        self.plan(self.kernel.now, Kind.LINK, pair[0], pair[1], self.disconnect, pair)
        if peer in self.setup.graph[host.index]:
            self._plan_connect(self._bans[pair], *pair)

    def block(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Shut the way from the first to the second node of each pair; the ends notice after a while."""
        for a, b in pairs:
            self.network.block(a, b)
            self.plan(self.kernel.now + DETECT_NS, Kind.LINK, a, b, self._detect, (a, b))

    def _detect(self, pair: tuple[int, int]) -> None:
        if self.network.is_blocked(*pair):
            self.disconnect(pair)

    def unblock(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Open the ways again; broken links come back."""
        for a, b in pairs:
            self.network.unblock(a, b)
            if b in self.setup.graph[a]:
                self._plan_connect(self.kernel.now + CONNECT_NS, min(a, b), max(a, b))

    # Crash and restart

    def crash(self, index: int, mode: str = "lose") -> None:
        """Stop a node at once. What its disk keeps of unsynced writes: "clean" all, "lose" none, "tear" the first few
        (drawn). Its neighbours notice. Raises Misuse for another mode."""
        host = self.hosts[index]
        host.stops += 1
        if not host.alive:
            return
        unsynced = host.store.unsynced
        if mode == "clean":
            survivor = host.store.crash(unsynced)
        elif mode == "lose":
            survivor = host.store.crash(0)
        elif mode == "tear":
            survivor = host.store.crash(Random(self.seed, (_STREAM_CRASH + 16 * host.crashes) << 24 | index))
        else:
            raise Misuse(f"crash mode {mode!r} is unknown; accepted are clean, lose, tear")
        self.note(index, "crash", {"mode": mode, "unsynced": unsynced})
        self._bury(host, survivor)

    def fail(self, host: Host, reason: str) -> None:
        """The node could not write: its process stops, and what it had not carried out never happens. What it had
        written stays, for only the process has ended. Its supervisor starts it anew when there is room on the disk."""
        self.note(host.index, "failed", {"reason": reason})
        self._bury(host, host.store.crash(host.store.unsynced))
        host.failed = True

    def _bury(self, host: Host, survivor: MemoryStore) -> None:
        """The process is gone, `survivor` is what its disk holds. Its neighbours notice."""
        host.die()
        survivor.full = host.disk_full > 0
        host.store = survivor
        self.network.clear_uplink(host.index)
        for peer in range(len(self.hosts)):
            if self.network.is_up(host.index, peer):
                self.network.cut_link(host.index, peer)
                self._tell(peer, (Disconnected, (host.node_id,)))

    def restart(self, index: int, *, wipe: bool = False) -> None:
        """Let go of a node that was made to crash, with `wipe` on an empty disk: it starts again, unless somebody else
        keeps it down."""
        host = self.hosts[index]
        host.stops = max(0, host.stops - 1)
        if host.alive:
            return
        if wipe:
            host.store = MemoryStore(crash_model=True)
            host.store.full = host.disk_full > 0
        if not host.stops:
            self._revive(host, wiped=wipe)

    def _revive(self, host: Host, *, wiped: bool) -> None:
        try:
            node = self._factory(host.index, host.store)
        except StoreRefused as refusal:
            # It does not even get as far as its first event.
            self.note(host.index, "failed", {"reason": str(refusal)})
            host.failed = True
            return
        host.revive(node, host.store)
        self.note(host.index, "restart", {"wiped": wiped})
        self._start(host.index)
        for peer in self.setup.graph[host.index]:
            self._plan_connect(self.kernel.now + CONNECT_NS, min(host.index, peer), max(host.index, peer))

    def fill_disk(self, index: int) -> None:
        """Nothing more can be written at a node, until whoever fills its disk calls `free_disk`."""
        host = self.hosts[index]
        host.disk_full += 1
        host.store.full = True

    def free_disk(self, index: int) -> None:
        """There is room again (unless somebody else fills the disk too); a node that failed for want of it starts."""
        host = self.hosts[index]
        host.disk_full -= 1
        if host.disk_full:
            return
        host.store.full = False
        if host.failed and not host.stops:
            self._revive(host, wiped=False)

    # Watching

    def notice(self, host: Host, notice: Notice) -> None:
        """A node said something to its host."""
        for observer in self.observers:
            observer.observe(self, host, notice)

    def note(self, node: int, what: str, detail: dict[str, Any]) -> None:
        """A line in the event log, if there is one."""
        if self.watcher is not None:
            self.watcher.record(self.kernel.now, node, what, detail)


def make_signatures(seed: int) -> IdealSignatures:
    """The ideal signatures of the world with this seed."""
    return IdealSignatures(sha256(b"raclette world signatures %d" % seed).digest())


def make_seal(seed: int) -> IdealSeal:
    """The ideal proof of work of the world with this seed."""
    return IdealSeal(sha256(b"raclette world seal %d" % seed).digest())


def node_ids(nodes: int, seed: int) -> list[bytes]:
    """Ids for a world with ideal signatures: 32 bytes each, nothing hidden in them."""
    return [sha256(b"raclette world node %d %d" % (seed, index)).digest() for index in range(nodes)]
