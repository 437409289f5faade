"""A pool: those who mine together, their hidden blocks, and the branch that the others have made public.

The pool keeps the tree of all blocks since shortly before the two branches parted, asks its strategy after each block,
and tells its members what to take over and what to show. It is a plan shared by all members (`Scene.plot`), not a
machine of the network: how a member hears of a block and how it shows one is the member's business (`miner`).
"""

from collections import deque
from typing import NamedTuple

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.sim.attacks.strategies import Fork, Move, Strategy

# Blocks kept below the fork: a public reorganisation that goes deeper makes the pool start over.
MARGIN = 16


class _Entry:
    """A block. `work` is that of its branch above the pool's first root."""

    __slots__ = ("block", "hash", "number", "parent", "public", "work")

    def __init__(self, header: Header, parent: "_Entry | None", block: Block | None) -> None:
        self.hash = header.hash
        self.number = header.number
        self.parent = parent
        self.work: int = header.difficulty + (parent.work if parent is not None else 0)
        self.block = block
        self.public = block is None


class Task(NamedTuple):
    """For a member: know this block of the pool; `show` it to the world too."""

    block: Block
    show: bool


class Pool:
    """Branches, strategy and members. `found` counts the blocks of the pool, `restarts` how often it started over."""

    def __init__(self, strategy: Strategy) -> None:
        self.strategy = strategy
        self.found = 0
        self.restarts = 0
        self._entries: dict[bytes, _Entry] = {}
        self._tip: _Entry | None = None
        self._theirs: _Entry | None = None
        self._tasks: dict[int, deque[Task]] = {}

    def join(self, member: int, head: Header) -> deque[Task]:
        """The member's tasks, a queue that it empties. A member that comes back gets all that is hidden again. `head`
        is its public head."""
        if self._tip is None:
            self._begin(head)
        tasks = self._tasks[member] = deque()
        tasks.extend(Task(block, False) for block in self.hidden)
        return tasks

    def knows(self, block_hash: bytes) -> bool:
        """Has this block been told of?"""
        return block_hash in self._entries

    def hides(self, block_hash: bytes) -> bool:
        """Is it one of ours that is not public?"""
        entry = self._entries.get(block_hash)
        return entry is not None and not entry.public

    @property
    def hidden(self) -> list[Block]:
        """Our blocks above the fork that are not public, oldest first."""
        return [entry.block for entry in self._above_fork() if entry.block is not None and not entry.public]

    @property
    def lowest(self) -> int:
        """Number under which blocks are forgotten."""
        return self._anchor().number

    @property
    def tip(self) -> bytes:
        """Hash of the block to mine on."""
        return self._mine_on().hash

    @property
    def fork(self) -> Fork:
        """Where things stand."""
        branch = self._above_fork()
        shown = next((i for i, entry in enumerate(branch) if not entry.public), len(branch))
        return Fork(len(branch), self._their_tip().number - self._mine_on().number + len(branch), shown)

    # What happens

    def find(self, member: int, block: Block) -> None:
        """`member` found a block and has it already."""
        self.found += 1
        parent = self._entries.get(block.parent_hash)
        if parent is None or block.hash in self._entries:
            return  # on a branch that was given up while the nonce travelled
        entry = self._entries[block.hash] = _Entry(block.header, parent, block)
        for other, tasks in self._tasks.items():
            if other != member:
                tasks.append(Task(block, False))
        if entry.work > self._mine_on().work:
            self._tip = entry
            self._play(self.strategy.found(self.fork))

    def hear(self, header: Header) -> None:
        """A public block of the others. Ignored if known, or if its parent is not."""
        parent = self._entries.get(header.parent_hash)
        if parent is None or header.hash in self._entries:
            return
        entry = self._entries[header.hash] = _Entry(header, parent, None)
        self._publish_below(parent)
        if entry.work > self._their_tip().work:
            self._theirs = entry
            self._play(self.strategy.heard(self.fork))

    def start_over(self, head: Header) -> None:
        """The public chain went back below everything known: follow it from its `head`. Ignored while that is not
        higher: it may be a branch long forgotten, at a member that is late."""
        if head.number <= self._their_tip().number:
            return
        self.restarts += 1
        self._begin(head)

    # The plan

    def _play(self, move: Move) -> None:
        if move.adopt:
            self._tip = self._theirs
        else:
            for entry in self._above_fork()[: move.show]:
                self._show(entry)
        self._forget()

    def _show(self, entry: _Entry) -> None:
        if not entry.public and entry.block is not None:
            entry.public = True
            for tasks in self._tasks.values():
                tasks.append(Task(entry.block, True))
        if entry.work > self._their_tip().work:
            self._theirs = entry  # the best that everybody knows is ours

    @staticmethod
    def _publish_below(entry: _Entry | None) -> None:
        """Somebody built on it: it is public, whoever showed it."""
        while entry is not None and not entry.public:
            entry.public = True
            entry = entry.parent

    def _above_fork(self) -> list[_Entry]:
        """Our branch since it left theirs, oldest first."""
        ours, theirs = self._mine_on(), self._their_tip()
        branch: list[_Entry] = []
        while ours is not theirs:
            if ours.number >= theirs.number:
                branch.append(ours)
                ours = _parent(ours)
            else:
                theirs = _parent(theirs)
        branch.reverse()
        return branch

    def _anchor(self) -> _Entry:
        return next(iter(self._entries.values()))

    def _mine_on(self) -> _Entry:
        return _known(self._tip)

    def _their_tip(self) -> _Entry:
        return _known(self._theirs)

    def _begin(self, header: Header) -> None:
        entry = _Entry(header, None, None)
        self._entries = {entry.hash: entry}
        self._tip = self._theirs = entry

    def _forget(self) -> None:
        """Drop what lies deep below the fork, or hangs off it there."""
        fork = self._their_tip().number
        branch = self._above_fork()
        fork = branch[0].number - 1 if branch else fork
        if fork - self.lowest < 2 * MARGIN:
            return
        root = self._mine_on()
        while root.number > fork - MARGIN:
            root = _parent(root)
        root.parent = None
        kept = {root.hash: root}
        for entry in self._entries.values():
            if entry.parent is not None and entry.parent.hash in kept:
                kept[entry.hash] = entry
        self._entries = kept


def _known(entry: _Entry | None) -> _Entry:
    if entry is None:
        raise LookupError("a pool without members has no branch")
    return entry


def _parent(entry: _Entry) -> _Entry:
    if entry.parent is None:  # both branches hang from the first entry, so they meet before this
        raise LookupError("a branch without a root")
    return entry.parent
