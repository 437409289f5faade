"""Eclipse: the victim sees the world through the attackers' eyes, and they show it a chain of their own.

Source: Heilman, Kendler, Zohar and Goldberg, "Eclipse Attacks on Bitcoin's Peer-to-Peer Network", USENIX Security 2015.
Each accomplice is two nodes: an outer one, which is honest to everybody else but does not mine, and the *cage*, which
knows the victim alone and mines on what the two of them have. Nothing of the world comes into the cage, nothing leaves
it but what the victim tells others.

Taking the victim's links is the scenario's part: a topology (or cut links) in which its neighbours are accomplices. As
soon as one link to an honest node is there, the victim hears of the heavier chain and leaves the cage.
"""

from raclette.node.host import HostedNode
from raclette.node.node import Node
from raclette.primitives.errors import ConfigError
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.pooled import PROOF_OF_WORK
from raclette.sim.liars.two_faced import TwoFaced, two_nodes

_CAGE = 1


class Eclipse(TwoFaced):
    """One of those around `victim` (its id)."""

    def __init__(self, outer: Node, cage: Node, others: list[bytes], victim: bytes) -> None:
        super().__init__(outer, cage, (others, [victim]))

    def miner(self) -> int:
        return _CAGE


def _make(scene: Scene) -> HostedNode:
    number = scene.parameters["victim"]
    if number >= len(scene.ids) or number in scene.accomplices:
        raise ConfigError(f"liars.{scene.index}.victim: {number} is no honest node of this world")
    victim = scene.ids[number]
    return Eclipse(*two_nodes(scene), [peer for peer in scene.peers if peer != victim], victim)


KIND = LiarKind(
    "eclipse",
    "shows one victim a chain of the attackers' own (Heilman et al. 2015)",
    _make,
    protocols=PROOF_OF_WORK,
    parameters={"victim": Parameter(0, 0, 999, "number of the node that is surrounded")},
)
"""Nodes with the same victim are one plot."""
