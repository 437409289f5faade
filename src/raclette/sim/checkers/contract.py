"""What a checker is: something that stands beside the world, sees all honest nodes at once, and watches one property.

Each says whether its property must hold *always* (one violation breaks it) or must happen *sometimes* (a run in which
it never happened proved nothing). Liars are not asked: nobody promised anything about them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, TypeAlias

from raclette.chain.genesis import Genesis
from raclette.node.host import Notice
from raclette.node.view import NodeView
from raclette.sim.config import SimConfig
from raclette.sim.faults import Crash
from raclette.sim.host import Host
from raclette.sim.replay import Replayer
from raclette.sim.world import World

Mode: TypeAlias = Literal["always", "sometimes"]
ViewOf: TypeAlias = Callable[[Host], NodeView]


class Violation(NamedTuple):
    """`checker` found at virtual `time` (ns) that `node` broke its property; -1 stands for the world as a whole."""

    checker: str
    time: int
    node: int
    detail: str


@dataclass(frozen=True)
class Subject:
    """The run that is watched. `view_of` reads an honest node; `replayer` audits its chain; `submitted` tells whether
    a client made this transaction; `missing` says what keeps the run from being settled, or nothing."""

    config: SimConfig
    genesis: Genesis
    view_of: ViewOf
    replayer: Replayer
    submitted: Callable[[bytes], bool]
    missing: Callable[[World], str]

    @property
    def forgetful(self) -> frozenset[int]:
        """Nodes that come back with an empty disk: whatever they have signed, they do not know."""
        return frozenset(fault.node for fault in self.config.faults if isinstance(fault, Crash) and fault.wipe)


class Checker(Protocol):
    """Watches one property, `name`. It must leave no trace in the world."""

    name: str
    mode: Mode
    violations: list[Violation]

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """A node, honest or not, said something."""

    def look(self, world: World) -> None:
        """Some virtual time has passed (see `LOOK_NS` of the simulation); for what is sampled."""

    def finish(self, world: World) -> None:
        """The run is over and the network had time to settle."""


class Base:
    """What checkers share: where to report, and how to look into an honest node."""

    name: str = ""
    mode: Mode = "always"

    def __init__(self, view_of: ViewOf) -> None:
        self.view_of = view_of
        self.violations: list[Violation] = []

    def report(self, world: World, node: int, detail: str) -> None:
        """The property is broken."""
        self.violations.append(Violation(self.name, world.kernel.now, node, detail))

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """Many do not listen."""

    def look(self, world: World) -> None:
        """Most need no samples."""

    def finish(self, world: World) -> None:
        """Some look at the way only."""
