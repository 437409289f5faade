"""What liars share who show two groups of peers two chains: twins of whom one at a time mines.

The twins are whole honest nodes with one key (see `twins`), each linked to its own peers only; a block passes from one
to the other only if it is passed on by those. There is one miner's worth of hash power: the search goes on for the twin
that `miner` names, from the last candidate that it asked for.
"""

from collections.abc import Collection

from raclette.engine.effects import Seal, StopSealing
from raclette.node.host import HostEffect, NodeEvent
from raclette.node.node import Node
from raclette.sim.liars.contract import Scene
from raclette.sim.liars.pooled import whole_node
from raclette.sim.liars.twins import Twins

TWIN_DISK = "twin"


class TwoFaced(Twins):
    """Two chains; a subclass says for which it mines."""

    def __init__(self, first: Node, second: Node, views: tuple[Collection[bytes], Collection[bytes]]) -> None:
        super().__init__(first, second, views)
        self.nodes = (first, second)
        self._wanted: list[HostEffect] = [StopSealing(), StopSealing()]
        self._searching = -1

    def miner(self) -> int:
        """0 or 1: whose block is searched."""
        return 0

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        effects = super().handle(event)
        which = self.miner()
        if which != self._searching:
            self._searching = which
            effects = (*effects, self._wanted[which])
        return effects

    def _outward(self, which: int, effects: tuple[HostEffect, ...]) -> list[HostEffect]:
        out: list[HostEffect] = []
        for effect in super()._outward(which, effects):
            if isinstance(effect, (Seal, StopSealing)):
                self._wanted[which] = effect
                if which != self._searching:
                    continue
            out.append(effect)
        return out


def two_nodes(scene: Scene) -> tuple[Node, Node]:
    """The twins. Raises Misuse if the host makes something else."""
    return whole_node(scene), whole_node(scene, TWIN_DISK)


def honest_peers(scene: Scene) -> list[bytes]:
    """Ids of those who are not in the plot, in order."""
    return [node_id for index, node_id in enumerate(scene.ids) if index not in scene.accomplices]
