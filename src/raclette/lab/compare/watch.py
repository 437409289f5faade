"""When is a transaction final? The one question that must be asked of all protocols in the same words.

At a node, a block is final when the node says so; in protocols whose blocks need no certificate, also when it lies
`depth` blocks below the head. A transaction is final when it is in a final block at the first honest node. What was
final at a node and is not on its branch any more was *reverted*: that must never happen, and with finality by depth it
can.
"""

from collections.abc import Callable

from raclette.chain.header import Header
from raclette.node.host import NewFinal, NewHead, Notice
from raclette.node.view import NodeView
from raclette.sim.host import Host
from raclette.sim.world import World


class FinalWatch:
    """An observer of a world. `final_at`: raw transaction -> virtual ns at which it was first final; `reverted`: blocks
    that were final at an honest node and fell off its branch; `said`: how often nodes called a block final."""

    def __init__(self, view_of: Callable[[Host], NodeView], depth: int) -> None:
        """`depth` 0: only what nodes call final themselves."""
        self.final_at: dict[bytes, int] = {}
        self.reverted = 0
        self.said = 0
        self._view_of = view_of
        self._depth = depth
        # For each node: hashes of the blocks that are final there, from block 1 on.
        self._final: dict[int, list[bytes]] = {}

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """A node said something."""
        if not host.honest:
            return
        if isinstance(notice, NewFinal):
            self.said += 1
            self._extend(world, host, notice.header.number)
        elif isinstance(notice, NewHead):
            self._cut(host, notice.removed)
            if self._depth and notice.added:
                self._extend(world, host, notice.added[-1].number - self._depth)

    def _cut(self, host: Host, removed: tuple[Header, ...]) -> None:
        final = self._final.get(host.index, [])
        for header in removed:
            if header.number <= len(final):
                self.reverted += len(final) - header.number + 1
                del final[header.number - 1 :]

    def _extend(self, world: World, host: Host, number: int) -> None:
        final = self._final.setdefault(host.index, [])
        view = self._view_of(host)
        while len(final) < number:
            header = view.canonical(len(final) + 1)
            block = view.block(header.hash) if header is not None else None
            if header is None or block is None:
                return
            final.append(header.hash)
            for raw in block.transactions:
                self.final_at.setdefault(raw, world.kernel.now)
