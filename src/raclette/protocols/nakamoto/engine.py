"""The proof-of-work engine: follow the branch with the most work, and mine on it.

An event leads to at most one `Adopt`: the blocks it brought (and the orphans that waited for them) are checked one by
one, the fork choice moves, and the head is announced to the chain once. A candidate is built in a later event, after
the chain has carried the adoption out, so its transactions fit the state it stands on.

Nothing is persisted: work speaks for itself, and a restarted node chooses again from the blocks it stored.
"""

from collections.abc import Hashable
from functools import lru_cache
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import ChainView, EngineSetup, Lookup, SealCheck
from raclette.engine.effects import Accuse, Adopt, Effect, Fetch, Finalize, Publish, SetTimer
from raclette.engine.events import BlockReceived, Event, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import (
    InvalidBlock,
    InvalidCertificate,
    InvalidHeader,
    NotYet,
    UnknownParent,
)
from raclette.primitives.signing import Claim
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto import message as messages
from raclette.protocols.nakamoto.difficulty import make_rule
from raclette.protocols.nakamoto.finality import Settling
from raclette.protocols.nakamoto.forkchoice import BlockTree
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.protocols.nakamoto.mining import MINE, REFRESH, Mining
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.nakamoto.rules import rules_of
from raclette.protocols.nakamoto.seal import HashSeal, target_of
from raclette.protocols.nakamoto.status import hash_rate
from raclette.protocols.nakamoto.waiting import EARLY_MAX, EARLY_SECONDS_MAX, ORPHANS_MAX, WaitingRoom
from raclette.protocols.parameters import parse_parameters

RECHECK = "nakamoto/recheck"
# Hashes of blocks found invalid, so that a second copy is not executed again.
INVALID_MAX = 1_024
# Wait before building on a new head: lets the chain adopt it, and a burst of blocks from sync pass.
SETTLE_NS = 2 * MILLISECOND
_SETTLE = SetTimer(MINE, SETTLE_NS)


