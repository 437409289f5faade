"""Which state belongs to which block: from memory if it is there, else by executing again or by undo records."""

from collections import OrderedDict
from collections.abc import Iterator, Set

from raclette.chain.archive import Archive, damaged
from raclette.chain.base import Base
from raclette.chain.execution import Executor, Outcome
from raclette.chain.header import Header
from raclette.chain.limits import ChainLimits
from raclette.chain.state import Changes, StateLayer
from raclette.chain.tree import BlockTree, TreeNode
from raclette.chain.trie import Trie
from raclette.primitives.errors import InvalidBlock, StoreDamaged
from raclette.store.contract import Table

# States below the base kept at hand: those on which side branches grow, and those somebody browses.
PAST_KEPT_MAX = 4


class Versions:
    """Layers and tries by block, over the base."""

    def __init__(self, archive: Archive, tree: BlockTree, base: Base, executor: Executor, limits: ChainLimits) -> None:
        self._archive = archive
        self._tree = tree
        self._base = base
        self._executor = executor
        self._limits = limits
        self._past: OrderedDict[bytes, tuple[StateLayer, Trie | None]] = OrderedDict()

    def layer(self, header: Header) -> StateLayer | None:
        """The state after a known block, or None if no longer kept. Raises StoreDamaged."""
        node = self._tree.get(header.hash)
        if node is None:
            return self._settled_layer(header)
        if node.layer is None:
            self._replay(node)
        return node.layer

    def trie(self, header: Header) -> Trie | None:
        """The state trie after a known block, or None if no longer kept. Raises StoreDamaged."""
        node = self._tree.get(header.hash)
        if node is None:
            return self._settled_trie(header)
        if node.trie is None:
            layer = self.layer(header)
            if node.trie is None and layer is not None:
                node.trie = self._over_base(header, layer)
        return node.trie

    def need_changes(self, node: TreeNode) -> None:
        """Execute `node` again if it is not remembered what it changed."""
        if node.changes is None:
            node.layer = None
            self._replay(node)

    def verify(self) -> Iterator[str]:
        """Execute every block of the tree again; a problem is a line."""
        for node in sorted(self._tree, key=lambda node: node.header.number):
            try:
                parent = self._archive.need_header(node.header.parent_hash)
                layer, trie = self.layer(parent), self.trie(parent)
                if layer is None or trie is None:
                    yield f"table undo, key {parent.hash.hex()}: the state that a block of the tree builds on is gone"
                else:
                    self._executor.execute(self._archive.block(node.header), node.reward, layer, trie)
            except (StoreDamaged, InvalidBlock) as problem:
                yield str(problem)

    def hold(self, node: TreeNode, outcome: Outcome, parent: StateLayer) -> None:
        """Remember what executing `node` gave."""
        node.executed = outcome.executed
        node.changes = outcome.changes
        node.trie = outcome.trie
        node.layer = parent.child(node.header.number, outcome.changes)

    def moved(self, before: Changes, settled: Set[bytes]) -> None:
        """The base has moved and overwrote the values `before`; blocks in `settled` build on it."""
        self._past.clear()
        for node in self._tree:
            if node.layer is None:
                continue
            if node.header.hash in settled:
                node.layer.settle(self._base.number)
            else:
                node.layer.put_under(before)
                # Its unloaded parts were the old base's; it can be made again from the new one.
                node.trie = None

    def drop_side_layers(self, line: set[bytes]) -> None:
        """Keep the states of only the latest blocks beside the head's branch."""
        held = [node for node in self._tree if node.layer is not None and node.header.hash not in line]
        for node in held[: max(0, len(held) - self._limits.side_layers_max)]:
            node.layer = node.trie = node.changes = node.executed = node.block = None

    def _settled_layer(self, header: Header) -> StateLayer | None:
        if header.hash == self._base.header.hash:
            return self._base.layer()
        found = self._past.get(header.hash)
        if found is None:
            past = self._base.past(header)
            if past is None:
                return None
            found = self._past[header.hash] = (past.layer, None)
            if len(self._past) > PAST_KEPT_MAX:
                self._past.popitem(last=False)
        return found[0]

    def _settled_trie(self, header: Header) -> Trie | None:
        if header.hash == self._base.header.hash:
            return self._base.trie
        layer = self._settled_layer(header)
        if layer is None:
            return None
        trie = self._past[header.hash][1]
        if trie is None:
            trie = self._over_base(header, layer)
            self._past[header.hash] = (layer, trie)
        return trie

    def _over_base(self, header: Header, layer: StateLayer) -> Trie:
        trie = self._executor.update(self._base.trie, layer.difference())
        if trie.root_hash != header.state_root:
            raise damaged(Table.UNDO, header.hash, "records do not give the state root of this block")
        return trie

    def _replay(self, node: TreeNode) -> None:
        """Execute checked blocks again, from the nearest one whose state is at hand up to `node`."""
        waiting: list[TreeNode] = []
        cursor: TreeNode | None = node
        while cursor is not None and cursor.layer is None:
            waiting.append(cursor)
            parent = self._archive.need_header(cursor.header.parent_hash)
            cursor = self._tree.get(parent.hash)
        while waiting:
            todo = waiting.pop()
            parent = self._archive.need_header(todo.header.parent_hash)
            layer, trie = self.layer(parent), self.trie(parent)
            if layer is None or trie is None:
                raise damaged(Table.UNDO, parent.hash, "the state that a block of the tree builds on is gone")
            block = todo.block or self._archive.block(todo.header)
            try:
                outcome = self._executor.execute(block, todo.reward, layer, trie)
            except InvalidBlock as error:
                raise damaged(Table.BODIES, block.hash, f"no longer executes: {error}") from error
            self.hold(todo, outcome, layer)
