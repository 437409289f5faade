"""Engine fidelity: thousands of engines over light chains, and blocks relayed by a kernel.

The engines are the real ones; only chain, gossip and store are left out. A `RelayKernel` carries blocks (see `wires`);
here is the engines' side: deliveries become events, effects become timers, searches and announcements.

Engines live in the same virtual time as the wires. At one instant deliveries come before timers and timers before
searches that end. What fired is hashed as (time, code), apart from the events of the wires, and the run's digest is
over both.
"""

import gc
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Engine
from raclette.engine.effects import Adopt, CancelTimer, Effect, Fetch, Publish, Seal, SetTimer, StopSealing
from raclette.engine.events import BlockReceived, Event, Sealed, Started, TimerFired
from raclette.engine.message import carries_block
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import draw64
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto.seal import IdealSeal
from raclette.sim import fixed
from raclette.sim.light import LightChain, Register
from raclette.sim.timers import Searches, Timers
from raclette.sim.wires import Trace
from raclette.sim.wiring import LOOKAHEAD_MAX_NS, NEVER, NODE_BITS, NODE_MASK, STREAM_SEAL, RelayKernel

# No search takes longer than this in the mean (146 years): a slower node finds nothing anyway, and the compiled model
# counts in 64 bits.
SEARCH_MAX_NS = NEVER


class Draws:
    """How long searches take: for each node one exponential draw after another, of mean 1 in units of 2**-48."""

    def __init__(self, nodes: int, seed: int) -> None:
        self._seed = seed
        self._drawn = [0] * nodes

    def next(self, node: int) -> int:
        """The node's next one."""
        number = self._drawn[node] = self._drawn[node] + 1
        return unit_exponential(draw64(self._seed, STREAM_SEAL + node, number))


def unit_exponential(draw: int) -> int:
    """From a uniform 64-bit number, of mean 1 in units of 2**-48."""
    return fixed.surprisal(draw) * fixed.LN2 >> fixed.FRACTION_BITS


