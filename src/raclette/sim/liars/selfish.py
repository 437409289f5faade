"""Selfish mining: hide a lead, and let the others work on what is already lost.

Source: Eyal and Sirer, "Majority is not Enough: Bitcoin Mining is Vulnerable", FC 2014. It pays from a share of
(1 - gamma) / (3 - 2 gamma) on; what gamma is here, see `pooled`.
"""

from raclette.sim.attacks.strategies import Selfish
from raclette.sim.liars.contract import LiarKind
from raclette.sim.liars.pooled import PROOF_OF_WORK, join_pool

KIND = LiarKind(
    "selfish",
    "mines in secret and shows just enough to win (Eyal & Sirer 2014)",
    lambda scene: join_pool(scene, Selfish),
    protocols=PROOF_OF_WORK,
)
"""All nodes with this lie are one pool."""
