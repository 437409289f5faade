"""One event on the wires, compiled: the same as `sim.wires`, over flat arrays.

Per block under way there is a row of one byte a node (what it has) and one integer a node (the earliest announcement on
its way to it; once it has the block, when that was). Rows are used again when everybody has the block. The graph is a
list of edges sorted by node; an edge is one integer of 32 bits: the neighbour, and where it is.
"""

from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from raclette.primitives.randomness import draw64
from raclette.sim.fast.arithmetic import LAW, TAIL_SHIFT, U64, draw, exact_delay, mix, tables
from raclette.sim.fast.heap import make_heap, push
from raclette.sim.fast.jit import Number, inner, lean
from raclette.sim.wiring import (
    BLOCK,
    GETDATA,
    GOLDEN,
    HELD,
    INV,
    KIND_SHIFT,
    LATE_SHIFT,
    LINK,
    NODE_BITS,
    NODE_MASK,
    READY,
    RECEIVED,
    REQUESTED,
    RETRY,
    SALT_DUPLICATE,
    SALT_LATE,
    SLOT_MASK,
    SLOT_SHIFT,
    STREAM_DELAY,
    STREAM_FATE,
    UNKNOWN,
    Delay,
    Wiring,
    pack,
    threshold,
)

Ints = npt.NDArray[Any]

# Places in `Wires.meta`: what changes.
SIZE, NOW, EVENTS, SKIPPED, LOST, INCOMPLETE, SLOTS, LIMIT, OUT, TRACED, DONE_SLOT, DONE_ROW, META = range(13)
# Places in `Wires.const`: what does not.
OVERHEAD, PROCESSING, SERIAL, PRUNE, IMPAIRED, CLEAN, RETRY_AFTER, LOOKAHEAD, RESERVE, STOP_AND_WAIT, CONST = range(11)
# Places in `Wires.keys`.
DELAY_KEY, FATE_KEY, LOSS, DUPLICATE = range(4)
# Columns of `Wires.slots`: the row of a block under way (NO_ROW: everybody has it), and how many have it.
ROW, HELD_BY = 0, 1
NO_ROW = -1

_GOLDEN, _SALT_DUPLICATE, _SALT_LATE = U64(GOLDEN), U64(SALT_DUPLICATE), U64(SALT_LATE)
_LATE_SHIFT = U64(LATE_SHIFT)
_INV = INV << KIND_SHIFT
_PLACES_MAX = 1 << 11
TRACE_ROWS = 1 << 16
BATCH_ROWS = 1 << 12


class Wires(NamedTuple):
    """All arrays of a run. `who[row, 0]` is the peer asked, `who[row, 1]` another one who has the block."""

    meta: Ints
    const: Ints
    keys: Ints
    heap: Ints
    offsets: Ints
    edges: Ints
    places: Ints
    transmit: Ints
    kinds: Ints
    laws: Ints
    quantiles: Ints
    tables: Ints
    clocks: Ints
    state: Ints
    times: Ints
    who: Ints
    slots: Ints
    cuts: Ints
    out: Ints
    trace: Ints


