"""The base: the block whose state lies flat in the store, with its trie; and moving it, forward or back.

Each move is one batch: flat state, trie nodes, undo records and the base's hash change together or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from raclette.chain.archive import BASE_KEY, UNDO_FROM_KEY, Archive, damaged, number_key, put_tree, tree_key
from raclette.chain.execution import Executor
from raclette.chain.header import EMPTY_ROOT, Header
from raclette.chain.limits import ChainLimits
from raclette.chain.state import Changes, FlatState, StateLayer
from raclette.chain.tree import TreeNode
from raclette.chain.trie import Trie
from raclette.chain.trie_table import TrieTable
from raclette.chain.undo import encode_undo
from raclette.primitives.errors import InvariantBroken
from raclette.store.contract import Batch, Table

# Blocks that one batch takes back at most: a reorganisation of any depth in pieces of bounded size.
RETREAT_BLOCKS_MAX = 256


@dataclass(frozen=True, slots=True)
class Past:
    """The state of a block below the base: what the base has changed since."""

    layer: StateLayer
    before: Changes


class Base:
    """`header` names the block, `flat` and `trie` are its state."""

    def __init__(self, archive: Archive, header: Header, executor: Executor, limits: ChainLimits) -> None:
        """Raises StoreDamaged if the stored trie is not that of the header."""
        self._archive = archive
        self._executor = executor
        self._limits = limits
        self._table = TrieTable(archive.store)
        self.flat = FlatState(archive.store)
        self.header = header
        self.trie = self._table.open(header.state_root, EMPTY_ROOT)
        # Number of the lowest block whose undo record is kept.
        self.undo_from = int.from_bytes(archive.store.get(Table.META, UNDO_FROM_KEY) or b"\x01", "big")

    @property
    def number(self) -> int:
        """The base block's number."""
        return self.header.number

    def layer(self) -> StateLayer:
        """The base's own state."""
        return StateLayer(self.flat)

    def advance(self, path: Sequence[TreeNode], trie: Trie, forget: Sequence[bytes], undo_from: int) -> Changes:
        """Move up along executed blocks, the first of them on the base, to the last, whose trie is `trie`. The undo
        records of the blocks `forget` go, so that the lowest kept is of block `undo_from`. Returns the values that the
        flat state had before."""
        batch, merged, before = Batch(), Changes(), Changes()
        self.flat.load({key: None for node in path for key in node.changes or {}})
        for node in path:
            undo: Changes = {}
            for key in node.changes or {}:
                if key in merged:
                    undo[key] = merged[key]
                else:
                    undo[key] = before[key] = self.flat.get(key)
            batch.put(Table.UNDO, node.header.hash, encode_undo(node.reward, undo))
            batch.delete(Table.META, tree_key(node.header))
            merged.update(node.changes or {})
        for block_hash in forget:
            batch.delete(Table.UNDO, block_hash)
        if forget:
            batch.put(Table.META, UNDO_FROM_KEY, number_key(undo_from))
        self._move(batch, path[-1].header, merged, trie)
        self.undo_from = undo_from
        return before

    def retreat(self, blocks: Sequence[Header]) -> tuple[Changes, list[TreeNode]]:
        """Move down through `blocks`, the first being the base, to the last one's parent. Returns the values that the
        flat state had before, and the blocks as they stand in the tree again."""
        batch, merged, nodes = Batch(), Changes(), list[TreeNode]()
        for header in blocks:
            reward, undo = self.need_undo(header)
            merged.update(undo)
            nodes.append(TreeNode(header, reward))
            batch.delete(Table.UNDO, header.hash)
            put_tree(batch, header, reward)
        last = blocks[-1]
        parent = self._archive.need_header(last.parent_hash)
        before = {key: self.flat.get(key) for key in merged}
        trie = self._executor.update(self.trie, merged)
        if trie.root_hash != parent.state_root:
            raise damaged(Table.UNDO, last.hash, "does not lead back to the parent's state root")
        self._move(batch, parent, merged, trie)
        return before, nodes

    def _move(self, batch: Batch, header: Header, changes: Changes, trie: Trie) -> None:
        if trie.root_hash != header.state_root:
            raise InvariantBroken(f"the base would move to block {header.number} with another state root")
        for key, value in changes.items():
            if value is None:
                batch.delete(Table.STATE, key)
            else:
                batch.put(Table.STATE, key, value)
        self._table.write(batch, self.trie, trie)
        batch.put(Table.META, BASE_KEY, header.hash)
        self._archive.store.write(batch)
        self.flat.replaced(changes)
        self.header = header
        self.trie = trie
        self._table.trim(trie, self._limits.trie_nodes_max)

    def need_undo(self, header: Header) -> tuple[int, Changes]:
        """The undo record of a block at or below the base. Raises StoreDamaged."""
        record = self._archive.undo(header.hash)
        if record is None:
            raise damaged(Table.UNDO, header.hash, "missing")
        return record

    def past(self, header: Header) -> Past | None:
        """The state after a block of the base's own past, or None if its undo records are no longer kept."""
        merged: Changes = {}
        cursor = self.header
        while cursor.number > header.number:
            record = self._archive.undo(cursor.hash)
            if record is None:
                return None
            merged.update(record[1])
            cursor = self._archive.need_header(cursor.parent_hash)
        return Past(StateLayer(self.flat, (), merged), merged) if cursor.hash == header.hash else None
