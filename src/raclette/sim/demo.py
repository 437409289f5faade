"""The demo's scenario, in the simulator: load, a crash under it, a restart, and a node that joins late."""

from raclette.primitives.units import SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash

# The fifth node starts with an empty disk when this much of the workload is over.
_LATE = SECOND * 3


def demo_config(protocol: str, ledger: str = "bank", *, seed: int = 1, transfers: int = 2_000) -> SimConfig:
    """Four nodes with a vote and one that follows; `transfers` in four seconds; node 3 loses power after two of them,
    comes back two seconds later, and node 4 joins after three."""
    load = Workload(count=transfers, interval=4 * SECOND // max(1, transfers), start=SECOND, patience=5 * SECOND)
    faults = (
        Crash(at=0, node=4, mode="clean", lasting=SECOND + _LATE, wipe=True),
        Crash(at=3 * SECOND, node=3, mode="lose", lasting=2 * SECOND),
    )
    return SimConfig(
        protocol=protocol,
        ledger=ledger,
        nodes=5,
        observers=1,
        seed=seed,
        accounts=1_000,
        workload=load,
        faults=faults,
        duration=8 * SECOND,
        settle=600 * SECOND,
    )
