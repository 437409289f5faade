"""What engines wait for in engine fidelity: timers, and searches for a nonce.

Both answer one question, what comes first, and both make the common case cheap: a timer that is set again and again,
later each time, stays in its queue with its old entry until that time comes; of ten thousand searches that all begin
anew with every block only the shortest matters.
"""

from array import array
from heapq import heappop, heappush, nsmallest

from raclette.primitives.units import SECOND
from raclette.sim.wiring import NEVER, NODE_BITS, NODE_MASK, SLOT_MASK, SLOT_SHIFT, pack

# Kinds of engine events beside those of the wires: at one instant timers come first.
TIMER, SEAL = 4, 5
# Timers further away than this wait in a heap of their own, mostly to be replaced before their time.
FAR_NS = SECOND
# Of the searches under way the next few are kept in order; among so many, stopped ones included, they are sought anew.
SHORTLIST, SHORTLIST_MAX = 64, 1_024
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
        self._due: list[array[int]] = []
        self._queued: list[array[int]] = []
        self._near: list[tuple[int, int]] = []
        self._far: list[tuple[int, int]] = []

    def set(self, time: int, node: int, name: str, delay: int) -> None:
        """It fires at `time`, `delay` ns from now, whatever was set before."""
        number = self._numbers.get(name)
        if number is None:
            number = self._name(name)
        self._due[number][node] = time
        queued = self._queued[number]
        if not queued[node] or time < queued[node]:
            queued[node] = time
            entry = (time, self._codes[number] | node << NODE_BITS)
            heappush(self._near if delay < FAR_NS else self._far, entry)
            if entry < self.first:
                self.first = entry

    def cancel(self, node: int, name: str) -> None:
        """It does not fire. Timers are numbered in the order in which they are first set or cancelled."""
        number = self._numbers.get(name)
        self._due[self._name(name) if number is None else number][node] = 0

    def code(self, node: int, name: str) -> int:
        """By which the timer is ordered among those of its time."""
        number = self._numbers.get(name)
        return self._codes[self._name(name) if number is None else number] | node << NODE_BITS

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
        self._due.append(array("q", [0]) * self._nodes)
        self._queued.append(array("q", [0]) * self._nodes)
        return self._numbers.setdefault(name, len(self._numbers))


class Searches:
    """At most one search a node. `first` is the one that ends first: (time, code)."""

    __slots__ = ("_bound", "_closed", "_ends", "_soonest", "first")

    def __init__(self, nodes: int) -> None:
        self.first = NOTHING
        self._ends = array("q", [NEVER]) * nodes
        # The searches that end before `_bound`, as a heap of (time, code). Some of them have been stopped since.
        self._soonest: list[tuple[int, int]] = []
        self._bound = NEVER
        self._closed = False

    def start(self, node: int, end: int) -> None:
        """`node` searches anew; it will have found something at `end`."""
        self._ends[node] = end
        if end < self._bound:
            heappush(self._soonest, (end, pack(SEAL, 0, node, 0)))
            if len(self._soonest) > SHORTLIST_MAX:
                self._shorten()
            self._choose()
        elif self._is_first(node):
            self._choose()

    def stop(self, node: int) -> None:
        """`node` searches no more."""
        self._ends[node] = NEVER
        if self._is_first(node):
            self._choose()

    def close(self) -> None:
        """Nobody finds anything any more."""
        self._closed = True
        self._choose()

    def _is_first(self, node: int) -> bool:
        return self.first[1] >> NODE_BITS & NODE_MASK == node

    def _choose(self) -> None:
        """Find out who is first."""
        ends, soonest = self._ends, self._soonest
        while soonest and ends[soonest[0][1] >> NODE_BITS & NODE_MASK] != soonest[0][0]:
            heappop(soonest)
        if not soonest and self._bound < NEVER:
            self._shorten()
        self.first = NOTHING if self._closed or not soonest else soonest[0]

    def _shorten(self) -> None:
        """Keep the next few only. Searches have no memory: as many of those that begin later will end before `_bound`
        as of these, so the list stays as long as it is until time has passed."""
        last = nsmallest(SHORTLIST, self._ends)[-1]
        self._bound = min(last + 1, NEVER)
        found = ((end, pack(SEAL, 0, node, 0)) for node, end in enumerate(self._ends) if end <= last and end < NEVER)
        self._soonest[:] = sorted(found)
