"""Which branch is the chain: most work, or heaviest subtree.

`heaviest` follows the branch whose blocks cost most together (Nakamoto 2008, section 4, read with work for length).
`ghost` starts at the root and always enters the child under which most work hangs, off-branch blocks included
(Sompolinsky and Zohar, "Secure high-rate transaction processing in Bitcoin", FC 2015, section 3). In both, a draw
keeps what was seen first.

The tree is a window on the chain's own block tree: only differences of work matter, so it knows totals relative to
its root and fetches deeper ancestors from the chain when a branch forks below. Branches of any depth compare exactly
under `heaviest`. Deviation: `ghost` forgets blocks off the chain that fork more than `WINDOW` blocks below the head.
"""

from collections.abc import Callable, Hashable

from raclette.chain.header import Header
from raclette.engine.contract import Lookup

# Blocks below the head that stay in memory (about 400 bytes each). Honest forks are a few blocks deep; deeper ones
# cost one walk through the chain's headers each.
WINDOW = 1_024
# Bytes of a hash that stand for a block where only equality counts.
MARK_BYTES = 16


class Entry:
    """A block in the tree. `total` is its branch's work relative to the tree's origin, `subtree` the work of it and of
    everything known above it (kept under `ghost` only). `mark` stands for the block in `BlockTree.likeness`."""

    __slots__ = ("children", "hash", "mark", "number", "parent", "subtree", "total", "weight")

    def __init__(self, header: Header, weight: int, total: int, parent: "Entry | None") -> None:
        self.hash = header.hash
        self.number = header.number
        self.weight = weight
        self.total = total
        self.subtree = weight
        self.parent = parent
        self.children: tuple[Entry, ...] = ()
        self.mark = int.from_bytes(header.hash[:MARK_BYTES], "big")


class BlockTree:
    """Blocks above some root, and the head that the fork choice prefers."""

    def __init__(
        self,
        head: Header,
        *,
        ghost: bool,
        weight: Callable[[Header], int],
        lookup: Lookup,
        lowest: Callable[[], int],
        window: int = WINDOW,
    ) -> None:
        """`lookup` finds checked headers by hash; `lowest` is the number under which nothing can fork (final)."""
        self._ghost = ghost
        self._weight = weight
        self._lookup = lookup
        self._lowest = lowest
        self._window = window
        self._root = self._head = Entry(head, weight(head), 0, None)
        self._entries = {head.hash: self._root}
        self._moved = False
        # Sum of the marks of all entries: two trees with one sum hold the same blocks.
        self._content = self._root.mark
        # Hash of the preferred block.
        self.head = head.hash

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, header: Header) -> bool:
        """Take a checked block whose parent is checked too. True if the head moved.

        A block that forks below what is final is left out: it can never be the head.
        """
        if header.hash in self._entries:
            return False
        self._prune()
        parent = self._entries.get(header.parent_hash) or self._find(header.parent_hash)
        # With its parent, a block below the root on the head's own branch was brought in itself.
        if parent is None or header.hash in self._entries:
            return False
        entry = self._attach(header, parent)
        best = self._best_after(entry)
        if best is self._head:
            return False
        self._head = best
        self.head = best.hash
        self._moved = True
        return True

    def fork_depth(self, old_head: bytes) -> int:
        """How many blocks of `old_head`'s branch the present head leaves (0: it extends it)."""
        old, new = self._entries.get(old_head), self._head
        depth = 0
        if new.parent is old:
            return depth
        while old is not None and old is not new:
            if new.number > old.number:
                new = _parent(new)
                continue
            if old.number == new.number:
                new = _parent(new)
            old = old.parent
            depth += 1
        return depth

    def ancestor(self, depth: int) -> bytes | None:
        """The block `depth` below the head, or None if that is out of sight (and so was reported before)."""
        entry: Entry | None = self._head
        for _ in range(depth):
            entry = entry.parent if entry is not None else None
        return entry.hash if entry is not None else None

    def likeness(self) -> Hashable:
        """Equal for trees of the same blocks that answer alike (see `engine.likeness`). Under `ghost` the order among
        siblings counts, as it decides draws; under `heaviest` it shows in the head alone."""
        return self.head, self._root.hash, self._moved, self._content

    def _best_after(self, entry: Entry) -> Entry:
        if not self._ghost:
            return entry if entry.total > self._head.total else self._head  # NAK-2, NAK-4
        return self._heaviest_subtree(entry)  # NAK-3

    def _heaviest_subtree(self, entry: Entry) -> Entry:
        """The ghost rule, applied where the new block's branch leaves the head's: nothing else has changed weight."""
        ours, theirs = self._head, entry
        while theirs.number > ours.number:
            theirs = _parent(theirs)
        if theirs is ours:
            return self._descend(ours)
        while ours.number > theirs.number:
            ours = _parent(ours)
        while ours.parent is not theirs.parent:
            ours, theirs = _parent(ours), _parent(theirs)
        return self._descend(theirs) if theirs.subtree > ours.subtree else self._head  # a draw stays: NAK-4

    @staticmethod
    def _descend(entry: Entry) -> Entry:
        while entry.children:
            entry = max(entry.children, key=lambda child: child.subtree)  # the first of equals: NAK-4
        return entry

    def _attach(self, header: Header, parent: Entry) -> Entry:
        weight = self._weight(header)
        entry = Entry(header, weight, parent.total + weight, parent)
        if self._ghost:
            entry.mark *= len(parent.children) + 1
        self._content += entry.mark
        parent.children += (entry,)
        self._entries[entry.hash] = entry
        if self._ghost:
            above: Entry | None = parent
            while above is not None:
                above.subtree += weight
                above = above.parent
        return entry

    def _find(self, block_hash: bytes) -> Entry | None:
        """The entry of a block of the chain's tree; a branch below the window is brought into it (NAK-5)."""
        missing: list[Header] = []
        cursor = block_hash
        while (entry := self._entries.get(cursor)) is None:
            header = self._lookup(cursor)
            if header is None:
                return None
            if header.number <= self._root.number:
                if not self._deepen():
                    return None
                continue
            missing.append(header)
            cursor = header.parent_hash
        for header in reversed(missing):
            entry = self._attach(header, entry)
        return entry

    def _deepen(self) -> bool:
        """Make the root's parent the root."""
        if self._root.number <= self._lowest():
            return False
        root_header = self._lookup(self._root.hash)
        header = self._lookup(root_header.parent_hash) if root_header is not None else None
        if header is None:
            return False
        old = self._root
        root = Entry(header, self._weight(header), old.total - old.weight, None)
        root.subtree += old.subtree
        root.children = (old,)
        old.parent = self._root = self._entries[root.hash] = root
        self._content += root.mark
        return True

    def _prune(self) -> None:
        """Forget what forks below the final block, and what has fallen out of twice the window.

        The window moves only once the head has moved, so that a deep branch that grows block by block is walked once
        for each new head, not once for each of its blocks.
        """
        lowest, root = self._lowest(), self._root
        if self._moved and self._head.number - root.number > 2 * self._window:
            lowest = max(lowest, self._head.number - self._window)
        self._moved = False
        if lowest <= root.number:
            return
        root = self._head
        while root.number > lowest:
            root = _parent(root)
        forgotten = [self._root]
        for entry in forgotten:
            del self._entries[entry.hash]
            self._content -= entry.mark
            forgotten.extend(child for child in entry.children if child is not root)
        root.parent = None
        self._root = root


def _parent(entry: Entry) -> Entry:
    if entry.parent is None:  # both branches hang from the root, so they meet before this
        raise LookupError("a branch without a root")
    return entry.parent
