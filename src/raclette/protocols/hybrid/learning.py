"""Branches that leave ours far below the head wait here, outside the tree, until they have more work than ours.

A snail block is kept for ever (HYB-5), and far below the head work may be cheap: a branch whose times lie far apart
has a low difficulty. Whoever asks for a branch would have to keep whatever it is told. So such blocks are only checked
and counted, and enter the tree together, once it is worth it; a branch that ends before that is forgotten. HYB-9.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header

# Of one peer's branch: ten thousand usual blocks, or two hundred that are full of fruits and signatures.
BRANCH_BYTES_MAX = 4 * 1024 * 1024
# Peers whose branches are learned at the same time. The one with the least work gives way.
BRANCHES_MAX = 16


class Branch:
    """Blocks from one peer in order. `work` is that of the last of them and all its ancestors."""

    __slots__ = ("blocks", "bytes", "headers", "work")

    def __init__(self, work: int) -> None:
        """`work` of the block of the tree where the branch leaves it."""
        self.blocks: list[Block] = []
        self.headers: dict[bytes, Header] = {}
        self.work = work
        self.bytes = 0

    def add(self, block: Block) -> None:
        """The next one."""
        self.blocks.append(block)
        self.headers[block.hash] = block.header
        self.work += block.header.difficulty
        self.bytes += block_bytes(block)


class Branches:
    """At most one branch of each peer."""

    def __init__(self) -> None:
        self._of: dict[bytes, Branch] = {}

    def __len__(self) -> int:
        return len(self._of)

    def of(self, peer: bytes, parent_hash: bytes) -> Branch | None:
        """The branch of this peer, if its last block is `parent_hash`."""
        branch = self._of.get(peer)
        return branch if branch is not None and branch.blocks[-1].hash == parent_hash else None

    def add(self, peer: bytes, block: Block, branch: Branch) -> Branch | None:
        """Append to this branch, which is the peer's from now on. None if there is no room: it is forgotten."""
        branch.add(block)
        self._of[peer] = branch
        if branch.bytes > BRANCH_BYTES_MAX:
            del self._of[peer]
        elif len(self._of) > BRANCHES_MAX:
            del self._of[min(self._of, key=lambda peer: (self._of[peer].work, peer))]
        return self._of.get(peer)

    def forget(self, peer: bytes) -> None:
        """It ended, or joined the tree."""
        self._of.pop(peer, None)


def block_bytes(block: Block) -> int:
    """About what it takes on the wire."""
    return len(block.header.encoded) + sum(map(len, block.transactions))