def make_wires(wiring: Wiring, lookahead: int, rows: int = 4) -> Wires:
    """The arrays of `wiring`, with nothing under way."""
    nodes = wiring.nodes
    degrees = np.fromiter(map(len, wiring.graph), dtype=np.int64, count=nodes)
    offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(degrees)))
    places = np.array(wiring.places, dtype=np.uint8)
    peers = np.fromiter(chain.from_iterable(wiring.graph), dtype=np.int32, count=int(offsets[-1]))
    laws = sorted({delay for row in wiring.delays for delay in row})
    reserve = 2 * int(degrees.max(initial=0)) + 8 + len(wiring.cuts)
    clean = not (wiring.is_impaired or wiring.duplicate_ppm)
    const = np.zeros(CONST, dtype=np.int64)
    const[:] = (
        wiring.overhead,
        wiring.processing,
        wiring.serial,
        wiring.is_pruned,
        wiring.is_impaired,
        clean,
        wiring.retry,
        lookahead,
        reserve,
        wiring.stop_and_wait,
    )
    made = Wires(
        meta=np.zeros(META, dtype=np.int64),
        const=const,
        keys=np.array(
            [
                draw64(wiring.seed, STREAM_DELAY, 0),
                draw64(wiring.seed, STREAM_FATE, 0),
                threshold(wiring.loss_ppm),
                threshold(wiring.duplicate_ppm),
            ],
            dtype=np.uint64,
        ),
        heap=make_heap(2 * reserve + 4 * nodes),
        offsets=offsets,
        edges=peers | (places[peers].astype(np.int32) << NODE_BITS),
        places=places,
        transmit=np.array(wiring.transmit, dtype=np.int64),
        kinds=np.array([[laws.index(delay) for delay in row] for row in wiring.delays], dtype=np.int64),
        laws=np.array([_law(delay) for delay in laws], dtype=np.int64).reshape(len(laws), LAW),
        quantiles=np.array([delay.quantiles() for delay in laws], dtype=np.int64),
        tables=tables(),
        clocks=np.zeros((2, nodes), dtype=np.int64),
        state=np.zeros((rows, nodes), dtype=np.uint8),
        times=np.zeros((rows, nodes), dtype=np.int64),
        who=np.zeros((rows, 2, nodes if wiring.is_impaired else 1), dtype=np.int32),
        slots=np.full((128, 2), NO_ROW, dtype=np.int64),
        cuts=_cuts(wiring),
        out=np.zeros((BATCH_ROWS, 4), dtype=np.int64),
        trace=np.zeros((TRACE_ROWS, 2), dtype=np.int64),
    )
    made.meta[SLOTS] = 1
    for cut in wiring.cuts:
        code = pack(LINK, 0, min(cut.a, cut.b), max(cut.a, cut.b))
        made.meta[SIZE] = push(made.heap, int(made.meta[SIZE]), cut.end, code)
    return made


def _law(delay: Delay) -> tuple[int, int, int]:
    return delay.scale, delay.mean_ms, 5


def _cuts(wiring: Wiring) -> Ints:
    """Rows (link, start, end) in order of links."""
    rows = sorted((min(cut.a, cut.b) << NODE_BITS | max(cut.a, cut.b), cut.start, cut.end) for cut in wiring.cuts)
    return np.array(rows, dtype=np.int64).reshape(len(rows), 3)


# Draws


@inner
def delay_of(w: Wires, code: Number, sender_place: Number, receiver_place: Number) -> Number:
    """How long the message with this code travels."""
    u = draw(w.keys[DELAY_KEY], U64(code))
    kind = w.kinds[sender_place, receiver_place]
    part = u >> TAIL_SHIFT
    if part:
        return w.quantiles[kind, part]
    return exact_delay(w.laws[kind], u, w.tables)


@inner
def _fate(w: Wires, time: Number, code: Number) -> Number:
    return mix(draw(w.keys[FATE_KEY], U64(code)) + U64(time) * _GOLDEN)


@inner
def _is_cut(w: Wires, a: Number, b: Number, start: Number, end: Number) -> Number:
    """Is the link down at any moment from `start` to `end`?"""
    link = min(a, b) << NODE_BITS | max(a, b)
    low, high = 0, len(w.cuts)
    while low < high:
        middle = (low + high) >> 1
        if w.cuts[middle, 0] < link:
            low = middle + 1
        else:
            high = middle
    while low < len(w.cuts) and w.cuts[low, 0] == link:
        if w.cuts[low, 1] <= end and start < w.cuts[low, 2]:
            return True
        low += 1
    return False


# What a node says


@inner
def note(w: Wires, time: Number, code: Number) -> None:
    """An event with an effect, for the digest."""
    place = w.meta[TRACED]
    w.trace[place, 0] = time
    w.trace[place, 1] = code
    w.meta[TRACED] = place + 1


@inner
def _queue(w: Wires, time: Number, code: Number) -> None:
    w.meta[SIZE] = push(w.heap, w.meta[SIZE], time, code)


@lean
def announce(w: Wires, time: Number, slot: Number, node: Number) -> None:
    """`node` tells its neighbours of a block that it has. There must be room for `RESERVE` events."""
    first, last = w.offsets[node], w.offsets[node + 1]
    w.meta[EVENTS] += last - first
    row = w.slots[slot, ROW]
    if row == NO_ROW:
        w.meta[SKIPPED] += last - first
        return
    w.state[row, node] = HELD
    if w.const[PRUNE]:
        _announce_pruned(w, time + w.const[OVERHEAD], slot, row, node)
        return
    for edge in range(first, last):
        _tell(w, time, slot, w.edges[edge] & NODE_MASK, node)


