"""What nodes wait for, compiled: timers and searches, the same as `sim.timers`, and the order in which they come.

The functions here take the arrays of whoever mines: any named tuple with these fields.

- `meta`: the numbers of the run, see `SHARED` for the first of them;
- `seed`: the seed of the draws;
- `nodes`: a row for each fact about nodes, the first four of them `MEAN` to `HEAD`;
- `timers[t, 0, node]`: when timer t is due, and `timers[t, 1, node]` when its entry comes (0: not at all);
- `queues[t]`, `sizes[t]`: the entries of timer t, and how many;
- `trace`: what fired since the last time that it was hashed.
"""

from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np

from raclette.sim.fast.arithmetic import FRACTION, product3, search_draw
from raclette.sim.fast.heap import drop_first, push
from raclette.sim.fast.jit import Number, inner
from raclette.sim.fast.relay import Rows
from raclette.sim.fast.wire import DONE_ROW, INCOMPLETE, NO_ROW, NOW, RESERVE, SIZE, SLOTS, TRACE_ROWS, TRACED, Wires
from raclette.sim.timers import SEAL, TIMER
from raclette.sim.wiring import KIND_SHIFT, LOOKAHEAD_MAX_NS, NEVER, NODE_BITS, NODE_MASK, SLOT_SHIFT

# The arrays of a run, see above.
Pending = Any
Arrays = TypeVar("Arrays", bound=Any)

# Places in `meta`: blocks wanted and sealed, the last time that something was delivered or sealed, how much fired, how
# much of that is noted, and the search that ends first (`FIRST_END`, `FIRST_NODE`).
WANTED, SEALED, LAST, FIRED, NOTED, FIRST_END, FIRST_NODE, SHARED = range(8)
# Rows of `nodes`: mean search, searches drawn, end of the search, head.
MEAN, DRAWN, END, HEAD, SHARED_ROWS = range(5)
# Room in a queue of timers for what one event may add.
QUEUE_RESERVE = 32
# Why a loop came back to Python: the run is over, or somebody must make room.
FINISHED, GROW, TRACE_FULL, ROW_DONE, QUEUE_FULL, SHARED_REASONS = range(6)


@inner
def set_timer(m: Pending, timer: Number, node: Number, time: Number) -> None:
    """As `sim.timers`: an entry that waits already stays; it is moved when its time comes."""
    m.timers[timer, 0, node] = time
    queued = m.timers[timer, 1, node]
    if queued == 0 or time < queued:
        m.timers[timer, 1, node] = time
        code = TIMER << KIND_SHIFT | timer << SLOT_SHIFT | node << NODE_BITS
        m.sizes[timer] = push(m.queues[timer], m.sizes[timer], time, code)


@inner
def take_timer(m: Pending, timer: Number) -> Number:
    """Remove the first entry; the node whose timer is due with it, or -1."""
    time = m.queues[timer, 0, 0]
    code = m.queues[timer, 0, 1]
    node = code >> NODE_BITS & NODE_MASK
    m.sizes[timer] = drop_first(m.queues[timer], m.sizes[timer])
    if m.timers[timer, 1, node] != time:
        return -1
    due = m.timers[timer, 0, node]
    m.timers[timer, 1, node] = 0
    if due == time:
        m.timers[timer, 0, node] = 0
        note_fired(m, time, TIMER << KIND_SHIFT | timer << SLOT_SHIFT | node << NODE_BITS)
        return node
    if due != 0:
        m.timers[timer, 1, node] = due
        m.sizes[timer] = push(m.queues[timer], m.sizes[timer], due, code)
    return -1


@inner
def first_timer(m: Pending) -> Number:
    """The timer whose first entry comes first; of equals the lower."""
    first, soonest = 0, NEVER
    for timer in range(len(m.sizes)):
        if m.sizes[timer] > 0 and m.queues[timer, 0, 0] < soonest:
            first, soonest = timer, m.queues[timer, 0, 0]
    return first


@inner
def stop_search(m: Pending, node: Number) -> None:
    """`node` searches no more."""
    m.nodes[END, node] = NEVER
    if m.meta[FIRST_NODE] == node:
        first = np.argmin(m.nodes[END])
        m.meta[FIRST_NODE] = first
        m.meta[FIRST_END] = m.nodes[END, first]


@inner
def start_search(w: Wires, m: Pending, time: Number, node: Number) -> None:
    """A (new) search: draw when it ends."""
    m.nodes[DRAWN, node] += 1
    length = product3(m.nodes[MEAN, node], search_draw(m.seed[0], node, m.nodes[DRAWN, node], w.tables), 1, FRACTION)
    end = min(time + 1 + length, NEVER)
    stop_search(m, node)
    m.nodes[END, node] = end
    if end < m.meta[FIRST_END] or (end == m.meta[FIRST_END] and node < m.meta[FIRST_NODE]):
        m.meta[FIRST_END] = end
        m.meta[FIRST_NODE] = node


@inner
def end_search(m: Pending) -> Number:
    """The first search ends; the node that found a block."""
    time, node = m.meta[FIRST_END], m.meta[FIRST_NODE]
    note_fired(m, time, SEAL << KIND_SHIFT | node << NODE_BITS)
    stop_search(m, node)
    m.meta[SEALED] += 1
    m.meta[LAST] = time
    return node


@inner
def note_fired(m: Pending, time: Number, code: Number) -> None:
    """For the digest."""
    place = m.meta[NOTED]
    m.trace[place, 0] = time
    m.trace[place, 1] = code
    m.meta[NOTED] = place + 1
    m.meta[FIRED] += 1


@inner
def end_of_run(w: Wires, m: Pending) -> Number:
    """When the run is over: as `Relay._end`."""
    if m.meta[SEALED] < m.meta[WANTED]:
        return NEVER
    if w.meta[INCOMPLETE] == 0:
        return m.meta[LAST] + LOOKAHEAD_MAX_NS
    return NEVER if w.meta[SIZE] > 0 else w.meta[NOW] + LOOKAHEAD_MAX_NS


@inner
def lacking(w: Wires, m: Pending) -> Number:
    """What must be made room for before the next event, if anything."""
    if w.meta[SIZE] + w.const[RESERVE] + 2 * w.meta[SLOTS] > len(w.heap):
        return GROW
    if w.meta[TRACED] == TRACE_ROWS or m.meta[NOTED] == TRACE_ROWS:
        return TRACE_FULL
    for timer in range(len(m.sizes)):
        if m.sizes[timer] + QUEUE_RESERVE > m.queues.shape[1]:
            return QUEUE_FULL
    return ROW_DONE if w.meta[DONE_ROW] != NO_ROW else FINISHED


class Fired:
    """A rolling hash over what fired."""

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=32)

    def fold(self, m: Pending) -> None:
        """Hash what was noted since the last time."""
        self._hash.update(m.trace[: m.meta[NOTED]].astype("<i8", copy=False).data)
        m.meta[NOTED] = 0

    def hexdigest(self) -> str:
        """Of everything folded."""
        return self._hash.hexdigest()


def make_room(why: int, rows: Rows, m: Arrays, fired: Fired) -> Arrays:
    """What a loop came back for with one of the reasons above; the arrays to go on with."""
    if why == GROW:
        rows.grow()
    elif why == TRACE_FULL:
        rows.fold()
        fired.fold(m)
    elif why == ROW_DONE:
        rows.close()
    elif why == QUEUE_FULL:
        m = m._replace(queues=np.concatenate((m.queues, np.empty_like(m.queues)), axis=1))
    return m
