"""Block withholding: finds blocks and shows none. The chain grows slower by the share that is withheld, until the
difficulty has noticed; nobody's finality is in danger."""

from raclette.sim.attacks.strategies import Withhold
from raclette.sim.liars.contract import LiarKind
from raclette.sim.liars.pooled import PROOF_OF_WORK, join_pool

KIND = LiarKind(
    "withhold",
    "finds blocks and never shows one",
    lambda scene: join_pool(scene, Withhold),
    protocols=PROOF_OF_WORK,
)
"""All nodes with this lie are one pool."""
