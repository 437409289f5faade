"""A Merkle-Patricia trie as a value: every version is an object, and versions share what they have in common.

Source: Ethereum Yellow Paper, appendix D. `update` takes a whole block's changes: it walks all sorted keys down
together, so a branch that many keys share is encoded and hashed once a block, not once a key. Nodes are loaded from
`source` when first needed and checked against the hash by which their parent names them.

Keys of one trie are of any length; the state's are keccak256 of the ledger's keys ("secure" trie).
"""

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from raclette.chain.header import EMPTY_ROOT
from raclette.chain.nodes import (
    EMPTY_REF,
    TERMINATOR,
    Branch,
    Extension,
    Leaf,
    Node,
    decode_node,
    is_hashed,
    new_branch,
    path_of,
)
from raclette.primitives.errors import InvariantBroken
from raclette.primitives.hashing import keccak256

# (path with terminator, value; None removes), sorted by path.
Change: TypeAlias = tuple[bytes, bytes | None]


class NodeSource(Protocol):
    """Where nodes are that a trie has not loaded."""

    def load(self, path: bytes, ref: bytes) -> Node:
        """The node at `path` (nibbles from the root), whose hash `ref` names. Raises StoreDamaged."""


class NoSource:
    """For a trie that is all in memory."""

    def load(self, path: bytes, ref: bytes) -> Node:
        """Nothing is elsewhere."""
        raise InvariantBroken(f"trie node {path.hex()} is neither in memory nor in a store")


class Trie:
    """One version. `root` is None for the empty trie."""

    __slots__ = ("root", "source")

    def __init__(self, root: Node | None = None, source: NodeSource | None = None) -> None:
        self.root = root
        self.source: NodeSource = NoSource() if source is None else source

    @property
    def root_hash(self) -> bytes:
        """keccak256 of the root node, or of the empty string's RLP."""
        if self.root is None:
            return EMPTY_ROOT
        ref = self.root.ref
        return ref[1:] if len(ref) == 33 else keccak256(ref)

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        path = path_of(key)
        nodes, depth = self._walk(path)
        last = nodes[-1] if nodes else None
        return last.value if isinstance(last, Leaf) and path[depth:] == last.path else None

    def prove(self, key: bytes) -> list[bytes]:
        """Encoded nodes from the root towards `key`, in eth_getProof's order; proves absence as well.

        Nodes that stand inside their parent are not listed again. An empty trie's proof is empty.
        """
        nodes, _ = self._walk(path_of(key))
        return [node.encode() for index, node in enumerate(nodes) if index == 0 or is_hashed(node)]

    def update(self, changes: Mapping[bytes, bytes | None]) -> "Trie":
        """A new version with every change made; an empty value or None removes."""
        return self.update_paths([(path_of(key), value or None) for key, value in changes.items()])

    def update_paths(self, changes: list[Change]) -> "Trie":
        """As `update`, from (path, value) pairs with distinct paths; sorts the list."""
        if not changes:
            return self
        changes.sort()
        return Trie(_update(self.root, changes, 0, len(changes), 0, self.source), self.source)

    def _walk(self, path: bytes) -> tuple[list[Node], int]:
        """Nodes met on the way along `path`, and how many of its nibbles they cover."""
        nodes: list[Node] = []
        node, depth = self.root, 0
        while node is not None:
            nodes.append(node)
            if isinstance(node, Leaf):
                break
            if isinstance(node, Extension):
                if not path.startswith(node.path, depth):
                    break
                depth += len(node.path)
                node = child_of(node, path[:depth], self.source)
            else:
                slot = path[depth]
                depth += 1
                node = kid_of(node, slot, path[:depth], self.source)
        return nodes, depth


def kid_of(branch: Branch, slot: int, path: bytes, source: NodeSource) -> Node | None:
    """A branch's child, loaded if need be. `path` is the child's."""
    kid = branch.kids[slot]
    if kid is None and branch.refs[slot] != EMPTY_REF:
        kid = branch.kids[slot] = _load(path, branch.refs[slot], source)
    return kid


def child_of(extension: Extension, path: bytes, source: NodeSource) -> Node:
    """An extension's child, loaded if need be. `path` is the child's."""
    if extension.child is None:
        extension.child = _load(path, extension.child_ref, source)
    return extension.child


def _load(path: bytes, ref: bytes, source: NodeSource) -> Node:
    return decode_node(ref) if ref[0] >= 0xC0 else source.load(path, ref)


def build(items: list[tuple[bytes, bytes]], low: int, high: int, depth: int) -> Node:
    """The subtree of items[low:high] (sorted, distinct paths, at least one), which agree on `depth` nibbles."""
    first = items[low][0]
    if high - low == 1:
        return Leaf(first[depth:], items[low][1])
    last = items[high - 1][0]
    split = depth
    while first[split] == last[split]:
        split += 1
    refs, kids = new_branch()
    while low < high:
        slot = items[low][0][split]
        end = low + 1
        while end < high and items[end][0][split] == slot:
            end += 1
        kid = build(items, low, end, split + 1)
        refs[slot] = kid.ref
        kids[slot] = kid
        low = end
    branch = Branch(refs, kids)
    return Extension(first[depth:split], branch, branch.ref) if split > depth else branch


