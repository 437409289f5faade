"""What engines wait for in engine fidelity: timers, and searches for a nonce.

Both answer one question, what comes first, and both make the common case cheap: a timer that is set again and again,
later each time, stays in its queue with its old entry until that time comes; of ten thousand searches that all begin
anew with every block only the shortest matters.
"""

from heapq import heappop, heappush

from raclette.primitives.units import SECOND
from raclette.sim.wiring import NEVER, NODE_BITS, NODE_MASK, SLOT_MASK, SLOT_SHIFT, pack

# Kinds of engine events beside those of the wires: at one instant timers come first.
TIMER, SEAL = 4, 5
# Timers further away than this wait in a heap of their own, mostly to be replaced before their time.
FAR_NS = SECOND
NOTHING = (NEVER, 0)


class Timers:
    """Timers by node and name. `first` is the earliest entry, which may turn out to be cancelled or moved."""

    __slots__ = ("_codes", "_due", "_far", "_names", "_near", "_nodes", "_numbers", "_queued", "first")

    def __init__(self, nodes: int) -> None:
        self.first = NOTHING
        self._nodes = nodes
        self._numbers: dict[str, int] = {}
        self._names: list[str] = []
        self._codes: list[int] = []
        # By timer and node: when it fires (0: not at all), and the earliest entry for it in a queue (0: none).
        self._due: list[list[int]] = []
        self._queued: list[list[int]] = []
        self._near: list[tuple[int, int]] = []
        self._far: list[tuple[int, int]] = []

    def set(self, now: int, node: int, name: str, delay: int) -> None:
        """It fires `delay` ns after `now`, whatever was set before."""
        number = self._numbers.get(name)
        if number is None:
            number = self._name(name)
        time = now + delay
        self._due[number][node] = time
        queued = self._queued[number]
        if not queued[node] or time < queued[node]:
            queued[node] = time
            entry = (time, self._codes[number] | node << NODE_BITS)
            heappush(self._near if delay < FAR_NS else self._far, entry)
            if entry < self.first:
                self.first = entry

    def cancel(self, node: int, name: str) -> None:
        """It does not fire."""
        number = self._numbers.get(name)
        if number is not None:
            self._due[number][node] = 0

    def pop(self) -> str:
        """Remove `first`; the timer's name if it is due now, an empty string if not."""
        near, far = self._near, self._far
        time, code = heappop(near if near and near[0] is self.first else far)
        number, node = code >> SLOT_SHIFT & SLOT_MASK, code >> NODE_BITS & NODE_MASK
        name = ""
        queued = self._queued[number]
        if queued[node] == time:
            due = self._due[number][node]
            queued[node] = 0
            if due == time:
                self._due[number][node] = 0
                name = self._names[number]
            elif due:
                queued[node] = due
                heappush(far, (due, code))
        if not near:
            self.first = far[0] if far else NOTHING
        elif not far or near[0] < far[0]:
            self.first = near[0]
        else:
            self.first = far[0]
        return name

    def _name(self, name: str) -> int:
        self._names.append(name)
        self._codes.append(pack(TIMER, len(self._codes), 0, 0))
        self._due.append([0] * self._nodes)
        self._queued.append([0] * self._nodes)
        return self._numbers.setdefault(name, len(self._numbers))


class Searches:
    """At most one search a node. `first` is the one that ends first: (time, code)."""

    __slots__ = ("_closed", "_ends", "_holder", "first")

    def __init__(self, nodes: int) -> None:
        self.first = NOTHING
        self._holder = -1
        self._ends = [NEVER] * nodes
        self._closed = False

    def start(self, node: int, end: int) -> None:
        """`node` searches anew; it will have found something at `end`."""
        if node == self._holder:
            self.stop(node)
        self._ends[node] = end
        if end <= self.first[0] and not self._closed:
            entry = (end, pack(SEAL, 0, node, 0))
            if entry < self.first:
                self.first = entry
                self._holder = node

    def stop(self, node: int) -> None:
        """`node` searches no more."""
        self._ends[node] = NEVER
        if node == self._holder:
            end = min(self._ends)
            self._holder = self._ends.index(end) if end != NEVER else -1
            self.first = (end, pack(SEAL, 0, self._holder, 0)) if end != NEVER else NOTHING

    def close(self) -> None:
        """Nobody finds anything any more."""
        self._closed = True
        self._holder = -1
        self.first = NOTHING
