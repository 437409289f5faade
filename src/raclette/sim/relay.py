"""Engine fidelity: thousands of engines over light chains, and blocks relayed by the kernel itself.

Relay is the protocol of Bitcoin before compact blocks: a node announces a block to its neighbours (inv), who ask the
first announcer for it (getdata), who sends it whole. An announcement takes the link's latency, a block waits for the
sender's uplink besides. The engines are the real ones; only chain, gossip and store are left out.

Events are ordered by (time, code) where the code packs kind, slot, receiver and sender, and so is unique: the order
does not depend on insertion. An announcement that would arrive after another one to the same node is already under
way changes nothing, because these links neither lose nor delay anything later: it is counted and not queued. The
digest is over the events that had an effect, and so is the same with and without this pruning.
"""

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from heapq import heapify, heappop, heappush
from sys import byteorder

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Engine
from raclette.engine.effects import Adopt, CancelTimer, Effect, Fetch, Publish, Seal, SetTimer, StopSealing
from raclette.engine.events import BlockReceived, Event, Sealed, Started, TimerFired
from raclette.engine.message import CarriesBlock
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import draw64, mix64
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto.seal import IdealSeal
from raclette.sim import fixed
from raclette.sim.light import HELD, REQUESTED, LightChain, Register, sealed
from raclette.sim.models import QUANTILE_BITS, Regions, pareto_delay, pareto_quantiles

# What relaying costs: processing of a block at its receiver.
PROCESSING_NS = 2 * MILLISECOND
_NODE_BITS = 20
_SLOT_SHIFT = 2 * _NODE_BITS
_KIND_SHIFT = 60
_NODE_MASK = (1 << _NODE_BITS) - 1
_SLOT_MASK = (1 << (_KIND_SHIFT - _SLOT_SHIFT)) - 1
_INV, _GETDATA, _BLOCK, _TIMER, _SEAL = 1, 2, 3, 4, 5
_STREAM_SEAL = 1 << 33
_STREAM_DELAY = 5
# Timers and searches further away than this wait in a heap of their own, mostly to be replaced before their time.
_FAR_NS = SECOND
_NEVER = 1 << 62
_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX1, _MIX2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_TAIL_SHIFT = 64 - QUANTILE_BITS
_ROW_INTEGERS = 1 << 15


@dataclass(slots=True)
class Spread:
    """How one block travelled: when it was sealed (ns), and after how long each node had it (ns, in order)."""

    sealed_at: int
    delays: list[int] = field(default_factory=list)


