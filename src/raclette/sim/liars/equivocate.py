"""Equivocation: two things said about one place, each signed, to two halves of the world.

As primary it proposes two different valid blocks and lets each half build a chain of its own; as a backup it votes for
what each half believes, or, where there is only one block, for one that does not exist. Those who conspire share the
book of rivals and the halves, so that f+1 of them fork a protocol that bears f. With some chance a lie is told openly,
to everybody: then honest nodes hold both signatures and must keep them as evidence.

`twins` equivocate without knowing the protocol; this one does what twins do only by luck.
"""

from raclette.engine.message import Message
from raclette.node.host import Delivered, HostedNode, HostEffect, NodeEvent, Transmit
from raclette.primitives.randomness import Random
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.forging import FORGERS, Forger, Round, make_forger
from raclette.sim.liars.liar import Liar

# Rounds whose draw is remembered: messages of a round are repeated for a while, not for ever.
_ROUNDS_MAX = 256


class Equivocate(Liar):
    """`right` are the peers (node ids) who hear the rival of everything that has one; `plot` is shared by all who
    conspire."""

    def __init__(self, inner: HostedNode, forger: Forger, scene: Scene) -> None:
        super().__init__(inner)
        self.forger = forger
        self._random: Random = scene.random
        self._lie, self._open = scene.parameters["lie_percent"], scene.parameters["open_percent"]
        plot = scene.plot
        if "right" not in plot:
            honest = [node_id for index, node_id in enumerate(scene.ids) if index not in scene.accomplices]
            plot["right"] = frozenset(scene.random.sample(honest, (len(honest) + 1) // 2))
            plot["book"] = {}
        self.right: frozenset[bytes] = plot["right"]
        self._book = plot["book"]
        # Whether we lie in a round, and whether openly.
        self._rounds: dict[Round, tuple[bool, bool]] = {}

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        if isinstance(event, Delivered):
            self.forger.hear(event)
        return super().handle(event)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        out: list[HostEffect] = []
        for effect in effects:
            out += self._split(effect) if isinstance(effect, Transmit) else [effect]
        return tuple(out)

    def _split(self, effect: Transmit) -> list[HostEffect]:
        message = self.forger.open(effect.frame)
        if message is None:
            return [effect]
        lies, openly = self._mood(message)
        rival = self.forger.rival(message, self._book, self._random) if lies else None
        if rival is None:
            return [effect]
        if openly:
            return [effect, self.forger.wrap(effect.peers, rival)]
        left = tuple(peer for peer in effect.peers if peer not in self.right)
        right = tuple(peer for peer in effect.peers if peer in self.right)
        told: list[HostEffect] = [effect._replace(peers=left)] if left else []
        return [*told, self.forger.wrap(right, rival)] if right else told

    def _mood(self, message: Message) -> tuple[bool, bool]:
        place = self.forger.round_of(message)
        mood = self._rounds.get(place)
        if mood is None:
            mood = (self._random.chance(self._lie, 100), self._random.chance(self._open, 100))
            self._rounds[place] = mood
            if len(self._rounds) > _ROUNDS_MAX:
                del self._rounds[next(iter(self._rounds))]
        return mood


def _make(scene: Scene) -> HostedNode:
    inner = scene.make("")
    return Equivocate(inner, make_forger(scene.protocol, inner), scene)


KIND = LiarKind(
    "equivocate",
    "says one thing to one half and another to the other, each signed",
    _make,
    protocols=tuple(FORGERS),
    parameters={
        "lie_percent": Parameter(75, 1, 100, "in how many rounds of a hundred it lies"),
        "open_percent": Parameter(20, 0, 100, "how many of those lies are told to everybody"),
    },
)
