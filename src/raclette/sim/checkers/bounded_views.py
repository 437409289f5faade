"""Bounded views: once the network is quiet, a waiting transaction is decided within so many views. Always.

Time alone says little about a protocol that waits longer with each view: a node that is stuck and one that is patient
look alike. Views are what it spends. After the last fault

- at most D views end too early for a decision, D being how often the timeout can double before it reaches its cap (if
  the cap is too short for the network, nothing is promised), while links and nodes take a moment to come back
  (`CALM_NS`), which at the cap is worth so many views more;
- of f+1 views in a row at most f have lying primaries (they go round the seats, of which liars own f);
- one view was under way, and one more may be lost to replicas that enter it at different times.

So a decision comes within D + CALM_NS / cap + f + 3 views of the last one (or of the last fault), or the checker
reports.
"""

from collections.abc import Callable, Mapping

from raclette.chain.genesis import Genesis
from raclette.node.host import NewFinal, Notice
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.pbft.parameters import Parameters as PbftParameters
from raclette.protocols.simplex.parameters import Parameters as SimplexParameters
from raclette.protocols.simplex.timers import PATIENCE
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.seats import faults_of, genesis_seats, quorum_of
from raclette.sim.faults import quiet_from
from raclette.sim.host import Host
from raclette.sim.world import CONNECT_NS, DETECT_NS, World

# Time for links to come up again, and for the restarted to have their first words answered.
CALM_NS = DETECT_NS + CONNECT_NS + SECOND


def pbft_views_max(genesis: Genesis) -> int:
    """See the module."""
    parameters = parse_parameters(PbftParameters, genesis.protocol_parameters)
    ratio = -(-parameters.view_timeout_cap_ms // parameters.view_timeout_ms)
    doublings = (ratio - 1).bit_length()
    returning = -(-CALM_NS // (parameters.view_timeout_cap_ms * MILLISECOND))
    return doublings + returning + faults_of(sum(genesis_seats(PbftParameters, genesis).values())) + 3


def simplex_iterations_max(genesis: Genesis) -> int:
    """The same for iterations, of which some may end with a notarized block that too many gave up to finalise: each of
    them doubles Delta at the owners of n - q + 1 of n seats at least, so there are at most D * n / (n - q + 1)."""
    parameters = parse_parameters(SimplexParameters, genesis.protocol_parameters)
    n = sum(genesis_seats(SimplexParameters, genesis).values())
    quorum = quorum_of(n)
    ratio = -(-parameters.delta_cap_ms // parameters.delta_ms)
    doublings = (ratio - 1).bit_length()
    returning = -(-CALM_NS // (PATIENCE * parameters.delta_cap_ms * MILLISECOND))
    return -(-doublings * n // (n - quorum + 1)) + returning + faults_of(n) + 3


# How many views a decision may take, by protocol. The engine's `status` must say "view".
VIEWS_MAX: Mapping[str, Callable[[Genesis], int]] = {
    "pbft": pbft_views_max,
    "simplex": simplex_iterations_max,
}


class BoundedViews(Base):
    """Compares the highest view of an honest node with that at the last decision. `most` is how many were needed."""

    name = "bounded-views"

    def __init__(self, subject: Subject, views_max: int | None = None) -> None:
        """`views_max` in place of what the protocol promises."""
        super().__init__(subject.view_of)
        self.bound = VIEWS_MAX[subject.genesis.protocol](subject.genesis) if views_max is None else views_max
        self.most = 0
        self._quiet = quiet_from(subject.config.faults)
        self._height = 0
        self._since = -1

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if isinstance(notice, NewFinal) and host.honest and notice.header.number > self._height:
            self._height = notice.header.number
            self._since = -1

    def look(self, world: World) -> None:
        if world.kernel.now < self._quiet:
            return
        views = [int(self.view_of(host).consensus()["view"]) for host in world.hosts if host.honest and host.alive]
        highest = max(views, default=0)
        if self._since < 0:
            self._since = highest
        spent = highest - self._since
        if spent > self.bound >= self.most:
            self.report(world, -1, f"{spent} views since height {self._height} and no decision, at most {self.bound}")
        self.most = max(self.most, spent)
