"""Mutation: in drawn rounds, to drawn receivers, its own message with one field changed by a small step, and signed.

Source: Winter et al., "Randomized Testing of Byzantine Fault Tolerant Algorithms" (ByzzFuzz), OOPSLA 2023. A round is
a kind of message, a view and a height; what is said in a round is mutated in one way, however often it is repeated.
"""

from collections.abc import Sequence
from typing import TypeAlias

from raclette.engine.message import Message
from raclette.node.host import HostedNode, HostEffect, Transmit
from raclette.sim.liars.by_rounds import LiarByRounds
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.forging import FORGERS, Forger, make_forger

# What some receivers (node ids) hear in a round instead; None where we are honest.
Lie: TypeAlias = tuple[Message, frozenset[bytes]] | None


class Mutate(LiarByRounds[Lie]):
    """Honest in `100 - percent` rounds of a hundred."""

    def __init__(self, inner: HostedNode, forger: Forger, scene: Scene) -> None:
        super().__init__(inner, forger, scene)
        self._peers = scene.peers
        self._percent = scene.parameters["percent"]

    def lie(self, effect: Transmit, message: Message) -> Sequence[HostEffect]:
        lie = self.mood(message, lambda: self._draw(message))
        return [effect] if lie is None else self.split(effect, lie[1], lie[0])

    def _draw(self, message: Message) -> Lie:
        random = self._random
        mutant = self.forger.mutate(message, random) if random.chance(self._percent, 100) else None
        deceived = frozenset(random.sample(self._peers, 1 + random.below(len(self._peers))))
        return None if mutant is None else (mutant, deceived)


def _make(scene: Scene) -> HostedNode:
    inner = scene.make("")
    return Mutate(inner, make_forger(scene.protocol, inner), scene)


KIND = LiarKind(
    "mutate",
    "changes its own messages a little, to some",
    _make,
    protocols=tuple(FORGERS),
    parameters={"percent": Parameter(20, 1, 100, "in how many rounds of a hundred it does so")},
)
