"""A node without a protocol, a gate without signatures, and a network of hosts of them on loopback."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from raclette.chain.ledger import Transaction
from raclette.live.contract import ChainIdentity, PeerAddress
from raclette.live.host import HostSettings, LiveHost
from raclette.live.limits import TransportLimits
from raclette.live.transport import TlsTransport
from raclette.node.host import HostEffect, Lane, NodeEvent, Parcel, Transmit
from raclette.primitives.errors import PeerFault, Refused
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import Verifier
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

CHAIN = ChainIdentity(21057, b"g" * 32)
PATIENCE_SECONDS = 20.0


async def until(condition: Callable[[], bool], what: str) -> None:
    """Poll until `condition()` holds; AssertionError after PATIENCE_SECONDS."""
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"waited in vain: {what}"
        await asyncio.sleep(0.002)


class StubGate:
    """Frames are `kind:body`; "bad:..." is refused, "bug:..." hits a bug, "heavy..." and long ones are heavy."""

    def __init__(self) -> None:
        self.opened: list[bytes] = []

    def is_heavy(self, frame: bytes) -> bool:
        return frame.startswith(b"heavy") or len(frame) > 1024

    def open(self, frame: bytes, verifier: Verifier) -> Parcel:
        self.opened.append(frame[:40])
        kind, _, body = frame.partition(b":")
        if kind == b"bad":
            raise PeerFault("bad-signature", "as it says")
        if kind == b"bug":
            raise ZeroDivisionError("a bug in a decoder")
        return Parcel(kind.decode(), body, len(frame))


@dataclass
class StubNode:
    """Remembers every event; answers as the test's `react` says."""

    node_id: bytes
    react: Callable[[NodeEvent], tuple[HostEffect, ...]] = lambda event: ()
    on_submit: Callable[[Transaction], tuple[HostEffect, ...]] = lambda transaction: ()
    gate: StubGate = field(default_factory=StubGate)
    events: list[NodeEvent] = field(default_factory=list)

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        self.events.append(event)
        return self.react(event)

    def submit(self, now: int, transaction: Transaction) -> tuple[HostEffect, ...]:
        return self.on_submit(transaction)

    def of(self, kind: type) -> list[NodeEvent]:
        """Events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]


def decode(raw: bytes) -> Transaction:
    """A transaction is any bytes but those that start with `no`."""
    if raw.startswith(b"no"):
        raise Refused("bad-transaction", "as it says")
    return Transaction(raw=raw, hash=sha256(raw), sender=raw[:20], nonce=0, fee=1, gas=1)


def transport_for(number: int, *, chain: ChainIdentity = CHAIN, limits: TransportLimits | None = None) -> TlsTransport:
    """A transport on a free loopback port; the same number gives the same key."""
    return TlsTransport(bytes([number]) * 32, chain, listen=("127.0.0.1", 0), name=f"node {number}", limits=limits)


def address_of(transport: TlsTransport) -> PeerAddress:
    return PeerAddress(transport.node_id, "127.0.0.1", transport.port)


class StubHost:
    """A live host around a stub node."""

    def __init__(
        self,
        number: int,
        *,
        gate_threads: int = 1,
        store: MemoryStore | None = None,
        limits: TransportLimits | None = None,
    ) -> None:
        self.transport = transport_for(number, limits=limits)
        self.node = StubNode(self.transport.node_id)
        self.store = store or MemoryStore()
        self.host = LiveHost(
            self.node,
            self.transport,
            self.store,
            decode=decode,
            settings=HostSettings(name=f"node {number}", gate_threads=gate_threads),
        )

    @property
    def id(self) -> bytes:
        return self.node.node_id

    def say(self, to: "StubHost", lane: Lane, frame: bytes) -> None:
        """As if the node had asked for it."""
        self.host.effects.add((Transmit((to.id,), lane, frame, "test"),))


async def linked(*hosts: StubHost) -> None:
    """Start all and link each with each."""
    for host in hosts:
        await host.host.start()
    for index, host in enumerate(hosts):
        for other in hosts[index + 1 :]:
            host.transport.want(address_of(other.transport))
    await until(lambda: all(len(host.transport.links()) == len(hosts) - 1 for host in hosts), "a full mesh")


async def stopped(*hosts: StubHost) -> None:
    for host in hosts:
        await host.host.stop()


def record(key: bytes) -> Batch:
    """A batch with one record of the engine's."""
    batch = Batch()
    batch.put(Table.CONSENSUS, key, b"1")
    return batch
