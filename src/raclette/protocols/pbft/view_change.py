"""Leaving a view whose primary owes us a block, and agreeing where the next one starts. Castro & Liskov 1999, 4.4."""

from raclette.protocols.pbft import records
from raclette.protocols.pbft.checkpoints import Checkpoints
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.messages import NewView, ViewChange
from raclette.protocols.pbft.views import Base, choose_base, enter_view


class ViewChanging:
    """Collects VIEW-CHANGEs; makes and checks NEW-VIEWs. At most one VIEW-CHANGE per replica is kept."""

    def __init__(self, core: Core, checkpoints: Checkpoints) -> None:
        self.core = core
        self.checkpoints = checkpoints

    def start(self, view: int) -> None:
        """Stop voting below `view` and say so."""
        core = self.core
        if core.me is None:
            return
        change = core.own_view_change(view, core.checkpoint, core.prepared, core.me)
        core.view = view
        core.active = False
        core.tip = None
        core.voted.clear()
        for slot in core.slots.values():
            slot.proposal = None
        core.view_changes[core.me] = change
        # PBFT-42: after a restart we still have left the old view.
        core.persist(records.VIEW_CHANGE, core.codec.encode(change))
        core.broadcast(change)
        self._try_new_view()

    def on_view_change(self, change: ViewChange) -> None:
        """Keep it if it is its author's latest; follow f+1 others; as the primary of its view, count."""
        core = self.core
        if change.sender == core.me or change.view < core.view or (change.view == core.view and core.active):
            return
        kept = core.view_changes.get(change.sender)
        if (kept is not None and kept.view >= change.view) or not is_valid(change, core.start):
            return
        core.view_changes[change.sender] = change
        if change.checkpoint is not None:
            self.checkpoints.learn(change.checkpoint)
        self._follow_others()
        self._try_new_view()

    def _follow_others(self) -> None:
        """PBFT-35: f+1 replicas are beyond us, so an honest one is: go where it is, timer or not.

        Castro & Liskov 1999, 4.5.2. We take the highest view that f+1 have reached.
        """
        core = self.core
        others = [(change.view, sender) for sender, change in core.view_changes.items() if sender != core.me]
        seats = 0
        for view, sender in sorted(others, reverse=True):
            seats += core.committee.weights[sender]
            if seats > core.committee.faults:
                if view > core.view:
                    self.start(view)
                return

    @property
    def is_quorum_waiting(self) -> bool:
        """PBFT-36: has a quorum left for our view or beyond? Only then does the view timer run again."""
        core = self.core
        waiting = [sender for sender, change in core.view_changes.items() if change.view >= core.view]
        return core.committee.weigh(waiting) >= core.committee.quorum

    def _try_new_view(self) -> None:
        core = self.core
        if core.active or core.me is None or core.committee.primary(core.view) != core.me:
            return
        senders = [sender for sender, change in core.view_changes.items() if change.view == core.view]
        if core.committee.weigh(senders) < core.committee.quorum:
            return
        # PBFT-31: the primary of the new view shows why it exists.
        view_changes = tuple(core.view_changes[sender] for sender in core.committee.fewest(senders))
        message = core.own_new_view(core.view, view_changes)
        self._enter(message)
        core.broadcast(message)

    def on_new_view(self, message: NewView) -> None:
        """Check it whole, recompute its choice, enter."""
        core = self.core
        if message.view < core.view or (message.view == core.view and core.active) or message.sender == core.me:
            return
        if not self.proves(message):
            core.accuse(message.sender, "new-view-proof")
            return
        self._enter(message)

    def proves(self, message: NewView) -> bool:
        """PBFT-34: VIEW-CHANGEs of a quorum of distinct replicas, each for this view and valid by itself."""
        senders = {change.sender for change in message.view_changes}
        return (
            len(senders) == len(message.view_changes)
            and self.core.committee.weigh(senders) >= self.core.committee.quorum
            and message.view > 0
            and all(
                change.view == message.view and is_valid(change, self.core.start) for change in message.view_changes
            )
        )

    def choose(self, message: NewView) -> Base:
        """Everybody computes it from the same VIEW-CHANGEs; the primary has no say."""
        return choose_base(message.view_changes, self.core.chain.genesis)

    def _enter(self, message: NewView) -> None:
        core = self.core
        base = self.choose(message)
        enter_view(core, message.view, base.height, base.block_hash, message)
        if base.holder is not None and base.holder != core.me and core.chain.header(base.block_hash) is None:
            core.want(base.block_hash, core.committee.ids[base.holder])
        for change in message.view_changes:
            if change.checkpoint is not None:
                self.checkpoints.learn(change.checkpoint)


def is_valid(change: ViewChange, start: int) -> bool:
    """PBFT-38: what the signatures alone do not say. One that fails is ignored by itself, the others count. `start` is
    the number of the block that everybody starts from."""
    prepared, checkpoint = change.prepared, change.checkpoint
    if prepared is not None and (prepared.view >= change.view or prepared.height <= start):
        return False
    return checkpoint is None or (checkpoint.view == 0 and checkpoint.height > start)
