"""Evidence kept: who hears with his own ears that somebody contradicts himself keeps the proof of it. Always.

Recomputed here from what an honest replica hears, not from its log: for each phase and height between its watermarks,
the last view in which a replica voted, and for what. A second vote in the same view for another block must be among the
evidence when we next look, unless the node died meanwhile. What two nodes only together could know is the business of
`accountability`.
"""

from typing import NamedTuple

from raclette.node.conduct import EVIDENCE_COUNT_MAX
from raclette.node.host import Parcel
from raclette.node.node import Node
from raclette.node.wire import EngineSaid
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.messages import Commit, Prepare, PrePrepare
from raclette.protocols.pbft.ordering import ACCUSED_MAX
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.pbft_forensics import PbftForensics
from raclette.sim.host import Host
from raclette.sim.world import World
from raclette.store.contract import Table

# Lives of nodes are told apart by their number of crashes.
_Place = tuple[int, int, str, int, int]


class _Owed(NamedTuple):
    """Evidence that `node` in its `life` must hold, as `place_of` names it."""

    node: int
    life: int
    place: tuple[int, ...]


class EvidenceKept(Base):
    """For protocols whose votes we know: PBFT."""

    name = "evidence"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._judge = PbftForensics.of(subject.genesis)
        # (node, its life, phase, height, voter) -> (view, block).
        self._last: dict[_Place, tuple[int, bytes]] = {}
        self._owed: dict[_Owed, None] = {}
        self.owed = 0

    def heard(self, world: World, host: Host, peer: bytes, parcel: Parcel) -> None:
        """Compare with what the same replica said before."""
        node = host.node
        if not host.honest or not isinstance(parcel.content, EngineSaid) or not isinstance(node, Node):
            return
        said = parcel.content.message
        vote = said.vote if isinstance(said, PrePrepare) else said
        if not isinstance(vote, Prepare | Commit) or not isinstance(node.engine, PbftEngine) or peer not in node.links:
            return
        core = node.engine.core
        if core.me is None or vote.sender == core.me or not core.in_window(vote.height):
            return
        key = (host.index, host.crashes, vote.kind, vote.height, vote.sender)
        view, block_hash = self._last.get(key, (-1, b""))
        if vote.view > view:
            self._last[key] = (vote.view, vote.block_hash)
        elif vote.view == view and vote.block_hash != block_hash and not isinstance(said, PrePrepare):
            # A proposal counts when its body is complete, which may be never.
            place = (int(isinstance(vote, Prepare)), vote.view, vote.height, vote.sender)
            self._owed[_Owed(host.index, host.crashes, place)] = None

    def look(self, world: World) -> None:
        if not self._owed:
            return
        held: dict[int, set[tuple[int, ...]]] = {}
        owed, self._owed = self._owed, {}
        for debt in owed:
            host = world.hosts[debt.node]
            if not host.alive or host.crashes != debt.life or not isinstance(host.node, Node):
                continue
            if host.ready_at > world.kernel.now:
                self._owed[debt] = None  # it has not come to it yet
                continue
            places = held.get(debt.node)
            if places is None:
                places = held[debt.node] = self._places(host.node)
            self.owed += 1
            if debt.place not in places and len(places) < EVIDENCE_COUNT_MAX and self.owed < ACCUSED_MAX:
                phase, view, height, sender = debt.place
                what = f"two {'prepares' if phase else 'commits'} of replica {sender} for view {view}, height {height}"
                self.report(world, debt.node, f"heard {what} and keeps no evidence of it")

    def _places(self, node: Node) -> set[tuple[int, ...]]:
        return {self._judge.place_of(value.partition(b"\0")[2]) for _, value in node.store.scan(Table.EVIDENCE)}
