"""Mining beside an honest engine: where to mine, and what to show, is decided by somebody else.

The engine inside is told everything that is public and does all that an honest node does, except that its own mining is
taken away. `SideMiner` mines where it likes instead, with the protocol's own `Mining`. Blocks that it finds are checked
by the chain like anybody's but neither adopted nor announced, so nothing that the node says of itself (its status,
headers, bodies) gives them away; once shown, the engine receives them as it would any other, and the node publishes
them.

`PoolMiner` is a member of a pool. A pool tells all members everything at once; a member can only act when something
happens to it, so one of several looks into its queue every `POLL_NS`.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Engine, EngineSetup, Lookup
from raclette.engine.effects import Adopt, CancelTimer, Effect, Publish, Seal, SetTimer, StopSealing
from raclette.engine.events import BlockReceived, Event, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import UnknownParent
from raclette.primitives.signing import Claim
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto.difficulty import make_rule
from raclette.protocols.nakamoto.engine import SETTLE_NS
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.protocols.nakamoto.mining import MINE, REFRESH, Mining
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.nakamoto.rules import median_time_past
from raclette.protocols.parameters import parse_parameters
from raclette.sim.attacks.pool import Pool

POLL = "nakamoto/pool"
# How long a member of a pool may stay ignorant of what another found: a pool's own network is fast.
POLL_NS = 20 * MILLISECOND
_MINING_TIMERS = (MINE, REFRESH)

# What a miner writes as its time (ns): from the true time, and from the earliest that the rules accept now.
Clock: TypeAlias = Callable[[int, int], int]


def true_clock(now: int, earliest: int) -> int:
    """No lie about the time."""
    return now


class SideMiner:
    """Implements `engine.Engine` around a nakamoto engine. By itself it mines on the public head and shows all."""

    name = "nakamoto"
    needs_certificate = False

    def __init__(self, engine: Engine, setup: EngineSetup, clock: Clock = true_clock) -> None:
        """`engine` was made from `setup`. Raises ConfigError."""
        parameters = parse_parameters(Parameters, setup.parameters)
        self.inner = engine
        self.chain = setup.chain
        self.public_head = setup.chain.head.hash
        self._mining = Mining(setup, parameters, make_rule(parameters, setup.chain.genesis))
        self._clock = clock
        self._target = b""

    # What a kind of side miner decides

    def tip(self) -> bytes:
        """Hash of the block to mine on; if our chain lacks it, the public head has to do."""
        return self.public_head

    def found(self, now: int, block: Block, effects: list[Effect]) -> None:
        """We found a block; our chain has it."""
        self.show(now, block, effects)

    def heard(self, block_hash: bytes) -> None:
        """Our chain has taken a public block, or it is the public head now."""

    def is_secret(self, block: Block) -> bool:
        """Must the honest engine not hear of this block of our own store?"""
        return False

    def work_off(self, now: int, effects: list[Effect]) -> None:
        """After every event."""

    # Events

    def handle(self, event: Event) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        match event:
            case Sealed(now, header):
                block = self._mining.found(header)
                if block is not None and self.takes(block):
                    self.found(now, block, effects)
            case TimerFired(now, name) if name in _MINING_TIMERS:
                effects += self._mine(now)
            case Pending(now):
                effects += self._mining.on_pending(now)
            case BlockReceived(_, None, block, _) if self.is_secret(block):
                pass
            case _:
                self.follow(event, effects)
        self.work_off(event.now, effects)
        self._retarget(effects)
        if isinstance(event, Started):
            effects += self._mine(event.now)
        return tuple(effects)

    def follow(self, event: Event, effects: list[Effect]) -> None:
        """Let the honest engine react, without its mining."""
        before = self.public_head
        for effect in self.inner.handle(event):
            match effect:
                case Seal() | StopSealing():
                    pass
                case SetTimer(name=name) | CancelTimer(name=name) if name in _MINING_TIMERS:
                    pass
                case Adopt(block_hash):
                    self.public_head = block_hash
                    effects.append(effect)
                case _:
                    effects.append(effect)
        match event:
            case BlockReceived(_, _, block, _) | Received(_, _, BlockAnnouncement(_, block)) if block is not None:
                self.heard(block.hash)
        if self.public_head != before:
            self.heard(self.public_head)

    def show(self, now: int, block: Block, effects: list[Effect]) -> None:
        """Adopt it if it is better, and tell everybody."""
        self.follow(BlockReceived(now, None, block, b""), effects)
        effects.append(Publish(BlockAnnouncement(block.header, block)))

    def takes(self, block: Block) -> bool:
        """Is the block in our chain, or could it be taken in now?"""
        if self.chain.header(block.hash) is None:
            if self.chain.header(block.parent_hash) is None:
                return False
            try:
                self.chain.check(block)
            except UnknownParent:
                return False
        return True

    # Mining

    def _retarget(self, effects: list[Effect]) -> None:
        tip = self.tip()
        target = tip if self.chain.header(tip) is not None else self.public_head
        if target != self._target:
            self._target = target
            effects += [*self._mining.stop(), SetTimer(MINE, SETTLE_NS)]

    def _mine(self, now: int) -> list[Effect]:
        head = self.chain.header(self._target)
        if head is None:
            return []
        earliest = (median_time_past(head, self.chain.header) + 1) * SECOND
        return self._mining.start(self._clock(now, earliest), head)

    # The rest of the contract: the honest engine's

    def encode(self, message: Message) -> bytes:
        return self.inner.encode(message)

    def decode(self, payload: bytes) -> Message:
        return self.inner.decode(payload)

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        self.inner.check_header(header, parent, lookup, now)

    def check_certificate(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        return self.inner.check_certificate(header, certificate)

    def weight(self, header: Header) -> int:
        return self.inner.weight(header)

    def reward(self, number: int) -> int:
        return self.inner.reward(number)

    def validators(self) -> tuple[bytes, ...]:
        return self.inner.validators()

    def status(self) -> dict[str, Any]:
        return self.inner.status()


class PoolMiner(SideMiner):
    """Member number `member` of a pool; `polls` if it is one of several."""

    def __init__(
        self,
        engine: Engine,
        setup: EngineSetup,
        pool: Pool,
        *,
        member: int = 0,
        polls: bool = False,
        clock: Clock = true_clock,
    ) -> None:
        """Raises ConfigError."""
        super().__init__(engine, setup, clock)
        self.pool = pool
        self._member = member
        self._polls = polls
        self._tasks = pool.join(member, setup.chain.head)

    def handle(self, event: Event) -> tuple[Effect, ...]:
        effects = super().handle(event)
        wakes = isinstance(event, Started) or (isinstance(event, TimerFired) and event.name == POLL)
        return (*effects, SetTimer(POLL, POLL_NS)) if self._polls and wakes else effects

    def tip(self) -> bytes:
        return self.pool.tip

    def found(self, now: int, block: Block, effects: list[Effect]) -> None:
        self.pool.find(self._member, block)

    def is_secret(self, block: Block) -> bool:
        return self.pool.hides(block.hash)

    def heard(self, block_hash: bytes) -> None:
        """The pool hears of it, after those below it."""
        unheard: list[Header] = []
        header = None if self.pool.knows(block_hash) else self.chain.header(block_hash)
        while header is not None and header.number > self.pool.lowest:
            unheard.append(header)
            header = None if self.pool.knows(header.parent_hash) else self.chain.header(header.parent_hash)
        if unheard and not self.pool.knows(unheard[-1].parent_hash):
            if block_hash == self.public_head:
                self.pool.start_over(unheard[0])
            return
        for header in reversed(unheard):
            self.pool.hear(header)

    def work_off(self, now: int, effects: list[Effect]) -> None:
        """Do what the pool decided, in order, as far as our chain has what it builds on."""
        while self._tasks and self.takes(self._tasks[0].block):
            task = self._tasks.popleft()
            if task.show:
                self.show(now, task.block, effects)
