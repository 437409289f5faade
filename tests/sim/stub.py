"""A node that floods: whatever it hears or is told, it passes on once, and writes it down first."""

from hashlib import sha256

from raclette.chain.ledger import Transaction
from raclette.engine.effects import SetTimer
from raclette.node.host import (
    Accepted,
    Connected,
    Delivered,
    Disconnected,
    Fired,
    Flush,
    Gate,
    HostEffect,
    Lane,
    NodeEvent,
    NodeStarted,
    Noted,
    Parcel,
    Transmit,
)
from raclette.primitives.errors import PeerFault
from raclette.primitives.signing import Verifier
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

HEARTBEAT = 100_000_000


class StubGate:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.opened = 0

    def open(self, frame: bytes, verifier: Verifier) -> Parcel:
        self.opened += 1
        if frame.startswith(b"bad"):
            raise PeerFault("bad-frame")
        return Parcel("flood", frame, len(frame))

    def is_heavy(self, frame: bytes) -> bool:
        return False


class StubNode:
    """Keeps `heard` in its store under META, in order of hearing."""

    def __init__(self, index: int, store: MemoryStore, *, heartbeat: bool = False) -> None:
        self.node_id = sha256(b"stub %d" % index).digest()
        self.gate: Gate = StubGate()
        self.store = store
        self.peers: list[bytes] = []
        self.heartbeat = heartbeat
        self.events: list[NodeEvent] = []
        self.heard = [value for _, value in store.scan(Table.META)]

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        self.events.append(event)
        match event:
            case NodeStarted():
                return (SetTimer("beat", HEARTBEAT),) if self.heartbeat else ()
            case Connected(peer=peer):
                self.peers.append(peer)
            case Disconnected(peer=peer):
                self.peers.remove(peer)
            case Delivered(parcel=parcel):
                return self.flood(parcel.content)
            case Fired():
                beat = b"beat" + self.node_id[:4] + event.now.to_bytes(8, "big")
                return (*self.flood(beat), SetTimer("beat", HEARTBEAT))
        return ()

    def flood(self, item: bytes) -> tuple[HostEffect, ...]:
        if item in self.heard:
            return ()
        batch = Batch()
        batch.put(Table.META, len(self.heard).to_bytes(4, "big"), item)
        self.store.write(batch)
        self.heard.append(item)
        return (Flush(), Transmit(tuple(self.peers), Lane.BLOCKS, item, "flood"), Noted("heard", {"item": item.hex()}))

    def submit(self, now: int, transaction: Transaction) -> tuple[HostEffect, ...]:
        return (Accepted(transaction), *self.flood(transaction.raw))


def transaction(raw: bytes) -> Transaction:
    """Something a client may submit to a stub."""
    return Transaction(raw=raw, hash=sha256(raw).digest(), sender=b"client", nonce=None, fee=0, gas=0)
