"""The hunt's world of engines, set up for stories about Simplex. Whatever a story does, the hunt's checkers look on."""

from collections.abc import Callable, Iterable
from typing import Any

from raclette.engine.contract import Engine, EngineSetup
from raclette.lab.hunt.engines.play import replica_id
from raclette.lab.hunt.engines.simplex import Simplex
from raclette.lab.hunt.engines.world import EngineWorld, Replica, Violation
from raclette.protocols.simplex import SimplexEngine

DELTA_MS = 100
PARAMETERS = {"delta_ms": DELTA_MS, "delta_cap_ms": 1_600, "window": 16}


class World(EngineWorld):
    """Places 0..n-1 are the replicas, then come the second instances of `twins`, then observers. `liars` are those whom
    a story makes say what an honest replica would not. Iteration h is led by replica h mod n; the first is 1."""

    def __init__(
        self,
        replicas: int = 4,
        *,
        seed: int = 1,
        twins: Iterable[int] = (),
        liars: Iterable[int] = (),
        observers: int = 0,
        factory: Callable[[EngineSetup], Engine] = SimplexEngine,
        **parameters: Any,
    ) -> None:
        ids = [replica_id(number) for number in range(replicas)]
        adapter = Simplex()
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


__all__ = ["DELTA_MS", "PARAMETERS", "Replica", "Violation", "World"]
