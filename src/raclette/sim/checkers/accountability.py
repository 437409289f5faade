"""Accountability: a fork leaves proof against more than f (or their weight), and none is against the honest. Always.

The proof is what honest nodes heard and hold: certificates, votes, VIEW-CHANGEs (see `forensics`). Deviation: a node
keeps of these only what its protocol still needs; the checker asks what could be proved from all that they received,
as if each kept a log, which is what the paper on forensics asks for.
"""

from raclette.node.host import NewFinal, Notice, Parcel
from raclette.node.view import NodeView
from raclette.sim.checkers.agreement import Agreement
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.forensics import FORENSICS
from raclette.sim.checkers.fork import Fork
from raclette.sim.host import Host
from raclette.sim.world import World


class Accountability(Base):
    """Listens to what honest nodes hear, and judges at the end."""

    name = "accountability"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self.judge = FORENSICS[subject.genesis.protocol](subject.genesis)
        self._forgetful = subject.forgetful
        self._replayer = subject.replayer
        self._agreement = Agreement(subject.view_of)
        # Heights of the forks, and what each honest node holds final there.
        self._forks: set[int] = set()

    def heard(self, world: World, host: Host, peer: bytes, parcel: Parcel) -> None:
        """Write it down, if an honest node hears it."""
        if host.honest:
            self.judge.hear(parcel.content)

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        before = len(self._agreement.violations)
        self._agreement.observe(world, host, notice)
        if isinstance(notice, NewFinal) and len(self._agreement.violations) > before:
            self._forks.add(notice.header.number)

    def finish(self, world: World) -> None:
        honest = [host for host in world.hosts if host.honest and host.alive]
        if self._forks:
            # The first contradiction may lie below: blocks are announced final several at a time.
            for host in honest:
                self._read_certificates(host)
        guilty = self.judge.culprits()
        index = {host.node_id: host.index for host in world.hosts}
        for node_id, crime in guilty.items():
            host = world.hosts[index[node_id]]
            if host.honest and host.index not in self._forgetful:
                self.report(world, host.index, f"an honest node is convicted: {crime}")
        lacking = self.judge.lacking(self._fork(honest)) if self._forks else ""
        if lacking:
            named = ", ".join(f"n{index[node_id]:02d}" for node_id in guilty) or "nobody"
            detail = f"a fork at height {min(self._forks)} is proved against {named}, not {lacking}"
            self.report(world, -1, detail)

    def _fork(self, honest: list[Host]) -> Fork:
        """The lowest: blocks are announced final several at a time."""
        views = [self.view_of(host) for host in honest]
        for height in range(1, min(self._forks)):
            headers = [view.canonical(height) for view in views if view.finalized.number >= height]
            if len({header.hash for header in headers if header is not None}) > 1:
                return self._at(height, views[0])
        return self._at(min(self._forks), views[0])

    def _at(self, height: int, view: NodeView) -> Fork:
        return Fork(height, lambda: self._replayer.members(view, height - 1))

    def _read_certificates(self, host: Host) -> None:
        view = self.view_of(host)
        for number in range(1, view.finalized.number + 1):
            header = view.canonical(number)
            if header is not None:
                self.judge.certified(header, view.certificate(header.hash))