@inner
def _announce_pruned(w: Wires, time: Number, slot: Number, row: Number, node: Number) -> None:
    """The same without the announcements that cannot matter."""
    base = _INV | slot << SLOT_SHIFT | node
    place = w.places[node]
    state, earliest = w.state[row], w.times[row]
    skipped = 0
    for position in range(w.offsets[node], w.offsets[node + 1]):
        edge = np.int64(w.edges[position])
        peer = edge & NODE_MASK
        if state[peer] != UNKNOWN:
            skipped += 1
            continue
        code = base | peer << NODE_BITS
        arrival = time + delay_of(w, code, place, edge >> NODE_BITS)
        if arrival > earliest[peer]:
            skipped += 1
            continue
        earliest[peer] = arrival
        _queue(w, arrival, code)
    w.meta[SKIPPED] += skipped


@inner
def _tell(w: Wires, time: Number, slot: Number, peer: Number, node: Number) -> None:
    """One announcement where none is skipped; counted by the caller."""
    code = _INV | slot << SLOT_SHIFT | peer << NODE_BITS | node
    arrival = time + w.const[OVERHEAD] + delay_of(w, code, w.places[node], w.places[peer])
    if w.const[IMPAIRED]:
        fate = _fate(w, time, code)
        while fate < w.keys[LOSS]:
            fate = mix(fate + _GOLDEN)
            arrival += w.const[RETRY_AFTER]
            w.meta[LOST] += 1
        if _is_cut(w, peer, node, time, arrival):
            w.meta[LOST] += 1
            return
    _queue(w, arrival, code)


@inner
def _send(w: Wires, start: Number, arrival: Number, code: Number) -> None:
    """A request or a block is on its way from `start` to `arrival`, unless it gets lost."""
    if w.const[CLEAN]:
        _queue(w, arrival, code)
        return
    fate = _fate(w, start, code)
    if fate < w.keys[LOSS] or _is_cut(w, code >> NODE_BITS & NODE_MASK, code & NODE_MASK, start, arrival):
        w.meta[LOST] += 1
        return
    _queue(w, arrival, code)
    if mix(fate ^ _SALT_DUPLICATE) < w.keys[DUPLICATE]:
        _queue(w, arrival + 1 + np.int64(mix(fate ^ _SALT_LATE) >> _LATE_SHIFT), code)


@inner
def _ask(w: Wires, time: Number, slot: Number, row: Number, node: Number, peer: Number) -> None:
    code = GETDATA << KIND_SHIFT | slot << SLOT_SHIFT | peer << NODE_BITS | node
    _send(w, time, time + w.const[OVERHEAD] + delay_of(w, code, w.places[node], w.places[peer]), code)
    if w.const[IMPAIRED]:
        w.who[row, 0, node] = peer
        retry = RETRY << KIND_SHIFT | slot << SLOT_SHIFT | node << NODE_BITS | peer
        _queue(w, time + w.const[RETRY_AFTER], retry)


# What a node hears. Each handler says whether anything changed.


@inner
def _on_inv(w: Wires, time: Number, slot: Number, node: Number, peer: Number) -> Number:
    row = w.slots[slot, ROW]
    if row == NO_ROW:
        return False
    if w.state[row, node] == UNKNOWN:
        w.state[row, node] = REQUESTED
        _ask(w, time, slot, row, node, peer)
        return True
    if not w.const[IMPAIRED] or w.state[row, node] != REQUESTED:
        return False
    if w.who[row, 1, node] < 0 and w.who[row, 0, node] != peer:
        w.who[row, 1, node] = peer
        return True
    return False


