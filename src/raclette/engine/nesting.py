"""An engine inside another: what the outer one decides about the blocks of the inner one.

A protocol may hand the ordering of blocks to an engine that was written without knowing of it: a chain of proof of work
elects a committee, and an ordinary BFT engine orders the committee's blocks. The inner engine then sees a `ChainView`
of the outer one's making (chain id, first block, what waits), and asks its `Frame` for the little that it cannot know:
what a block carries for the outer engine, in the two header fields that engines without a seal leave at zero; whether
what another block carries is right; and whether a block without transactions is wanted.

The fields are covered by the block's hash, so by every vote for it. A frame may answer from what its node has seen
(another chain, say), so two honest replicas may answer differently for a while: `check` says `NotYet` then, and the
inner engine keeps the proposal and asks again at the next event. Whoever changes his view of the world therefore gives
the inner engine an event (`Pending` does). An answer that is neither yes nor not yet must be the same everywhere.
"""

from typing import NamedTuple, Protocol

from raclette.chain.block import Block
from raclette.chain.header import ZERO_NONCE, Header
from raclette.primitives.errors import InvalidHeader
from raclette.primitives.hashing import ZERO_HASH


class Mark(NamedTuple):
    """What a block carries for the outer engine: 32 and 8 bytes."""

    mix_hash: bytes = ZERO_HASH
    nonce: bytes = ZERO_NONCE


UNMARKED = Mark()


class Frame(Protocol):
    """The outer engine, as the inner one sees it. Asked while the inner engine handles an event; never changes it."""

    def mark(self, parent: Header, now: int) -> Mark:
        """What a new block on `parent` carries. `now` in nanoseconds, of the event being handled."""

    def check(self, header: Header, parent: Header, now: int) -> None:
        """Is what `header` carries right? Everything else that the inner engine checks holds already. Raises
        InvalidHeader("header-seal", ...); NotYet where this node cannot tell yet."""

    def worth(self, block: Block) -> bool:
        """May this block stand, with or without transactions? The same answer at every node."""

    def wanted(self, parent: Header) -> bool:
        """Should there be a block on `parent` although no transaction waits? Asked at every event."""


class Alone:
    """Nothing is outside: fields at zero, and only blocks with transactions."""

    def mark(self, parent: Header, now: int) -> Mark:
        """Zeros."""
        return UNMARKED

    def check(self, header: Header, parent: Header, now: int) -> None:
        """Both fields are zero. Raises InvalidHeader."""
        if header.mix_hash != ZERO_HASH or header.nonce != ZERO_NONCE:
            raise InvalidHeader("header-seal", "a block of this protocol carries no proof of work")

    def worth(self, block: Block) -> bool:
        """If it has transactions."""
        return bool(block.transactions)

    def wanted(self, parent: Header) -> bool:
        """Never."""
        return False


ALONE = Alone()

__all__ = ["ALONE", "UNMARKED", "Alone", "Frame", "Mark"]
