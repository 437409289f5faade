"""Selective silence: honest to some, dead to others, so that nodes disagree about who is alive."""

from collections.abc import Collection

from raclette.node.host import HostedNode, HostEffect, Transmit
from raclette.sim.liars.contract import LiarKind, Scene
from raclette.sim.liars.liar import Liar


class SelectiveSilence(Liar):
    """Sends nothing to `shunned` (node ids)."""

    def __init__(self, inner: HostedNode, shunned: Collection[bytes]) -> None:
        super().__init__(inner)
        self.shunned = frozenset(shunned)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        return tuple(self._shun(effect) if isinstance(effect, Transmit) else effect for effect in effects)

    def _shun(self, effect: Transmit) -> Transmit:
        return effect._replace(peers=tuple(peer for peer in effect.peers if peer not in self.shunned))


def _make(scene: Scene) -> HostedNode:
    peers = scene.peers
    return SelectiveSilence(scene.make(""), scene.random.sample(peers, 1 + scene.random.below(max(1, len(peers) - 1))))


KIND = LiarKind("selective", "says nothing to some peers (drawn)", _make)
