"""What an engine may ask of its host. The host carries effects out strictly in order.

Order is law: a `Persist` before a `Send` is on disk before the message leaves, whatever crashes in between.
"""

from typing import NamedTuple, TypeAlias

from raclette.chain.header import Header
from raclette.engine.message import Message


class Persist(NamedTuple):
    """Keep `value` under `key` across crashes (None forgets it). Durable before any later effect leaves the node."""

    key: bytes
    value: bytes | None


class Broadcast(NamedTuple):
    """To every validator this node is linked with, directly (not to itself)."""

    message: Message


class Publish(NamedTuple):
    """To everybody, by gossip. The node announces, relays and repairs blocks that the engine has taken. A message that
    carries no block is relayed only as engines publish it: whoever finds it worth passing on does so, once."""

    message: Message


class Send(NamedTuple):
    """To one peer, if linked; otherwise lost (engines repeat what matters)."""

    peer: bytes
    message: Message


class SetTimer(NamedTuple):
    """`TimerFired(name)` after `delay` nanoseconds; replaces a running timer of that name."""

    name: str
    delay: int


class CancelTimer(NamedTuple):
    """Forget the timer, if it runs."""

    name: str


class Seal(NamedTuple):
    """Search a nonce with sha256d(prehash || nonce) <= target. Replaces a running search. Answered by `Sealed`."""

    header: Header
    target: int


class StopSealing(NamedTuple):
    """Stop the search, within milliseconds."""


class Adopt(NamedTuple):
    """This known, checked block is the head now; the chain reorganises if it must."""

    block_hash: bytes


class Finalize(NamedTuple):
    """This block and its ancestors are never reverted. `certificate` proves it to others (kept with the block)."""

    block_hash: bytes
    certificate: bytes


class Certify(NamedTuple):
    """Keep this proof with a known block that need not be final, in place of one kept before: whoever asks for the
    block gets it too."""

    block_hash: bytes
    certificate: bytes


class Fetch(NamedTuple):
    """We lack this block: get it, and missing ancestors, from `peer` or anybody. Answered by `BlockReceived`."""

    peer: bytes
    block_hash: bytes


class Accuse(NamedTuple):
    """`peer` broke the protocol. `evidence` is what proves it to a third party, empty if only we saw it."""

    peer: bytes
    reason: str
    evidence: bytes = b""


Effect: TypeAlias = (
    Persist
    | Broadcast
    | Publish
    | Send
    | SetTimer
    | CancelTimer
    | Seal
    | StopSealing
    | Adopt
    | Finalize
    | Certify
    | Fetch
    | Accuse
)
