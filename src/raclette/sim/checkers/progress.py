"""Progress: a block with a transaction is adopted. Sometimes: a run without one showed nothing."""

from raclette.node.host import NewHead, Notice
from raclette.sim.checkers.contract import Base, Mode, ViewOf
from raclette.sim.host import Host
from raclette.sim.world import World


class Progress(Base):
    """Counts them, at honest nodes."""

    name = "progress"
    mode: Mode = "sometimes"

    def __init__(self, view_of: ViewOf) -> None:
        super().__init__(view_of)
        self.happened = 0

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if isinstance(notice, NewHead) and host.honest:
            self.happened += sum(1 for header in notice.added if header.gas_used)

    def finish(self, world: World) -> None:
        if not self.happened:
            self.report(world, -1, "no block with a transaction was ever adopted")
