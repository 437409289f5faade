"""A few whole nodes in one process, wired back to back: no simulator, no sockets, a queue of frames in order."""

from collections import deque
from collections.abc import Callable

from raclette.chain.genesis import Genesis, even_alloc
from raclette.chain.presets import SAMPLE_BALANCE
from raclette.node.host import (
    CancelTimer,
    Connected,
    Delivered,
    Disconnected,
    Drop,
    Fired,
    Flush,
    HostEffect,
    NewHead,
    NodeStarted,
    SetTimer,
    Transmit,
)
from raclette.node.node import Node, NodeConfig
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import Ed25519Signer, Ed25519Verifier
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.store.memory import MemoryStore

START = 1_700_000_000 * SECOND
HOP = MILLISECOND


class Cluster:
    """`replicas` PBFT nodes (and `observers` that only follow), all linked, on virtual time."""

    def __init__(self, replicas: int = 4, observers: int = 0, accounts: int = 20) -> None:
        self.signers = [Ed25519Signer(sha256(b"cluster %d" % i)) for i in range(replicas + observers)]
        validators = ["0x" + signer.public_key.hex() for signer in self.signers[:replicas]]
        self.genesis = Genesis(
            protocol="pbft",
            ledger="bank",
            protocol_parameters={"validators": validators},
            alloc=even_alloc(accounts, SAMPLE_BALANCE),
        )
        self.now = START
        self.stores = [MemoryStore(crash_model=True) for _ in self.signers]
        self.nodes: list[Node | None] = [None] * len(self.signers)
        self.keep: Callable[[int, int, Transmit], bool] = lambda sender, receiver, sent: True
        self.sent: list[tuple[int, Transmit]] = []
        self.effects: list[tuple[int, HostEffect]] = []
        self._frames: deque[tuple[int, int, int, bytes]] = deque()
        self._timers: dict[tuple[int, str], int] = {}
        self._index = {signer.public_key: index for index, signer in enumerate(self.signers)}

    def start(self, *indexes: int) -> "Cluster":
        """Make and link these nodes (all by default)."""
        for index in indexes or range(len(self.signers)):
            beneficiary = sha256(self.signers[index].public_key)[:20]
            node = Node(NodeConfig(self.genesis, self.signers[index], beneficiary), self.stores[index])
            self.nodes[index] = node
            self._do(index, node.handle(NodeStarted(self.now)))
            for other, peer in enumerate(self.nodes):
                if peer is not None and other != index:
                    self._do(index, node.handle(Connected(self.now, peer.node_id)))
                    self._do(other, peer.handle(Connected(self.now, node.node_id)))
        return self

    def crash(self, index: int, keep: int = 0) -> None:
        """Power loss: of what was not synced, the first `keep` batches survive."""
        gone = self.node(index)
        self.nodes[index] = None
        self.stores[index] = self.stores[index].crash(keep)
        self._frames = deque(frame for frame in self._frames if index not in frame[1:3])
        self._timers = {key: at for key, at in self._timers.items() if key[0] != index}
        for other, peer in enumerate(self.nodes):
            if peer is not None:
                self._do(other, peer.handle(Disconnected(self.now, gone.node_id)))

    def node(self, index: int) -> Node:
        """A living node."""
        found = self.nodes[index]
        assert found is not None, f"node {index} is down"
        return found

    def submit(self, index: int, raw: bytes) -> None:
        """A client's transaction at one node. Raises Refused."""
        node = self.node(index)
        self._do(index, node.submit(self.now, node.decode(raw)))

    def inject(self, index: int, peer: int, frame: bytes) -> None:
        """A frame, as if `peer` had sent it. Raises PeerFault where the gate refuses it."""
        parcel = self.node(index).gate.open(frame, Ed25519Verifier())
        self._do(index, self.node(index).handle(Delivered(self.now, self.signers[peer].public_key, parcel)))

    def run(self, ms: int) -> "Cluster":
        """Let virtual time pass."""
        until = self.now + ms * MILLISECOND
        while True:
            frame_at = self._frames[0][0] if self._frames else until + 1
            timer = min(self._timers.items(), key=lambda item: (item[1], item[0]), default=None)
            timer_at = timer[1] if timer is not None else until + 1
            if min(frame_at, timer_at) > until:
                self.now = until
                return self
            if frame_at <= timer_at:
                self.now, sender, receiver, frame = self._frames.popleft()
                if self.nodes[receiver] is not None:
                    self.inject(receiver, sender, frame)
            elif timer is not None:
                (index, name), self.now = timer
                del self._timers[index, name]
                self._do(index, self.node(index).handle(Fired(self.now, name)))

    def run_until(self, condition: Callable[[], bool], ms: int = 60_000) -> None:
        """Fail if it does not come true in time."""
        for _ in range(ms // 10):
            if condition():
                return
            self.run(10)
        raise AssertionError(f"not true after {ms} virtual milliseconds")

    def heads(self) -> set[bytes]:
        """Of the living."""
        return {node.chain.head.hash for node in self.nodes if node is not None}

    def _do(self, index: int, effects: tuple[HostEffect, ...]) -> None:
        for effect in effects:
            self.effects.append((index, effect))
            if isinstance(effect, Transmit):
                self.sent.append((index, effect))
                for peer in effect.peers:
                    receiver = self._index[peer]
                    if self.nodes[receiver] is not None and self.keep(index, receiver, effect):
                        self._frames.append((self.now + HOP, index, receiver, effect.frame))
            elif isinstance(effect, SetTimer):
                self._timers[index, effect.name] = self.now + effect.delay
            elif isinstance(effect, CancelTimer):
                self._timers.pop((index, effect.name), None)
            elif isinstance(effect, Flush):
                self.stores[index].sync()

    def seen(self, kind: type) -> list[HostEffect]:
        """All effects of a kind so far."""
        return [effect for _, effect in self.effects if isinstance(effect, kind)]


__all__ = ["Cluster", "Drop", "NewHead"]
