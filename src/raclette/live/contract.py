"""The contract of a transport: authenticated links between nodes, payloads opaque.

A transport keeps at most one link per peer, dials the peers it was told to `want` until they answer (and again when
they are lost), and never blocks: `send` puts a frame in one of three lanes and returns; a full lane drops the frame
and counts it. Frames of one lane arrive in the order they were sent, if they arrive; a lower lane overtakes a higher.

Everything runs on one event loop; the handler is called on it and must not block. `exam.check_transport` is the exam.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from raclette.node.host import Lane


class Role(IntEnum):
    """What a process is, as it says in its hello."""

    NODE = 0
    TRACKER = 1


class Service(IntEnum):
    """Whom a frame is for, inside the receiving process."""

    TRANSPORT = 0
    NODE = 1
    TRACKER = 2


class ChainIdentity(NamedTuple):
    """Which chain a process belongs to; links form only between equal ones."""

    chain_id: int
    genesis_hash: bytes


class PeerAddress(NamedTuple):
    """Whom to dial, and where. The link counts only if the one who answers proves to be `node_id`."""

    node_id: bytes
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.node_id.hex()}@{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class PeerHello:
    """What a linked peer said of itself. Only `node_id` is proven; the rest is its word.

    `instance` is drawn anew by each process, so that a restarted peer is told from a second connection of the same.
    """

    node_id: bytes
    host: str
    port: int
    name: str
    role: Role
    instance: bytes


class LinkStatus(NamedTuple):
    """A link for people and metrics. `queued_bytes` are the bytes waiting in each lane; `round_trip` is in
    nanoseconds (0 until measured); `dropped` counts frames that a full lane refused."""

    hello: PeerHello
    address: str
    dialled: bool
    round_trip: int
    queued_bytes: tuple[int, ...]
    dropped: int


class TransportHandler(Protocol):
    """Who gets what arrives. Called on the event loop."""

    def on_up(self, hello: PeerHello) -> None:
        """A link to this peer is up, both ways."""

    def on_down(self, peer: bytes, reason: str) -> None:
        """The link is gone (`on_up` was called before)."""

    def on_frame(self, peer: bytes, service: Service, lane: Lane, frame: bytes) -> None:
        """A frame from a linked peer, not for the transport itself."""

    def on_fault(self, peer: bytes, reason: str) -> None:
        """A linked peer broke a rule of the transport; the link goes down after this."""


class Transport(Protocol):
    """Authenticated links to peers. See the module's docstring."""

    node_id: bytes

    async def start(self, handler: TransportHandler) -> None:
        """Listen (if so configured) and dial what is wanted. Raises ConfigError if the port cannot be had."""

    async def stop(self) -> None:
        """Say goodbye, let what is queued leave for a short while, close everything. Idempotent."""

    def send(
        self, peers: tuple[bytes, ...], lane: Lane, frame: bytes, kind: str, service: Service = Service.NODE
    ) -> None:
        """Queue `frame` for each of `peers` that is linked. `kind` is for accounting."""

    def want(self, address: PeerAddress) -> None:
        """Keep a link to this peer from now on. A second call replaces the address."""

    def unwant(self, peer: bytes) -> None:
        """Stop dialling this peer; a link that is up stays."""

    def drop(self, peer: bytes, reason: str, ban: int) -> None:
        """Cut the link, and refuse the peer for `ban` nanoseconds."""

    def pause(self, peer: bytes) -> None:
        """Read nothing more from this peer until `resume`: its TCP window fills and it must wait."""

    def resume(self, peer: bytes) -> None:
        """Read again."""

    def links(self) -> tuple[LinkStatus, ...]:
        """The links that are up, oldest first."""
