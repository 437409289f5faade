"""Proof of work without engines: mining, fork choice and relay in one compiled loop, for a hundred thousand nodes.

It is the `nakamoto` protocol as far as blocks, links and time go: the branch with more blocks wins, of equals the one
seen first; a node that moves to a new head begins to search 2 ms later, and anew every hour; searches end after the
same draws. Run beside the engines with the same seed it gives the same events, and so the same digest.

What it leaves out: headers and their timestamps, difficulty rules (every block weighs the same), finality, and the
bounds on what a node keeps (orphans, window of the tree).
"""

from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from raclette.primitives.units import MILLISECOND
from raclette.protocols.nakamoto.engine import SETTLE_NS
from raclette.sim.fast.arithmetic import FRACTION, product3, search_draw
from raclette.sim.fast.heap import drop_first, grown, make_heap, push
from raclette.sim.fast.jit import Number, inner, lean
from raclette.sim.fast.relay import Rows
from raclette.sim.fast.wire import (
    DONE_ROW,
    EVENTS,
    INCOMPLETE,
    LOST,
    NO_ROW,
    NOW,
    OUT,
    RESERVE,
    ROW,
    SIZE,
    SKIPPED,
    SLOTS,
    TRACE_ROWS,
    TRACED,
    Wires,
    announce,
    hold,
    step,
)
from raclette.sim.miners import TIME_REFRESH_MS
from raclette.sim.timers import SEAL, TIMER
from raclette.sim.wiring import (
    KEPT,
    KIND_SHIFT,
    LOOKAHEAD_MAX_NS,
    NEVER,
    NODE_BITS,
    NODE_MASK,
    SLOT_SHIFT,
    Wiring,
)

Ints = npt.NDArray[Any]

# Timers by number, in the order in which the engine first sets them.
REFRESH, MINE = 0, 1
REFRESH_NS = TIME_REFRESH_MS * MILLISECOND
# Places in `Miners.meta`. FIRST_END and FIRST_NODE are the search that ends first.
WANTED, SEALED, LAST, FIRED, NOTED, SPARE, FIRST_END, FIRST_NODE, WAITING, META = range(10)
# Rows of `Miners.nodes`: mean search, searches drawn, end of the search, head, first and last block that waits.
MEAN, DRAWN, END, HEAD, FIRST_WAIT, LAST_WAIT, NODE_ROWS = range(7)
# Columns of `Miners.blocks`.
PARENT, HEIGHT, MINER, TIME = range(4)
# Why `mine` came back; the first four as in `relay`.
FINISHED, GROW, TRACE_FULL, ROW_WANTED, ROW_DONE, WAITING_FULL = range(6)


class Miners(NamedTuple):
    """All arrays of the nodes' side. `queues[t]` holds the entries of timer t, `sizes[t]` how many; `timers[t, 0]` says
    when it is due and `timers[t, 1]` when its entry comes (0: none). `known[slot, node]`: is the block in the node's
    tree? `waiting` are blocks without a parent, as lists by node: (block, next entry)."""

    meta: Ints
    seed: Ints
    nodes: Ints
    timers: Ints
    queues: Ints
    sizes: Ints
    blocks: Ints
    known: Ints
    waiting: Ints
    branch: Ints
    trace: Ints


def make_miners(seed: int, means: list[int], blocks: int) -> Miners:
    """Nodes whose searches take `means` ns in the mean, before anything has happened; `blocks` are to be mined."""
    count = len(means)
    made = Miners(
        meta=np.zeros(META, dtype=np.int64),
        seed=np.array([seed & (1 << 64) - 1], dtype=np.uint64),
        nodes=np.zeros((NODE_ROWS, count), dtype=np.int64),
        timers=np.zeros((2, 2, count), dtype=np.int64),
        queues=np.stack([make_heap(count + 8) for _ in (REFRESH, MINE)]),
        sizes=np.zeros(2, dtype=np.int64),
        blocks=np.zeros((blocks + 1, 4), dtype=np.int64),
        known=np.zeros((blocks + 1, count), dtype=np.uint8),
        waiting=np.zeros((1024, 2), dtype=np.int64),
        branch=np.zeros(blocks + 1, dtype=np.int64),
        trace=np.zeros((TRACE_ROWS, 2), dtype=np.int64),
    )
    made.nodes[MEAN] = means
    made.nodes[END] = NEVER
    made.meta[WANTED] = blocks
    made.meta[FIRST_END] = NEVER
    made.meta[WAITING] = 1  # entry 0 means none
    made.known[0] = 1
    return made


# Searches and timers


@inner
def _set_timer(m: Miners, timer: Number, node: Number, time: Number) -> None:
    """As `sim.timers`: an entry that waits already stays; it is moved when its time comes."""
    m.timers[timer, 0, node] = time
    queued = m.timers[timer, 1, node]
    if queued == 0 or time < queued:
        m.timers[timer, 1, node] = time
        code = TIMER << KIND_SHIFT | timer << SLOT_SHIFT | node << NODE_BITS
        m.sizes[timer] = push(m.queues[timer], m.sizes[timer], time, code)


