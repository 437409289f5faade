"""Agreement: no two honest nodes hold different blocks final at one height. Always."""

from raclette.chain.header import Header
from raclette.node.host import NewFinal, Notice
from raclette.sim.checkers.contract import Base, ViewOf
from raclette.sim.host import Host
from raclette.sim.world import World


class Agreement(Base):
    """Every final block of every honest node, ancestors included, is compared with the first one seen at its height."""

    name = "agreement"

    def __init__(self, view_of: ViewOf) -> None:
        super().__init__(view_of)
        self._final: dict[int, tuple[bytes, int]] = {}
        self._reached: dict[tuple[int, int], int] = {}

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if not isinstance(notice, NewFinal) or not host.honest:
            return
        view = self.view_of(host)
        place = (host.index, host.crashes)
        reached = self._reached.get(place, 0)
        header: Header | None = notice.header
        while header is not None and header.number > reached:
            first = self._final.setdefault(header.number, (header.hash, host.index))
            if first[0] != header.hash:
                here, there = header.hash.hex()[:12], first[0].hex()[:12]
                self.report(world, host.index, f"height {header.number}: {here} final here, {there} at n{first[1]:02d}")
            header = view.header(header.parent_hash)
        self._reached[place] = max(reached, notice.header.number)
