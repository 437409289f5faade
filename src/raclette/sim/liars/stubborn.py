"""Stubborn mining: selfish mining that does not take what it could have, or does not give up what it should.

Source: Nayak, Kumar, Miller and Shi, "Stubborn Mining", EuroS&P 2016. Three kinds, alone or together; which of them
earns most depends on the share and on gamma (see `pooled`).
"""

from raclette.node.host import HostedNode
from raclette.sim.attacks.strategies import Stubborn
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.pooled import PROOF_OF_WORK, join_pool


def _make(scene: Scene) -> HostedNode:
    given = scene.parameters
    return join_pool(
        scene,
        lambda: Stubborn(lead=bool(given["lead"]), fork=bool(given["equal_fork"]), trail=given["trail"]),
    )


KIND = LiarKind(
    "stubborn",
    "mines selfishly, and neither overrides nor gives up in time (Nayak et al. 2016)",
    _make,
    protocols=PROOF_OF_WORK,
    parameters={
        "lead": Parameter(1, 0, 1, "1: shows a draw where it could override"),
        "equal_fork": Parameter(0, 0, 1, "1: hides the block that would win a draw"),
        "trail": Parameter(0, 0, 100, "goes on while it is at most so many blocks behind"),
    },
)
"""All nodes with this lie are one pool."""
