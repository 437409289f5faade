"""What liars share who decide for each round whether to lie, and stay with it however often the round's messages are
repeated: to some a lie of their own signature, the truth to the others."""

from collections.abc import Callable, Collection, Sequence
from typing import Generic, TypeVar

from raclette.engine.message import Message
from raclette.node.host import Delivered, HostedNode, HostEffect, NodeEvent, Transmit
from raclette.primitives.randomness import Random
from raclette.sim.liars.contract import Scene
from raclette.sim.liars.forging import Forger, Round
from raclette.sim.liars.liar import Liar

# Rounds whose draw is remembered: messages of a round are repeated for a while, not for ever.
_ROUNDS_MAX = 256

Mood = TypeVar("Mood")


class LiarByRounds(Liar, Generic[Mood]):
    """`forger` opens and signs our messages; a subclass says what becomes of one (`lie`)."""

    def __init__(self, inner: HostedNode, forger: Forger, scene: Scene) -> None:
        super().__init__(inner)
        self.forger = forger
        self._random: Random = scene.random
        self._rounds: dict[Round, Mood] = {}

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        if isinstance(event, Delivered):
            self.forger.hear(event)
        return super().handle(event)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        out: list[HostEffect] = []
        for effect in effects:
            message = self.forger.open(effect.frame) if isinstance(effect, Transmit) else None
            out += self.lie(effect, message) if isinstance(effect, Transmit) and message is not None else [effect]
        return tuple(out)

    def lie(self, effect: Transmit, message: Message) -> Sequence[HostEffect]:
        """What is said instead of `message`, which `effect` carries."""
        return [effect]

    def mood(self, message: Message, draw: Callable[[], Mood]) -> Mood:
        """What was drawn for the message's round; drawn now if nothing was."""
        place = self.forger.round_of(message)
        if place not in self._rounds:
            self._rounds[place] = draw()
            if len(self._rounds) > _ROUNDS_MAX:
                del self._rounds[next(iter(self._rounds))]
        return self._rounds[place]

    def split(self, effect: Transmit, deceived: Collection[bytes], lie: Message) -> list[HostEffect]:
        """The lie to those peers who are `deceived`, the truth to the others."""
        true = tuple(peer for peer in effect.peers if peer not in deceived)
        false = tuple(peer for peer in effect.peers if peer in deceived)
        told: list[HostEffect] = [effect._replace(peers=true)] if true else []
        return [*told, self.forger.wrap(false, lie)] if false else told
