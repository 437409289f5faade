"""Time warp: timestamps as false as the rules allow, so that the difficulty follows a clock that is not there.

`ahead` writes the latest time that others accept (`future_limit_s` from now): the chain looks late and the next target
grows easier. `behind` writes the earliest (one second after the median). Everything else is honest, and every block is
shown at once. What can be gained is bounded: `asert` compares the last block's time with an absolute schedule, so a
lie of `future_limit_s` brings the chain at most `future_limit_s` / `block_interval_s` blocks ahead of where the truth
would have it, once and for all, however long it goes on. Compare Bitcoin, where a window's ends can be stretched again
and again.
"""

from raclette.node.host import HostedNode
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.sim.attacks.miner import Clock
from raclette.sim.attacks.strategies import Honest
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.pooled import PROOF_OF_WORK, join_pool


def latest(parameters: Parameters) -> Clock:
    """The latest time that is accepted now."""
    limit = parameters.future_limit_s * SECOND
    return lambda now, earliest: now + limit


def soonest(parameters: Parameters) -> Clock:
    """The earliest time that is accepted."""
    return lambda now, earliest: earliest


def _make(scene: Scene) -> HostedNode:
    return join_pool(scene, Honest, latest if scene.parameters["ahead"] else soonest)


KIND = LiarKind(
    "time-warp",
    "writes the most false timestamps that are accepted",
    _make,
    protocols=PROOF_OF_WORK,
    parameters={"ahead": Parameter(1, 0, 1, "1: the latest time accepted; 0: the earliest")},
)
"""All nodes with this lie are one pool."""
