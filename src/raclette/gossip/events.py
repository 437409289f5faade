"""What can happen to the gossip machine, and what it asks for.

An item is known by its 32-byte id (a hash of its payload, computed by whoever received it, so that nobody can lie about
it). Payloads stay with the node: it checks them, keeps them and answers for them. `now` is in nanoseconds.
"""

from enum import IntEnum
from typing import NamedTuple, TypeAlias


class Topic(IntEnum):
    """Each topic has a tree of its own."""

    TRANSACTIONS = 0
    BLOCKS = 1


class Verb(IntEnum):
    """Plumtree's control messages."""

    IHAVE = 0  # "I have these, should you miss them"
    GRAFT = 1  # "send me these, and from now on everything at once"
    PRUNE = 2  # "I had these: only announce to me what comes your way like them"


class PeerUp(NamedTuple):
    """A link is up."""

    now: int
    peer: bytes


class PeerDown(NamedTuple):
    """A link is gone."""

    now: int
    peer: bytes


class GotItems(NamedTuple):
    """A frame of payloads arrived; `ids` are theirs. Answered by `Deliver` with those never seen before."""

    now: int
    peer: bytes
    topic: Topic
    ids: tuple[bytes, ...]


class GotIHave(NamedTuple):
    """A peer announces items."""

    now: int
    peer: bytes
    topic: Topic
    ids: tuple[bytes, ...]


class GotGraft(NamedTuple):
    """A peer wants these items, and to be an eager neighbour."""

    now: int
    peer: bytes
    topic: Topic
    ids: tuple[bytes, ...]


class GotPrune(NamedTuple):
    """A peer had these items already: it wants announcements of what comes to us the same way."""

    now: int
    peer: bytes
    topic: Topic
    ids: tuple[bytes, ...]


class Publish(NamedTuple):
    """Pass these valid items on. `origin` is the peer they came from, None for our own (which may be repeated: what
    nobody has taken up can be published again)."""

    now: int
    topic: Topic
    ids: tuple[bytes, ...]
    origin: bytes | None = None


class Learned(NamedTuple):
    """These items came by another way (in a block, by sync): do not ask for them, do not pass them on."""

    now: int
    topic: Topic
    ids: tuple[bytes, ...]


class Offer(NamedTuple):
    """Announce to one peer what we hold (when it has just connected, after a partition)."""

    now: int
    peer: bytes
    topic: Topic
    ids: tuple[bytes, ...]


class TimerFired(NamedTuple):
    """A timer that the machine set."""

    now: int
    name: str


Event: TypeAlias = (
    PeerUp | PeerDown | GotItems | GotIHave | GotGraft | GotPrune | Publish | Learned | Offer | TimerFired
)


class Deliver(NamedTuple):
    """These are new: check them, keep them, and `Publish` those that are valid."""

    peer: bytes
    topic: Topic
    ids: tuple[bytes, ...]


class SendItems(NamedTuple):
    """Send the payloads of `ids` to each of `peers` (leaving out those that are no longer held)."""

    peers: tuple[bytes, ...]
    topic: Topic
    ids: tuple[bytes, ...]


class SendControl(NamedTuple):
    """Send a control message."""

    peers: tuple[bytes, ...]
    verb: Verb
    topic: Topic
    ids: tuple[bytes, ...]


class SetTimer(NamedTuple):
    """`TimerFired(name)` after `delay` nanoseconds; replaces a running timer of that name."""

    name: str
    delay: int


Effect: TypeAlias = Deliver | SendItems | SendControl | SetTimer
