"""False headers: a miner that does the work for blocks whose headers break a rule.

Each lie breaks one: a time not after the median of the ancestors, a time beyond any honest clock, a difficulty far
below what the rule says. The work for what the header says is always done (nobody can do without), and the body is a
real one. Whoever checks headers refuses the block and remembers its sender; whoever does not builds on it.
"""

from dataclasses import replace

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Seal
from raclette.node.host import HostedNode, HostEffect, Lane, NodeEvent, NonceFound, Transmit
from raclette.node.node import Node
from raclette.primitives.errors import Misuse, PeerFault
from raclette.primitives.randomness import Random
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import Parameters
from raclette.protocols.nakamoto.message import BlockAnnouncement
from raclette.protocols.nakamoto.seal import target_of
from raclette.protocols.parameters import parse_parameters
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.liar import Liar

LIES = ("early", "late", "easy")
# How far a false time is from an acceptable one, at most: an hour, as good as any.
FALSE_S_MAX = 3_600
# A difficulty that is a lie is at most 2**EASY_BITS_MAX times too low.
EASY_BITS_MAX = 8
# False candidates remembered: an answer may come for one that was replaced while it travelled.
CANDIDATES_MAX = 4


class FalseHeaders(Liar):
    """Falsifies `percent` of a hundred candidates."""

    def __init__(self, inner: Node, random: Random, percent: int) -> None:
        super().__init__(inner)
        self.node = inner
        self._random = random
        self._percent = percent
        self._limit_s = parse_parameters(Parameters, inner.config.genesis.protocol_parameters).future_limit_s
        # False prehash -> transactions.
        self._candidates: dict[bytes, tuple[bytes, ...]] = {}
        self._wanted: Seal | None = None

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        if isinstance(event, NonceFound):
            transactions = self._candidates.pop(event.header.prehash, None)
            if transactions is not None:
                return self._publish(event.now, Block(event.header, transactions))
        return super().handle(event)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        return tuple(self._falsified(now, effect) if isinstance(effect, Seal) else effect for effect in effects)

    def _falsified(self, now: int, effect: Seal) -> Seal:
        self._wanted = effect
        parent = self.node.chain.header(effect.header.parent_hash)
        if parent is None or not self._random.chance(self._percent, 100):
            return effect
        honest = self.node.chain.block(effect.header.hash)
        if honest is None:
            return effect
        header = self._false(now, effect.header, parent)
        self._candidates[header.prehash] = honest.transactions
        if len(self._candidates) > CANDIDATES_MAX:
            del self._candidates[next(iter(self._candidates))]
        return Seal(header, target_of(header.difficulty))

    def _false(self, now: int, header: Header, parent: Header) -> Header:
        far = 1 + self._random.below(FALSE_S_MAX)
        match self._random.choice(LIES):
            case "early":
                return replace(header, timestamp=max(1, parent.timestamp - far))
            case "late":
                return replace(header, timestamp=now // SECOND + self._limit_s + far)
            case _:
                easy = header.difficulty >> (1 + self._random.below(EASY_BITS_MAX))
                return replace(header, difficulty=max(1, easy))

    def _publish(self, now: int, block: Block) -> tuple[HostEffect, ...]:
        """To everybody; and the search goes on."""
        again = () if self._wanted is None else (self._falsified(now, self._wanted),)
        try:
            self.node.chain.check(block)  # so that we can answer for its body
        except PeerFault:
            return again
        frame = self.node.blocks.frame(BlockAnnouncement(block.header, block), public=True)
        return (Transmit(tuple(self.node.links.all()), Lane.BLOCKS, frame, BlockAnnouncement.kind), *again)


def _make(scene: Scene) -> HostedNode:
    inner = scene.make("")
    if not isinstance(inner, Node):
        raise Misuse("false headers need a whole node")
    return FalseHeaders(inner, scene.random, scene.parameters["percent"])


KIND = LiarKind(
    "false-headers",
    "mines blocks whose headers break a rule: too early, too late, too easy",
    _make,
    protocols=("nakamoto",),
    parameters={"percent": Parameter(50, 1, 100, "how many of a hundred of its candidates are false")},
)