class Relay:
    """The world of engine fidelity. `events` counts logical events, those pruned included."""

    def __init__(
        self,
        graph: Sequence[Sequence[int]],
        model: Regions,
        register: Register,
        seal: IdealSeal,
        *,
        seed: int,
        block_bytes: int,
        hash_power: Sequence[int],
        epoch: int,
        prune: bool = True,
    ) -> None:
        if len(graph) > _NODE_MASK:
            raise Misuse(f"at most {_NODE_MASK} nodes")
        self.now = 0
        self.events = 0
        self.pruned = 0
        self.spreads: list[Spread] = [Spread(0)]
        self.blocks_wanted = 0
        self._register = register
        self._seal = seal
        self._seed = seed
        self._epoch = epoch
        self._prune = prune
        self._hash_power = hash_power
        self._engines: list[Engine] = []
        self._chains: list[LightChain] = []
        self._ids: list[bytes] = []
        self._key = draw64(seed, _STREAM_DELAY, 0)
        self._overhead = model.overhead
        self._places = model.places
        self._means = model.table.latency_ms
        regions = range(len(self._means))
        self._delays = [[pareto_quantiles(self._means[a][b]) for b in regions] for a in regions]
        bits = block_bytes * 8
        up, down = model.table.upload, model.table.download
        self._upload = [[bits * SECOND // min(up[a], down[b]) for b in regions] for a in regions]
        self._rows = [
            [(peer, self._delays[model.places[node]][model.places[peer]]) for peer in row]
            for node, row in enumerate(graph)
        ]
        self._free = [0] * len(graph)
        self._near: list[tuple[int, int]] = []
        self._far: list[tuple[int, int]] = []
        self._earliest: list[list[int] | None] = [None]
        self._held: list[int] = [len(graph)]
        self._due: list[dict[int, int]] = [{} for _ in graph]
        self._timers: list[str] = [""]
        self._searches: dict[int, Header] = {}
        self._seals_drawn = [0] * len(graph)
        self._trace: list[int] = []
        self._hash = blake2b(digest_size=32)

    def join(self, node_id: bytes, chain: LightChain, engine: Engine) -> None:
        """The next node."""
        self._ids.append(node_id)
        self._chains.append(chain)
        self._engines.append(engine)

    def run(self, blocks: int) -> None:
        """Start everybody, and go on until `blocks` were sealed and have reached all."""
        self.blocks_wanted = blocks
        for node in range(len(self._engines)):
            self._tell(node, Started(self._epoch))
        while self._near or len(self.spreads) <= blocks:
            self._run_near()
            if self._far and len(self.spreads) <= blocks:
                self._fire(*heappop(self._far))

    def common_head(self) -> Header:
        """The head of most nodes (the first of equals)."""
        heads = Counter(chain.head.hash for chain in self._chains)
        return self._register.blocks[self._register.slots[heads.most_common(1)[0][0]]].header

    def digest(self) -> str:
        """Hex of the hash over every event that had an effect."""
        self._fold()
        return self._hash.copy().hexdigest()

    def _fold(self) -> None:
        packed = array("Q", self._trace)
        if byteorder == "big":
            packed.byteswap()
        self._hash.update(packed.tobytes())
        self._trace.clear()

    # The relay: announcements, requests, blocks

    def _run_near(self) -> None:
        """Run what is near up to the first event that is far."""
        near, far, state, trace, key = self._near, self._far, self._register.state, self._trace, self._key
        places, delays, overhead = self._places, self._delays, self._overhead
        while near and (not far or near[0] < far[0]):
            time, code = heappop(near)
            kind = code >> _KIND_SHIFT
            slot = code >> _SLOT_SHIFT & _SLOT_MASK
            node = code >> _NODE_BITS & _NODE_MASK
            peer = code & _NODE_MASK
            if kind == _INV:
                here = state[slot]
                if here[node]:
                    continue
                here[node] = REQUESTED  # type: ignore[index]
                self.events += 1
                trace += (time, code)
                code = _GETDATA << _KIND_SHIFT | slot << _SLOT_SHIFT | peer << _NODE_BITS | node
                x = (key + code * _GOLDEN) & _MASK
                x = (x ^ (x >> 30)) * _MIX1 & _MASK
                x = (x ^ (x >> 27)) * _MIX2 & _MASK
                x ^= x >> 31
                part = x >> _TAIL_SHIFT
                delay = delays[places[node]][places[peer]][part] if part else self._tail(node, peer, x)
                heappush(near, (time + overhead + delay, code))
            elif kind == _GETDATA:
                trace += (time, code)
                self._send_block(time, slot, node, peer)
            elif kind == _BLOCK:
                trace += (time, code)
                self.events += 2  # the request that led here, and this
                self._take_block(time, slot, node, peer)
            else:
                self._fire(time, code)
        if len(trace) >= _ROW_INTEGERS:
            self._fold()

    def _send_block(self, time: int, slot: int, node: int, peer: int) -> None:
        """`node` was asked by `peer`: the block leaves when the uplink is free."""
        here, there = self._places[node], self._places[peer]
        start = max(time, self._free[node])
        finish = self._free[node] = start + self._upload[here][there]
        code = _BLOCK << _KIND_SHIFT | slot << _SLOT_SHIFT | peer << _NODE_BITS | node
        draw = mix64((self._key + code * _GOLDEN) & _MASK)
        part = draw >> _TAIL_SHIFT
        delay = self._delays[here][there][part] if part else self._tail(node, peer, draw)
        heappush(self._near, (finish + self._overhead + delay + PROCESSING_NS, code))

    def _take_block(self, time: int, slot: int, node: int, peer: int) -> None:
        """`node` has the whole block: to its engine, and on to its neighbours."""
        register = self._register
        self._hold(time, slot, node)
        self._announce(time, slot, node)
        event = BlockReceived(self._epoch + time, self._ids[peer], register.blocks[slot], b"")
        self.now = time
        self._tell(node, event)

    def _hold(self, time: int, slot: int, node: int) -> None:
        register, spread = self._register, self.spreads[slot]
        register.state[slot][node] = HELD  # type: ignore[index]
        self._chains[node].hold(register.blocks[slot].header)
        spread.delays.append(time - spread.sealed_at)
        self._held[slot] += 1
        if self._held[slot] == register.nodes:
            register.state[slot] = register.everywhere
            self._earliest[slot] = None

    def _announce(self, time: int, slot: int, node: int) -> None:
        """Tell every neighbour, except in vain: see the module's docstring."""
        row = self._rows[node]
        self.events += len(row)
        earliest = self._earliest[slot]
        if earliest is None:
            self.pruned += len(row)
            return
        near, key, state, prune = self._near, self._key, self._register.state[slot], self._prune
        time += self._overhead
        base = _INV << _KIND_SHIFT | slot << _SLOT_SHIFT | node
        pushed = 0
        for peer, quantiles in row:
            if state[peer] and prune:
                continue
            code = base | peer << _NODE_BITS
            x = (key + code * _GOLDEN) & _MASK
            x = (x ^ (x >> 30)) * _MIX1 & _MASK
            x = (x ^ (x >> 27)) * _MIX2 & _MASK
            x ^= x >> 31
            part = x >> _TAIL_SHIFT
            arrival = time + (quantiles[part] if part else self._tail(node, peer, x))
            if prune:
                if arrival > earliest[peer]:
                    continue
                earliest[peer] = arrival
            pushed += 1
            heappush(near, (arrival, code))
        self.pruned += len(row) - pushed

    def _tail(self, node: int, peer: int, draw: int) -> int:
        """The long tail of a delay, exactly."""
        return pareto_delay(self._means[self._places[node]][self._places[peer]], draw)

    # Engines

    def _tell(self, node: int, event: Event) -> None:
        """Let an engine react, and carry out what it wants."""
        for effect in self._engines[node].handle(event):
            kind = type(effect)
            if kind is Adopt:
                register = self._register
                self._chains[node].head = register.blocks[register.slots[effect.block_hash]].header  # type: ignore[union-attr]
            elif kind is SetTimer:
                self._plan(self.now + effect.delay, _TIMER, self._timer(effect.name), node)  # type: ignore[union-attr]
            elif kind is CancelTimer:
                self._due[node].pop(self._timer(effect.name), None)  # type: ignore[union-attr]
            elif kind is StopSealing:
                self._due[node].pop(0, None)
            elif kind is Seal:
                self._search(node, effect)  # type: ignore[arg-type]
            elif kind is Publish:
                self._publish(node, effect)  # type: ignore[arg-type]
            else:
                self._refuse(effect)

    def _refuse(self, effect: Effect) -> None:
        """Orphans are the relay's business: what a node lacks is on its way to it."""
        if not isinstance(effect, Fetch):
            raise Misuse(f"engine fidelity has no {type(effect).__name__}; this engine needs the full fidelity")

    def _timer(self, name: str) -> int:
        """The number of a timer's name; 0 is the search for a nonce."""
        try:
            return self._timers.index(name)
        except ValueError:
            self._timers.append(name)
            return len(self._timers) - 1

    def _plan(self, time: int, kind: int, timer: int, node: int) -> None:
        self._due[node][timer] = time
        entry = (time, kind << _KIND_SHIFT | timer << _SLOT_SHIFT | node << _NODE_BITS)
        if time - self.now < _FAR_NS:
            heappush(self._near, entry)
            return
        heappush(self._far, entry)
        if len(self._far) > 8 * len(self._engines) + 1024:
            self._far[:] = [entry for entry in self._far if self._is_due(*entry)]
            heapify(self._far)

    def _is_due(self, time: int, code: int) -> bool:
        node, timer = code >> _NODE_BITS & _NODE_MASK, code >> _SLOT_SHIFT & _SLOT_MASK
        return self._due[node].get(timer) == time

    def _fire(self, time: int, code: int) -> None:
        """A timer or a search, unless it was cancelled or replaced."""
        if not self._is_due(time, code):
            return
        self.now = time
        self.events += 1
        self._trace += (time, code)
        node, timer = code >> _NODE_BITS & _NODE_MASK, code >> _SLOT_SHIFT & _SLOT_MASK
        del self._due[node][timer]
        if code >> _KIND_SHIFT == _TIMER:
            self._tell(node, TimerFired(self._epoch + time, self._timers[timer]))
            return
        header = self._searches.pop(node)
        found = sealed(header, self._seal.nonce(header))
        slot = self._register.add(Block(found))
        self._earliest.append([_NEVER] * self._register.nodes)
        self._held.append(0)
        self.spreads.append(Spread(time))
        self._hold(time, slot, node)
        self._tell(node, Sealed(self._epoch + time, found))

    def _search(self, node: int, effect: Seal) -> None:
        """Draw when the search ends: exponential, as long as 2**256 / target hashes take."""
        self._seals_drawn[node] += 1
        draw = draw64(self._seed, _STREAM_SEAL + node, self._seals_drawn[node])
        mean = ((1 << 256) // (effect.target + 1)) * SECOND // self._hash_power[node]
        self._searches[node] = effect.header
        self._plan(self.now + 1 + fixed.exponential(mean, draw), _SEAL, 0, node)

    def _publish(self, node: int, effect: Publish) -> None:
        message = effect.message
        if isinstance(message, CarriesBlock):
            self._announce(self.now, self._register.slots[message.header.hash], node)