class Nakamoto:
    """See the module's docstring and spec/nakamoto.md."""

    name = "nakamoto"
    needs_certificate = False

    def __init__(self, setup: EngineSetup, parameters: Parameters, seal_check: SealCheck) -> None:
        self._parameters = parameters
        self._chain: ChainView = setup.chain
        self._rule = make_rule(parameters, setup.chain.genesis)
        self._rules = rules_of(parameters, setup.chain.genesis, seal_check)  # type: ignore[arg-type]  # objects are hashable
        self._finalized = setup.chain.finalized.number
        self._height = setup.chain.head.number
        self._tree = BlockTree(
            setup.chain.head,
            ghost=parameters.fork_choice == "ghost",
            weight=self.weight,
            lookup=setup.chain.header,
            lowest=lambda: self._finalized,
        )
        self._orphans = WaitingRoom(ORPHANS_MAX)
        self._early = WaitingRoom(EARLY_MAX)
        self._settling = Settling(parameters)
        self._invalid: dict[bytes, None] = {}
        self._reorganisations = self._deepest = 0
        self._mining = Mining(setup, parameters, self._rule) if setup.active else None

    def handle(self, event: Event) -> tuple[Effect, ...]:
        effects: list[Effect] = []
        if isinstance(event, BlockReceived):
            self._receive(event.now, event.peer, event.block, effects)
        elif isinstance(event, TimerFired):
            if event.name == RECHECK:
                self._recheck(event.now, effects)
            elif event.name in (MINE, REFRESH):
                effects += self._mine(event.now)
        elif isinstance(event, Received):
            self._hear(event, effects)
        elif isinstance(event, Sealed):
            self._sealed(event.now, event.header, effects)
        elif isinstance(event, Started):
            self._settling.adopted(event.now, self._height, self._height)
            effects += self._mine(event.now)
        elif self._mining:
            effects += self._mining.on_pending(event.now)
        return tuple(effects)

    def _hear(self, event: Received, effects: list[Effect]) -> None:
        """A peer's announcement, with the block or without."""
        match event.message:
            case BlockAnnouncement(header, None):
                effects += self._ask(event.peer, header)
            case BlockAnnouncement(_, block) if block is not None:
                self._receive(event.now, event.peer, block, effects)

    # Blocks.

    def _receive(self, now: int, peer: bytes | None, received: Block, effects: list[Effect]) -> None:
        """Judge the block and every orphan that it connects; adopt the head that results."""
        tree = self._tree
        before = tree.head
        queue = [(received, peer)]
        for block, giver in queue:
            header = block.header
            if header.hash in tree or not self._judge(now, giver, block, effects):
                continue
            tree.add(header)
            if self._orphans:
                queue += self._orphans.take_children(header.hash)  # NAK-21
        if tree.head != before:
            self._adopt(now, before, effects)

    def _judge(self, now: int, peer: bytes | None, block: Block, effects: list[Effect]) -> bool:
        """True if the block is in the chain's tree now."""
        header = block.header
        if header.number <= self._finalized:
            return False  # on a branch that can never win here; elsewhere it may be honest
        if self._invalid and (header.hash in self._invalid or header.parent_hash in self._invalid):
            self._reject(peer, block, "known-invalid", effects)
            return False
        try:
            parent = self._chain.header(header.parent_hash)
            if parent is None:
                raise UnknownParent("unknown-parent", header.parent_hash.hex())
            self._rules.check(header, parent, self._chain.header, now)
            self._chain.check(block)
        except UnknownParent:
            self._keep_orphan(peer, block, effects)
            return False
        except NotYet:
            self._keep_early(now, peer, block, effects)
            return False
        except (InvalidHeader, InvalidBlock) as fault:
            self._reject(peer, block, fault.reason, effects)
            return False
        return True

    def _reject(self, peer: bytes | None, block: Block, reason: str, effects: list[Effect]) -> None:
        """NAK-30: remember it, so that neither it nor a child of it is looked at again."""
        self._invalid[block.hash] = None
        if len(self._invalid) > INVALID_MAX:
            del self._invalid[next(iter(self._invalid))]
        if peer is not None:
            effects.append(Accuse(peer, reason))

    def _keep_orphan(self, peer: bytes | None, block: Block, effects: list[Effect]) -> None:
        try:
            self._rules.check_orphan(block.header)
        except InvalidHeader as fault:
            self._reject(peer, block, fault.reason, effects)
            return
        self._orphans.put(block, peer)
        if peer is not None:
            effects += self._ask_missing(peer, block.parent_hash)

    def _ask(self, peer: bytes, header: Header) -> list[Effect]:
        """A header came without its body: have the block fetched, unless we know it."""
        known = header.hash in self._tree or header.hash in self._orphans or header.hash in self._early
        return [] if known or header.hash in self._invalid else [Fetch(peer, header.hash)]

    def _ask_missing(self, peer: bytes, block_hash: bytes) -> list[Effect]:
        """NAK-20: ask for the first ancestor that is neither in the tree nor waiting."""
        while (waiting := self._orphans.get(block_hash)) is not None:
            block_hash = waiting.block.parent_hash
        return [] if block_hash in self._early else [Fetch(peer, block_hash)]

    def _keep_early(self, now: int, peer: bytes | None, block: Block, effects: list[Effect]) -> None:
        """NAK-18, NAK-19: a block before its time waits, within bounds; nobody is to blame."""
        if self._rules.matures_at(block.header) - now <= EARLY_SECONDS_MAX * SECOND:
            self._early.put(block, peer)
            effects += self._recheck_timer(now)

    def _recheck_timer(self, now: int) -> list[Effect]:
        earliest = self._early.earliest()
        if earliest is None:
            return []
        matures = (earliest - self._parameters.future_limit_s) * SECOND
        return [SetTimer(RECHECK, max(matures - now, 0))]

    def _recheck(self, now: int, effects: list[Effect]) -> None:
        for waiting in self._early.take_until(now // SECOND + self._parameters.future_limit_s):
            self._receive(now, waiting.peer, waiting.block, effects)
        effects += self._recheck_timer(now)

    # The head.

    def _adopt(self, now: int, before: bytes, effects: list[Effect]) -> None:
        effects.append(_adopt(self._tree.head))
        depth = self._tree.fork_depth(before)
        if depth:
            self._reorganisations += 1
            self._deepest = max(self._deepest, depth)
        if self._parameters.finality_depth:
            effects += self._finality(now, depth)
        if self._mining:
            effects += self._mining.stop()  # NAK-25
            effects.append(_SETTLE)

    def _finality(self, now: int, left: int) -> list[Effect]:
        """NAK-6: what is deep enough, and has been for long enough, is final, where the parameters say so. The head has
        just left `left` blocks of its former branch."""
        depth = self._parameters.finality_depth
        head = self._chain.header(self._tree.head)
        if head is None:
            return []
        kept = self._height - left
        self._height = head.number
        self._settling.adopted(now, head.number, kept)
        number = min(head.number - depth, self._settling.settled(now))
        if number <= self._finalized:
            return []
        block_hash = self._tree.ancestor(head.number - number)
        if block_hash is None:
            return []
        self._finalized = number
        return [Finalize(block_hash, b"")]

    # Mining.

    def _mine(self, now: int) -> list[Effect]:
        """NAK-23: a candidate on the head, if this node mines."""
        head = self._chain.header(self._tree.head)
        return self._mining.start(now, head) if self._mining and head is not None else []

    def _sealed(self, now: int, header: Header, effects: list[Effect]) -> None:
        """A nonce of our own: the block goes the way of every other, and out to everybody."""
        block = self._mining.found(header) if self._mining else None
        if block is None:
            return
        self._receive(now, None, block, effects)
        if block.hash in self._tree:
            effects.append(Publish(BlockAnnouncement(header, block)))  # NAK-27
        else:
            effects += self._mine(now)

    # The rest of the contract.

    def likeness(self) -> Hashable | None:
        """See `engine.likeness`. None while something waits for its time, or the clock decides what is final."""
        mining = self._mining
        if self._parameters.finality_depth or self._early or self._invalid or (mining and mining.waits):
            return None
        return self._parameters, mining is not None, tuple(self._orphans), self._tree.likeness()

    def encode(self, message: Message) -> bytes:
        return messages.encode(message)

    def decode(self, payload: bytes) -> Message:
        return messages.decode(payload)

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        self._rules.check(header, parent, lookup, now)

    def check_certificate(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        raise InvalidCertificate("no-certificates", "proof of work is final by nobody's signature")

    def weight(self, header: Header) -> int:
        """NAK-1: the work that the difficulty stands for."""
        return header.difficulty

    def reward(self, number: int) -> int:
        """NAK-28: halves every `halving_interval` blocks; genesis earns nothing."""
        return self._parameters.reward >> (number // self._parameters.halving_interval) if number else 0

    def validators(self) -> tuple[bytes, ...]:
        return ()

    def status(self) -> dict[str, Any]:
        head = self._chain.header(self._tree.head) or self._chain.head
        difficulty = self._rule.after(head)
        return {
            "fork_choice": self._parameters.fork_choice,
            "difficulty_rule": self._parameters.difficulty_rule,
            "head": {"number": head.number, "hash": "0x" + head.hash.hex(), "timestamp": head.timestamp},
            "difficulty": difficulty,
            "target": f"0x{target_of(difficulty):064x}",
            "hashes_per_s": hash_rate(head, self._chain.header),
            "mining": self._mining is not None and self._mining.active,
            "reward": self.reward(head.number + 1),
            "reorganisations": self._reorganisations,
            "deepest_reorganisation": self._deepest,
            "orphans": len(self._orphans),
            "early": len(self._early),
            "blocks_in_window": len(self._tree),
        }


@lru_cache(maxsize=64)
def _adopt(block_hash: bytes) -> Adopt:
    """The same for all nodes of this process, which adopt the same blocks."""
    return Adopt(block_hash)


@lru_cache(maxsize=64)
def _interned(parameters: Parameters) -> Parameters:
    """Of equal parameters always the same object: thousands of nodes share one."""
    return parameters


def make_engine(setup: EngineSetup, *, seal_check: SealCheck | None = None) -> Nakamoto:
    """The factory. `seal_check` defaults to real hashing. Raises ConfigError."""
    parameters = _interned(parse_parameters(Parameters, setup.parameters))
    return Nakamoto(setup, parameters, seal_check or HashSeal())
