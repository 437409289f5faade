"""Blocks that cannot be judged yet: orphans (the parent is missing) and early ones (their time has not come).

Both rooms are small and forget the oldest first. Only blocks that show their claimed work come in, so filling them
costs an attacker as much as mining, and gains a delay.
"""

from collections.abc import Iterator
from typing import NamedTuple

from raclette.chain.block import Block

# An honest node is rarely more than a few blocks out of order; longer gaps are sync's business.
ORPHANS_MAX = 64
# Clocks differ by seconds; a handful of blocks per node can be early at once.
EARLY_MAX = 16
# Bodies together, of either room: eight full blocks.
WAITING_BYTES_MAX = 16 * 1024 * 1024
# Further ahead than this is not a clock that differs but a block for another day; it will be announced again.
EARLY_SECONDS_MAX = 600


class Waiting(NamedTuple):
    """A block and who handed it over (None: ourselves)."""

    block: Block
    peer: bytes | None


class WaitingRoom:
    """Blocks by hash in order of arrival, bounded in number and bytes."""

    __slots__ = ("_blocks", "_bytes", "_bytes_max", "_count_max")

    def __init__(self, count_max: int, bytes_max: int = WAITING_BYTES_MAX) -> None:
        self._count_max = count_max
        self._bytes_max = bytes_max
        self._blocks: dict[bytes, Waiting] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._blocks)

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._blocks

    def __iter__(self) -> Iterator[bytes]:
        """Hashes, in order of arrival."""
        return iter(self._blocks)

    def get(self, block_hash: bytes) -> Waiting | None:
        """The block, still waiting."""
        return self._blocks.get(block_hash)

    def put(self, block: Block, peer: bytes | None) -> None:
        """Let it wait; the oldest leave while there is no room. A block larger than the room does not enter."""
        if block.hash in self._blocks or _size(block) > self._bytes_max:
            return
        self._blocks[block.hash] = Waiting(block, peer)
        self._bytes += _size(block)
        while len(self._blocks) > self._count_max or self._bytes > self._bytes_max:
            self.take(next(iter(self._blocks)))

    def take(self, block_hash: bytes) -> Waiting | None:
        """Remove and return."""
        waiting = self._blocks.pop(block_hash, None)
        if waiting is not None:
            self._bytes -= _size(waiting.block)
        return waiting

    def take_children(self, parent_hash: bytes) -> list[Waiting]:
        """Remove and return the blocks on `parent_hash`, first come first."""
        return self._take_all([key for key, value in self._blocks.items() if value.block.parent_hash == parent_hash])

    def take_until(self, timestamp: int) -> list[Waiting]:
        """Remove and return the blocks whose time (s) is at most `timestamp`, first come first."""
        return self._take_all([key for key, value in self._blocks.items() if value.block.header.timestamp <= timestamp])

    def earliest(self) -> int | None:
        """The lowest timestamp (s) that waits."""
        return min((waiting.block.header.timestamp for waiting in self._blocks.values()), default=None)

    def _take_all(self, hashes: list[bytes]) -> list[Waiting]:
        return [waiting for key in hashes if (waiting := self.take(key)) is not None]


def _size(block: Block) -> int:
    return len(block.encoded_body) + len(block.header.encoded)
