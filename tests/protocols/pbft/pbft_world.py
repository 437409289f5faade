"""A small deterministic world for PBFT: seeded delays, loss, partitions, crashes that lose unsynced writes, and twins.

Every message crosses the wire as bytes and every signature is checked, as at a real gate. What a replica finalises is
checked at once against what everybody else finalised.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from raclette.chain.block import Block
from raclette.engine.contract import Engine, EngineSetup
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
    Send,
    SetTimer,
)
from raclette.engine.events import BlockReceived, Event, Pending, Received, Started, TimerFired
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.primitives.randomness import Random
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.pbft import PbftEngine
from raclette.protocols.pbft.messages import Committed, PrePrepare

CHAIN_ID = 7
PARAMETERS = {
    "view_timeout_ms": 400,
    "view_timeout_cap_ms": 6_400,
    "checkpoint_interval": 4,
    "window": 12,
    "pipeline": 3,
    "batch_delay_ms": 5,
}


class Violation(AssertionError):
    """A property that must always hold did not."""


@dataclass
class Disk:
    """What survives: engine records, and final blocks with certificates. `journal` is written but not yet synced."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    finals: list[tuple[Block, bytes]] = field(default_factory=list)
    journal: list[Persist | tuple[Block, bytes]] = field(default_factory=list)

    def write(self, entry: Persist | tuple[Block, bytes]) -> None:
        self.journal.append(entry)

    def sync(self, count: int | None = None) -> None:
        """Make the first `count` unsynced writes durable (all by default); the others are lost."""
        for entry in self.journal[:count]:
            if not isinstance(entry, Persist):
                self.finals.append(entry)
            elif entry.value is None:
                self.records.pop(entry.key, None)
            else:
                self.records[entry.key] = entry.value
        self.journal.clear()


class Replica:
    """One running instance. Twins are two instances with the same `number`."""

    def __init__(self, world: "World", place: int, number: int, node_id: bytes, active: bool) -> None:
        self.world = world
        self.place = place
        self.number = number
        self.node_id = node_id
        self.active = active
        self.disk = Disk()
        self.up = False
        self.timers: dict[str, int] = {}
        self.finalized: list[bytes] = []
        self.sent: list[Message] = []
        self.boots = 0
        self.chain = LightChain(CHAIN_ID)
        self.engine: Any = None

    @property
    def name(self) -> str:
        return f"r{self.number}" if self.place == self.number else f"r{self.number}'({self.place})"

    @property
    def height(self) -> int:
        return self.chain.finalized.number

    @property
    def view(self) -> int:
        return int(self.engine.core.view)

    def start(self) -> None:
        """From what the disk holds."""
        self.boots += 1
        self.up = True
        self.timers.clear()
        self.chain = LightChain(CHAIN_ID)
        for block, certificate in self.disk.finals:
            self.chain.check(block)
            self.chain.adopt(block.hash)
            self.chain.finalize(block.hash, certificate)
        setup = EngineSetup(
            parameters=self.world.parameters,
            chain=self.chain,
            signer=self.world.signatures.signer(self.node_id),
            beneficiary=bytes(20),
            records=dict(self.disk.records),
            active=self.active,
        )
        self.engine = self.world.factories.get(self.place, self.world.factory)(setup)
        self.handle(Started(self.world.now))

    def handle(self, event: Event) -> None:
        if not self.up:
            return
        self.world.events += 1
        effects = self.engine.handle(event)
        if self.world.trace is not None:
            self.world.trace.append((self.place, event, effects))
        adopted = False
        for place, effect in enumerate(effects):
            if self.world.crash_chance and self.world.rng.chance(self.world.crash_chance, 100_000):
                self.crash()
                self.world.crashed_mid_event += 1
                return
            adopted = adopted or isinstance(effect, Adopt)
            self.carry_out(effect, place)
        if adopted and self.chain.pool:
            self.world.at(0, lambda: self.handle(Pending(self.world.now)))

    def carry_out(self, effect: Effect, place: int) -> None:
        world = self.world
        if isinstance(effect, Persist):
            self.disk.write(effect)
        elif isinstance(effect, Adopt):
            self.chain.adopt(effect.block_hash)
        elif isinstance(effect, Finalize):
            block = self.chain.block(effect.block_hash)
            assert block is not None
            self.chain.finalize(effect.block_hash, effect.certificate)
            self.disk.write((block, effect.certificate))
            world.on_finalize(self, block, effect.certificate)
        elif isinstance(effect, SetTimer):
            world.timer(self, effect.name, effect.delay)
        elif isinstance(effect, CancelTimer):
            self.timers.pop(effect.name, None)
        elif isinstance(effect, Accuse):
            world.accusations.append((self.place, effect))
        elif isinstance(effect, Fetch):
            self.disk.sync()
            world.fetch(self, effect)
        elif isinstance(effect, Broadcast | Publish | Send):
            self.disk.sync()
            world.say(self, effect)

    def crash(self) -> None:
        """Lose memory, and a random suffix of what was not synced."""
        self.up = False
        self.disk.sync(self.world.rng.between(0, len(self.disk.journal)))
        self.timers.clear()

    def submit(self, transaction: bytes) -> None:
        if not self.up:
            return
        was_empty = not self.chain.pool
        self.chain.submit(transaction)
        if was_empty and self.chain.pool:
            self.handle(Pending(self.world.now))


