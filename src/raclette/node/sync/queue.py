"""Checked headers on their way to imported blocks: which bodies to ask for, and what can be imported in order.

A wanted block is *waiting* (its body is to be asked for), *asked* (from one peer), *here* (body matches the header) or
*importing* (handed to the node). It leaves when the node has it, or with all its descendants when it fails.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum

from raclette.chain.block import Block
from raclette.chain.header import EMPTY_ROOT, Header
from raclette.node.sync.limits import SyncLimits


class State(Enum):
    """Where a wanted block is on its way."""

    WAITING = "waiting"
    ASKED = "asked"
    HERE = "here"
    IMPORTING = "importing"


class Wanted:
    """One header's block. `source` vouched for the header; `refused` did not deliver the body this round; `counted` in
    the window of bodies asked for or here."""

    __slots__ = ("body", "certificate", "counted", "header", "refused", "rounds", "size", "source", "state")

    def __init__(self, header: Header, certificate: bytes, source: bytes) -> None:
        self.header = header
        self.certificate = certificate
        self.source = source
        self.body: tuple[bytes, ...] = ()
        self.size = 0
        self.refused: dict[bytes, None] = {}
        self.rounds = 0
        self.state = State.WAITING
        self.counted = False


class BlockQueue:
    """All wanted blocks, parents before children."""

    def __init__(self, limits: SyncLimits) -> None:
        self._limits = limits
        self._wanted: dict[bytes, Wanted] = {}
        self._children: dict[bytes, list[bytes]] = {}
        self._todo: deque[bytes] = deque()
        self._ahead = 0
        self._asked = 0
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._wanted)

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._wanted

    def get(self, block_hash: bytes) -> Wanted | None:
        """The wanted block of that hash."""
        return self._wanted.get(block_hash)

    def header(self, block_hash: bytes) -> Header | None:
        """Its header."""
        wanted = self._wanted.get(block_hash)
        return None if wanted is None else wanted.header

    def highest(self) -> int:
        """Greatest block number wanted, 0 if none."""
        return max((wanted.header.number for wanted in self._wanted.values()), default=0)

    def add(self, header: Header, certificate: bytes, source: bytes) -> None:
        """Want this block. An empty body needs no asking, and does not count in the window."""
        wanted = self._insert(header, certificate, source)
        if header.transactions_root == EMPTY_ROOT:
            wanted.state = State.HERE
        else:
            self._todo.append(header.hash)

    def add_whole(self, block: Block, certificate: bytes, source: bytes) -> None:
        """A block that is being imported at once."""
        wanted = self._insert(block.header, certificate, source)
        wanted.body = block.transactions
        wanted.size = sum(map(len, block.transactions))
        wanted.state = State.IMPORTING
        self._bytes += wanted.size

    def _insert(self, header: Header, certificate: bytes, source: bytes) -> Wanted:
        wanted = Wanted(header, certificate, source)
        self._wanted[header.hash] = wanted
        self._children.setdefault(header.parent_hash, []).append(header.hash)
        return wanted

    def is_open(self) -> bool:
        """Is there something to ask for, and room for it?"""
        self._skip_done()
        # The front one is always asked for when nothing else is under way: what is here may be waiting for it.
        room = self._ahead < self._limits.bodies_ahead_max and self._bytes < self._limits.bytes_ahead_max
        return bool(self._todo) and (room or self._asked == 0)

    def first_waiting(self) -> Wanted | None:
        """The next block whose body is to be asked for."""
        self._skip_done()
        return self._wanted[self._todo[0]] if self._todo else None

    def _skip_done(self) -> None:
        while self._todo:
            wanted = self._wanted.get(self._todo[0])
            if wanted is not None and wanted.state is State.WAITING:
                return
            self._todo.popleft()

    def ask(self, peer: bytes, count: int) -> tuple[bytes, ...]:
        """Up to `count` block hashes from the front that `peer` has not refused; they are asked now."""
        hashes: list[bytes] = []
        passed: list[bytes] = []
        count = max(1, min(count, self._limits.bodies_ahead_max - self._ahead))
        while self._todo and len(hashes) < count and len(passed) < count:
            block_hash = self._todo.popleft()
            wanted = self._wanted.get(block_hash)
            if wanted is None or wanted.state is not State.WAITING:
                continue
            if peer in wanted.refused:
                passed.append(block_hash)
                continue
            wanted.state = State.ASKED
            wanted.counted = True
            hashes.append(block_hash)
        self._todo.extendleft(reversed(passed))
        self._ahead += len(hashes)
        self._asked += len(hashes)
        return tuple(hashes)

    def put_back(self, hashes: Sequence[bytes], refused_by: bytes | None = None) -> None:
        """These were asked and did not come. Hashes no longer asked for are ignored."""
        back: list[bytes] = []
        for block_hash in hashes:
            wanted = self._wanted.get(block_hash)
            if wanted is not None and wanted.state is State.ASKED:
                wanted.state = State.WAITING
                wanted.counted = False
                if refused_by is not None:
                    wanted.refused[refused_by] = None
                back.append(block_hash)
        self._ahead -= len(back)
        self._asked -= len(back)
        self._todo.extendleft(reversed(back))

    def fill(self, block_hash: bytes, body: tuple[bytes, ...]) -> None:
        """The body came and matches."""
        wanted = self._wanted[block_hash]
        wanted.body = body
        wanted.size = sum(map(len, body))
        wanted.state = State.HERE
        self._asked -= 1
        self._bytes += wanted.size

    def take_ready(self, parent_hash: bytes) -> list[Wanted]:
        """Blocks above a known parent that can be imported now, in order; they are importing from here on."""
        out: list[Wanted] = []
        parents = deque([parent_hash])
        while parents:
            for child in self._children.get(parents.popleft(), ()):
                wanted = self._wanted[child]
                if wanted.state is State.HERE:
                    wanted.state = State.IMPORTING
                    out.append(wanted)
                    parents.append(child)
        return out

    def remove(self, block_hash: bytes) -> Wanted | None:
        """It is in the chain (or given up)."""
        wanted = self._wanted.pop(block_hash, None)
        if wanted is None:
            return None
        siblings = self._children[wanted.header.parent_hash]
        siblings.remove(block_hash)
        if not siblings:
            del self._children[wanted.header.parent_hash]
        self._ahead -= wanted.counted
        self._asked -= wanted.state is State.ASKED
        self._bytes -= wanted.size
        return wanted

    def remove_branch(self, block_hash: bytes) -> list[Wanted]:
        """Give up this block and all its descendants."""
        out: list[Wanted] = []
        pending = [block_hash]
        while pending:
            current = pending.pop()
            pending.extend(self._children.get(current, ()))
            wanted = self.remove(current)
            if wanted is not None:
                out.append(wanted)
        return out


def as_block(wanted: Wanted) -> Block:
    """The whole block of a wanted one that is here."""
    return Block(wanted.header, wanted.body)
