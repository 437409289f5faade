"""A small world of engines and nothing else: links, disks, timers, and proof of work by lot.

No node, no ledger, no gossip: an engine over `engine.lightchain`, so that a schedule takes tens of milliseconds. What a
node does for its engine is done here in its simplest form: blocks that an engine asks for are fetched whole from the
peer it names; a proof-of-work engine's head is offered again to everybody once a second, as sync would.

A replica is in `replica`, what watches it in `checker`; here are the links between them, and the time.

Messages pass as objects, or with `wire` as bytes. What a liar says passes the gate: a false signature goes no further.
Whatever is drawn on a link is a function of (seed, link, number of the message on it), so that taking one message out
of a schedule leaves the other links alone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, ClassVar, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Engine, EngineFactory, EngineSetup
from raclette.engine.effects import Accuse, Broadcast, Effect, Fetch, Publish, Send
from raclette.engine.events import BlockReceived, Event, Received, TimerFired
from raclette.engine.message import Message, carries_block, is_closed
from raclette.lab.hunt.engines.checker import Checker, Violation
from raclette.lab.hunt.engines.replica import Replica
from raclette.primitives.errors import DecodeError, PeerFault
from raclette.primitives.randomness import Random, mix64
from raclette.primitives.signing import Claim, IdealSignatures
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto.seal import IdealSeal
from raclette.sim.log import Entry

EPOCH_S = 1_700_000_000
# Messages on one link within a schedule are far fewer; streams of the world's own draws lie above all links.
_STREAM_LINKS = 1 << 20
_STREAM_SEALING = 1 << 40
# How often a proof-of-work node offers its head again, for the sync that is not here.
GREETING_NS = SECOND
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Sync:
    """Stands for an answer to `Fetch` where links are asked whether they let a message through."""

    kind: ClassVar[str] = "sync"

    def claims(self) -> tuple[Claim, ...]:
        """None."""
        return ()


SYNC = Sync()

Twist: TypeAlias = Callable[[Replica, Message], Mapping[int, Sequence[Message]] | None]
"""What a liar says instead: for some receivers (by place) other messages; None: nothing is twisted."""


class EngineWorld:
    """Places 0..n-1 are the replicas, then come the second instances of `twins`, then observers without a vote."""

    keeps_all_blocks = False
    EVENTS_MAX = 400_000

    def __init__(
        self,
        factory: EngineFactory,
        parameters: Mapping[str, Any],
        ids: Sequence[bytes],
        *,
        seed: int = 1,
        twins: Iterable[int] = (),
        liars: Iterable[int] = (),
        observers: int = 0,
        factories: Mapping[int, Callable[[EngineSetup], Engine]] | None = None,
        checkers: Sequence[Checker] = (),
        keeps_all_blocks: bool = False,
        power: Sequence[int] = (),
        sink: Callable[[Entry], None] | None = None,
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.start_time = self.now = EPOCH_S * SECOND
        self.genesis = Header(parent_hash=bytes(32), number=0, timestamp=EPOCH_S, extra_data=b"hunt")
        self.signatures = IdealSignatures(b"world")
        self.seal = IdealSeal(b"world")
        self.ids = list(ids)
        self.parameters = dict(parameters)
        self.factory = factory
        self.factories = dict(factories or {})
        self.checkers = list(checkers)
        self.keeps_all_blocks = keeps_all_blocks
        self.sink = sink
        self.trace: list[tuple[int, Event, tuple[Effect, ...]]] | None = None
        self.events = 0
        self.digest = mix64(seed)
        # False: messages are handed over as objects, which is twice as fast.
        self.wire = True
        self.crashed_mid_event = 0
        self.delay = (1, 10)
        self.loss_percent = 0
        self.duplicate_percent = 0
        # True: the message of this (sender, receiver) is lost.
        self.drops: Callable[[Replica, Replica, Message], bool] = lambda sender, receiver, message: False
        self.twist: Twist | None = None
        # Called for each message that a liar's instance receives, before it is handled.
        self.overhear: Callable[[Replica, Message], None] | None = None
        self.accusations: list[tuple[int, Accuse]] = []
        self.decided: dict[int, bytes] = {}
        self.submitted: dict[bytes, None] = {}
        self.messages: Counter[str] = Counter()
        self.lost = 0
        self.refused = 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._generation = 0
        twins = list(twins)
        self.liars: set[int] = {*twins, *liars}
        replicas = len(self.ids)
        self.instances = [Replica(self, n, n, self.ids[n]) for n in range(replicas)]
        self.instances += [Replica(self, replicas + i, n, self.ids[n]) for i, n in enumerate(twins)]
        for extra in range(observers):
            place = len(self.instances)
            self.instances.append(Replica(self, place, place, bytes((0xB0, extra)) * 16))
        self.sealing = [Random(seed, _STREAM_SEALING + instance.place) for instance in self.instances]
        self._links: dict[tuple[int, int], Random] = {}
        self._voters = frozenset(self.ids)
        for instance in self.instances:
            instance.power = power[instance.number] if power and instance.number < replicas else 0

    def start(self) -> None:
        """Let every instance begin."""
        for instance in self.instances:
            instance.start()

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def replicas(self) -> list[Replica]:
        """Instances that do not lie: no twins."""
        return [instance for instance in self.instances if instance.number not in self.liars]

    @property
    def alive(self) -> list[Replica]:
        """Those that do not lie and are up."""
        return [instance for instance in self.replicas if instance.up]

    def __getitem__(self, place: int) -> Replica:
        return self.instances[place]

    def everybody_has(self, transactions: Iterable[bytes]) -> bool:
        """Is each of these on the adopted branch of everybody alive and honest?"""
        wanted = list(transactions)
        return all(transaction in instance.chain.included for instance in self.alive for transaction in wanted)

    @property
    def elapsed_ms(self) -> int:
        """Virtual milliseconds since the beginning."""
        return (self.now - self.start_time) // MILLISECOND

    def note(self, replica: Replica, what: str, detail: dict[str, Any]) -> None:
        """A line for the transcript, if anybody listens."""
        if self.sink is not None:
            self.sink(Entry(self.now - self.start_time, replica.place, what, detail))

    def count(self, replica: Replica, event: Event) -> None:
        """Fold an event into the digest. Raises Violation if there are absurdly many."""
        self.events += 1
        self.digest = mix64((self.digest + self.now + replica.place) & _MASK)
        if self.events > self.EVENTS_MAX:
            raise Violation("livelock", f"more than {self.EVENTS_MAX:,} events", replica.number)

    # --- doing ----------------------------------------------------------------------------------------------------

    def at(self, delay: int, action: Callable[[], None]) -> None:
        """Let `action` happen `delay` ns from now; what is due at one moment happens in the order it was asked for."""
        self._order += 1
        heappush(self._queue, (self.now + delay, self._order, action))

    def run_for(self, ms: int) -> None:
        """Everything within the next `ms` virtual milliseconds."""
        end = self.now + ms * MILLISECOND
        queue = self._queue
        while queue and queue[0][0] <= end:
            self.now, _, action = heappop(queue)
            action()
        self.now = end

    def run_until(self, condition: Callable[[], bool], ms: int) -> bool:
        """Run until it holds (asked after every event), at most `ms`; says whether it does."""
        end = self.now + ms * MILLISECOND
        while not condition():
            if not self._queue or self._queue[0][0] > end:
                self.now = end
                return condition()
            self.now, _, action = heappop(self._queue)
            action()
        return True

    def submit(self, *transactions: bytes, to: Iterable[int] | None = None) -> None:
        """A client's transactions, to all instances or those at the given places."""
        places = list(to) if to is not None else range(len(self.instances))
        for transaction in transactions:
            self.submitted[transaction] = None
            for place in places:
                self.instances[place].submit(transaction)

    def settle(self) -> None:
        """The network heals and everybody is back; clients repeat what is not in."""
        self.loss_percent = self.duplicate_percent = 0
        self.delay = (1, 10)
        self.drops = lambda sender, receiver, message: False
        for instance in self.instances:
            instance.dies_after = -1
            if not instance.up:
                instance.start()
        self.submit(*self.submitted)

    def crash(self, place: int) -> None:
        """Stop an instance; a drawn part of its unsynced writes is lost."""
        self.instances[place].crash()

    def restart(self, place: int) -> None:
        """From its disk."""
        self.instances[place].start()

    def withhold(self, *kinds: str) -> None:
        """Lose every message of these kinds from now on."""
        self.drops = lambda sender, receiver, message: message.kind in kinds

    def isolate(self, *places: int) -> None:
        """Cut these off from the others (not from each other)."""
        inside = set(places)
        self.drops = lambda sender, receiver, message: (sender.place in inside) != (receiver.place in inside)

    def heal(self) -> None:
        """Lose nothing any more."""
        self.drops = lambda sender, receiver, message: False

    # --- what replicas ask of it ----------------------------------------------------------------------------------

    def timer(self, replica: Replica, name: str, delay: int) -> None:
        """Set, replacing one of that name."""
        self._generation += 1
        generation = self._generation
        replica.timers[name] = generation

        def fire() -> None:
            if replica.up and replica.timers.get(name) == generation:
                del replica.timers[name]
                replica.handle(TimerFired(replica.clock, name))

        self.at(delay, fire)

    def say(self, sender: Replica, effect: Broadcast | Publish | Send) -> None:
        """To everybody whom the effect is for; what liars say may be twisted for each receiver."""
        message = effect.message
        twisted: Mapping[int, Sequence[Message]] | None = None
        if sender.number in self.liars:
            twisted = self.twist(sender, message) if self.twist is not None else None
        else:
            for checker in self.checkers:
                checker.said(sender, message)
        passed = self.gate(sender, message)
        sender.sent.append(message)
        for receiver in self.instances:
            if receiver is sender or (isinstance(effect, Send) and receiver.node_id != effect.peer):
                continue
            if isinstance(effect, Broadcast) and receiver.node_id not in self._voters:
                continue
            if twisted is not None and receiver.place in twisted:
                for lie in twisted[receiver.place]:
                    self.tell(sender, receiver, lie)
            elif passed is not None:
                self.deliver(sender, receiver, passed)

    def tell(self, sender: Replica, receiver: Replica, message: Message) -> None:
        """One copy of a liar's message, if the receiver's gate lets it pass: its form and its signatures."""
        try:
            decoded: Message = receiver.engine.decode(sender.engine.encode(message))
        except DecodeError:
            self.refused += 1
            return
        if all(self.signatures.holds(claim) for claim in decoded.claims()):
            if carries_block(decoded) and carries_block(message) and message.block is not None:
                decoded = decoded.with_block(message.block)
            self.deliver(sender, receiver, decoded)
        else:
            self.refused += 1

    def deliver(self, sender: Replica, receiver: Replica, message: Message) -> None:
        """One copy on one link."""
        self.messages[message.kind] += 1
        link = self._links.get((sender.place, receiver.place))
        if link is None:
            stream = _STREAM_LINKS + 1024 * sender.place + receiver.place
            link = self._links[sender.place, receiver.place] = Random(self.seed, stream)
        luck, delay = link.next64(), link.next64()
        if self.drops(sender, receiver, message) or luck % 100 < self.loss_percent:
            self.lost += 1
            if self.sink is not None:
                detail = {"kind": message.kind, "to": receiver.place, "sent": self.now - self.start_time, "why": "lost"}
                self.note(sender, "lost", detail)
            return
        low, high = self.delay
        self.at(self._stretch(low, high, delay), self.arrival(sender, receiver, message))
        if self.duplicate_percent and (luck >> 32) % 100 < self.duplicate_percent:
            self.at(self._stretch(low, 2 * high, mix64(delay)), self.arrival(sender, receiver, message))

    @staticmethod
    def _stretch(low: int, high: int, draw: int) -> int:
        return low * MILLISECOND + (draw * ((high - low) * MILLISECOND + 1) >> 64)

    def arrival(self, sender: Replica, receiver: Replica, message: Message) -> Callable[[], None]:
        """What happens when the message is there: to be given to `at`."""
        sent = self.now - self.start_time

        def arrive() -> None:
            if not receiver.up:
                return
            if self.sink is not None:
                detail = {"kind": message.kind, "from": sender.place, "sent": sent, "what": describe(message)}
                self.note(receiver, "receive", detail)
            if self.overhear is not None and receiver.number in self.liars:
                self.overhear(receiver, message)
            receiver.handle(Received(receiver.clock, sender.node_id, message))

        return arrive

    def gate(self, sender: Replica, message: Message) -> Message | None:
        """Through the wire: bytes, claims, body. Raises Violation if an honest sender's message does not survive it."""
        if not self.wire:
            return message
        decoded: Message = sender.engine.decode(sender.engine.encode(message))
        if is_closed(decoded):
            return message  # an engine inside another, which has stopped since
        if not all(self.signatures.holds(claim) for claim in decoded.claims()):
            raise Violation("wire", f"{sender.name} sent a {message.kind} with a false claim", sender.number)
        if carries_block(decoded) and carries_block(message) and message.block is not None:
            decoded = decoded.with_block(message.block)
        if decoded != message:
            raise Violation("wire", f"{message!r} changed on the wire to {decoded!r}", sender.number)
        return decoded

    def fetch(self, replica: Replica, effect: Fetch) -> None:
        """Sync: the peer's blocks from our last known one up to the wanted, in order, with certificates.

        What stands on a block that the engine did not take is not handed over, as in a node (`BlockQueue`): it would
        be asked for again, by whatever stands on it, and so on without end.
        """
        sources = [instance for instance in self.instances if instance.node_id == effect.peer and instance.up]

        def answer() -> None:
            for source in sources:
                block = source.chain.block(effect.block_hash) if source.up else None
                if block is None or self.drops(source, replica, SYNC):
                    continue
                path: list[Block] = []
                while block is not None and replica.chain.header(block.hash) is None:
                    path.append(block)
                    block = source.chain.block(block.parent_hash)
                for step in reversed(path):
                    certificate = self._certificate(source, replica, step)
                    replica.handle(BlockReceived(replica.clock, source.node_id, step, certificate))
                    if replica.chain.header(step.hash) is None:
                        return
                return

        low, high = self.delay
        self.at(self._stretch(2 * low, 2 * high, self.rng.next64()), answer)

    def _certificate(self, source: Replica, replica: Replica, block: Block) -> bytes:
        """What the source shows beside the block, if a node would hand it to its engine."""
        certificate = source.chain.certificate(block.hash)
        if not certificate:
            return b""
        try:
            claims = replica.engine.check_certificate(block.header, certificate)
        except PeerFault:
            return b""
        return certificate if all(self.signatures.holds(claim) for claim in claims) else b""

    def on_finalize(self, replica: Replica, block: Block, certificate: bytes) -> None:
        """Show an honest instance's final block to the checkers."""
        if replica.number in self.liars:
            return
        for checker in self.checkers:
            checker.finalized(replica, block, certificate)
        if block.number == len(replica.finalized) + 1:
            replica.finalized.append(block.hash)


def describe(message: Message) -> str:
    """A few words about a message: whatever of view, height and hash it has."""
    words = [
        f"{name}={getattr(message, name)}" for name in ("view", "height", "final", "tip") if hasattr(message, name)
    ]
    header = getattr(message, "header", None)
    if header is not None:
        words.append(f"block={header.number}/{header.hash.hex()[:8]}")
    elif hasattr(message, "block_hash"):
        words.append(f"block={message.block_hash.hex()[:8]}")
    return ",".join(words) or "-"


__all__ = ["EPOCH_S", "GREETING_NS", "Checker", "EngineWorld", "Replica", "Twist", "Violation", "describe"]
