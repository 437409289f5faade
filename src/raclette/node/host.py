"""The contract between the node and whoever hosts it: the live process or the simulated world.

The node is a pure machine. The host owns clock, sockets, timers, threads, signature checks and the nonce search; it
feeds events in and carries effects out, strictly in order. Frames are opaque to it: it passes each arriving frame
through the node's `Gate` (pure, thread-safe, so it may run in a thread pool) and delivers the resulting parcel.

`Flush` is the durability barrier: no later effect may leave the process before `store.sync()` has returned. Hosts
commit in groups: many effects, one fsync.
"""

from enum import IntEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.engine.effects import CancelTimer, Seal, SetTimer, StopSealing
from raclette.primitives.signing import Claim, Verifier

# Largest frame read from a peer before it is dropped. Honest blocks stay under BLOCK_BYTES_MAX (2 MiB); the rest is
# headroom for certificates and view-change proofs.
FRAME_BYTES_MAX = 4 * 1024 * 1024


class Lane(IntEnum):
    """Sending order: a lower lane empties first, so a flood of transactions never starves votes."""

    CONSENSUS = 0
    BLOCKS = 1
    TRANSACTIONS = 2


class Parcel(NamedTuple):
    """A frame that has passed the gate: decoded, every claim true, every transaction's author proven.

    `kind` names the content for accounting ("pre-prepare", "transactions", "headers"...); `size` is the frame's bytes.
    """

    kind: str
    content: Any
    size: int


class Gate(Protocol):
    """Turns a stranger's bytes into a parcel, or refuses them. Pure and thread-safe; keeps only a bounded cache."""

    def open(self, frame: bytes, verifier: Verifier) -> Parcel:
        """Decode, check claims, recover authors. Raises PeerFault (reason says why). Never any other exception."""

    def is_heavy(self, frame: bytes) -> bool:
        """Would `open` take more than about a tenth of a millisecond? Then a host should use a thread."""


class NodeStarted(NamedTuple):
    """First event, once."""

    now: int


class Connected(NamedTuple):
    """An authenticated link to `peer` is up (both directions)."""

    now: int
    peer: bytes


class Disconnected(NamedTuple):
    """The link is gone."""

    now: int
    peer: bytes


class Delivered(NamedTuple):
    """A parcel from a linked peer."""

    now: int
    peer: bytes
    parcel: Parcel


class Misbehaved(NamedTuple):
    """The host refused something of this peer's (bad frame, gate failure): the node keeps the score."""

    now: int
    peer: bytes
    reason: str


class Fired(NamedTuple):
    """A timer that the node set."""

    now: int
    name: str


class NonceFound(NamedTuple):
    """Answer to `Seal`."""

    now: int
    header: Header


NodeEvent: TypeAlias = NodeStarted | Connected | Disconnected | Delivered | Misbehaved | Fired | NonceFound


class Transmit(NamedTuple):
    """Put `frame` in the `lane` of each of `peers`. Non-blocking; a full lane drops (and counts) the frame."""

    peers: tuple[bytes, ...]
    lane: Lane
    frame: bytes
    kind: str


class Flush(NamedTuple):
    """Durability barrier: see the module's docstring."""


class Drop(NamedTuple):
    """Cut the link to `peer` and refuse it for `ban` nanoseconds (0: it may come back at once)."""

    peer: bytes
    reason: str
    ban: int


class NewHead(NamedTuple):
    """The head moved: blocks `removed` (old branch, newest first) and `added` (new branch, oldest first)."""

    removed: tuple[Header, ...]
    added: tuple[Header, ...]


class NewFinal(NamedTuple):
    """This block and its ancestors are final."""

    header: Header


class Accepted(NamedTuple):
    """A transaction entered the mempool."""

    transaction: Transaction


class Noted(NamedTuple):
    """Something worth a line in the event log: `what` is a stable slug, `detail` JSON-able."""

    what: str
    detail: dict[str, Any]


Notice: TypeAlias = NewHead | NewFinal | Accepted | Noted
HostEffect: TypeAlias = Transmit | Flush | Drop | SetTimer | CancelTimer | Seal | StopSealing | Notice


class HostedNode(Protocol):
    """What a host sees of a node."""

    @property
    def node_id(self) -> bytes:
        """The node's public key."""

    @property
    def gate(self) -> Gate:
        """What this node's frames pass through."""

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        """React; effects in order."""

    def submit(self, now: int, transaction: Transaction) -> tuple[HostEffect, ...]:
        """A local client's transaction (already decoded by `ledger.decode`). Raises Refused."""


__all__ = [
    "FRAME_BYTES_MAX",
    "Accepted",
    "CancelTimer",
    "Claim",
    "Connected",
    "Delivered",
    "Disconnected",
    "Drop",
    "Fired",
    "Flush",
    "Gate",
    "HostEffect",
    "HostedNode",
    "Lane",
    "Misbehaved",
    "NewFinal",
    "NewHead",
    "NodeEvent",
    "NodeStarted",
    "NonceFound",
    "Noted",
    "Notice",
    "Parcel",
    "Seal",
    "SetTimer",
    "StopSealing",
    "Transmit",
]