def _update(
    node: Node | None, changes: list[Change], low: int, high: int, depth: int, source: NodeSource
) -> Node | None:
    """The subtree `node` at `depth` after changes[low:high], all of which agree on `depth` nibbles."""
    kind = type(node)
    if kind is Branch:
        return _update_branch(node, changes, low, high, depth, source)  # type: ignore[arg-type]  # kind says so
    if kind is Leaf:
        return _update_leaf(node, changes, low, high, depth)  # type: ignore[arg-type]  # kind says so
    if kind is Extension:
        return _update_extension(node, changes, low, high, depth, source)  # type: ignore[arg-type]  # kind says so
    items = [(path, value) for path, value in changes[low:high] if value is not None]
    return build(items, 0, len(items), depth) if items else None


def _update_branch(
    branch: Branch, changes: list[Change], low: int, high: int, depth: int, source: NodeSource
) -> Node | None:
    refs = branch.refs.copy()
    kids = branch.kids.copy()
    changed = vanished = False
    prefix = changes[low][0][:depth]
    while low < high:
        path = changes[low][0]
        slot = path[depth]
        end = low + 1
        while end < high and changes[end][0][depth] == slot:
            end += 1
        kid = kids[slot]
        if kid is None and refs[slot] != EMPTY_REF:
            kid = branch.kids[slot] = kids[slot] = _load(path[: depth + 1], refs[slot], source)
        new = _update(kid, changes, low, end, depth + 1, source)
        if new is not kid:
            changed = True
            kids[slot] = new
            if new is None:
                vanished = True
                refs[slot] = EMPTY_REF
            else:
                refs[slot] = new.ref
        low = end
    if not changed:
        return branch
    if vanished and refs.count(EMPTY_REF) >= TERMINATOR:
        return _collapse(refs, kids, prefix, source)
    return Branch(refs, kids)


def _collapse(refs: list[bytes], kids: list[Node | None], prefix: bytes, source: NodeSource) -> Node | None:
    """A branch at `prefix` with at most one child left is no branch: the child takes its place."""
    for slot, ref in enumerate(refs):
        if ref != EMPTY_REF:
            step = bytes((slot,))
            kid = kids[slot]
            return _prepend(step, _load(prefix + step, ref, source) if kid is None else kid)
    return None


def _prepend(path: bytes, node: Node) -> Node:
    """`node`, reached by `path`."""
    if not path:
        return node
    if isinstance(node, Leaf):
        return Leaf(path + node.path, node.value)
    if isinstance(node, Extension):
        return Extension(path + node.path, node.child, node.child_ref)
    return Extension(path, node, node.ref)


def _update_leaf(leaf: Leaf, changes: list[Change], low: int, high: int, depth: int) -> Node | None:
    path, value = changes[low]
    rest = leaf.path
    if high - low == 1 and path[depth:] == rest:
        if value is None:
            return None
        return leaf if value == leaf.value else Leaf(rest, value)
    items: list[tuple[bytes, bytes]] = []
    whole = path[:depth] + rest
    kept: tuple[bytes, bytes] | None = (whole, leaf.value)
    for path, value in changes[low:high]:
        if kept is not None and path >= whole:
            if path != whole:
                items.append(kept)
            kept = None
        if value is not None:
            items.append((path, value))
    if kept is not None:
        items.append(kept)
    if len(items) == 1 and items[0][0] == whole and items[0][1] == leaf.value:
        return leaf
    return build(items, 0, len(items), depth) if items else None


def _update_extension(
    extension: Extension, changes: list[Change], low: int, high: int, depth: int, source: NodeSource
) -> Node | None:
    path = extension.path
    first, last = changes[low][0], changes[high - 1][0]
    # Sorted: what the first and the last share with our path, all between share as well.
    common = min(_common(path, first, depth), _common(path, last, depth))
    if common == len(path):
        below = depth + common
        child = child_of(extension, first[:below], source)
        new = _update(child, changes, low, high, below, source)
        if new is child:
            return extension
        return None if new is None else _prepend(path, new)
    # Removing what is not there must not split the path.
    kept = [change for change in changes[low:high] if change[1] is not None or change[0].startswith(path, depth)]
    if len(kept) < high - low:
        return _update_extension(extension, kept, 0, len(kept), depth, source) if kept else extension
    # Part of the path is no longer shared: make it a branch with one child, and let the branch's rules do the rest.
    refs, kids = new_branch()
    if common + 1 < len(path):
        shorter = Extension(path[common + 1 :], extension.child, extension.child_ref)
        refs[path[common]], kids[path[common]] = shorter.ref, shorter
    else:
        refs[path[common]], kids[path[common]] = extension.child_ref, extension.child
    new = _update_branch(Branch(refs, kids), changes, low, high, depth + common, source)
    return None if new is None else _prepend(path[:common], new)


def _common(path: bytes, other: bytes, depth: int) -> int:
    """How many nibbles of `path` agree with `other` from `depth` on."""
    for index, nibble in enumerate(path):
        if other[depth + index] != nibble:
            return index
    return len(path)


def root_of_mapping(mapping: Mapping[bytes, bytes], *, secure: bool = True) -> bytes:
    """The root of a trie with exactly these pairs; `secure` hashes the keys first, as the state's trie does."""
    return trie_of_mapping(mapping, secure=secure).root_hash


def trie_of_mapping(mapping: Mapping[bytes, bytes], *, secure: bool = True) -> Trie:
    """The trie with exactly these pairs, in memory. Empty values are left out."""
    items = sorted((path_of(keccak256(key) if secure else key), value) for key, value in mapping.items() if value)
    return Trie(build(items, 0, len(items), 0) if items else None)


__all__ = ["NoSource", "NodeSource", "Trie", "build", "child_of", "kid_of", "root_of_mapping", "trie_of_mapping"]
