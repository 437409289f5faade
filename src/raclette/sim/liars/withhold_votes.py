"""Withholding votes: proposes like everybody and votes on nothing, so that quorums are as small as they may be."""

from collections.abc import Collection

from raclette.node.host import HostedNode, HostEffect, Transmit
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.forging import FORGERS, make_forger
from raclette.sim.liars.liar import Liar


class WithholdVotes(Liar):
    """Sends no message of the `kinds`."""

    def __init__(self, inner: HostedNode, kinds: Collection[str]) -> None:
        super().__init__(inner)
        self.kinds = frozenset(kinds)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        return tuple(effect for effect in effects if not (isinstance(effect, Transmit) and effect.kind in self.kinds))


def _make(scene: Scene) -> HostedNode:
    inner = scene.make("")
    votes, phase = make_forger(scene.protocol, inner).votes, scene.parameters["phase"]
    return WithholdVotes(inner, votes if phase == 0 else (votes[(phase - 1) % len(votes)],))


KIND = LiarKind(
    "withhold-votes",
    "proposes and does not vote",
    _make,
    protocols=tuple(FORGERS),
    parameters={"phase": Parameter(0, 0, 8, "which of the protocol's votes it withholds, from 1 on; 0: all")},
)
