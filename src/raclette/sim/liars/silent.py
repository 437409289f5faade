"""Silence: takes part in everything and says nothing. From outside, a node that crashed but keeps its links."""

from raclette.node.host import HostEffect, Transmit
from raclette.sim.liars.contract import LiarKind
from raclette.sim.liars.liar import Liar


class Silent(Liar):
    """Sends nothing at all."""

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        return tuple(effect for effect in effects if not isinstance(effect, Transmit))


KIND = LiarKind("silent", "takes part and says nothing", lambda scene: Silent(scene.make("")))
