"""The compiled kernel for blocks between engines. See `sim.wires` for what it does and why it may run ahead."""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from raclette.primitives.errors import Misuse
from raclette.sim.fast.arithmetic import U64, draw_ahead, tables
from raclette.sim.fast.heap import drop_first, grown
from raclette.sim.fast.jit import lean
from raclette.sim.fast.wire import (
    BATCH_ROWS,
    DONE_ROW,
    DONE_SLOT,
    EVENTS,
    INCOMPLETE,
    LIMIT,
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
    make_wires,
    step,
)
from raclette.sim.relay import Draws
from raclette.sim.wiring import (
    HELD,
    KEPT,
    LOOKAHEAD_MAX_NS,
    NEVER,
    SLOT_MASK,
    UNKNOWN,
    Batch,
    Wiring,
)

# Draws of a node made at once: a call from Python costs as much as a few of them.
DRAWS_AHEAD = 16
# Why `advance` came back: nothing is left before the limit, or somebody must make room first.
LIMIT_REACHED, GROW, TRACE_FULL, BATCH_FULL, ROW_DONE = range(5)


@lean
def advance(w: Wires) -> int:
    """Run up to `meta[LIMIT]`, which deliveries bring nearer. A reason from the list above."""
    meta = w.meta
    while meta[SIZE] > 0 and w.heap[0, 0] < meta[LIMIT]:
        if meta[SIZE] + w.const[RESERVE] + 2 * meta[SLOTS] > len(w.heap):
            return GROW
        if meta[TRACED] == TRACE_ROWS:
            return TRACE_FULL
        if meta[OUT] == BATCH_ROWS:
            return BATCH_FULL
        time, code = w.heap[0, 0], w.heap[0, 1]
        meta[SIZE] = drop_first(w.heap, meta[SIZE])
        step(w, time, code)
        if meta[DONE_ROW] != NO_ROW:
            return ROW_DONE
    return LIMIT_REACHED


class Rows:
    """The arrays of a run, and room in them: what `advance` asks for, Python makes."""

    def __init__(self, wiring: Wiring, lookahead: int) -> None:
        self.wires = make_wires(wiring, lookahead)
        self.wires.meta[DONE_ROW] = NO_ROW
        self._free = list(range(len(self.wires.state)))[::-1]
        self._finished: dict[int, npt.NDArray[np.int64]] = {}
        self._hash = blake2b(digest_size=32)

    def open(self) -> int:
        """A new slot with a row of its own."""
        w = self.wires
        slot = int(w.meta[SLOTS])
        if slot > SLOT_MASK:
            raise Misuse(f"at most {SLOT_MASK} blocks in a run")
        if slot == len(w.slots):
            self.wires = w = w._replace(slots=grown(w.slots, 2 * slot))
        if not self._free:
            old = len(w.state)
            self._free = list(range(old, 2 * old))[::-1]
            self.wires = w = w._replace(
                state=grown(w.state, 2 * old), times=grown(w.times, 2 * old), who=grown(w.who, 2 * old)
            )
        row = self._free.pop()
        w.state[row] = UNKNOWN
        w.times[row] = NEVER
        w.who[row] = -1
        w.slots[slot] = row, 0
        w.meta[SLOTS] += 1
        w.meta[INCOMPLETE] += 1
        return slot

    def close(self) -> None:
        """If everybody has some block now, keep when, and free its row."""
        w = self.wires
        row = int(w.meta[DONE_ROW])
        if row != NO_ROW:
            self._finished[int(w.meta[DONE_SLOT])] = w.times[row].copy()
            self._free.append(row)
            w.meta[DONE_ROW] = NO_ROW

    def grow(self) -> None:
        """Twice the room for events."""
        self.wires = self.wires._replace(heap=grown(self.wires.heap, 2 * len(self.wires.heap)))

    def fold(self) -> None:
        """Hash what happened since the last time."""
        w = self.wires
        self._hash.update(w.trace[: w.meta[TRACED]].astype("<i8", copy=False).data)
        w.meta[TRACED] = 0

    def digest(self) -> str:
        """Of everything so far."""
        self.fold()
        return self._hash.hexdigest()

    def arrivals(self, slot: int) -> npt.NDArray[np.int64]:
        """When each node had the block; -1 where it has not."""
        finished = self._finished.get(slot)
        if finished is not None:
            return finished
        row = int(self.wires.slots[slot, ROW])
        return np.where(self.wires.state[row] >= HELD, self.wires.times[row], -1)


