"""One running engine of a world: its disk, its clock, its timers, and how its effects are carried out.

A crash may come between two effects of one event, and loses a part of what was written but not yet synced.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from raclette.chain.block import Block
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import (
    Accuse,
    Adopt,
    Broadcast,
    CancelTimer,
    Certify,
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
from raclette.engine.events import Event, Pending, Sealed, Started
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.lab.hunt.engines.checker import Violation
from raclette.primitives.units import SECOND
from raclette.sim import fixed

if TYPE_CHECKING:
    from raclette.lab.hunt.engines.world import EngineWorld

CHAIN_ID = 7


@dataclass
class Disk:
    """What survives: engine records, and final blocks with certificates. `journal` is written but not yet synced."""

    records: dict[bytes, bytes] = field(default_factory=dict)
    finals: list[tuple[Block, bytes]] = field(default_factory=list)
    blocks: dict[bytes, Block] = field(default_factory=dict)
    certificates: dict[bytes, bytes] = field(default_factory=dict)
    head: bytes = b""
    journal: list[Persist | tuple[Block, bytes]] = field(default_factory=list)

    def write(self, entry: Persist | tuple[Block, bytes]) -> None:
        """Not yet durable."""
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
    """One running instance. Twins are two instances with the same `number`; `place` tells them apart."""

    def __init__(self, world: "EngineWorld", place: int, number: int, node_id: bytes) -> None:
        self.world = world
        self.place = place
        self.number = number
        self.node_id = node_id
        self.disk = Disk()
        self.up = False
        self.timers: dict[str, int] = {}
        self.finalized: list[bytes] = []
        self.sent: list[Message] = []
        self.boots = 0
        self.skew = 0
        self.power = 0
        # Effects that are still carried out before a crash that is due; -1: none is due.
        self.dies_after = -1
        self.on_death: Callable[[Replica], None] = lambda replica: None
        self.chain = LightChain(CHAIN_ID)
        self.engine: Any = None
        self._search = 0
        self._shown = 0

    @property
    def name(self) -> str:
        """For people: twins' second instances carry a dash."""
        return f"r{self.number}" if self.place == self.number else f"r{self.number}'({self.place})"

    @property
    def height(self) -> int:
        """Of the last final block."""
        return self.chain.finalized.number

    @property
    def view(self) -> int:
        """Of an engine that has views."""
        return int(self.engine.core.view)

    @property
    def honest(self) -> bool:
        """Is it no liar's instance?"""
        return self.number not in self.world.liars

    @property
    def clock(self) -> int:
        """What it takes for the time."""
        # A clock never runs backwards for its process, even when somebody sets it back.
        self._shown = max(self._shown, self.world.now + self.skew)
        return self._shown

    def start(self) -> None:
        """From what the disk holds."""
        world = self.world
        self.boots += 1
        self.up = True
        self.dies_after = -1
        self._shown = 0
        self.timers.clear()
        self.chain = LightChain(CHAIN_ID, world.genesis)
        for block in self.disk.blocks.values():
            self.chain.check(block)
            if block.hash in self.disk.certificates:
                self.chain.keep_certificate(block.hash, self.disk.certificates[block.hash])
        for block, certificate in self.disk.finals:
            self.chain.check(block)
            self.chain.adopt(block.hash)
            self.chain.finalize(block.hash, certificate)
        if self.disk.head:
            self.chain.adopt(self.disk.head)
        setup = EngineSetup(
            parameters=world.parameters,
            chain=self.chain,
            signer=world.signatures.signer(self.node_id),
            beneficiary=self.node_id[:20],
            records=dict(self.disk.records),
        )
        self.engine = world.factories.get(self.place, world.factory)(setup)
        if self.boots > 1:
            world.note(self, "restart", {"wiped": False})
        self.handle(Started(self.clock))

    def handle(self, event: Event) -> None:
        """Let the engine react, carry its effects out in order, and show all of it to the checkers."""
        if not self.up:
            return
        world = self.world
        world.count(self, event)
        effects = self.engine.handle(event)
        if world.trace is not None:
            world.trace.append((self.place, event, effects))
        adopted = False
        for effect in effects:
            if self.dies_after >= 0:
                if not self.dies_after:
                    world.crashed_mid_event += 1
                    self.on_death(self)
                    return
                self.dies_after -= 1
            adopted = adopted or isinstance(effect, Adopt)
            self.carry_out(effect)
        for checker in world.checkers:
            checker.after(self, event, effects)
        if adopted and self.chain.pool:
            world.at(0, lambda: self.handle(Pending(self.clock)))

    def carry_out(self, effect: Effect) -> None:
        """One effect."""
        world = self.world
        match effect:
            case Persist():
                self.disk.write(effect)
            case SetTimer(name, delay):
                world.timer(self, name, delay)
            case CancelTimer(name):
                self.timers.pop(name, None)
            case Broadcast() | Publish() | Send():
                self.disk.sync()
                world.say(self, effect)
            case Adopt(block_hash):
                self._adopt(block_hash)
            case Finalize(block_hash, certificate):
                self._finalize(block_hash, certificate)
            case Certify(block_hash, certificate):
                self.chain.keep_certificate(block_hash, certificate)
                if world.keeps_all_blocks:
                    self.disk.certificates[block_hash] = certificate
            case Fetch():
                self.disk.sync()
                world.fetch(self, effect)
            case Accuse():
                world.accusations.append((self.place, effect))
            case Seal():
                self._seal(effect)
            case StopSealing():
                self._search += 1

    def _adopt(self, block_hash: bytes) -> None:
        self.chain.adopt(block_hash)
        world = self.world
        if world.keeps_all_blocks:
            # The chain of a node keeps every checked block; only the head's own path matters after a restart.
            self.disk.head = block_hash
            step = self.chain.block(block_hash)
            path = []
            while step is not None and step.number and step.hash not in self.disk.blocks:
                path.append(step)
                step = self.chain.block(step.parent_hash)
            self.disk.blocks.update((block.hash, block) for block in reversed(path))
        head = self.chain.head
        world.note(self, "head", {"height": head.number, "block": head.hash.hex()[:12]})

    def _finalize(self, block_hash: bytes, certificate: bytes) -> None:
        block = self.chain.block(block_hash)
        if block is None:
            raise Violation("finality", f"{self.name} finalised a block that it does not have", self.number)
        self.chain.finalize(block_hash, certificate)
        if self.world.keeps_all_blocks:
            self.disk.finals = [(block, certificate)]
        else:
            self.disk.write((block, certificate))
        self.world.note(self, "final", {"height": block.number, "block": block_hash.hex()[:12]})
        self.world.on_finalize(self, block, certificate)

    def _seal(self, effect: Seal) -> None:
        """Draw how long the search takes: exponential, at `power` hashes a second against the target."""
        self._search += 1
        if self.power <= 0:
            return
        world, search = self.world, self._search
        draw = world.sealing[self.place].next64()
        mean = ((1 << 256) // (effect.target + 1)) * SECOND // self.power

        def find() -> None:
            if self.up and self._search == search:
                self._search += 1
                self.handle(Sealed(self.clock, world.seal.seal(effect.header)))

        world.at(1 + fixed.exponential(mean, draw), find)

    def crash(self, kept: int | None = None, *, wipe: bool = False) -> None:
        """Lose memory, and all but the first `kept` unsynced writes (None: a drawn number; `wipe`: everything)."""
        if not self.up:
            return
        self.up = False
        self.dies_after = -1
        self._search += 1
        self.disk.sync(self.world.rng.between(0, len(self.disk.journal)) if kept is None else kept)
        if wipe:
            self.disk = Disk()
        self.timers.clear()
        self.world.note(self, "crash", {"wiped": wipe})

    def submit(self, transaction: bytes) -> None:
        """A client's transaction."""
        if not self.up:
            return
        was_empty = not self.chain.pool
        self.chain.submit(transaction)
        if was_empty and self.chain.pool:
            self.handle(Pending(self.clock))
