"""What nodes wait for, compiled: timers and searches, the same as `sim.timers`, and the order in which they come.

The functions here take the arrays of whoever mines: any named tuple with these fields.

- `meta`: the numbers of the run, see `SHARED` for the first of them;
- `seed`: the seed of the draws;
- `nodes`: a row for each fact about nodes, the first five of them `MEAN` to `BEGAN`;
- `timers[t, 0, node]`: when timer t is due, and `timers[t, 1, node]` when its entry comes (0: not at all);
- `queues[t]`, `sizes[t]`: the entries of timer t, and how many;
- `trace`: what fired since the last time that it was hashed.
"""

from hashlib import blake2b
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from raclette.sim.fast.arithmetic import (
    FRACTION,
    product3,
    search_uniform,
    unit_exponential,
    unit_exponential_least,
)
from raclette.sim.fast.heap import drop_first, make_heap, push
from raclette.sim.fast.jit import Number, inner
from raclette.sim.fast.relay import Rows
from raclette.sim.fast.wire import (
    DONE_ROW,
    INCOMPLETE,
    NO_ROW,
    NOW,
    OUT,
    RESERVE,
    SIZE,
    SLOTS,
    TRACE_ROWS,
    TRACED,
    Wires,
    step,
)
from raclette.sim.timers import SEAL, TIMER
from raclette.sim.wiring import KIND_SHIFT, LOOKAHEAD_MAX_NS, NEVER, NODE_BITS, NODE_MASK, SLOT_SHIFT

Ints = npt.NDArray[Any]
# The arrays of a run, see above.
Pending = Any
Arrays = TypeVar("Arrays", bound=Any)

# Places in `meta`: blocks wanted and sealed, the last time that something was delivered or sealed, how much fired, how
# much of that is noted, and the search that ends first (`FIRST_END`, `FIRST_NODE`).
WANTED, SEALED, LAST, FIRED, NOTED, FIRST_END, FIRST_NODE, SHARED = range(8)
# Rows of `nodes`: mean search, searches drawn, end of the search, head, and when the search began if `END` is only a
# moment before which it does not end (KNOWN: it is the end itself).
MEAN, DRAWN, END, HEAD, BEGAN, SHARED_ROWS = range(6)
KNOWN = -1
# Room in a queue of timers for what one event may add.
QUEUE_RESERVE = 32
# Why a loop came back to Python: the run is over, or somebody must make room.
FINISHED, GROW, TRACE_FULL, ROW_DONE, QUEUE_FULL, SHARED_REASONS = range(6)


def idle(seed: int, nodes: int, rows: int, timers: int, blocks: int, meta: int) -> dict[str, Ints]:
    """The arrays named above for `nodes` that do nothing yet, with `rows` of facts and `meta` numbers; `blocks` are to
    be mined."""
    made: dict[str, Ints] = {
        "meta": np.zeros(meta, dtype=np.int64),
        "seed": np.array([seed & (1 << 64) - 1], dtype=np.uint64),
        "nodes": np.zeros((rows, nodes), dtype=np.int64),
        "timers": np.zeros((timers, 2, nodes), dtype=np.int64),
        "queues": np.stack([make_heap(nodes + 2 * QUEUE_RESERVE)] * timers),
        "sizes": np.zeros(timers, dtype=np.int64),
        "trace": np.zeros((TRACE_ROWS, 2), dtype=np.int64),
    }
    made["nodes"][END] = NEVER
    made["nodes"][BEGAN] = KNOWN
    made["meta"][WANTED] = blocks
    made["meta"][FIRST_END] = NEVER
    return made


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


# Searches. A block ends those of all nodes and begins as many new ones, of which one is the first to end and counts. So
# the logarithm behind a search's end is worked out only where a cheap bound does not rule out that it is the first.


@inner
def _end(m: Pending, node: Number, began: Number, length: Number) -> Number:
    """When a search of `length` (in units of 2**-48 of the node's mean) ends."""
    return min(began + 1 + product3(m.nodes[MEAN, node], length, 1, FRACTION), NEVER)


@inner
def _work_out_end(w: Wires, m: Pending, node: Number) -> Number:
    """The end of a search of which only a bound was known."""
    u = search_uniform(m.seed[0], node, m.nodes[DRAWN, node])
    end = _end(m, node, m.nodes[BEGAN, node], unit_exponential(u, w.tables))
    m.nodes[END, node] = end
    m.nodes[BEGAN, node] = KNOWN
    return end


@inner
def stop_search(w: Wires, m: Pending, node: Number) -> None:
    """`node` searches no more."""
    m.nodes[END, node] = NEVER
    m.nodes[BEGAN, node] = KNOWN
    if m.meta[FIRST_NODE] == node:
        first = np.argmin(m.nodes[END])
        while m.nodes[BEGAN, first] != KNOWN:
            _work_out_end(w, m, first)
            first = np.argmin(m.nodes[END])
        m.meta[FIRST_NODE] = first
        m.meta[FIRST_END] = m.nodes[END, first]


@inner
def start_search(w: Wires, m: Pending, time: Number, node: Number) -> None:
    """A (new) search: draw when it ends."""
    stop_search(w, m, node)
    m.nodes[DRAWN, node] += 1
    u = search_uniform(m.seed[0], node, m.nodes[DRAWN, node])
    m.nodes[BEGAN, node] = time
    m.nodes[END, node] = _end(m, node, time, unit_exponential_least(u))
    if m.nodes[END, node] > m.meta[FIRST_END]:
        return
    end = _work_out_end(w, m, node)
    if end < m.meta[FIRST_END] or (end == m.meta[FIRST_END] and node < m.meta[FIRST_NODE]):
        m.meta[FIRST_END] = end
        m.meta[FIRST_NODE] = node


@inner
def end_search(w: Wires, m: Pending) -> Number:
    """The first search ends; the node that found a block."""
    time, node = m.meta[FIRST_END], m.meta[FIRST_NODE]
    note_fired(m, time, SEAL << KIND_SHIFT | node << NODE_BITS)
    stop_search(w, m, node)
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


# What comes next, see `coming`.
NOTHING, MESSAGE, TIMER_DUE, SEARCH_ENDS = range(4)


@inner
def coming(w: Wires, m: Pending) -> tuple[Number, Number, Number]:
    """(what comes next, its timer, when), of equals a message first, then a timer. The time of a message is the
    queue's affair. NOTHING if the run is over."""
    timer = first_timer(m)
    due = m.queues[timer, 0, 0] if m.sizes[timer] > 0 else NEVER
    what = TIMER_DUE
    if m.meta[SEALED] < m.meta[WANTED] and m.meta[FIRST_END] < due:
        what, due = SEARCH_ENDS, m.meta[FIRST_END]
    is_over = due > end_of_run(w, m)
    if w.meta[SIZE] > 0 and (is_over or w.heap[0, 0] <= due):
        return MESSAGE, timer, due
    if is_over or due == NEVER:
        return NOTHING, timer, due
    return what, timer, due


@inner
def deliver(w: Wires, m: Pending) -> Number:
    """The first message on the wires. True if a block has come with it: see the first row of `Wires.out`."""
    time, code = w.heap[0, 0], w.heap[0, 1]
    w.meta[SIZE] = drop_first(w.heap, w.meta[SIZE])
    step(w, time, code)
    if w.meta[OUT] == 0:
        return False
    w.meta[OUT] = 0
    m.meta[LAST] = time
    return True


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
