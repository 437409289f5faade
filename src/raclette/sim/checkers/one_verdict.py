"""One verdict: no block is invalid at one honest node that another honest node has executed. Always.

Whether a block is valid follows from its hash: the hash commits to everything that is executed, and execution is the
same everywhere. Two verdicts mean that one hash stands for two lists of transactions (CVE-2012-2459 in Bitcoin), or
that execution depends on something else than the block. The node that refuses is cut off as soon as the block becomes
final; this looks before that.
"""

from raclette.node.node import Node
from raclette.sim.checkers.contract import Base, ViewOf
from raclette.sim.world import World


class OneVerdict(Base):
    """Sampled, and asked once more at the end. Nodes remember what they have found invalid until they restart."""

    name = "one-verdict"

    def __init__(self, view_of: ViewOf) -> None:
        super().__init__(view_of)
        self._known: set[bytes] = set()

    def look(self, world: World) -> None:
        hosts = [host for host in world.hosts if host.honest and host.alive and isinstance(host.node, Node)]
        for host in hosts:
            for block_hash in host.node.chain.invalid_blocks if isinstance(host.node, Node) else ():
                if block_hash in self._known:
                    continue
                other = next((h.index for h in hosts if self.view_of(h).header(block_hash) is not None), None)
                if other is not None:
                    self._known.add(block_hash)
                    name = block_hash.hex()[:12]
                    self.report(world, host.index, f"block {name} is invalid here and was executed at n{other:02d}")

    def finish(self, world: World) -> None:
        self.look(world)
