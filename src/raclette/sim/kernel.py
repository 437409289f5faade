"""The reference kernel: virtual time, an ordered queue of events, and a digest of all that happened.

An event is ordered by `(time, where, counter)`, never by when it was inserted. `where` packs what it is, whom it
happens to and who caused it; `counter` counts within that place. Two runs that make the same events in another
order of insertion therefore run them in the same order, and a second kernel can agree with this one bit by bit.

Each event that happens is folded into a rolling digest as four 64-bit integers: time, where, counter, content.
"""

from array import array
from collections.abc import Callable
from enum import IntEnum
from hashlib import blake2b
from heapq import heappop, heappush
from sys import byteorder
from typing import Any, TypeAlias

# Nodes are numbered in 24 bits inside `where`: 16 million is far above the largest world (100,000).
_NODE_BITS = 24
NODES_MAX = 1 << _NODE_BITS
# Integers kept before they are hashed: large enough that hashing is not felt, small enough to stay in the cache.
_ROW_INTEGERS = 4 * 4096


class Kind(IntEnum):
    """What an event is; at one instant lower kinds come first."""

    START = 0
    FAULT = 1
    LINK = 2
    SYNCED = 3
    ARRIVAL = 4
    UPLINK = 5
    WAKE = 6
    TIMER = 7
    SEALED = 8
    CLIENT = 9
    WATCH = 10


# Names one scheduled event, so that it can be cancelled: where, counter.
Ticket: TypeAlias = tuple[int, int]
Action: TypeAlias = Callable[[Any], None]


def place(kind: Kind, receiver: int, sender: int = 0) -> int:
    """What, to whom, from whom, as one integer below 2**56."""
    return kind << 2 * _NODE_BITS | receiver << _NODE_BITS | sender


class Kernel:
    """`now` is virtual time in nanoseconds from 0."""

    __slots__ = ("_cancelled", "_hash", "_hashed", "_heap", "_limit", "_rows", "now")

    def __init__(self) -> None:
        self.now = 0
        self._hashed = 0
        self._heap: list[tuple[int, int, int, int, Action, Any]] = []
        self._cancelled: set[tuple[int, int]] = set()
        self._rows: list[int] = []
        self._hash = blake2b(digest_size=32)
        self._limit = 0

    def schedule(self, time: int, where: int, counter: int, content: int, action: Action, argument: Any) -> Ticket:
        """Let `action(argument)` happen at `time` (not before now). (time, where, counter) must be unique; `content`
        (64 bits) stands for the argument in the trace."""
        if time < self.now:
            time = self.now
        heappush(self._heap, (time, where, counter, content, action, argument))
        return where, counter

    def cancel(self, ticket: Ticket) -> None:
        """The event will not happen and leaves no trace. Only for one that has not happened yet."""
        self._cancelled.add(ticket)

    def halt(self) -> None:
        """End `run_until` after the current event."""
        self._limit = -1

    @property
    def events(self) -> int:
        """Those that happened."""
        return (self._hashed + len(self._rows)) // 4

    @property
    def pending(self) -> int:
        """Events that wait (cancelled ones included until their time)."""
        return len(self._heap)

    def run_until(self, horizon: int) -> bool:
        """Let everything up to and including `horizon` happen. True if the horizon was reached, False if halted."""
        self._limit = horizon
        heap, rows, cancelled = self._heap, self._rows, self._cancelled
        while heap:
            event = heappop(heap)
            time, where, counter, content, action, argument = event
            if time > self._limit:
                heappush(heap, event)
                break
            if cancelled and (where, counter) in cancelled:
                cancelled.remove((where, counter))
                continue
            self.now = time
            rows += (time, where, counter, content)
            if len(rows) >= _ROW_INTEGERS:
                self._fold()
            action(argument)
        if self._limit < 0:
            return False
        self.now = max(self.now, horizon)
        return True

    def _fold(self) -> None:
        packed = array("Q", self._rows)
        if byteorder == "big":
            packed.byteswap()
        self._hash.update(packed)
        self._hashed += len(packed)
        self._rows.clear()

    def digest(self) -> str:
        """Hex of the hash over every event so far."""
        self._fold()
        return self._hash.copy().hexdigest()
