"""Selective silence: honest to some, dead to others, so that nodes disagree about who is alive."""

from collections.abc import Collection

from raclette.node.host import HostedNode, HostEffect, Transmit
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
