"""The trie of the base state on disk: node encodings by path, exactly one version.

A node's key is its path from the root, one nibble a byte; the root's is empty. Writing the next version overwrites
what changed and deletes what is gone, so there is no garbage to collect. A trie of a later version (in memory) finds
below its own nodes only nodes that the base has too, at the same path; each is checked against its hash when loaded.
"""

from collections.abc import Iterator

from raclette.chain.nodes import (
    EMPTY_REF,
    TERMINATOR,
    Branch,
    Extension,
    Leaf,
    Node,
    decode_node,
    is_hashed,
)
from raclette.chain.trie import NodeSource, Trie
from raclette.primitives.errors import DecodeError, StoreDamaged
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Batch, Reader, Table

# Nodes of the base kept loaded, at about 300 bytes each; beyond it the lower levels are dropped and load again on use.
LOADED_NODES_MAX = 300_000
# Levels that stay: 16^3 branches at most.
LEVELS_KEPT = 3


class TrieTable:
    """Loads nodes of the base trie from the store, verified."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        # Nodes loaded or written since the last `trim`: an upper bound of what the base trie holds in memory.
        self.resident = 0

    def load(self, path: bytes, ref: bytes) -> Node:
        """The node at `path`, which `ref` names. Raises StoreDamaged."""
        data = self._reader.get(Table.TRIE, path)
        if data is None:
            raise StoreDamaged(f"table trie, key {path.hex() or 'root'}: missing")
        if keccak256(data) != ref[1:]:
            raise StoreDamaged(f"table trie, key {path.hex() or 'root'}: does not hash to {ref[1:].hex()}")
        self.resident += 1
        try:
            return decode_node(data, ref)
        except DecodeError as error:
            raise StoreDamaged(f"table trie, key {path.hex() or 'root'}: {error}") from error

    def open(self, root_hash: bytes, empty_root: bytes) -> Trie:
        """The base trie, whose root must be `root_hash`. Raises StoreDamaged."""
        if root_hash == empty_root:
            return Trie(None, self)
        return Trie(self.load(b"", b"\xa0" + root_hash), self)

    def write(self, batch: Batch, old: Trie, new: Trie) -> None:
        """Add to `batch` what turns the stored `old` into `new`."""
        for path, encoded in difference(old, new):
            if encoded is None:
                batch.delete(Table.TRIE, path)
            else:
                batch.put(Table.TRIE, path, encoded)
                self.resident += 1

    def trim(self, trie: Trie, loaded_max: int = LOADED_NODES_MAX) -> None:
        """Forget the lower levels of the stored `trie` if too much of it may be in memory."""
        if self.resident > loaded_max:
            _drop_below(trie.root, LEVELS_KEPT)
            self.resident = 0


def _drop_below(node: Node | None, levels: int) -> None:
    if isinstance(node, Extension):
        _drop_below(node.child, levels)
    elif isinstance(node, Branch):
        for slot in range(TERMINATOR):
            kid = node.kids[slot]
            if levels and isinstance(kid, (Branch, Extension)):
                _drop_below(kid, levels - 1)
            else:
                node.kids[slot] = None


def difference(old: Trie, new: Trie) -> list[tuple[bytes, bytes | None]]:
    """(path, encoding or None) of every stored node that `new` has otherwise than `old`. A root is always stored."""
    found: list[tuple[bytes, bytes | None]] = []
    _Difference(old.source, new.source, found).compare(b"", _at(old.root), _at(new.root))
    return found


# A place in a trie: the node, and how many nibbles of its path (extension, leaf) lie above the place. `ref` names an
# unloaded node; a place between two nodes has none.
class _Place:
    __slots__ = ("inside", "node", "ref", "stored")

    def __init__(self, node: Node | None, ref: bytes, stored: bool, inside: int = 0) -> None:
        self.node = node
        self.ref = ref
        self.stored = stored
        self.inside = inside


_NOWHERE = _Place(None, EMPTY_REF, False)


def _at(root: Node | None) -> _Place:
    return _NOWHERE if root is None else _Place(root, root.ref, True)


class _Difference:
    """Walks both versions at once, into whatever differs."""

    def __init__(self, old: NodeSource, new: NodeSource, found: list[tuple[bytes, bytes | None]]) -> None:
        self._old = old
        self._new = new
        self._found = found

    def compare(self, path: bytes, old: _Place, new: _Place) -> None:
        """Anything below `path`, where the versions are at these places."""
        if old.ref == new.ref and old.inside == new.inside == 0:
            return
        before, after = _node(old, path, self._old), _node(new, path, self._new)
        if new.stored and after is not None and new.inside == 0:
            self._found.append((path, after.encode()))
        elif old.stored and old.inside == 0:
            self._found.append((path, None))
        if isinstance(before, Branch) and isinstance(after, Branch):
            self._compare_branches(path, before, after)
            return
        for slot in sorted({*_steps(before, old.inside), *_steps(after, new.inside)}):
            self.compare(path + bytes((slot,)), _step(before, old.inside, slot), _step(after, new.inside, slot))

    def _compare_branches(self, path: bytes, before: Branch, after: Branch) -> None:
        """As `compare`; nearly all of a block's work is here, so the usual case, a changed leaf, is written out."""
        old_refs, new_refs = before.refs, after.refs
        if old_refs == new_refs:
            return
        for slot in range(TERMINATOR):
            ref = new_refs[slot]
            if ref == old_refs[slot]:
                continue
            old_kid, new_kid = before.kids[slot], after.kids[slot]
            below = path + bytes((slot,))
            if type(old_kid) is Leaf and type(new_kid) is Leaf and len(ref) == 33 == len(old_refs[slot]):
                self._found.append((below, new_kid.encode()))
            else:
                self.compare(below, _step(before, 0, slot), _step(after, 0, slot))


