"""New views: entered by the word of a quorum, and continued where it says. Always.

Source: Castro & Liskov 1999, 4.4: a new view starts from the prepared certificate with the highest view number among
the VIEW-CHANGEs of its NEW-VIEW (in one view the higher block contains the lower). Recomputed here, with a quorum of
seats of our own, whenever an honest replica holds a NEW-VIEW that we have not seen at it.
"""

from raclette.node.host import Parcel
from raclette.node.node import Node
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.messages import NewView
from raclette.protocols.pbft.parameters import Parameters
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.seats import genesis_seats, quorum_of, weigh
from raclette.sim.host import Host
from raclette.sim.world import World


class NewViews(Base):
    """For PBFT, where the proof of a view is kept as long as the view lasts."""

    name = "new-views"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._seats = genesis_seats(Parameters, subject.genesis)
        # The proof last looked at, by node; held here, so that its identity stays its own.
        self._seen: dict[int, NewView] = {}
        self.seen = 0

    def heard(self, world: World, host: Host, peer: bytes, parcel: Parcel) -> None:
        """What it has made of everything before."""
        self._examine(world, host)

    def look(self, world: World) -> None:
        for host in world.hosts:
            self._examine(world, host)

    def _examine(self, world: World, host: Host) -> None:
        node = host.node
        if not (host.honest and host.alive and isinstance(node, Node) and isinstance(node.engine, PbftEngine)):
            return
        core = node.engine.core
        proof = core.new_view
        if proof is None or not core.active or proof.view != core.view or self._seen.get(host.index) is proof:
            return
        self._seen[host.index] = proof
        self.seen += 1
        senders = {change.sender for change in proof.view_changes if change.view == proof.view}
        seats = weigh(self._seats, [core.committee.ids[sender] for sender in sorted(senders)])
        total = sum(self._seats.values())
        if seats < quorum_of(total):
            self.report(world, host.index, f"entered view {proof.view} by the word of {seats} of {total}")
        shown = [change.prepared for change in proof.view_changes if change.prepared is not None]
        best = max(shown, key=lambda prepared: (prepared.view, prepared.height), default=None)
        right = (best.height, best.block_hash) if best is not None else (0, core.chain.genesis.hash)
        if (core.base_height, core.base_hash) != right:
            detail = f"starts view {proof.view} from height {core.base_height}, prepared is height {right[0]}"
            self.report(world, host.index, detail)
