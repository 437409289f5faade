"""Validity, exactly-once, supply: three properties that one audit decides. Always.

The chain of every honest node is executed again from genesis by somebody who trusts nobody (`sim.replay`). The audit of
a chain ends at its first fault, and the checker of the property that the fault breaks reports it.
"""

from raclette.chain.header import Header
from raclette.node.view import NodeView
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.replay import Property, ReplayFailed
from raclette.sim.world import World


class Audit:
    """Executes each chain once, for all who ask."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._found: dict[bytes, ReplayFailed | None] = {}

    def fault(self, view: NodeView, head: Header) -> ReplayFailed | None:
        """The first fault on the way from genesis to `head`, if there is one."""
        if head.hash not in self._found:
            try:
                self.subject.replayer.check(view, head, self.subject.submitted)
                self._found[head.hash] = None
            except ReplayFailed as fault:
                self._found[head.hash] = fault
        return self._found[head.hash]


class _Audited(Base):
    """Reports the audit's faults against one property, each chain's once."""

    broken: Property

    def __init__(self, audit: Audit) -> None:
        super().__init__(audit.subject.view_of)
        self._audit = audit

    def finish(self, world: World) -> None:
        seen: set[bytes] = set()
        for host in world.hosts:
            if not (host.honest and host.alive):
                continue
            view = self.view_of(host)
            head = view.head
            if head.hash in seen:
                continue
            seen.add(head.hash)
            fault = self._audit.fault(view, head)
            if fault is not None and fault.broken == self.broken:
                self.report(world, host.index, str(fault))


class Validity(_Audited):
    """Every transaction in a chain was sent by a client and is valid where it stands, and every state root is that of
    the state."""

    name = "validity"
    broken: Property = "validity"


class ExactlyOnce(_Audited):
    """No chain holds a transaction twice."""

    name = "exactly-once"
    broken: Property = "exactly-once"


class Supply(_Audited):
    """There is no money beside that of genesis and the rewards that consensus pays."""

    name = "supply"
    broken: Property = "supply"
