"""Liveness: once the network is quiet, every transaction an honest node took is executed at every honest node. Always.

"Once quiet" is after the last fault; the simulation waits from then on for as long as its config is patient.
"""

from collections.abc import Callable

from raclette.sim.checkers.contract import Base, ViewOf
from raclette.sim.world import World


class Liveness(Base):
    """Asks at the end what is still missing."""

    name = "liveness"

    def __init__(self, view_of: ViewOf, missing: Callable[[World], str]) -> None:
        """`missing` says what is, or nothing."""
        super().__init__(view_of)
        self._missing = missing

    def finish(self, world: World) -> None:
        missing = self._missing(world)
        if missing:
            self.report(world, -1, missing)
