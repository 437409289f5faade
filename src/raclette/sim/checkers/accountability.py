"""Accountability: a fork leaves proof against more than f (or their weight), and none is against the honest. Always.

The proof is what honest nodes heard and hold: certificates, votes, VIEW-CHANGEs (see `forensics`). Deviation: a node
keeps of these only what its protocol still needs; the checker asks what could be proved from all that they received,
as if each kept a log, which is what the paper on forensics asks for.
"""

from raclette.node.host import NewFinal, Notice, Parcel
from raclette.node.node import Node
from raclette.node.view import NodeView
from raclette.sim.checkers.agreement import Agreement
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.forensics import FORENSICS, Attending
from raclette.sim.checkers.fork import Fork
from raclette.sim.host import Host
from raclette.sim.world import World


class Accountability(Base):
    """Listens to what honest nodes hear, and judges at the end. `verdict` is who is to blame for a fork, for people;
    empty if there was none."""

    name = "accountability"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self.judge = FORENSICS[subject.genesis.protocol](subject.genesis)
        self.verdict = ""
        self._attending = self.judge if isinstance(self.judge, Attending) else None
        self._forgetful = subject.forgetful
        self._replayer = subject.replayer
        self._agreement = Agreement(subject.view_of)
        # Heights of the forks, and what each honest node holds final there.
        self._forks: set[int] = set()

    def heard(self, world: World, host: Host, peer: bytes, parcel: Parcel) -> None:
        """Write it down, if an honest node hears it."""
        if host.honest:
            self._attend(host)
            self.judge.hear(parcel.content)

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        before = len(self._agreement.violations)
        self._agreement.observe(world, host, notice)
        if isinstance(notice, NewFinal) and len(self._agreement.violations) > before:
            self._forks.add(notice.header.number)
            self._look(world, forked=True)

    def look(self, world: World) -> None:
        self._look(world, forked=False)

    def _look(self, world: World, *, forked: bool) -> None:
        if self._attending is None:
            return
        for host in world.hosts:
            if host.honest and host.alive:
                self._attend(host)
        self._attending.looked(forked=forked)

    def finish(self, world: World) -> None:
        self.look(world)
        honest = [host for host in world.hosts if host.honest and host.alive]
        for host in honest if self._forks else ():
            # The first contradiction may lie below: blocks are announced final several at a time.
            self._read_certificates(host)
        guilty = self.judge.culprits()
        hosts = {host.node_id: host for host in world.hosts}
        for node_id, crime in guilty.items():
            host = hosts[node_id]
            if self._is_true(host):
                self.report(world, host.index, f"an honest node is convicted: {crime}")
        if self._forks:
            self._judge_fork(world, honest, {f"n{hosts[node_id].index:02d}": guilty[node_id] for node_id in guilty})

    def _judge_fork(self, world: World, honest: list[Host], guilty: dict[str, str]) -> None:
        """`guilty` maps names to crimes."""
        fork = self._fork(honest, frozenset(host.node_id for host in world.hosts if self._is_true(host)))
        crimes = ", ".join(f"{name} ({crime})" for name, crime in guilty.items()) or "nobody"
        remark = self._attending.remark(fork) if self._attending is not None else ""
        self.verdict = f"the fork at height {fork.height} is proved against {crimes}"
        if remark:
            self.verdict += f"; {remark}"
        lacking = self.judge.lacking(fork)
        if lacking:
            named = ", ".join(guilty) or "nobody"
            self.report(world, -1, f"a fork at height {fork.height} is proved against {named}, not {lacking}")

    def _is_true(self, host: Host) -> bool:
        """Does it keep to the protocol, and remember what it said?"""
        return host.honest and host.index not in self._forgetful

    def _attend(self, host: Host) -> None:
        # Who forgets everything proves no assumption wrong by what it believes next.
        if self._attending is not None and self._is_true(host) and isinstance(host.node, Node):
            self._attending.attend(host.index, host.node.engine)

    def _fork(self, hosts: list[Host], true: frozenset[bytes]) -> Fork:
        """The lowest: blocks are announced final several at a time."""
        views = [self.view_of(host) for host in hosts]
        for height in range(1, min(self._forks)):
            headers = [view.canonical(height) for view in views if view.finalized.number >= height]
            if len({header.hash for header in headers if header is not None}) > 1:
                return self._at(height, views[0], true)
        return self._at(min(self._forks), views[0], true)

    def _at(self, height: int, view: NodeView, true: frozenset[bytes]) -> Fork:
        return Fork(height, lambda: self._replayer.members(view, height - 1), true)

    def _read_certificates(self, host: Host) -> None:
        view = self.view_of(host)
        for number in range(1, view.finalized.number + 1):
            header = view.canonical(number)
            if header is not None:
                self.judge.certified(header, view.certificate(header.hash))
