"""Which branch is the chain: the one whose certificates weigh most together.

A window on the chain's own block tree, in which only certified blocks stand. Totals are relative to the root; a branch
that forks below it is brought in from the chain, with the weights of the certificates kept there. Weights only grow:
a heavier certificate for a known block lifts everything above it.
"""

from collections.abc import Callable

from raclette.chain.header import Header
from raclette.engine.contract import Lookup

# Blocks below the head that stay in memory. Deeper forks cost a walk through the chain's headers.
WINDOW = 256


class Entry:
    """A block. `weight` is that of its certificate (0: none known), `total` that of its branch; None while some
    ancestor is not certified."""

    __slots__ = ("children", "hash", "number", "parent", "total", "weight")

    def __init__(self, header: Header, parent: "Entry | None") -> None:
        self.hash = header.hash
        self.number = header.number
        self.parent = parent
        self.weight = 0
        self.total: int | None = None
        self.children: list[Entry] = []


class BallotTree:
    """Blocks above some root, and the head that the fork choice prefers."""

    def __init__(self, head: Header, weigh: Callable[[Header], int], lookup: Lookup, lowest: Callable[[], int]) -> None:
        """`weigh` gives the weight of the certificate kept with a block, 0 if there is none; `lookup` finds checked
        headers; under the number `lowest` nothing can fork."""
        self._weigh = weigh
        self._lookup = lookup
        self._lowest = lowest
        self._root = self._head = Entry(head, None)
        self._root.weight = weigh(head)
        self._root.total = 0
        self._entries = {head.hash: self._root}

    @property
    def head(self) -> bytes:
        """Hash of the preferred block."""
        return self._head.hash

    def __len__(self) -> int:
        return len(self._entries)

    def weight(self, block_hash: bytes) -> int:
        """Of the block's certificate; 0 if none is known here."""
        entry = self._entries.get(block_hash)
        return entry.weight if entry is not None else 0

    def is_certified(self, block_hash: bytes) -> bool:
        """It and all its ancestors."""
        entry = self._entries.get(block_hash)
        return entry is not None and entry.total is not None

    def gap(self, block_hash: bytes) -> tuple[int, bytes] | None:
        """Of a block whose branch does not count yet: its nearest ancestor without a certificate (number and hash)."""
        entry = self._entries.get(block_hash)
        while entry is not None and entry.total is None:
            if not entry.weight:
                return entry.number, entry.hash
            entry = entry.parent
        return None

    def gaps(self) -> list[tuple[int, bytes]]:
        """Blocks without a certificate on which certified ones stand, in order of arrival."""
        return [
            (entry.number, entry.hash)
            for entry in self._entries.values()
            if not entry.weight and entry.total is None and any(child.weight for child in entry.children)
        ]

    def certify(self, header: Header, weight: int) -> None:
        """`header` has a certificate of this weight now. A lighter one than before changes nothing."""
        entry = self._entries.get(header.hash)
        if entry is not None and weight <= entry.weight:
            return
        entry = entry or self._find(header)
        if entry is None:
            return
        entry.weight = max(entry.weight, weight)
        if entry is not self._root:
            self._lift(entry)
            self._prune()

    def _lift(self, entry: Entry) -> None:
        """BAL-28: totals of `entry` and everything above it, and the head that results."""
        changed = [entry]
        for one in changed:
            below = one.parent.total if one.parent is not None else None
            one.total = below + one.weight if below is not None and one.weight else None
            changed += one.children
        for one in changed:
            self._consider(one)

    def _consider(self, entry: Entry) -> None:
        """BAL-29: is it better than the head?"""
        if entry.total is not None and _rank(entry) > _rank(self._head):
            self._head = entry

    def _find(self, header: Header) -> Entry | None:
        """An entry for a block of the chain's tree, with those that connect it."""
        missing = [header]
        while (parent := self._entries.get(missing[-1].parent_hash)) is None:
            above = self._lookup(missing[-1].parent_hash)
            if above is None:
                return None
            if above.number <= self._root.number:
                if not self._deepen():
                    return None
                if header.hash in self._entries:
                    # On the head's own branch, below what was in memory.
                    return self._entries[header.hash]
                continue
            missing.append(above)
        entry = parent
        for step in reversed(missing):
            entry = self._attach(step, entry)
        return entry

    def _attach(self, header: Header, parent: Entry) -> Entry:
        entry = Entry(header, parent)
        entry.weight = self._weigh(header)
        if entry.weight and parent.total is not None:
            entry.total = parent.total + entry.weight
        parent.children.append(entry)
        self._entries[entry.hash] = entry
        self._consider(entry)
        return entry

    def _deepen(self) -> bool:
        """Make the root's parent the root."""
        old = self._root
        if old.number <= self._lowest():
            return False
        header = self._lookup(old.hash)
        below = self._lookup(header.parent_hash) if header is not None else None
        if below is None or old.total is None:
            return False
        root = Entry(below, None)
        root.weight = self._weigh(below)
        root.total = old.total - old.weight
        root.children = [old]
        old.parent = self._root = self._entries[root.hash] = root
        return True

    def _prune(self) -> None:
        """Forget what forks below the final block, or far below the head."""
        lowest = self._lowest()
        if self._head.number - self._root.number > 2 * WINDOW:
            lowest = max(lowest, self._head.number - WINDOW)
        if lowest <= self._root.number:
            return
        root = self._head
        while root.number > lowest and root.parent is not None:
            root = root.parent
        forgotten = [self._root]
        for entry in forgotten:
            del self._entries[entry.hash]
            forgotten += [child for child in entry.children if child is not root]
        root.parent = None
        self._root = root


def _rank(entry: Entry) -> tuple[int, bytes]:
    """Heavier first, then the lower hash."""
    return entry.total or 0, bytes(255 - byte for byte in entry.hash)