@inner
def _on_getdata(w: Wires, time: Number, slot: Number, node: Number, peer: Number) -> None:
    here, there = w.places[node], w.places[peer]
    start = max(time, w.clocks[0, node])
    finish = start + w.transmit[here, there]
    code = BLOCK << KIND_SHIFT | slot << SLOT_SHIFT | peer << NODE_BITS | node
    arrival = finish + delay_of(w, code, here, there)
    if not w.const[STOP_AND_WAIT]:
        arrival += w.const[OVERHEAD]
    if not w.const[SERIAL]:
        arrival += w.const[PROCESSING]
    w.clocks[0, node] = arrival if w.const[STOP_AND_WAIT] else finish
    _send(w, start, arrival, code)


@inner
def _on_body(w: Wires, time: Number, slot: Number, node: Number, peer: Number) -> Number:
    """The body is here and waits for its turn to be checked."""
    row = w.slots[slot, ROW]
    if row == NO_ROW or w.state[row, node] >= RECEIVED:
        return False
    w.state[row, node] = RECEIVED
    ready = max(time, w.clocks[1, node]) + w.const[PROCESSING]
    w.clocks[1, node] = ready
    _queue(w, ready, READY << KIND_SHIFT | slot << SLOT_SHIFT | node << NODE_BITS | peer)
    return True


@inner
def _on_ready(w: Wires, time: Number, slot: Number, node: Number, peer: Number) -> Number:
    """The block is checked: on to the neighbours, and out to the engine."""
    row = w.slots[slot, ROW]
    if row == NO_ROW or w.state[row, node] >= HELD:
        return False
    hold(w, time, slot, row, node, HELD)
    announce(w, time, slot, node)
    place = w.meta[OUT]
    w.out[place, 0] = time
    w.out[place, 1] = node
    w.out[place, 2] = peer
    w.out[place, 3] = slot
    w.meta[OUT] = place + 1
    w.meta[LIMIT] = min(w.meta[LIMIT], time + w.const[LOOKAHEAD])
    return True


@lean
def hold(w: Wires, time: Number, slot: Number, row: Number, node: Number, state: Number) -> None:
    """`node` has the block. When it is the last, the row is done: see `DONE_ROW`."""
    w.state[row, node] = state
    w.times[row, node] = time
    w.slots[slot, HELD_BY] += 1
    if w.slots[slot, HELD_BY] == len(w.places):
        w.meta[INCOMPLETE] -= 1
        w.meta[DONE_SLOT] = slot
        w.meta[DONE_ROW] = row
        w.slots[slot, ROW] = NO_ROW


@inner
def _on_retry(w: Wires, time: Number, slot: Number, node: Number) -> Number:
    row = w.slots[slot, ROW]
    if row == NO_ROW or w.state[row, node] != REQUESTED:
        return False
    peer = w.who[row, 0, node]
    if w.who[row, 1, node] >= 0:
        peer = w.who[row, 1, node]
        w.who[row, 1, node] = w.who[row, 0, node]
    _ask(w, time, slot, row, node, peer)
    return True


@inner
def _on_link(w: Wires, time: Number, node: Number, peer: Number) -> None:
    for slot in range(1, w.meta[SLOTS]):
        row = w.slots[slot, ROW]
        if row == NO_ROW:
            continue
        if w.state[row, node] == HELD:
            w.meta[EVENTS] += 1
            _tell(w, time, slot, peer, node)
        if w.state[row, peer] == HELD:
            w.meta[EVENTS] += 1
            _tell(w, time, slot, node, peer)


@inner
def step(w: Wires, time: Number, code: Number) -> None:
    """Carry out one event, already taken from the queue."""
    kind = code >> KIND_SHIFT
    slot = code >> SLOT_SHIFT & SLOT_MASK
    node = code >> NODE_BITS & NODE_MASK
    peer = code & NODE_MASK
    w.meta[NOW] = time
    happened = True
    if kind == INV:
        happened = _on_inv(w, time, slot, node, peer)
        w.meta[EVENTS] -= happened  # an announcement was counted when it was made
    elif kind == GETDATA:
        _on_getdata(w, time, slot, node, peer)
    elif kind == BLOCK and w.const[SERIAL]:
        happened = _on_body(w, time, slot, node, peer)
    elif kind == RETRY:
        happened = _on_retry(w, time, slot, node)
    elif kind == LINK:
        _on_link(w, time, node, peer)
    else:
        happened = _on_ready(w, time, slot, node, peer)
    if happened:
        note(w, time, code)
        w.meta[EVENTS] += 1
