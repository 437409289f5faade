"""What can happen to an engine. Each event carries `now`, in nanoseconds since 1970 (virtual time in the simulator)."""

from typing import NamedTuple, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message

NodeId: TypeAlias = bytes


class Started(NamedTuple):
    """The host is ready; whatever the engine persisted before was given to its constructor."""

    now: int


class Received(NamedTuple):
    """A message whose claims the gate has verified. `peer` handed it over and need not be its author."""

    now: int
    peer: NodeId
    message: Message


class Gathered(NamedTuple):
    """Votes that a counting host held back (see `ballot`), each handed over by its own author, in the order in which
    they came: as so many `Received`, but the engine reacts once, to all of them."""

    now: int
    votes: tuple[Message, ...]


class BlockReceived(NamedTuple):
    """A whole block from gossip or sync, on a parent that the chain has. `certificate` may be empty; if it is not, its
    claims are verified. `peer` is None for a block of our own store."""

    now: int
    peer: NodeId | None
    block: Block
    certificate: bytes


class TimerFired(NamedTuple):
    """The timer set under `name` has run out."""

    now: int
    name: str


class Sealed(NamedTuple):
    """The host found a nonce: `header` is the sealed form of the one in the last `Seal` effect."""

    now: int
    header: Header


class Pending(NamedTuple):
    """Transactions wait. Sent when the mempool stops being empty, and after each adopted block while it is not."""

    now: int


Event: TypeAlias = Started | Received | Gathered | BlockReceived | TimerFired | Sealed | Pending
