"""Blocks on the wires, in plain Python: what a fast kernel must do, event by event.

The protocol is Bitcoin's before compact blocks. A node that has a block announces it to its neighbours (INV). Who does
not know it asks the first announcer (GETDATA), who sends it whole (BLOCK), after the blocks that wait for its uplink
already. A message takes the link's latency. Nodes relay what they receive at once; the engines learn of it, and do not
decide about it.

**Order.** Events are ordered by (time, code), where the code packs kind, slot, receiver and sender: no two different
events are equal, so the order does not depend on insertion. Draws are functions of the code (and of the time where a
message may be sent twice), so they do not depend on any order either.

**Pruning.** An announcement that arrives after another one to the same node changes nothing, if that one surely
arrives: it is counted and not queued. Where messages are lost or links cut, it is a second source and is kept.

**Loss.** A lost announcement is repeated by its sender after `retry`. Whoever has asked for a block and not got it
after `retry` asks again, the next announcer it has heard of if there is one (RETRY). A cut link loses what is under
way; when it is back, both ends announce to each other what they have (LINK). A second copy of an announcement changes
nothing and is not queued; one of a request makes the block travel twice.

**Look-ahead.** Engines act on deliveries, and the only act that reaches the wires is `announce`, whose message arrives
`lookahead` later at the earliest (the shortest latency there is). Suppose the engines' next event of their own is at
`due` and the next delivery at t. Nothing they do takes effect on the wires before min(due, t) + lookahead: all events
before that time are certain now, and `run` carries them out in one go. What `announce` reads may then be younger than
its own time, by less than the look-ahead: a neighbour who is found to know the block, or to have an earlier
announcement on its way, does so by the time the new message could arrive, so the message would have been in vain.

**Digest.** Every event with an effect is hashed, as (time, code) in 64-bit integers, in order.
"""

from array import array
from hashlib import blake2b
from heapq import heappop, heappush
from sys import byteorder

from raclette.primitives.randomness import draw64, mix64
from raclette.sim import wiring as w
from raclette.sim.fast import choose_kernel
from raclette.sim.models import QUANTILE_BITS
from raclette.sim.wiring import (
    BLOCK,
    GETDATA,
    GOLDEN,
    HELD,
    INV,
    KEPT,
    KIND_SHIFT,
    LINK,
    NEVER,
    NODE_BITS,
    NODE_MASK,
    READY,
    RECEIVED,
    REQUESTED,
    RETRY,
    SLOT_MASK,
    SLOT_SHIFT,
    UNKNOWN,
    Batch,
    RelayKernel,
    Wiring,
    pack,
)

_MASK = (1 << 64) - 1
_TAIL_SHIFT = 64 - QUANTILE_BITS
_ROW_INTEGERS = 1 << 15


class Trace:
    """A rolling hash over pairs of integers."""

    __slots__ = ("_hash", "_rows")

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._hash = blake2b(digest_size=32)

    def add(self, time: int, code: int) -> None:
        """One event."""
        self._rows += (time, code)
        if len(self._rows) >= _ROW_INTEGERS:
            self.fold()

    def fold(self) -> None:
        """Hash what has come together."""
        packed = array("Q", self._rows)
        if byteorder == "big":
            packed.byteswap()
        self._hash.update(packed.tobytes())
        self._rows.clear()

    def hexdigest(self) -> str:
        """Of everything so far."""
        self.fold()
        return self._hash.hexdigest()


class _Block:
    """One block on its way: per node its state, its arrival, the earliest announcement under way, the one asked and
    another one who has it."""

    __slots__ = ("arrivals", "earliest", "held", "other", "source", "state")

    def __init__(self, nodes: int) -> None:
        self.state = bytearray(nodes)
        self.arrivals = [-1] * nodes
        self.earliest = [NEVER] * nodes
        self.source = [-1] * nodes
        self.other = [-1] * nodes
        self.held = 0


