"""Finality kept: what a node called final stays on its branch, also across a crash. Always."""

from raclette.chain.header import Header
from raclette.node.host import NewFinal, NewHead, Notice
from raclette.sim.checkers.contract import Base, ViewOf
from raclette.sim.host import Host
from raclette.sim.world import World


class FinalityKept(Base):
    """Follows each honest node's heads and final blocks; at the end it looks once more at what the last one became."""

    name = "finality-kept"

    def __init__(self, view_of: ViewOf) -> None:
        super().__init__(view_of)
        self._last: dict[int, Header] = {}

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if not host.honest:
            return
        last = self._last.get(host.index)
        if isinstance(notice, NewHead) and last is not None:
            # By hash: a node that came back with an empty disk may walk down another branch first.
            if any(header.hash == last.hash for header in notice.removed):
                lowest = min(header.number for header in notice.removed)
                self.report(world, host.index, f"height {lowest} was final and is reverted")
        elif isinstance(notice, NewFinal):
            if last is not None and notice.header.number == last.number and notice.header.hash != last.hash:
                self.report(world, host.index, f"height {last.number} is final twice")
            if last is None or notice.header.number > last.number:
                self._last[host.index] = notice.header

    def finish(self, world: World) -> None:
        for index, last in self._last.items():
            host = world.hosts[index]
            found = self.view_of(host).canonical(last.number) if host.alive else last
            if found is not None and found.hash != last.hash:
                self.report(world, index, f"height {last.number} was final and is another block now")