class World:
    """`replicas` with votes (numbers 0..n-1), then twins of `twins`, then `observers`."""

    def __init__(
        self,
        replicas: int = 4,
        *,
        seed: int = 1,
        twins: Iterable[int] = (),
        observers: int = 0,
        factory: Callable[[EngineSetup], Engine] = PbftEngine,
        factories: dict[int, Callable[[EngineSetup], Engine]] | None = None,
        **parameters: Any,
    ) -> None:
        self.rng = Random(seed)
        self.now = 1_000 * SECOND
        self.signatures = IdealSignatures(b"world")
        self.ids = [bytes((0xA0, number)) * 16 for number in range(replicas)]
        self.parameters = {**PARAMETERS, **parameters, "validators": ["0x" + node_id.hex() for node_id in self.ids]}
        self.factory = factory
        self.factories = factories or {}
        self.trace: list[tuple[int, Event, tuple[Effect, ...]]] | None = None
        self.events = 0
        # False: messages are handed over as objects (explorers do that most of the time, it is twice as fast).
        self.wire = True
        self.crash_chance = 0
        self.crashed_mid_event = 0
        self.delay = (1, 10)
        self.loss_percent = 0
        # True: the message of this (sender, receiver) is lost.
        self.drops: Callable[[Replica, Replica, Message], bool] = lambda sender, receiver, message: False
        self.accusations: list[tuple[int, Accuse]] = []
        self.decided: dict[int, bytes] = {}
        self.submitted: dict[bytes, None] = {}
        self.messages: dict[str, int] = {}
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._order = 0
        self._generation = 0
        twins = list(twins)
        self.liars: set[int] = set(twins)
        self.instances = [Replica(self, n, n, self.ids[n], True) for n in range(replicas)]
        self.instances += [Replica(self, replicas + i, n, self.ids[n], True) for i, n in enumerate(twins)]
        for extra in range(observers):
            place = len(self.instances)
            self.instances.append(Replica(self, place, place, bytes((0xB0, extra)) * 16, True))
        for instance in self.instances:
            instance.start()

    # --- looking --------------------------------------------------------------------------------------------------

    @property
    def replicas(self) -> list[Replica]:
        """Instances that do not lie: no twins."""
        return [instance for instance in self.instances if instance.number not in self.liars]

    @property
    def alive(self) -> list[Replica]:
        return [instance for instance in self.replicas if instance.up]

    def __getitem__(self, place: int) -> Replica:
        return self.instances[place]

    def everybody_has(self, transactions: Iterable[bytes]) -> bool:
        wanted = list(transactions)
        return all(transaction in instance.chain.included for instance in self.alive for transaction in wanted)

    # --- doing ----------------------------------------------------------------------------------------------------

    def at(self, delay: int, action: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._queue, (self.now + delay, self._order, action))

    def run_for(self, ms: int) -> None:
        end = self.now + ms * MILLISECOND
        while self._queue and self._queue[0][0] <= end:
            self.now, _, action = heappop(self._queue)
            action()
        self.now = end

    def run_until(self, condition: Callable[[], bool], ms: int) -> bool:
        """Run until it holds, at most `ms`; says whether it does."""
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
        self.loss_percent = 0
        self.crash_chance = 0
        self.delay = (1, 10)
        self.drops = lambda sender, receiver, message: False
        for instance in self.instances:
            if not instance.up:
                instance.start()
        self.submit(*self.submitted)

    def crash(self, place: int) -> None:
        self.instances[place].crash()

    def restart(self, place: int) -> None:
        self.instances[place].start()

    def withhold(self, *kinds: str) -> None:
        """Lose every message of these kinds from now on."""
        self.drops = lambda sender, receiver, message: message.kind in kinds

    def isolate(self, *places: int) -> None:
        """Cut these off from the others (not from each other)."""
        inside = set(places)
        self.drops = lambda sender, receiver, message: (sender.place in inside) != (receiver.place in inside)

    def heal(self) -> None:
        self.drops = lambda sender, receiver, message: False

    # --- what replicas ask of it ----------------------------------------------------------------------------------

    def timer(self, replica: Replica, name: str, delay: int) -> None:
        self._generation += 1
        generation = self._generation
        replica.timers[name] = generation

        def fire() -> None:
            if replica.up and replica.timers.get(name) == generation:
                del replica.timers[name]
                replica.handle(TimerFired(self.now, name))

        self.at(delay, fire)

    def say(self, sender: Replica, effect: Broadcast | Publish | Send) -> None:
        message = self.gate(sender, effect.message)
        sender.sent.append(message)
        for receiver in self.instances:
            if receiver is sender or (isinstance(effect, Send) and receiver.node_id != effect.peer):
                continue
            is_validator = receiver.node_id in self.ids
            if isinstance(effect, Broadcast) and not is_validator:
                continue
            self.deliver(sender, receiver, message)

    def deliver(self, sender: Replica, receiver: Replica, message: Message) -> None:
        """One copy on one link."""
        self.messages[message.kind] = self.messages.get(message.kind, 0) + 1
        if self.drops(sender, receiver, message) or self.rng.chance(self.loss_percent, 100):
            return
        self.at(self._draw_delay(), lambda: receiver.handle(Received(self.now, sender.node_id, message)))

    def gate(self, sender: Replica, message: Message) -> Message:
        """Through the wire: bytes, claims, body."""
        if not self.wire:
            return message
        decoded: Message = sender.engine.decode(sender.engine.encode(message))
        for claim in decoded.claims():
            if not self.signatures.holds(claim):
                raise Violation(f"{sender.name} sent a {message.kind} with a false claim")
        if (
            isinstance(decoded, PrePrepare | Committed)
            and isinstance(message, PrePrepare | Committed)
            and message.block
        ):
            decoded = decoded.with_block(message.block)
        if decoded != message:
            raise Violation(f"{message!r} changed on the wire to {decoded!r}")
        return decoded

    def fetch(self, replica: Replica, effect: Fetch) -> None:
        """Sync: the peer's blocks from our last known one up to the wanted, in order, with certificates."""
        sources = [instance for instance in self.instances if instance.node_id == effect.peer and instance.up]

        def answer() -> None:
            for source in sources:
                block = source.chain.block(effect.block_hash) if source.up else None
                probe = source.sent[-1] if source.sent else None
                if block is None or (probe is not None and self.drops(source, replica, probe)):
                    continue
                path: list[Block] = []
                while block is not None and replica.chain.header(block.hash) is None:
                    path.append(block)
                    block = source.chain.block(block.parent_hash)
                for step in reversed(path):
                    certificate = source.chain.certificate(step.hash)
                    replica.handle(BlockReceived(self.now, source.node_id, step, certificate))
                return

        self.at(2 * self._draw_delay(), answer)

    def _draw_delay(self) -> int:
        return self.rng.between(self.delay[0] * MILLISECOND, self.delay[1] * MILLISECOND)

    # --- what must always hold ------------------------------------------------------------------------------------

    def on_finalize(self, replica: Replica, block: Block, certificate: bytes) -> None:
        if replica.number in self.liars:
            return
        if block.number != len(replica.finalized) + 1 and block.hash not in replica.finalized:
            raise Violation(f"{replica.name} finalised {block.number} after {len(replica.finalized)}")
        if self.decided.setdefault(block.number, block.hash) != block.hash:
            raise Violation(f"agreement: {replica.name} finalised another block {block.number}")
        for transaction in block.transactions:
            if transaction not in self.submitted:
                raise Violation(f"validity: {transaction!r} was never submitted")
        for claim in replica.engine.check_certificate(block.header, certificate):
            if not self.signatures.holds(claim):
                raise Violation(f"{replica.name} finalised {block.number} with a false certificate")
        if block.number == len(replica.finalized) + 1:
            replica.finalized.append(block.hash)