class ReferenceWires:
    """See the module's docstring. `lookahead=1` hands out deliveries instant by instant."""

    name = "reference"

    def __init__(self, wiring: Wiring, lookahead: int = 1) -> None:
        self.nodes = wiring.nodes
        self.lookahead = min(lookahead, wiring.lookahead, w.LOOKAHEAD_MAX_NS)
        self.now = self.events = self.skipped = self.lost = self.incomplete = 0
        self._wiring = wiring
        self._prune = wiring.is_pruned
        self._impaired = wiring.is_impaired
        self._clean = not (wiring.is_impaired or wiring.duplicate_ppm)
        self._delays = [[(delay, delay.quantiles()) for delay in row] for row in wiring.delays]
        self._key = draw64(wiring.seed, w.STREAM_DELAY, 0)
        self._fate_key = draw64(wiring.seed, w.STREAM_FATE, 0)
        self._loss, self._duplicate = w.threshold(wiring.loss_ppm), w.threshold(wiring.duplicate_ppm)
        self._uplink_free = [0] * self.nodes
        self._cpu_free = [0] * self.nodes
        self._heap: list[tuple[int, int]] = []
        self._blocks = [_Block(0)]  # genesis is everywhere
        self._trace = Trace()
        self._limit = 0
        self._out: list[tuple[int, int, int, int]] = []
        self._cuts: dict[tuple[int, int], list[w.Cut]] = {}
        for cut in wiring.cuts:
            low, high = sorted((cut.a, cut.b))
            self._cuts.setdefault((low, high), []).append(cut)
            heappush(self._heap, (cut.end, pack(LINK, 0, low, high)))

    @property
    def pending(self) -> bool:
        return bool(self._heap)

    def add(self, time: int, node: int) -> int:
        self._blocks.append(_Block(self.nodes))
        self.incomplete += 1
        slot = len(self._blocks) - 1
        self._hold(time, slot, node, KEPT)
        return slot

    def arrivals(self, slot: int) -> list[int]:
        return self._blocks[slot].arrivals

    def digest(self) -> str:
        return self._trace.hexdigest()

    def run(self, due: int) -> Batch:
        self._limit = due + self.lookahead
        self._out = []
        while self._heap and self._heap[0][0] < self._limit:
            self._step(*heappop(self._heap))
        return Batch(self._limit, self._out)

    def finish(self) -> None:
        self._limit = NEVER
        while self._heap:
            self._step(*heappop(self._heap))

    def _step(self, time: int, code: int) -> None:
        kind = code >> KIND_SHIFT
        slot = code >> SLOT_SHIFT & SLOT_MASK
        node = code >> NODE_BITS & NODE_MASK
        peer = code & NODE_MASK
        self.now = time
        if kind == INV:
            happened = self._on_inv(time, slot, node, peer)
        elif kind == GETDATA:
            happened = self._on_getdata(time, slot, node, peer)
        elif kind == BLOCK:
            happened = self._on_block(time, slot, node, peer)
        elif kind == READY:
            happened = self._on_ready(time, slot, node, peer)
        elif kind == RETRY:
            happened = self._on_retry(time, slot, node)
        else:
            happened = self._on_link(time, node, peer)
        if happened:
            self._trace.add(time, code)
            self.events += kind != INV  # an announcement was counted when it was made

    # What a node says and hears. Each handler says whether anything changed.

    def announce(self, time: int, slot: int, node: int) -> None:
        row = self._wiring.graph[node]
        block = self._blocks[slot]
        if block.held == self.nodes:
            self.events += len(row)
            self.skipped += len(row)
            return
        block.state[node] = HELD
        for peer in row:
            self._tell(time, slot, block, peer, node)

    def _tell(self, time: int, slot: int, block: _Block, peer: int, node: int) -> None:
        """One announcement, from `node` to `peer`."""
        self.events += 1
        if self._prune and block.state[peer] != UNKNOWN:
            self.skipped += 1
            return
        code = pack(INV, slot, peer, node)
        arrival = time + self._wiring.overhead + self._delay(code)
        if self._prune:
            if arrival > block.earliest[peer]:
                self.skipped += 1
                return
            block.earliest[peer] = arrival
        if self._impaired:
            fate = self._fate(time, code)
            while fate < self._loss:
                fate = mix64((fate + GOLDEN) & _MASK)
                arrival += self._wiring.retry
                self.lost += 1
            if self._is_cut(peer, node, time, arrival):
                self.lost += 1
                return
        heappush(self._heap, (arrival, code))

    def _on_inv(self, time: int, slot: int, node: int, peer: int) -> bool:
        block = self._blocks[slot]
        state = block.state[node]
        if state == UNKNOWN:
            block.state[node] = REQUESTED
            self._ask(time, slot, block, node, peer)
            return True
        if self._impaired and state == REQUESTED and block.other[node] < 0 and block.source[node] != peer:
            block.other[node] = peer
            return True
        return False

    def _ask(self, time: int, slot: int, block: _Block, node: int, peer: int) -> None:
        code = pack(GETDATA, slot, peer, node)
        self._send(time, time + self._wiring.overhead + self._delay(code), code)
        if self._impaired:
            block.source[node] = peer
            heappush(self._heap, (time + self._wiring.retry, pack(RETRY, slot, node, peer)))

    def _on_getdata(self, time: int, slot: int, node: int, peer: int) -> bool:
        """`node` was asked by `peer`: the block leaves when the uplink is free."""
        wiring = self._wiring
        start = max(time, self._uplink_free[node])
        finish = start + wiring.transmit[wiring.places[node]][wiring.places[peer]]
        code = pack(BLOCK, slot, peer, node)
        arrival = finish + self._delay(code) + (0 if wiring.stop_and_wait else wiring.overhead)
        if not wiring.serial:
            arrival += wiring.processing
        self._uplink_free[node] = arrival if wiring.stop_and_wait else finish
        self._send(start, arrival, code)
        return True

    def _on_block(self, time: int, slot: int, node: int, peer: int) -> bool:
        block = self._blocks[slot]
        if block.state[node] >= RECEIVED:
            return False
        if not self._wiring.serial:
            self._deliver(time, slot, node, peer)
            return True
        block.state[node] = RECEIVED
        ready = self._cpu_free[node] = max(time, self._cpu_free[node]) + self._wiring.processing
        heappush(self._heap, (ready, pack(READY, slot, node, peer)))
        return True

    def _on_ready(self, time: int, slot: int, node: int, peer: int) -> bool:
        self._deliver(time, slot, node, peer)
        return True

    def _deliver(self, time: int, slot: int, node: int, peer: int) -> None:
        """`node` has checked the whole block: to its engine, and on to its neighbours."""
        self._hold(time, slot, node, HELD)
        self.announce(time, slot, node)
        self._out.append((time, node, peer, slot))
        self._limit = min(self._limit, time + self.lookahead)

    def _hold(self, time: int, slot: int, node: int, state: int) -> None:
        block = self._blocks[slot]
        block.state[node] = state
        block.arrivals[node] = time
        block.held += 1
        if block.held == self.nodes:
            self.incomplete -= 1
            block.earliest = block.source = block.other = []

    # What goes wrong

    def _on_retry(self, time: int, slot: int, node: int) -> bool:
        block = self._blocks[slot]
        if block.state[node] != REQUESTED:
            return False
        peer = block.source[node]
        if block.other[node] >= 0:
            peer, block.other[node] = block.other[node], peer
        self._ask(time, slot, block, node, peer)
        return True

    def _on_link(self, time: int, node: int, peer: int) -> bool:
        for slot in range(1, len(self._blocks)):
            block = self._blocks[slot]
            if block.held == self.nodes:
                continue
            if block.state[node] == HELD:
                self._tell(time, slot, block, peer, node)
            if block.state[peer] == HELD:
                self._tell(time, slot, block, node, peer)
        return True

    def _send(self, start: int, arrival: int, code: int) -> None:
        """A request or a block is on its way from `start` to `arrival`, unless it gets lost."""
        if self._clean:
            heappush(self._heap, (arrival, code))
            return
        fate = self._fate(start, code)
        if fate < self._loss or self._is_cut(code >> NODE_BITS & NODE_MASK, code & NODE_MASK, start, arrival):
            self.lost += 1
            return
        heappush(self._heap, (arrival, code))
        if mix64(fate ^ w.SALT_DUPLICATE) < self._duplicate:
            late = 1 + (mix64(fate ^ w.SALT_LATE) >> w.LATE_SHIFT)
            heappush(self._heap, (arrival + late, code))

    def _is_cut(self, a: int, b: int, start: int, end: int) -> bool:
        """Is the link down at any moment from `start` to `end`?"""
        if not self._cuts:
            return False
        return any(cut.start <= end and start < cut.end for cut in self._cuts.get((min(a, b), max(a, b)), ()))

    # Draws

    def _delay(self, code: int) -> int:
        places = self._wiring.places
        delay, quantiles = self._delays[places[code & NODE_MASK]][places[code >> NODE_BITS & NODE_MASK]]
        draw = mix64((self._key + code * GOLDEN) & _MASK)
        part = draw >> _TAIL_SHIFT
        return quantiles[part] if part else delay.exact(draw)

    def _fate(self, time: int, code: int) -> int:
        draw = mix64((self._fate_key + code * GOLDEN) & _MASK)
        return mix64((draw + time * GOLDEN) & _MASK)


def make_wires(wiring: Wiring, kernel: str = "auto") -> RelayKernel:
    """The wires on the kernel "auto", "reference" or "fast". Raises ConfigError."""
    if choose_kernel(kernel) == "reference":
        return ReferenceWires(wiring)
    from raclette.sim.fast.relay import FastWires

    return FastWires(wiring)
