"""Proof of work without engines: mining, fork choice and relay in one compiled loop, for a hundred thousand nodes.

It is the `nakamoto` protocol as far as blocks, links and time go: the branch with more blocks wins, of equals the one
seen first; a node that moves to a new head begins to search 2 ms later, and anew every hour; searches end after the
same draws. Run beside the engines with the same seed it gives the same events, and so the same digest.

What it leaves out: headers and their timestamps, difficulty rules (every block weighs the same), finality, and the
bounds on what a node keeps (orphans, window of the tree).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from raclette.primitives.units import MILLISECOND
from raclette.protocols.nakamoto.engine import SETTLE_NS
from raclette.sim.fast.heap import grown
from raclette.sim.fast.jit import Number, inner, lean
from raclette.sim.fast.pending import (
    FINISHED,
    FIRED,
    FIRST_END,
    HEAD,
    MEAN,
    MESSAGE,
    NOTHING,
    SEARCH_ENDS,
    SHARED,
    SHARED_REASONS,
    SHARED_ROWS,
    Fired,
    coming,
    deliver,
    end_search,
    idle,
    lacking,
    make_room,
    set_timer,
    start_search,
    stop_search,
    take_timer,
)
from raclette.sim.fast.relay import Rows
from raclette.sim.fast.wire import EVENTS, LOST, ROW, SKIPPED, Wires, announce, hold
from raclette.sim.miners import TIME_REFRESH_MS
from raclette.sim.wiring import KEPT, Wiring

Ints = npt.NDArray[Any]

# Timers by number, in the order in which the engine first sets them.
REFRESH, MINE = 0, 1
REFRESH_NS = TIME_REFRESH_MS * MILLISECOND
# Places in `Miners.meta` beyond those of `pending`: a row for the next block, and the next entry for one that waits.
SPARE, WAITING, META = range(SHARED, SHARED + 3)
# Rows of `Miners.nodes` likewise: the first and the last block that waits for its parent.
FIRST_WAIT, LAST_WAIT, NODE_ROWS = range(SHARED_ROWS, SHARED_ROWS + 3)
# Columns of `Miners.blocks`.
PARENT, HEIGHT, MINER, TIME = range(4)
# Why `mine` came back, beyond the reasons of `pending`.
ROW_WANTED, WAITING_FULL = range(SHARED_REASONS, SHARED_REASONS + 2)


class Miners(NamedTuple):
    """All arrays of the nodes' side; see `pending` for those that it knows. `known[slot, node]`: is the block in the
    node's tree? `waiting` are blocks without a parent, as lists by node: (block, next entry)."""

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
        **idle(seed, count, NODE_ROWS, 2, blocks, META),
        blocks=np.zeros((blocks + 1, 4), dtype=np.int64),
        known=np.zeros((blocks + 1, count), dtype=np.uint8),
        waiting=np.zeros((1024, 2), dtype=np.int64),
        branch=np.zeros(blocks + 1, dtype=np.int64),
    )
    made.nodes[MEAN] = means
    made.meta[WAITING] = 1  # entry 0 means none
    made.known[0] = 1
    return made


# Searches


@inner
def _search(w: Wires, m: Miners, time: Number, node: Number) -> None:
    """A candidate on the head, to be renewed in an hour."""
    start_search(w, m, time, node)
    set_timer(m, REFRESH, node, time + REFRESH_NS)


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
def _take(w: Wires, m: Miners, time: Number, node: Number, slot: Number) -> None:
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
        stop_search(w, m, node)
        m.timers[REFRESH, 0, node] = 0
        set_timer(m, MINE, node, time + SETTLE_NS)


@inner
def _seal(w: Wires, m: Miners) -> None:
    """The first search ends: a new block."""
    time = m.meta[FIRST_END]
    node = end_search(w, m)
    slot = m.meta[SPARE]
    parent = m.nodes[HEAD, node]
    m.blocks[slot, PARENT] = parent
    m.blocks[slot, HEIGHT] = m.blocks[parent, HEIGHT] + 1
    m.blocks[slot, MINER] = node
    m.blocks[slot, TIME] = time
    m.meta[SPARE] = 0
    hold(w, time, slot, w.slots[slot, ROW], node, KEPT)
    _take(w, m, time, node, slot)
    announce(w, time, slot, node)


# The run


@lean
def begin(w: Wires, m: Miners) -> None:
    """Everybody starts to search."""
    for node in range(m.nodes.shape[1]):
        _search(w, m, 0, node)


@lean
def mine(w: Wires, m: Miners) -> Number:
    """Go on to the end, or until somebody must make room: a reason from the list above."""
    while True:
        lacks = lacking(w, m)
        if lacks != FINISHED:
            return lacks
        if m.meta[WAITING] == len(m.waiting):
            return WAITING_FULL
        what, timer, due = coming(w, m)
        if what == MESSAGE:
            if deliver(w, m):
                _take(w, m, w.out[0, 0], w.out[0, 1], w.out[0, 3])
        elif what == NOTHING:
            return FINISHED
        elif what == SEARCH_ENDS:
            if m.meta[SPARE] == 0:
                return ROW_WANTED
            _seal(w, m)
        else:
            node = take_timer(m, timer)
            if node >= 0:
                _search(w, m, due, node)


class Model:
    """A run of the model: `run` it once."""

    def __init__(self, wiring: Wiring, means: list[int], blocks: int) -> None:
        """`means[node]` is how long a search of the node takes in the mean (ns), at most NEVER."""
        self.rows = Rows(wiring, wiring.lookahead)
        self._miners = make_miners(wiring.seed, means, blocks)
        self._fired = Fired()

    def run(self) -> None:
        """To the end."""
        rows = self.rows
        begin(rows.wires, self._miners)
        while (why := mine(rows.wires, self._miners)) != FINISHED:
            if why == ROW_WANTED:
                self._miners.meta[SPARE] = rows.open()
            elif why == WAITING_FULL:
                waiting = self._miners.waiting
                self._miners = self._miners._replace(waiting=grown(waiting, 2 * len(waiting)))
            else:
                self._miners = make_room(why, rows, self._miners, self._fired)
        self._fired.fold(self._miners)

    def trace_digest(self) -> str:
        """Of the timers that fired and the searches that ended."""
        return self._fired.hexdigest()

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
