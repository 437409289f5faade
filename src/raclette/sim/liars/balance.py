"""Balance attack: keep two halves of the honest on two branches of one weight, and decide late which of them counts.

Source: Natoli and Gramoli, "The Balance Attack or Why Forkable Blockchains Are Ill-Suited for Consortium", DSN 2017.
The honest are taken in two halves (lower and higher numbers). The attacker is a node of each half, passes nothing from
one to the other, and mines for the half whose branch has less work, so that a small share of the power keeps the two
from being decided for as long as messages between them are slow. It works on the heaviest chain as on GHOST: what
counts is the difference that chance makes between two equal halves, which is small.

Slowness between the halves is the scenario's part (slow links or a partition, or a topology in which only attackers
join them): in a network where the halves hear each other at once, the attacker just mines.
"""

from raclette.node.host import HostedNode
from raclette.sim.liars.contract import LiarKind, Scene
from raclette.sim.liars.pooled import PROOF_OF_WORK
from raclette.sim.liars.two_faced import TwoFaced, honest_peers, two_nodes


class Balance(TwoFaced):
    """Mines for the lighter half."""

    def miner(self) -> int:
        first, second = (node.sync.weight for node in self.nodes)
        if first == second:
            return max(self._searching, 0)
        return 0 if first < second else 1


def _make(scene: Scene) -> HostedNode:
    honest = honest_peers(scene)
    half = len(honest) // 2
    return Balance(*two_nodes(scene), (honest[:half], honest[half:]))


KIND = LiarKind(
    "balance",
    "keeps two halves of the honest on branches of equal work (Natoli & Gramoli 2017)",
    _make,
    protocols=PROOF_OF_WORK,
)
"""Nodes with this lie take the same halves."""
