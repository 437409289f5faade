"""What engines answered, kept and repeated in compiled code: the loop behind `shared`.

A *state* is a number for all engines that are alike (`engine.likeness`), an *event* a number for what can happen to
any of them: a block that arrives (its slot), a timer (below zero), the start (0). A *move* says what an engine in a
state answers to an event: a list of effects, and the state after it. Where there is no move, and where an engine is
like no other (state -1), the loop comes back to Python, which asks the engine.

Everything is carried out here: relay, timers, searches, effects. Python sees neither the deliveries nor the timers that
have an answer already; they are logged, for the day on which the engine itself must know of them.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from raclette.sim.fast.jit import Number, inner, lean
from raclette.sim.fast.pending import (
    FINISHED,
    FIRST_END,
    HEAD,
    MEAN,
    MESSAGE,
    NOTHING,
    SEARCH_ENDS,
    SHARED,
    SHARED_REASONS,
    SHARED_ROWS,
    coming,
    deliver,
    end_search,
    idle,
    lacking,
    set_timer,
    start_search,
    stop_search,
    take_timer,
)
from raclette.sim.fast.wire import ROW, Wires, announce, hold
from raclette.sim.wiring import KEPT, NEVER, NODE_BITS

Ints = npt.NDArray[Any]

# Places in `Engines.meta` beyond those of `pending`: nodes that have started, rows in the log at hand and in all before
# it; when and to whom something happened last, and a list of effects that is to be carried out for it (NONE: none).
STARTED, LOGGED, LOGGED_BEFORE, CLOCK, ASKED, ANSWER, META = range(SHARED, SHARED + 7)
NONE = -1
# Rows of `Engines.nodes` likewise: the node's state, and its last row in the log (counted from 1; 0: none).
STATE, LATEST, NODE_ROWS = range(SHARED_ROWS, SHARED_ROWS + 3)
# Columns of `Engines.moves`: event, list of effects, state after it, next move of the same state.
EVENT, EFFECTS, NEXT, FOLLOWING = range(4)
# Columns of `Engines.log`: when, what and how it was answered, row before it of the same node.
TIME, WORD, BEFORE = range(3)
# A word of the log: list of effects, event (from the lowest timer on), peer.
TIMERS_MAX = 8
EVENT_SHIFT = NODE_BITS
EVENT_BITS = 21
LIST_SHIFT = EVENT_SHIFT + EVENT_BITS
LIST_MAX = 1 << 62 - LIST_SHIFT
# Effects: kind, and up to two numbers. ADOPT slot; SET timer, delay; CANCEL timer; STOP; SEAL target; PUBLISH slot.
ADOPT, SET, CANCEL, STOP, SEAL, PUBLISH = range(6)
START = 0
ALONE = -1
LOG_ROWS = 1 << 18
# Why `drive` came back, beyond the reasons of `pending`.
ASK, FOUND, LOG_FULL = range(SHARED_REASONS, SHARED_REASONS + 3)


class Engines(NamedTuple):
    """All arrays of the engines' side; see `pending` for those that it knows. `means[t, node]` is the mean search (ns)
    of a node for target t; `spans[l]` is where list l begins and ends in `effects`; `first[s]` is the first move of
    state s in `moves` (0: none)."""

    meta: Ints
    seed: Ints
    nodes: Ints
    timers: Ints
    queues: Ints
    sizes: Ints
    trace: Ints
    means: Ints
    effects: Ints
    spans: Ints
    first: Ints
    moves: Ints
    log: Ints


def make_engines(seed: int, nodes: int, blocks: int) -> Engines:
    """`nodes` engines that have not started; `blocks` are to be mined."""
    made = Engines(
        **idle(seed, nodes, NODE_ROWS, TIMERS_MAX, blocks, META),
        means=np.zeros((4, nodes), dtype=np.int64),
        effects=np.zeros((64, 3), dtype=np.int64),
        spans=np.zeros((64, 2), dtype=np.int64),
        first=np.zeros(64, dtype=np.int64),
        moves=np.zeros((64, 4), dtype=np.int64),
        log=np.zeros((LOG_ROWS, 3), dtype=np.int64),
    )
    made.nodes[STATE] = ALONE
    made.meta[ANSWER] = NONE
    return made


@inner
def _carry_out(w: Wires, m: Engines, time: Number, node: Number, effects: Number) -> None:
    """A list of effects, in order."""
    for place in range(m.spans[effects, 0], m.spans[effects, 1]):
        kind = m.effects[place, 0]
        which = m.effects[place, 1]
        if kind == ADOPT:
            m.nodes[HEAD, node] = which
        elif kind == SET:
            set_timer(m, which, node, min(time + m.effects[place, 2], NEVER))
        elif kind == CANCEL:
            m.timers[which, 0, node] = 0
        elif kind == STOP:
            stop_search(w, m, node)
        elif kind == SEAL:
            m.nodes[MEAN, node] = m.means[which, node]
            start_search(w, m, time, node)
        else:
            announce(w, time, which, node)


@inner
def _react(w: Wires, m: Engines, time: Number, node: Number, event: Number, peer: Number) -> Number:
    """Something happens to a node. True if its answer is known, and was carried out."""
    meta = m.meta
    place = meta[LOGGED]
    meta[LOGGED] = place + 1
    meta[CLOCK] = time
    m.log[place, TIME] = time
    m.log[place, BEFORE] = m.nodes[LATEST, node]
    m.nodes[LATEST, node] = meta[LOGGED_BEFORE] + place + 1
    word = (event + TIMERS_MAX) << EVENT_SHIFT | peer
    state = m.nodes[STATE, node]
    if state >= 0:
        move = m.first[state]
        while move != 0:
            if m.moves[move, EVENT] == event:
                m.log[place, WORD] = m.moves[move, EFFECTS] << LIST_SHIFT | word
                m.nodes[STATE, node] = m.moves[move, NEXT]
                _carry_out(w, m, time, node, m.moves[move, EFFECTS])
                return True
            move = m.moves[move, FOLLOWING]
    m.log[place, WORD] = word
    meta[ASKED] = node
    return False


@lean
def seal(w: Wires, m: Engines, slot: Number) -> None:
    """The first search ends: its node has a new block, and keeps it so far."""
    time = m.meta[FIRST_END]
    m.meta[CLOCK] = time
    m.meta[ASKED] = end_search(w, m)
    hold(w, time, slot, w.slots[slot, ROW], m.meta[ASKED], KEPT)


@lean
def drive(w: Wires, m: Engines) -> Number:
    """Go on until the run is over, somebody must make room, an engine must be asked or a search ends. What an engine
    answered is carried out first."""
    nodes = m.nodes.shape[1]
    while True:
        lacks = lacking(w, m)
        if lacks != FINISHED:
            return lacks
        if m.meta[LOGGED] == len(m.log):
            return LOG_FULL
        if m.meta[ANSWER] != NONE:
            _carry_out(w, m, m.meta[CLOCK], m.meta[ASKED], m.meta[ANSWER])
            m.meta[ANSWER] = NONE
            continue
        if m.meta[STARTED] < nodes:
            node = m.meta[STARTED]
            m.meta[STARTED] = node + 1
            if not _react(w, m, 0, node, START, 0):
                return ASK
            continue
        what, timer, due = coming(w, m)
        if what == MESSAGE:
            if deliver(w, m) and not _react(w, m, w.out[0, 0], w.out[0, 1], w.out[0, 3], w.out[0, 2]):
                return ASK
        elif what == NOTHING:
            return FINISHED
        elif what == SEARCH_ENDS:
            return FOUND
        else:
            node = take_timer(m, timer)
            if node >= 0 and not _react(w, m, due, node, -1 - timer, 0):
                return ASK
