"""The hunt's world of engines, set up for stories about PBFT. Whatever a story does, the hunt's checkers look on."""

from collections.abc import Callable, Iterable
from typing import Any

from raclette.engine.contract import Engine, EngineSetup
from raclette.lab.hunt.engines.pbft import Pbft
from raclette.lab.hunt.engines.play import replica_id
from raclette.lab.hunt.engines.world import EngineWorld, Replica, Violation
from raclette.protocols.pbft import PbftEngine

PARAMETERS = {
    "view_timeout_ms": 400,
    "view_timeout_cap_ms": 6_400,
    "checkpoint_interval": 4,
    "window": 12,
    "pipeline": 3,
    "batch_delay_ms": 5,
}


class World(EngineWorld):
    """Places 0..n-1 are the replicas, then come the second instances of `twins`, then observers. `liars` are those whom
    a story makes say what an honest replica would not."""

    def __init__(
        self,
        replicas: int = 4,
        *,
        seed: int = 1,
        twins: Iterable[int] = (),
        liars: Iterable[int] = (),
        observers: int = 0,
        factory: Callable[[EngineSetup], Engine] = PbftEngine,
        **parameters: Any,
    ) -> None:
        ids = [replica_id(number) for number in range(replicas)]
        adapter = Pbft()
        super().__init__(
            factory,
            adapter.parameters(PARAMETERS | parameters, ids),
            ids,
            seed=seed,
            twins=twins,
            liars=liars,
            observers=observers,
            checkers=adapter.checkers(),
        )
        self.start()


__all__ = ["PARAMETERS", "Replica", "Violation", "World"]
