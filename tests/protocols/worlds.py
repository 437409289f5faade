"""The hunt's world of engines, set up for stories about a protocol; and one engine alone.

Whatever a story does, the hunt's checkers look on.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from raclette.chain.header import Header
from raclette.engine.contract import EngineFactory, EngineSetup
from raclette.engine.lightchain import LightChain
from raclette.lab.hunt.engines.adapter import find_adapter
from raclette.lab.hunt.engines.play import replica_id
from raclette.lab.hunt.engines.world import Checker, EngineWorld
from raclette.primitives.signing import IdealSignatures
from raclette.protocols import find_protocol

# Small and fast, so that a story sees view changes, checkpoints and rounds within a second.
PARAMETERS: dict[str, dict[str, Any]] = {
    "pbft": {
        "view_timeout_ms": 400,
        "view_timeout_cap_ms": 6_400,
        "checkpoint_interval": 4,
        "window": 12,
        "pipeline": 3,
        "batch_delay_ms": 5,
    },
    "simplex": {"delta_ms": 100, "delta_cap_ms": 1_600, "window": 16},
    "senate": {"seats": 1_024, "round_timeout_ms": 400, "round_timeout_cap_ms": 1_600, "entry_window_ms": 40},
}


class StoryWorld(EngineWorld):
    """Places 0..n-1 are the replicas, then come the second instances of `twins`, then observers. `liars` are those whom
    a story makes say what an honest replica would not. What stands in `parameters` differs from PARAMETERS."""

    def __init__(
        self,
        protocol: str,
        replicas: int = 4,
        *,
        seed: int = 1,
        twins: Iterable[int] = (),
        liars: Iterable[int] = (),
        observers: int = 0,
        factory: EngineFactory | None = None,
        checkers: Sequence[Checker] | None = None,
        genesis: Header | None = None,
        **parameters: Any,
    ) -> None:
        ids = [replica_id(number) for number in range(replicas)]
        adapter = find_adapter(protocol)
        # First, for the factory of the senate takes the roll from it.
        complete = adapter.parameters(PARAMETERS[protocol] | parameters, ids)
        super().__init__(
            factory or adapter.factory(),
            complete,
            ids,
            seed=seed,
            twins=twins,
            liars=liars,
            observers=observers,
            checkers=adapter.checkers() if checkers is None else checkers,
        )
        if genesis is not None:
            self.genesis = genesis
        self.start()


# Who is who to an engine alone, which is the first.
IDS = [bytes((number + 1,)) * 32 for number in range(7)]


def lone_engine(protocol: str, records: dict[bytes, bytes] | None = None, **changes: Any) -> Any:
    """An engine of a committee of IDS, over a light chain. `changes` replace parameters. Raises ConfigError."""
    parameters = {**find_adapter(protocol).parameters(PARAMETERS[protocol], IDS), **changes}
    signer = IdealSignatures(b"x").signer(IDS[0])
    return find_protocol(protocol).make(EngineSetup(parameters, LightChain(7), signer, bytes(20), records or {}))