@inner
def _take_timer(m: Miners, timer: Number) -> Number:
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
        return node
    if due != 0:
        m.timers[timer, 1, node] = due
        m.sizes[timer] = push(m.queues[timer], m.sizes[timer], due, code)
    return -1


@inner
def _stop(m: Miners, node: Number) -> None:
    """`node` searches no more."""
    m.nodes[END, node] = NEVER
    if m.meta[FIRST_NODE] == node:
        first = np.argmin(m.nodes[END])
        m.meta[FIRST_NODE] = first
        m.meta[FIRST_END] = m.nodes[END, first]


@inner
def _search(w: Wires, m: Miners, time: Number, node: Number) -> None:
    """A candidate on the head: draw when the search ends, and renew it in an hour."""
    m.nodes[DRAWN, node] += 1
    length = product3(m.nodes[MEAN, node], search_draw(m.seed[0], node, m.nodes[DRAWN, node], w.tables), 1, FRACTION)
    end = min(time + 1 + length, NEVER)
    _stop(m, node)
    m.nodes[END, node] = end
    if end < m.meta[FIRST_END] or (end == m.meta[FIRST_END] and node < m.meta[FIRST_NODE]):
        m.meta[FIRST_END] = end
        m.meta[FIRST_NODE] = node
    _set_timer(m, REFRESH, node, time + REFRESH_NS)


# The tree


@inner
def _connect(m: Miners, node: Number, slot: Number) -> Number:
    """The block is in the node's tree, and so are those that waited for it. The best block of the node then."""
    best = m.nodes[HEAD, node]
    m.branch[0] = slot
    count = 1
    place = 0
    while place < count:
        block = m.branch[place]
        place += 1
        m.known[block, node] = 1
        if m.blocks[block, HEIGHT] > m.blocks[best, HEIGHT]:
            best = block
        entry, before = m.nodes[FIRST_WAIT, node], 0
        while entry != 0:
            following = m.waiting[entry, 1]
            if m.blocks[m.waiting[entry, 0], PARENT] == block:
                m.branch[count] = m.waiting[entry, 0]
                count += 1
                if before == 0:
                    m.nodes[FIRST_WAIT, node] = following
                else:
                    m.waiting[before, 1] = following
                if following == 0:
                    m.nodes[LAST_WAIT, node] = before
            else:
                before = entry
            entry = following
    return best


@inner
def _take(m: Miners, time: Number, node: Number, slot: Number) -> None:
    """`node` has a block: into its tree if the parent is there, and on to a new head if it is better."""
    if m.known[m.blocks[slot, PARENT], node] == 0:
        entry = m.meta[WAITING]
        m.meta[WAITING] = entry + 1
        m.waiting[entry, 0] = slot
        m.waiting[entry, 1] = 0
        last = m.nodes[LAST_WAIT, node]
        if last == 0:
            m.nodes[FIRST_WAIT, node] = entry
        else:
            m.waiting[last, 1] = entry
        m.nodes[LAST_WAIT, node] = entry
        return
    best = _connect(m, node, slot)
    if best != m.nodes[HEAD, node]:
        m.nodes[HEAD, node] = best
        _stop(m, node)
        m.timers[REFRESH, 0, node] = 0
        _set_timer(m, MINE, node, time + SETTLE_NS)


@inner
def _seal(w: Wires, m: Miners) -> None:
    """The first search ends: a new block."""
    time, node = m.meta[FIRST_END], m.meta[FIRST_NODE]
    slot = m.meta[SPARE]
    _note(m, time, SEAL << KIND_SHIFT | node << NODE_BITS)
    _stop(m, node)
    parent = m.nodes[HEAD, node]
    m.blocks[slot, PARENT] = parent
    m.blocks[slot, HEIGHT] = m.blocks[parent, HEIGHT] + 1
    m.blocks[slot, MINER] = node
    m.blocks[slot, TIME] = time
    m.meta[SPARE] = 0
    m.meta[SEALED] += 1
    m.meta[LAST] = time
    hold(w, time, slot, w.slots[slot, ROW], node, KEPT)
    _take(m, time, node, slot)
    announce(w, time, slot, node)


@inner
def _note(m: Miners, time: Number, code: Number) -> None:
    place = m.meta[NOTED]
    m.trace[place, 0] = time
    m.trace[place, 1] = code
    m.meta[NOTED] = place + 1
    m.meta[FIRED] += 1


# The run


@lean
def begin(w: Wires, m: Miners) -> None:
    """Everybody starts to search."""
    for node in range(m.nodes.shape[1]):
        _search(w, m, 0, node)


