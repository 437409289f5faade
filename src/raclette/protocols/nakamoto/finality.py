"""When depth means finality: blocks that lie deep, and have lain on the head's branch for long enough to be contested.

Depth alone proves work, not that nobody did more. A node that catches up is shown a branch of any length within a
second by whoever answers first; were its blocks final at once, a minority's private chain would bind every newcomer
forever, whatever the others have to show. So NAK-6 asks for time as well, by the node's own clock: half of what so many
blocks are expected to take. A newcomer with one honest neighbour hears of the better branch long before that.
"""

from collections import deque

from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto.parameters import Parameters

# Marks kept in the time that a block must wait (twice so many): finality is late by at most this part of that time.
MARKS = 16


class Settling:
    """Since when each part of the head's branch has been there. A mark (number, time) says: up to this block, since."""

    __slots__ = ("_marks", "_wait")

    def __init__(self, parameters: Parameters) -> None:
        self._wait = parameters.finality_depth * parameters.block_interval_s * SECOND // 2
        self._marks: deque[tuple[int, int]] = deque()

    def adopted(self, now: int, number: int, kept: int) -> None:
        """The head is block `number` now (ns); of the branch before, the blocks up to `kept` are still on it."""
        marks = self._marks
        since = None
        while marks and marks[-1][0] > kept:
            since = marks.pop()[1]
        if since is not None and (not marks or marks[-1][0] < kept):
            marks.append((kept, since))
        if len(marks) > 1 and now - marks[-2][1] < self._wait // MARKS:
            marks.pop()  # three at once: the latest stands for it
        marks.append((number, now))

    def settled(self, now: int) -> int:
        """The highest block that has been there for long enough; -1 if there is none."""
        marks = self._marks
        while len(marks) > 1 and marks[1][1] <= now - self._wait:
            marks.popleft()
        return marks[0][0] if marks and marks[0][1] <= now - self._wait else -1
