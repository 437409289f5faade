"""Mutation: in drawn rounds, to drawn receivers, its own message with one field changed by a small step, and signed.

Source: Winter et al., "Randomized Testing of Byzantine Fault Tolerant Algorithms" (ByzzFuzz), OOPSLA 2023. A round is
a kind of message, a view and a height; what is said in a round is mutated in one way, however often it is repeated.
"""

from raclette.engine.message import Message
from raclette.node.host import Delivered, HostedNode, HostEffect, NodeEvent, Transmit
from raclette.primitives.randomness import Random
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.forging import FORGERS, Forger, Round, make_forger
from raclette.sim.liars.liar import Liar

# Rounds that are remembered.
_ROUNDS_MAX = 256


class Mutate(Liar):
    """Honest in `100 - percent` rounds of a hundred."""

    def __init__(self, inner: HostedNode, forger: Forger, scene: Scene) -> None:
        super().__init__(inner)
        self.forger = forger
        self._random: Random = scene.random
        self._peers = scene.peers
        self._percent = scene.parameters["percent"]
        # What some receivers (node ids) hear in a round instead; None where we are honest.
        self._rounds: dict[Round, tuple[Message, frozenset[bytes]] | None] = {}

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        if isinstance(event, Delivered):
            self.forger.hear(event)
        return super().handle(event)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        out: list[HostEffect] = []
        for effect in effects:
            out += self._mutated(effect) if isinstance(effect, Transmit) else [effect]
        return tuple(out)

    def _mutated(self, effect: Transmit) -> list[HostEffect]:
        message = self.forger.open(effect.frame)
        if message is None:
            return [effect]
        lie = self._lie(message)
        if lie is None:
            return [effect]
        mutant, deceived = lie
        true = tuple(peer for peer in effect.peers if peer not in deceived)
        false = tuple(peer for peer in effect.peers if peer in deceived)
        told: list[HostEffect] = [effect._replace(peers=true)] if true else []
        return [*told, self.forger.wrap(false, mutant)] if false else told

    def _lie(self, message: Message) -> tuple[Message, frozenset[bytes]] | None:
        place = self.forger.round_of(message)
        if place not in self._rounds:
            random = self._random
            mutant = self.forger.mutate(message, random) if random.chance(self._percent, 100) else None
            deceived = frozenset(random.sample(self._peers, 1 + random.below(len(self._peers))))
            self._rounds[place] = None if mutant is None else (mutant, deceived)
            if len(self._rounds) > _ROUNDS_MAX:
                del self._rounds[next(iter(self._rounds))]
        return self._rounds[place]


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