def _node(place: _Place, path: bytes, source: NodeSource) -> Node | None:
    if place.node is None and place.ref != EMPTY_REF:
        place.node = decode_node(place.ref) if place.ref[0] >= 0xC0 else source.load(path, place.ref)
    return place.node


def _steps(node: Node | None, inside: int) -> list[int]:
    """Nibbles by which other stored nodes are reached."""
    if isinstance(node, Branch):
        return [slot for slot in range(TERMINATOR) if node.refs[slot] != EMPTY_REF]
    return [node.path[inside]] if isinstance(node, Extension) else []


def _step(node: Node | None, inside: int, slot: int) -> _Place:
    if isinstance(node, Branch):
        ref = node.refs[slot]
        return _Place(node.kids[slot], ref, len(ref) == 33)
    if isinstance(node, Extension) and node.path[inside] == slot:
        if inside + 1 < len(node.path):
            return _Place(node, EMPTY_REF, False, inside + 1)
        return _Place(node.child, node.child_ref, len(node.child_ref) == 33)
    return _NOWHERE


def walk(trie: Trie) -> Iterator[tuple[bytes, Node]]:
    """(path, node) of every stored node, in key order, loading as it goes and keeping nothing loaded."""
    stack: list[tuple[bytes, Node]] = [] if trie.root is None else [(b"", trie.root)]
    while stack:
        path, node = stack.pop()
        if path == b"" or is_hashed(node):
            yield path, node
        if isinstance(node, Extension):
            below = path + node.path
            stack.append((below, _peek(node.child, node.child_ref, below, trie.source)))
        elif isinstance(node, Branch):
            for slot in reversed(range(TERMINATOR)):
                if node.refs[slot] != EMPTY_REF:
                    below = path + bytes((slot,))
                    stack.append((below, _peek(node.kids[slot], node.refs[slot], below, trie.source)))


def _peek(node: Node | None, ref: bytes, path: bytes, source: NodeSource) -> Node:
    if node is not None:
        return node
    return decode_node(ref) if ref[0] >= 0xC0 else source.load(path, ref)