@inner
def _first_timer(m: Miners) -> Number:
    """The timer whose first entry comes first."""
    if m.sizes[MINE] == 0:
        return REFRESH
    if m.sizes[REFRESH] == 0:
        return MINE
    time, other = m.queues[MINE, 0, 0], m.queues[REFRESH, 0, 0]
    return REFRESH if other <= time else MINE


@inner
def _end(w: Wires, m: Miners) -> Number:
    """When the run is over: as `Relay._end`."""
    if m.meta[SEALED] < m.meta[WANTED]:
        return NEVER
    if w.meta[INCOMPLETE] == 0:
        return m.meta[LAST] + LOOKAHEAD_MAX_NS
    return NEVER if w.meta[SIZE] > 0 else w.meta[NOW] + LOOKAHEAD_MAX_NS


@inner
def _lacks(w: Wires, m: Miners) -> Number:
    """What must be made room for before the next event, if anything."""
    if w.meta[SIZE] + w.const[RESERVE] + 2 * w.meta[SLOTS] > len(w.heap):
        return GROW
    if w.meta[TRACED] == TRACE_ROWS or m.meta[NOTED] == TRACE_ROWS:
        return TRACE_FULL
    if m.meta[WAITING] == len(m.waiting):
        return WAITING_FULL
    return ROW_DONE if w.meta[DONE_ROW] != NO_ROW else FINISHED


@lean
def mine(w: Wires, m: Miners) -> Number:
    """Go on to the end, or until somebody must make room: a reason from the list above."""
    while True:
        lacks = _lacks(w, m)
        if lacks != FINISHED:
            return lacks
        timer = _first_timer(m)
        due = m.queues[timer, 0, 0] if m.sizes[timer] > 0 else NEVER
        seals = m.meta[SEALED] < m.meta[WANTED] and m.meta[FIRST_END] < due
        if seals:
            due = m.meta[FIRST_END]
        is_over = due > _end(w, m)
        if w.meta[SIZE] > 0 and (is_over or w.heap[0, 0] <= due):
            time, code = w.heap[0, 0], w.heap[0, 1]
            w.meta[SIZE] = drop_first(w.heap, w.meta[SIZE])
            step(w, time, code)
            if w.meta[OUT] > 0:
                w.meta[OUT] = 0
                m.meta[LAST] = time
                _take(m, time, w.out[0, 1], w.out[0, 3])
        elif is_over or due == NEVER:
            return FINISHED
        elif seals:
            if m.meta[SPARE] == 0:
                return ROW_WANTED
            _seal(w, m)
        else:
            node = _take_timer(m, timer)
            if node >= 0:
                _note(m, due, TIMER << KIND_SHIFT | timer << SLOT_SHIFT | node << NODE_BITS)
                _search(w, m, due, node)


class Model:
    """A run of the model: `run` it once."""

    def __init__(self, wiring: Wiring, means: list[int], blocks: int) -> None:
        """`means[node]` is how long a search of the node takes in the mean (ns), at most NEVER."""
        self.rows = Rows(wiring, wiring.lookahead)
        self._miners = make_miners(wiring.seed, means, blocks)
        self._hash = blake2b(digest_size=32)

    def run(self) -> None:
        """To the end."""
        rows = self.rows
        begin(rows.wires, self._miners)
        while (why := mine(rows.wires, self._miners)) != FINISHED:
            if why == GROW:
                rows.grow()
            elif why == TRACE_FULL:
                rows.fold()
                self._fold()
            elif why == ROW_WANTED:
                self._miners.meta[SPARE] = rows.open()
            elif why == ROW_DONE:
                rows.close()
            else:
                waiting = self._miners.waiting
                self._miners = self._miners._replace(waiting=grown(waiting, 2 * len(waiting)))

    def _fold(self) -> None:
        m = self._miners
        self._hash.update(m.trace[: m.meta[NOTED]].astype("<i8", copy=False).data)
        m.meta[NOTED] = 0

    def trace_digest(self) -> str:
        """Of the timers that fired and the searches that ended."""
        self._fold()
        return self._hash.hexdigest()

    def column(self, which: int) -> list[int]:
        """PARENT, HEIGHT, MINER or TIME of each block."""
        found: list[int] = self._miners.blocks[:, which].tolist()
        return found

    def heads(self) -> list[int]:
        """The block that each node follows."""
        found: list[int] = self._miners.nodes[HEAD].tolist()
        return found

    def arrivals(self, slot: int) -> list[int]:
        """When each node had the block."""
        found: list[int] = self.rows.arrivals(slot).tolist()
        return found

    @property
    def events(self) -> int:
        """Logical events."""
        return int(self.rows.wires.meta[EVENTS] + self._miners.meta[FIRED])

    @property
    def skipped(self) -> int:
        """Announcements that were not queued."""
        return int(self.rows.wires.meta[SKIPPED])

    @property
    def lost(self) -> int:
        """Messages sent and not received."""
        return int(self.rows.wires.meta[LOST])
