"""A member of a pool: an honest engine that follows the public chain, and a search of its own beside it.

The engine inside is told everything that is public and does all that an honest node does, except that its own mining is
taken away. The member mines where the pool says, with the protocol's own `Mining`; blocks it finds are checked by the
chain like anybody's but neither adopted nor announced, so nothing that the node says of itself (its status, headers,
bodies) gives them away. When the pool shows a block, the engine receives it as it would any other and the node
publishes it.

A pool tells all members everything at once. A member can only act when something happens to it, so one of several
looks into its queue every `POLL_NS`.
"""

from collections.abc import Callable
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Engine, EngineSetup, Lookup
from raclette.engine.effects import Adopt, CancelTimer, Effect, Publish, Seal, SetTimer, StopSealing
from raclette.engine.events import BlockReceived, Event, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import UnknownParent
from raclette.primitives.signing import Claim
from raclette.primitives.units import MILLISECOND
from raclette.protocols.nakamoto.difficulty import make_rule
from raclette.protocols.nakamoto.engine import SETTLE_NS
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.protocols.nakamoto.mining import MINE, REFRESH, Mining
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.parameters import parse_parameters
from raclette.sim.attacks.pool import Pool

POLL = "nakamoto/pool"
# How long a member of a pool may stay ignorant of what another found: a pool's own network is fast.
POLL_NS = 20 * MILLISECOND
_MINING_TIMERS = (MINE, REFRESH)

# What a member's clock says when it makes a candidate, from the true time (ns).
Clock = Callable[[int], int]


class PoolMiner:
    """Implements `engine.Engine` around a nakamoto engine."""

    name = "nakamoto"
    needs_certificate = False

    def __init__(
        self,
        engine: Engine,
        setup: EngineSetup,
        pool: Pool,
        *,
        member: int = 0,
        polls: bool = False,
        clock: Clock = lambda now: now,
    ) -> None:
        """`engine` was made from `setup`; `polls` for a pool of several. Raises ConfigError."""
        parameters = parse_parameters(Parameters, setup.parameters)
        self.inner = engine
        self.pool = pool
        self._chain = setup.chain
        self._mining = Mining(setup, parameters, make_rule(parameters, setup.chain.genesis))
        self._clock = clock
        self._member = member
        self._polls = polls
        self._tasks = pool.join(member, setup.chain.head)
        self._public_head = setup.chain.head.hash
        self._target = b""

    def handle(self, event: Event) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        match event:
            case Sealed(_, header):
                self._found(header)
            case TimerFired(now, name) if name in _MINING_TIMERS:
                effects += self._mine(now)
            case TimerFired(_, name) if name == POLL:
                effects.append(SetTimer(POLL, POLL_NS))
            case Pending(now):
                effects += self._mining.on_pending(now)
            case BlockReceived(_, None, block, _) if self.pool.hides(block.hash):
                pass  # the node found it in its own store
            case _:
                self._follow(event, effects)
        self._work_off(event.now, effects)
        self._retarget(effects)
        if isinstance(event, Started):
            effects += self._start(event.now)
        return tuple(effects)

    # The public chain

    def _follow(self, event: Event, effects: list[Effect]) -> None:
        """Let the honest engine react, without its mining, and tell the pool what is public now."""
        before = self._public_head
        for effect in self.inner.handle(event):
            match effect:
                case Seal() | StopSealing():
                    pass
                case SetTimer(name=name) | CancelTimer(name=name) if name in _MINING_TIMERS:
                    pass
                case Adopt(block_hash):
                    self._public_head = block_hash
                    effects.append(effect)
                case _:
                    effects.append(effect)
        match event:
            case BlockReceived(_, _, block, _) | Received(_, _, BlockAnnouncement(_, block)) if block is not None:
                self._tell(block.hash)
        if self._public_head != before:
            self._tell(self._public_head)

    def _tell(self, block_hash: bytes) -> None:
        """The pool hears of a block that our chain has taken, after those below it."""
        unheard: list[Header] = []
        header = None if self.pool.knows(block_hash) else self._chain.header(block_hash)
        while header is not None and header.number > self.pool.lowest:
            unheard.append(header)
            header = None if self.pool.knows(header.parent_hash) else self._chain.header(header.parent_hash)
        if unheard and not self.pool.knows(unheard[-1].parent_hash):
            if block_hash == self._public_head:
                self.pool.start_over(unheard[0])
            return
        for header in reversed(unheard):
            self.pool.hear(header)

    # Our own blocks

    def _start(self, now: int) -> list[Effect]:
        return [*self._mine(now), *([SetTimer(POLL, POLL_NS)] if self._polls else [])]

    def _found(self, sealed: Header) -> None:
        block = self._mining.found(sealed)
        if block is not None:
            self._chain.check(block)
            self.pool.find(self._member, block)

    def _work_off(self, now: int, effects: list[Effect]) -> None:
        """Do what the pool decided, in order, as far as our chain has what it builds on."""
        while self._tasks and self._knows(self._tasks[0].block):
            task = self._tasks.popleft()
            if task.show:
                self._follow(BlockReceived(now, None, task.block, b""), effects)
                effects.append(Publish(BlockAnnouncement(task.block.header, task.block)))

    def _knows(self, block: Block) -> bool:
        """Is the block in our chain, or could it be taken in now?"""
        if self._chain.header(block.hash) is None:
            if self._chain.header(block.parent_hash) is None:
                return False
            try:
                self._chain.check(block)
            except UnknownParent:
                return False
        return True

    # Mining

    def _retarget(self, effects: list[Effect]) -> None:
        """Mine on what the pool says, or on the public head while we lack that block."""
        tip = self.pool.tip
        target = tip if self._chain.header(tip) is not None else self._public_head
        if target != self._target:
            self._target = target
            effects += [*self._mining.stop(), SetTimer(MINE, SETTLE_NS)]

    def _mine(self, now: int) -> list[Effect]:
        head = self._chain.header(self._target)
        return self._mining.start(self._clock(now), head) if head is not None else []

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
