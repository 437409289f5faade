"""A world for stories about the senate."""

from typing import Any

from worlds import StoryWorld

from raclette.lab.hunt.engines.world import Replica
from raclette.protocols.senate.core import Work


class World(StoryWorld):
    """Places 0..n-1 are the holders."""

    def __init__(self, holders: int = 4, **options: Any) -> None:
        super().__init__("senate", holders, **options)

    def work(self, place: int = 0) -> Work:
        """What this holder knows of the height it works on."""
        work: Work = self[place].engine.core.work
        return work

    def leader(self, round_number: int = 0) -> Replica:
        """Of the height that everybody works on."""
        return self[self.ids.index(self.work().senate.leader(round_number))]

    def reasons(self) -> list[str]:
        """What somebody was accused of."""
        return [effect.reason for _, effect in self.accusations]
