"""Who found which block, for any number of blocks: a few bytes each."""

from array import array

from raclette.chain.header import Header

# Hashes by which a block's parent is found; older blocks have no children any more.
RECENT_MAX = 8_192


class Ledger:
    """Every block found, its parent, finder and difficulty."""

    def __init__(self, genesis: Header) -> None:
        self._parents = array("q", [-1])
        self._owners = array("q", [-1])
        self._work: list[int] = [0]
        self._slots: dict[bytes, int] = {genesis.hash: 0}

    @property
    def blocks(self) -> int:
        """Found so far, without genesis."""
        return len(self._parents) - 1

    def found(self, header: Header, owner: int) -> None:
        """`owner` found this block. Its parent is recent."""
        self._slots[header.hash] = len(self._parents)
        self._parents.append(self._slots[header.parent_hash])
        self._owners.append(owner)
        self._work.append(header.difficulty)
        if len(self._slots) > 2 * RECENT_MAX:
            for old in list(self._slots)[:RECENT_MAX]:
                del self._slots[old]

    def found_by(self, owner: int) -> int:
        """Blocks of one owner, wherever they ended."""
        return self._owners.count(owner)

    def owners_of_branch(self, tip: bytes) -> list[int]:
        """Finders of the blocks from `tip` down to the first one after genesis."""
        return [self._owners[slot] for slot in self._branch(tip)]

    def work_of_branch(self, tip: bytes) -> int:
        """Expected hashes of all blocks of a branch but genesis."""
        return sum(self._work[slot] for slot in self._branch(tip))

    def _branch(self, tip: bytes) -> list[int]:
        slot, branch = self._slots[tip], []
        while slot > 0:
            branch.append(slot)
            slot = self._parents[slot]
        return branch
