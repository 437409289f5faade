"""The block tree in memory: every block that is not below the base on the head's own branch."""

from collections.abc import Iterator
from dataclasses import dataclass

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import Executed
from raclette.chain.state import Changes, StateLayer
from raclette.chain.trie import Trie


@dataclass(eq=False, slots=True)
class TreeNode:
    """A checked block. What is None can be had again: from the store, or by executing."""

    header: Header
    # What consensus paid for it, in the ledger's smallest unit: kept, so that executing it again needs no engine.
    reward: int
    block: Block | None = None
    executed: Executed | None = None
    changes: Changes | None = None
    layer: StateLayer | None = None
    trie: Trie | None = None
    # Hashes of its transactions, once somebody asked.
    contents: frozenset[bytes] | None = None


class BlockTree:
    """Nodes by hash, in order of arrival: parents before children."""

    def __init__(self) -> None:
        self._nodes: dict[bytes, TreeNode] = {}
        # How many blocks of the tree build on a block.
        self._children: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._nodes

    def __iter__(self) -> Iterator[TreeNode]:
        return iter(self._nodes.values())

    def get(self, block_hash: bytes) -> TreeNode | None:
        """The node, or None."""
        return self._nodes.get(block_hash)

    def add(self, node: TreeNode) -> None:
        """A block that is not in the tree yet."""
        parent = node.header.parent_hash
        self._nodes[node.header.hash] = node
        self._children[parent] = self._children.get(parent, 0) + 1

    def remove(self, block_hash: bytes) -> None:
        """Take a block out (its children stay)."""
        node = self._nodes.pop(block_hash, None)
        if node is not None:
            parent = node.header.parent_hash
            self._children[parent] -= 1
            if not self._children[parent]:
                del self._children[parent]

    def sort(self) -> None:
        """Restore the order after blocks from below were put back."""
        self._nodes = dict(sorted(self._nodes.items(), key=lambda item: item[1].header.number))

    def is_leaf(self, block_hash: bytes) -> bool:
        """Does nothing in the tree build on it?"""
        return block_hash not in self._children

    def descendants(self, block_hash: bytes) -> set[bytes]:
        """Hashes of everything that builds on the block, directly or not."""
        found: set[bytes] = set()
        for own, node in self._nodes.items():
            parent = node.header.parent_hash
            if parent == block_hash or parent in found:
                found.add(own)
        return found