class FastWires:
    """`sim.wires.ReferenceWires`, compiled. The first one in a process loads or compiles the code: see `warm`."""

    name = "fast"

    def __init__(self, wiring: Wiring, lookahead: int | None = None) -> None:
        self.nodes = wiring.nodes
        self.lookahead = min(wiring.lookahead, LOOKAHEAD_MAX_NS, lookahead or NEVER)
        self.rows = Rows(wiring, self.lookahead)

    @property
    def now(self) -> int:
        return int(self.rows.wires.meta[NOW])

    @property
    def events(self) -> int:
        return int(self.rows.wires.meta[EVENTS])

    @property
    def skipped(self) -> int:
        return int(self.rows.wires.meta[SKIPPED])

    @property
    def lost(self) -> int:
        return int(self.rows.wires.meta[LOST])

    @property
    def incomplete(self) -> int:
        return int(self.rows.wires.meta[INCOMPLETE])

    @property
    def pending(self) -> bool:
        return bool(self.rows.wires.meta[SIZE])

    def add(self, time: int, node: int) -> int:
        rows = self.rows
        slot = rows.open()
        hold(rows.wires, time, slot, int(rows.wires.slots[slot, ROW]), node, KEPT)
        rows.close()
        return slot

    def announce(self, time: int, slot: int, node: int) -> None:
        rows = self.rows
        while rows.wires.meta[SIZE] + rows.wires.const[RESERVE] > len(rows.wires.heap):
            rows.grow()
        announce(rows.wires, time, slot, node)

    def run(self, due: int) -> Batch:
        rows = self.rows
        meta = rows.wires.meta
        meta[LIMIT] = due + self.lookahead
        meta[OUT] = 0
        limit = None
        while (why := advance(rows.wires)) != LIMIT_REACHED:
            if why == BATCH_FULL:
                limit = int(rows.wires.heap[0, 0])
                break
            self._make_room(why)
        columns = rows.wires.out[: meta[OUT]].T.tolist()
        return Batch(int(meta[LIMIT]) if limit is None else limit, zip(*columns, strict=True))

    def finish(self) -> None:
        rows = self.rows
        rows.wires.meta[LIMIT] = NEVER
        while (why := advance(rows.wires)) != LIMIT_REACHED:
            rows.wires.meta[OUT] = 0
            self._make_room(why)

    def _make_room(self, why: int) -> None:
        if why == GROW:
            self.rows.grow()
        elif why == TRACE_FULL:
            self.rows.fold()
        elif why == ROW_DONE:
            self.rows.close()

    def arrivals(self, slot: int) -> list[int]:
        found: list[int] = self.rows.arrivals(slot).tolist()
        return found

    def digest(self) -> str:
        return self.rows.digest()


class FastDraws(Draws):
    """The same draws, some of every node in advance."""

    def __init__(self, nodes: int, seed: int) -> None:
        super().__init__(nodes, seed)
        self._table = tables()
        self._ahead = np.zeros((nodes, DRAWS_AHEAD), dtype=np.int64)
        draw_ahead(self._ahead, U64(seed & (1 << 64) - 1), 0, nodes, 0, self._table)
        # Read as Python integers, without a detour over numpy's.
        self._flat = self._ahead.data.cast("B").cast("q")

    def next(self, node: int) -> int:
        drawn = self._drawn[node]
        self._drawn[node] = drawn + 1
        place = drawn % DRAWS_AHEAD
        if not place and drawn:
            draw_ahead(self._ahead, U64(self._seed & (1 << 64) - 1), node, node + 1, drawn, self._table)
        return self._flat[node * DRAWS_AHEAD + place]
