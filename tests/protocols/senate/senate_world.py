"""The hunt's world of engines, set up for stories about the senate. The hunt's checkers look on."""

from collections.abc import Iterable
from typing import Any

from raclette.lab.hunt.engines.play import replica_id
from raclette.lab.hunt.engines.senate import Senate
from raclette.lab.hunt.engines.world import EngineWorld, Replica
from raclette.protocols.senate.core import Work

PARAMETERS = {"seats": 1_024, "round_timeout_ms": 400, "round_timeout_cap_ms": 1_600, "entry_window_ms": 40}


class World(EngineWorld):
    """Places 0..n-1 are the holders; `liars` are those whom a story makes say what an honest one would not."""

    def __init__(self, holders: int = 4, *, seed: int = 1, liars: Iterable[int] = (), **parameters: Any) -> None:
        ids = [replica_id(number) for number in range(holders)]
        adapter = Senate()
        complete = adapter.parameters(PARAMETERS | parameters, ids)
        super().__init__(adapter.factory(), complete, ids, seed=seed, liars=liars, checkers=adapter.checkers())
        self.start()

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
