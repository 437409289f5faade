"""Equivocation: two things said about one place, each signed, to two halves of the world.

As primary it proposes two different valid blocks and lets each half build a chain of its own; as a backup it votes for
what each half believes, or, where there is only one block, for one that does not exist. Those who conspire share the
book of rivals and the halves, so that f+1 of them fork a protocol that bears f. With some chance a lie is told openly,
to everybody: then honest nodes hold both signatures and must keep them as evidence.

`twins` equivocate without knowing the protocol; this one does what twins do only by luck.
"""

from collections.abc import Sequence

from raclette.engine.message import Message
from raclette.node.host import HostedNode, HostEffect, Transmit
from raclette.sim.liars.by_rounds import LiarByRounds
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.forging import FORGERS, Forger, make_forger


class Equivocate(LiarByRounds[tuple[bool, bool]]):
    """`right` are the peers (node ids) who hear the rival of everything that has one; `plot` is shared by all who
    conspire. A mood is whether we lie in a round, and whether openly."""

    def __init__(self, inner: HostedNode, forger: Forger, scene: Scene) -> None:
        super().__init__(inner, forger, scene)
        self._lie, self._open = scene.parameters["lie_percent"], scene.parameters["open_percent"]
        plot = scene.plot
        if "right" not in plot:
            honest = [node_id for index, node_id in enumerate(scene.ids) if index not in scene.accomplices]
            plot["right"] = frozenset(scene.random.sample(honest, (len(honest) + 1) // 2))
            plot["book"] = {}
        self.right: frozenset[bytes] = plot["right"]
        self._book = plot["book"]

    def lie(self, effect: Transmit, message: Message) -> Sequence[HostEffect]:
        random = self._random
        lies, openly = self.mood(message, lambda: (random.chance(self._lie, 100), random.chance(self._open, 100)))
        rival = self.forger.rival(message, self._book, random) if lies else None
        if rival is None:
            return [effect]
        return [effect, self.forger.wrap(effect.peers, rival)] if openly else self.split(effect, self.right, rival)


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