@lru_cache(maxsize=256)
def search_work(target: int) -> int:
    """Hashes that a search for `target` takes in the mean, times the nanoseconds of a second."""
    return ((1 << 256) // (target + 1)) * SECOND


def refuse(effect: Effect) -> None:
    """Orphans are the relay's business: what a node lacks is on its way to it. Raises Misuse for anything else."""
    if not isinstance(effect, Fetch):
        raise Misuse(f"engine fidelity has no {type(effect).__name__}; this engine needs the full fidelity")


@contextmanager
def no_collection() -> Iterator[None]:
    """Without the search for cycles of garbage: a run keeps nearly all that it makes, millions of objects, and engines
    make no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(slots=True)
class Spread:
    """How one block travelled: when it was sealed (ns), and after how long each node had it (ns, in order)."""

    sealed_at: int
    delays: list[int]


class Relayed(ABC):
    """A world at engine fidelity, and what a finished run has to tell. `events` counts logical events: those of the
    wires, and timers and searches; `happened` those at the engines, deliveries included, and `calls` how often an
    engine was told of one."""

    def __init__(
        self, wires: RelayKernel, register: Register, seal: IdealSeal, *, hash_power: Sequence[int], epoch: int
    ) -> None:
        self.now = self.calls = 0
        self.wires = wires
        # Of each block in order of making, genesis first: when, and by whom.
        self.sealed_at = [0]
        self.miners = [0]
        self.register = register
        self._fired = 0
        self._seal = seal
        self._epoch = epoch
        self._hash_power = hash_power
        self._engines: list[Engine] = []
        self._chains: list[LightChain] = []
        self._ids: list[bytes] = []
        self._candidates: list[Header | None] = [None] * wires.nodes

    def join(self, node_id: bytes, chain: LightChain, engine: Engine) -> None:
        """The next node."""
        self._ids.append(node_id)
        self._chains.append(chain)
        self._engines.append(engine)

    @abstractmethod
    def run(self, blocks: int) -> None:
        """Start everybody, and go on until `blocks` were sealed and have reached all whom they can reach."""

    @abstractmethod
    def fired(self) -> str:
        """Hex of the hash over the timers that fired and the searches that ended."""

    def digest(self) -> str:
        """Hex of the hash over every event that had an effect: on the wires, and at the engines."""
        return blake2b((self.wires.digest() + self.fired()).encode(), digest_size=32).hexdigest()

    @property
    def events(self) -> int:
        """Logical events so far."""
        return self.wires.events + self._fired

    @property
    def happened(self) -> int:
        """What engines are to be told of: deliveries, timers, searches that ended, and the start."""
        return self.calls

    @property
    def pruned(self) -> int:
        """Announcements that were counted and not queued."""
        return self.wires.skipped

    @property
    def spreads(self) -> list[Spread]:
        """How each block travelled; the first, genesis, did not."""
        return [Spread(0, []), *(self._spread(slot) for slot in range(1, len(self.sealed_at)))]

    def _spread(self, slot: int) -> Spread:
        start = self.sealed_at[slot]
        return Spread(start, sorted(time - start for time in self.wires.arrivals(slot) if time >= 0))

    def common_head(self) -> Header:
        """The head of most nodes (the first of equals)."""
        heads = Counter(head.hash for head in self.heads())
        return self.register.blocks[self.register.slots[heads.most_common(1)[0][0]]].header

    def heads(self) -> list[Header]:
        """What each node follows."""
        return [chain.head for chain in self._chains]

    def _make_block(self, time: int, node: int) -> tuple[Header, int]:
        """What `node` searched for is found: the sealed header, and its slot in the register."""
        candidate = self._candidates[node]
        if candidate is None:
            raise Misuse(f"node {node} found what it did not search for")
        found = self._seal.seal(candidate)
        self.sealed_at.append(time)
        self.miners.append(node)
        return found, self.register.add(Block(found))


class Relay(Relayed):
    """Engines one by one: each is told of everything that happens to it, on any wires."""

    def __init__(
        self,
        wires: RelayKernel,
        register: Register,
        seal: IdealSeal,
        *,
        draws: Draws,
        hash_power: Sequence[int],
        epoch: int,
    ) -> None:
        super().__init__(wires, register, seal, hash_power=hash_power, epoch=epoch)
        self._wanted = 0
        self._last = 0
        self._next_draw = draws.next
        self._timers = Timers(wires.nodes)
        self._searches = Searches(wires.nodes)
        self._trace = Trace()
        # What fired since the wires last moved, and until when nothing is delivered to the node at hand.
        self._notes: list[tuple[int, int]] = []
        self._undisturbed = 0

    def run(self, blocks: int) -> None:
        """Start everybody, and go on until `blocks` were sealed and have reached all whom they can reach."""
        self._wanted = blocks
        with no_collection():
            for node in range(len(self._engines)):
                self._tell(node, Started(self._epoch))
            while (due := self._next_due()) <= self._end() and (due < NEVER or self.wires.pending):
                limit, deliveries = self.wires.run(due)
                self._deliver(list(deliveries), limit)
                self._fire_before(min(limit, self._end() + 1))
                self._keep_notes()
            self.wires.finish()

    def fired(self) -> str:
        return self._trace.hexdigest()

    # Time

    def _next_due(self) -> int:
        """When the engines' own next event comes: a timer, or the end of a search."""
        return min(self._timers.first[0], self._searches.first[0])

    def _end(self) -> int:
        """When the run is over. Depends on virtual times alone, not on how far ahead the wires are."""
        if len(self.sealed_at) <= self._wanted:
            return NEVER
        if not self.wires.incomplete:
            return self._last + LOOKAHEAD_MAX_NS
        return NEVER if self.wires.pending else self.wires.now + LOOKAHEAD_MAX_NS

    def _deliver(self, deliveries: Sequence[tuple[int, int, int, int]], limit: int) -> None:
        """Let the engines have these blocks, and what comes before each of them. All deliveries before `limit` are
        among them, so a node with one delivery here is left alone until `limit`."""
        ids, blocks, epoch = self._ids, self.register.blocks, self._epoch
        timers, searches = self._timers, self._searches
        is_single = len({node for _, node, _, _ in deliveries}) == len(deliveries)
        for time, node, peer, slot in deliveries:
            if timers.first[0] < time or searches.first[0] < time:
                self._fire_before(time)
            self.now = self._last = time
            self._undisturbed = limit if is_single else 0
            self._tell(node, BlockReceived(epoch + time, ids[peer], blocks[slot], b""))
            self._undisturbed = 0

    def _fire_before(self, limit: int) -> None:
        """Timers and searches that end before `limit`, in order."""
        timers, searches = self._timers, self._searches
        while True:
            first = timers.first
            if searches.first < first:
                first = searches.first
                if first[0] >= limit:
                    return
                self._end_search(*first)
                continue
            time, code = first
            if time >= limit:
                return
            name = timers.pop()
            if name:
                self.now = time
                self._note(time, code)
                self._tell(code >> NODE_BITS & NODE_MASK, TimerFired(self._epoch + time, name))

    def _note(self, time: int, code: int) -> None:
        self._fired += 1
        self._notes.append((time, code))

    def _keep_notes(self) -> None:
        """Nothing earlier can happen any more: what did goes into the digest, in order."""
        self._notes.sort()
        for time, code in self._notes:
            self._trace.add(time, code)
        self._notes.clear()

    # Engines

    def _tell(self, node: int, event: Event) -> None:
        """Let an engine react, and carry out what it wants."""
        soon: SetTimer | None = None
        self.calls += 1
        for effect in self._engines[node].handle(event):
            if isinstance(effect, SetTimer):
                due = self.now + effect.delay
                if due < self._undisturbed and self._is_next(due) and (soon is None or soon.name == effect.name):
                    soon = effect
                else:
                    self._timers.set(due, node, effect.name, effect.delay)
            elif isinstance(effect, Adopt):
                register = self.register
                self._chains[node].head = register.blocks[register.slots[effect.block_hash]].header
            elif isinstance(effect, StopSealing):
                self._searches.stop(node)
            elif isinstance(effect, CancelTimer):
                self._timers.cancel(node, effect.name)
                if soon is not None and soon.name == effect.name:
                    soon = None
            elif isinstance(effect, Seal):
                self._search(node, effect)
            elif isinstance(effect, Publish):
                self._publish(node, effect)
            else:
                refuse(effect)
        if soon is not None:
            self._fire_now(node, soon)

    def _is_next(self, due: int) -> bool:
        """Is a timer that the undisturbed node sets for `due` the next thing that happens to it? Then it may as well
        fire now, while the node is at hand: nobody else can tell, for nodes meet on the wires only."""
        return due < self._timers.first[0] and due < self._searches.first[0]

    def _fire_now(self, node: int, timer: SetTimer) -> None:
        timers = self._timers
        timers.cancel(node, timer.name)
        self.now += timer.delay
        self._note(self.now, timers.code(node, timer.name))
        self._tell(node, TimerFired(self._epoch + self.now, timer.name))

    def _search(self, node: int, effect: Seal) -> None:
        """Draw when the search ends: exponential, as long as 2**256 / target hashes take."""
        mean = min(search_work(effect.target) // self._hash_power[node], SEARCH_MAX_NS)
        length = mean * self._next_draw(node) >> fixed.FRACTION_BITS
        self._candidates[node] = effect.header
        self._searches.start(node, self.now + 1 + length)

    def _end_search(self, time: int, code: int) -> None:
        node = code >> NODE_BITS & NODE_MASK
        self.now = self._last = time
        self._note(time, code)
        self._searches.stop(node)
        found, slot = self._make_block(time, node)
        if slot != self.wires.add(time, node):
            raise Misuse("the register and the wires number blocks differently")
        if len(self.sealed_at) > self._wanted:
            self._searches.close()
        self._tell(node, Sealed(self._epoch + time, found))

    def _publish(self, node: int, effect: Publish) -> None:
        message = effect.message
        if carries_block(message):
            self.wires.announce(self.now, self.register.slots[message.header.hash], node)
