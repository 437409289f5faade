"""What must hold in every run. Checkers stand beside the world and see all honest nodes at once.

Each says whether its property must hold *always* (one violation breaks it) or must happen *sometimes* (a run in which
it never happened proved nothing). Liars are not asked: nobody promised anything about them.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from raclette.chain.header import Header
from raclette.node.host import NewFinal, NewHead, Notice
from raclette.node.view import NodeView
from raclette.sim.host import Host
from raclette.sim.replay import Replayer, ReplayFailed
from raclette.sim.world import World

Mode = Literal["always", "sometimes"]
ViewOf = Callable[[Host], NodeView]


class Violation(NamedTuple):
    """`checker` found at virtual `time` (ns) that `node` broke its property; -1 stands for the world as a whole."""

    checker: str
    time: int
    node: int
    detail: str


class Checker(Protocol):
    """Watches one property."""

    name: str
    mode: Mode
    violations: list[Violation]

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """A node, honest or not, said something."""

    def finish(self, world: World) -> None:
        """The run is over and the network had time to settle."""


class _Base:
    name = ""
    mode: Mode = "always"

    def __init__(self, view_of: ViewOf) -> None:
        self.view_of = view_of
        self.violations: list[Violation] = []

    def report(self, world: World, node: int, detail: str) -> None:
        self.violations.append(Violation(self.name, world.kernel.now, node, detail))

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """Most look at the end only."""

    def finish(self, world: World) -> None:
        """Some look at the way only."""


class Agreement(_Base):
    """No two honest nodes hold different blocks final at one height."""

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


class FinalityKept(_Base):
    """What a node called final stays on its branch, also across a crash."""

    name = "finality-kept"

    def __init__(self, view_of: ViewOf) -> None:
        super().__init__(view_of)
        self._last: dict[int, Header] = {}

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if not host.honest:
            return
        last = self._last.get(host.index)
        if isinstance(notice, NewHead) and last is not None:
            reverted = [header for header in notice.removed if header.number <= last.number]
            if reverted:
                self.report(world, host.index, f"height {reverted[-1].number} was final and is reverted")
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


class Replay(_Base):
    """Validity, exactly-once and money: the chain of every honest node, executed again from genesis by somebody who
    trusts nobody, gives the state roots in its headers, holds no transaction twice, only transactions that clients
    sent, and no money beside genesis and rewards."""

    name = "replay"

    def __init__(self, view_of: ViewOf, replayer: Replayer, submitted: Callable[[bytes], bool]) -> None:
        super().__init__(view_of)
        self._replayer = replayer
        self._submitted = submitted

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
            try:
                self._replayer.check(view, head, self._submitted)
            except ReplayFailed as failure:
                self.report(world, host.index, str(failure))


class Liveness(_Base):
    """Once the network is quiet, every transaction that an honest node took is executed at every honest node."""

    name = "liveness"

    def __init__(self, view_of: ViewOf, is_settled: Callable[[World], str]) -> None:
        """`is_settled` says what is still missing, or nothing."""
        super().__init__(view_of)
        self._is_settled = is_settled

    def finish(self, world: World) -> None:
        missing = self._is_settled(world)
        if missing:
            self.report(world, -1, missing)


class Progress(_Base):
    """Sometimes a block with a transaction is adopted: otherwise the run showed nothing."""

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
