"""The world of engine fidelity: any engine of `raclette.protocols`, unchanged, over work chains and modelled wires.

One loop takes what happens next, by (time, what and where, number), never by when it was planned; tells an engine; and
carries out its effects in order. Everything an engine can ask for is here: timers, votes to all, messages to one,
gossip, blocks from others, proofs of work (drawn, not searched), records that survive a crash, final blocks with
certificates. Left out are gossip repair, mempool, ledger and store: see `plan`, `wires` and `chain` for what stands
in their place.

How votes reach the engines (`post`) is a part of its own, with a reference and a compiled form that must agree.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, NamedTuple, TypeAlias

from raclette.chain.header import Header
from raclette.engine.ballot import Ballot
from raclette.engine.contract import Engine
from raclette.engine.effects import (
    Accuse,
    Adopt,
    Broadcast,
    CancelTimer,
    Effect,
    Fetch,
    Finalize,
    Persist,
    Publish,
    Seal,
    Send,
    SetTimer,
    StopSealing,
)
from raclette.engine.events import BlockReceived, Event, Gathered, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import InvariantBroken
from raclette.primitives.randomness import draw64
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto.seal import IdealSeal
from raclette.sim import fixed
from raclette.sim.config import EPOCH_S
from raclette.sim.engines.chain import Register, WorkChain
from raclette.sim.engines.letter import Letter
from raclette.sim.engines.plan import NEVER, Down, Plan
from raclette.sim.engines.trace import Trace
from raclette.sim.kernel import Kind, place

EPOCH = EPOCH_S * SECOND
# Events that one event may cause at one node in the same instant before we say that it never ends.
EVENTS_PER_TURN_MAX = 1_000
_STREAM_SEAL = 1 << 34
_MASK63 = (1 << 63) - 1
_CODES = {
    kind: code
    for code, kind in enumerate((Started, Received, Gathered, BlockReceived, TimerFired, Sealed, Pending), start=1)
}

# What a queued happening does; `step` orders what shares a key.
Action: TypeAlias = Callable[[Any], None]
EngineMaker: TypeAlias = Callable[[int, WorkChain, dict[bytes, bytes]], Engine]


@dataclass(slots=True)
class Node:
    """One engine with its chain, its disk and its clocks. `timers` maps a name to when it is due
    and the number of that firing, `queued` to the time of the next look at it."""

    index: int
    node_id: bytes
    chain: WorkChain
    engine: Engine
    hash_power: int = 0
    alive: bool = True
    records: dict[bytes, bytes] = field(default_factory=dict)
    timers: dict[str, tuple[int, int]] = field(default_factory=dict)
    queued: dict[str, int] = field(default_factory=dict)
    searching: int = 0
    counter: int = 0
    crashes: int = 0
    asked: dict[bytes, int] = field(default_factory=dict)
    is_done: bool = False
    counts: Callable[[Message], Ballot | None] | None = None

    def __post_init__(self) -> None:
        self.run(self.engine)

    def run(self, engine: Engine) -> None:
        """This engine runs here from now on. Whether it lets us count is asked once: every message needs it."""
        self.engine = engine
        self.counts = getattr(engine, "ballot", None)


class Accusation(NamedTuple):
    """At virtual `time`, node `accuser` accused `accused` (node id)."""

    time: int
    accuser: int
    accused: bytes
    reason: str
    evidence: bytes


class EngineWorld:
    """`run` it once. `post` is set by whoever makes the world: it carries letters (see `post.Post`)."""

    def __init__(
        self,
        ids: Sequence[bytes],
        register: Register,
        make: EngineMaker,
        *,
        chain_id: int,
        seed: int,
        plan: Plan,
        seal: IdealSeal,
        hash_power: Sequence[int] = (),
    ) -> None:
        self.now = 0
        # The key of what happens now: nothing with a smaller one is still to come.
        self.key = (0, 0, 0)
        self.register = register
        self.trace = Trace()
        self.plan = plan
        self.post: Any = None
        self.told: Counter[str] = Counter()
        self.accusations: list[Accusation] = []
        # hash -> when each node settled on it (-1: not yet): final, or adopted where nothing is ever final.
        self.settled: dict[bytes, list[int]] = {}
        self._make = make
        self._seal = seal
        self._seed = seed
        self._heap: list[tuple[int, int, int, int, Action, Any]] = []
        self._carry: dict[type, Callable[[Node, Any], None]] = {
            Persist: self._persist,
            Broadcast: self._broadcast,
            Publish: self._publish,
            Send: self._send,
            SetTimer: self._set_timer,
            CancelTimer: self._cancel_timer,
            Seal: self._search,
            StopSealing: self._stop_search,
            Adopt: self._adopt,
            Finalize: self._finalize,
            Fetch: self._fetch,
            Accuse: self._accuse,
        }
        self.nodes: list[Node] = []
        self.numbers = {node_id: index for index, node_id in enumerate(ids)}
        for index, node_id in enumerate(ids):
            chain = WorkChain(register, chain_id)
            power = hash_power[index] if hash_power else 0
            self.nodes.append(Node(index, node_id, chain, make(index, chain, {}), power))
        self.undone = len(self.nodes)
        # What the post wants told at this node right after the effects being carried out: events with their contents.
        self.due: list[tuple[Gathered, int]] = []
        self._adopted = False

    # --- the loop -------------------------------------------------------------------------------------------------

    def schedule(self, time: int, where: int, number: int, step: int, action: Action, argument: Any) -> None:
        """Plan a happening. (time, where, number, step) names it."""
        heappush(self._heap, (time, where, number, step, action, argument))

    def start(self) -> None:
        """Put starts, faults and the arrival of work on the timeline."""
        work = self.register.work
        for node in self.nodes:
            self.schedule(0, place(Kind.START, node.index), 0, 0, self._start, node)
        for number, down in enumerate(self.plan.down):
            self.schedule(down.begin, place(Kind.FAULT, down.node), number, 0, self._crash, down)
            if down.end < NEVER:
                self.schedule(down.end, place(Kind.FAULT, down.node), number, 1, self._restart, down)
            else:
                # One that never comes back is not waited for.
                self.nodes[down.node].is_done = True
                self.undone -= 1
        self.schedule(work.start, place(Kind.CLIENT, 0), 0, 0, self._bring_work, 1)

    def run_until(self, horizon: int) -> bool:
        """Let everything up to and including `horizon` happen, or until every node is done. True if all are."""
        heap = self._heap
        while heap and self.undone and heap[0][0] <= horizon:
            self._step()
        return not self.undone

    def drain(self) -> None:
        """What is under way arrives."""
        horizon = self.post.latest
        heap = self._heap
        while heap and heap[0][0] <= horizon:
            self._step()

    def _step(self) -> None:
        time, where, number, _, action, argument = heappop(self._heap)
        self.now = self.register.now = time
        self.key = (time, where, number)
        action(argument)

    def tell(self, node: Node, event: Event, content: int = 0) -> None:
        """Let the engine react, and then to all that follows at once."""
        turns = 0
        while True:
            self._handle(node, event, content)
            turns += 1
            if self.due:
                event, content = self.due.pop(0)
            elif self._adopted:
                self._adopted = False
                if not node.chain.has_work:
                    return
                event, content = Pending(EPOCH + self.now), 0
            else:
                return
            if turns > EVENTS_PER_TURN_MAX:
                raise InvariantBroken(f"the {node.engine.name} engine has no end of events at {self.now} ns")

    def _handle(self, node: Node, event: Event, content: int) -> None:
        kind = type(event)
        self.told[kind.__name__] += 1
        self.trace.row(self.now, node.index, _CODES[kind], content & _MASK63)
        effects: tuple[Effect, ...] = node.engine.handle(event)
        carry = self._carry
        for effect in effects:
            carry[type(effect)](node, effect)

    # --- life -----------------------------------------------------------------------------------------------------

    def _start(self, node: Node) -> None:
        self.tell(node, Started(EPOCH + self.now))

    def _bring_work(self, number: int) -> None:
        """The `number`-th block's worth (all of it, without a pace) has come: those with nothing to do hear of it."""
        work = self.register.work
        before = work.arrived(self.now - 1) if self.now else 0
        if work.pace and number < work.blocks:
            self.schedule(self.now + work.pace, place(Kind.CLIENT, 0), number, 0, self._bring_work, number + 1)
        for node in self.nodes:
            if node.alive and self.register.taken[node.chain.head.hash] >= before:
                self.tell(node, Pending(EPOCH + self.now))

    def _crash(self, down: Down) -> None:
        node = self.nodes[down.node]
        self.trace.row(self.now, node.index, -1, 0)
        node.alive = False
        node.crashes += 1
        node.timers.clear()
        node.searching = 0
        node.asked.clear()
        self.post.forget(node.index)

    def _restart(self, down: Down) -> None:
        node = self.nodes[down.node]
        self.trace.row(self.now, node.index, -2, 0)
        if down.wipe:
            node.records.clear()
            node.chain = WorkChain(self.register, node.chain.chain_id)
        else:
            node.chain = node.chain.durable_copy()
        node.run(self._make(node.index, node.chain, dict(node.records)))
        node.alive = True
        self.post.revive(node.index)
        self.tell(node, Started(EPOCH + self.now))
        if node.chain.has_work:
            self.tell(node, Pending(EPOCH + self.now))

    # --- effects: disk, clocks, chain -----------------------------------------------------------------------------

    def _persist(self, node: Node, effect: Persist) -> None:
        if effect.value is None:
            node.records.pop(effect.key, None)
        else:
            node.records[effect.key] = effect.value

    def _set_timer(self, node: Node, effect: SetTimer) -> None:
        node.counter += 1
        due = self.now + effect.delay
        node.timers[effect.name] = (due, node.counter)
        # What is queued for this timer and comes no later will look where it has moved to.
        if node.queued.get(effect.name, NEVER) > due:
            self._queue_timer(node, effect.name, due, node.counter)

    def _queue_timer(self, node: Node, name: str, due: int, number: int) -> None:
        node.queued[name] = due
        self.schedule(due, place(Kind.TIMER, node.index), number, 0, self._look, (node, name, number))

    def _cancel_timer(self, node: Node, effect: CancelTimer) -> None:
        node.timers.pop(effect.name, None)

    def _look(self, argument: tuple[Node, str, int]) -> None:
        """A timer may be due: patience is renewed for every block, so most have moved on."""
        node, name, number = argument
        if node.queued.get(name) != self.now:
            return
        del node.queued[name]
        due, current = node.timers.get(name, (0, 0))
        if current and (due, current) != (self.now, number):
            self._queue_timer(node, name, due, current)
        elif current:
            self._fire(node, name, number)

    def _fire(self, node: Node, name: str, number: int) -> None:
        del node.timers[name]
        waiting = self.post.flush(node.index)
        if waiting is not None:
            self.tell(node, *waiting)
        self.tell(node, TimerFired(EPOCH + self.now, name), number)

    def _adopt(self, node: Node, effect: Adopt) -> None:
        node.chain.adopt(effect.block_hash)
        self._adopted = True
        if not node.engine.needs_certificate:
            self._settle(node, node.chain.head)

    def _finalize(self, node: Node, effect: Finalize) -> None:
        node.chain.finalize(effect.block_hash, effect.certificate)
        if node.engine.needs_certificate:
            self._settle(node, node.chain.finalized)

    def _settle(self, node: Node, header: Header) -> None:
        times = self.settled.get(header.hash)
        if times is None:
            times = self.settled[header.hash] = [-1] * len(self.nodes)
        if times[node.index] < 0:
            times[node.index] = self.now
        if not node.is_done and self.register.taken[header.hash] >= self.register.work.total:
            node.is_done = True
            self.undone -= 1

    def _accuse(self, node: Node, effect: Accuse) -> None:
        self.accusations.append(Accusation(self.now, node.index, effect.peer, effect.reason, effect.evidence))

    # --- effects: work --------------------------------------------------------------------------------------------

    def _search(self, node: Node, effect: Seal) -> None:
        """Draw when the search ends: exponential, as long as 2**256 / target hashes take."""
        node.searching = 0
        if node.hash_power <= 0:
            return
        node.counter += 1
        node.searching = node.counter
        draw = draw64(self._seed, _STREAM_SEAL + node.index, node.counter)
        mean = ((1 << 256) // (effect.target + 1)) * SECOND // node.hash_power
        time = self.now + 1 + fixed.exponential(mean, draw)
        argument = (node, effect.header, node.counter)
        self.schedule(time, place(Kind.SEALED, node.index), node.counter, 0, self._found, argument)

    def _stop_search(self, node: Node, effect: StopSealing) -> None:
        node.searching = 0

    def _found(self, argument: tuple[Node, Header, int]) -> None:
        node, header, number = argument
        if node.searching == number:
            node.searching = 0
            self.tell(node, Sealed(EPOCH + self.now, self._seal.seal(header)), number)

    # --- effects: words -------------------------------------------------------------------------------------------

    def _broadcast(self, node: Node, effect: Broadcast) -> None:
        self.post.broadcast(node, effect.message)

    def _publish(self, node: Node, effect: Publish) -> None:
        self.post.publish(node, effect.message)

    def _send(self, node: Node, effect: Send) -> None:
        receiver = self.numbers.get(effect.peer)
        if receiver is not None and receiver != node.index:
            self.post.send(node, receiver, effect.message)

    def _fetch(self, node: Node, effect: Fetch) -> None:
        receiver = self.numbers.get(effect.peer, node.index)
        self.post.ask(node, receiver, effect.block_hash)

    # --- what the post delivers -----------------------------------------------------------------------------------

    def deliver(self, receiver: int, letter: Letter) -> None:
        """One message to one engine."""
        sender_id, message = letter.pair
        self.tell(self.nodes[receiver], Received(EPOCH + self.now, sender_id, message), letter.content)

    def deliver_block(self, receiver: int, event: BlockReceived) -> None:
        """A block that was fetched."""
        self.tell(self.nodes[receiver], event, int.from_bytes(event.block.hash[:8], "big"))


__all__ = ["EPOCH", "Accusation", "EngineWorld", "Node"]
