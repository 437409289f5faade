"""Surviving loss, crashes and absence: repeat what matters, help who is behind, read one's own records back.

Retransmission is by status, as in the BFT library of Castro's thesis (2001, section 5.2): a replica that is stuck says
where it stands, and whoever sees what it lacks sends exactly that. Answers are bounded per peer and period.
"""

from raclette.primitives.errors import PeerFault
from raclette.protocols.helping import Helping
from raclette.protocols.pbft.checkpoints import Checkpoints
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.finality import Finality
from raclette.protocols.pbft.messages import Committed, PbftMessage, PrePrepare, Status
from raclette.protocols.pbft.records import Restored

# Heights for which one answer repeats our votes, in pipelines.
HELP_PIPELINES = 2
# CHECKPOINTs repeated in one answer.
HELP_CHECKPOINTS = 4
# Ticks between statuses of a replica that has nothing to do: how soon a restarted or cut-off one notices.
IDLE_TICKS = 8


class Recovery(Helping[Status]):
    """See the module."""

    def __init__(self, core: Core, finality: Finality, checkpoints: Checkpoints, period: int) -> None:
        super().__init__(core, period)
        self.core = core
        self.finality = finality
        self.checkpoints = checkpoints
        # replica -> highest height it named beyond our window.
        self._beyond: dict[int, int] = {}
        self._idle_ticks = 0
        self._final_at_tick = -1
        self._status_sent = -period

    # --- asking ---------------------------------------------------------------------------------------------------

    def on_tick(self, *, unsettled: bool) -> None:
        """PBFT-44: say again what the others may have missed, if nothing moved since the last tick."""
        core = self.core
        stuck = unsettled and core.final.number == self._final_at_tick
        self._final_at_tick = core.final.number
        self._idle_ticks += 1
        if core.wanted and stuck:
            core.ask_again()
        if core.me is None:
            return
        if stuck or self._idle_ticks >= IDLE_TICKS:
            self._idle_ticks = 0
            self.send_status()
        if stuck and not core.active and core.me in core.view_changes:
            core.broadcast(core.view_changes[core.me])

    def status(self) -> Status:
        """Where we stand."""
        core = self.core
        tip = core.tip.number if core.tip is not None else core.start
        return Status(core.view, core.active, core.final.number, tip, core.low)

    def send_status(self) -> None:
        """To everybody."""
        self._status_sent = self.core.now
        self.core.broadcast(self.status())

    def note_beyond(self, sender: int, height: int) -> None:
        """PBFT-45: f+1 replicas work beyond our window, so an honest one does: we are behind, ask."""
        core = self.core
        if sender == core.me:
            return
        self._beyond[sender] = max(height, self._beyond.get(sender, 0))
        beyond = [number for number, named in self._beyond.items() if named > core.high]
        if core.committee.weigh(beyond) > core.committee.faults and core.now - self._status_sent >= self.period // 2:
            self.send_status()

    # --- answering ------------------------------------------------------------------------------------------------

    def answers(self, status: Status, me: int) -> list[PbftMessage]:
        """PBFT-53."""
        core = self.core
        answers: list[PbftMessage] = []
        behind = (status.view, status.active) < (core.view, core.active)
        if behind and core.active and core.new_view is not None:
            answers.append(core.new_view)
        elif not core.active and me in core.view_changes and status.view <= core.view:
            answers.append(core.view_changes[me])
        if status.final < core.final.number or (behind and core.active and core.new_view is None):
            committed = self.decided(Committed, core.codec.finality_claims)
            if committed is not None:
                answers.append(committed)
        if status.view <= core.view and core.active:
            answers += self._votes_above(status, me)
        answers += self.checkpoints.own_votes_above(status.low)[:HELP_CHECKPOINTS]
        if status.view > core.view or status.final > core.final.number:
            answers.append(self.status())
        return answers

    def _votes_above(self, status: Status, me: int) -> list[PbftMessage]:
        """Our proposals and votes of this view above what the replica has finalised."""
        core = self.core
        heights = sorted(height for height in core.voted if height > status.final)
        answers: list[PbftMessage] = []
        for height in heights[: HELP_PIPELINES * core.parameters.pipeline]:
            slot = core.slots.get(height)
            prepare = slot.prepares.get(me) if slot is not None else None
            if slot is None or prepare is None or prepare.view != core.view:
                continue
            block = core.chain.block(prepare.block_hash)
            lacks = status.tip < height or status.view < core.view
            if core.is_primary and height > core.base_height and block is not None and lacks:
                answers.append(PrePrepare(core.view, block.header, me, prepare.claim, block))
            else:
                answers.append(prepare)
            commit = slot.commits.get(me)
            if commit is not None and commit.view == core.view:
                answers.append(commit)
        return answers

    # --- after a restart ------------------------------------------------------------------------------------------

    def restore(self, state: Restored) -> None:
        """PBFT-43: take up the view, the promises and the proofs that our records hold."""
        core = self.core
        core.prepared = state.prepared
        for block in state.blocks:
            core.bodies[block.hash] = block.number
        if state.view > 0:
            core.view, core.new_view = state.view, state.new_view
            core.base_height, core.base_hash = state.base_height, state.base_hash
        if state.checkpoint is not None and state.checkpoint.height <= core.final.number:
            core.checkpoint = state.checkpoint
            core.low = state.checkpoint.height
        if core.final.number > core.high:
            core.low = core.final.number - core.final.number % core.parameters.checkpoint_interval
        if state.view_change is not None and state.view_change.view > core.view and core.me is not None:
            core.view, core.active = state.view_change.view, False
            core.view_changes[core.me] = state.view_change
        if core.active:
            core.voted = {
                height: block_hash
                for height, (view, block_hash) in sorted(state.votes.items())
                if view == core.view and height > core.low
            }

    def rejoin(self, state: Restored) -> None:
        """Put unfinalised blocks back into the chain, walk to the tip we had accepted, and repeat our votes
        and checkpoints."""
        core = self.core
        for block in state.blocks:
            if block.number > core.final.number:
                try:
                    core.chain.check(block)
                except PeerFault:
                    continue
        if core.me is None:
            return
        self.checkpoints.repeat_own()
        if core.active:
            self._walk_to_tip(core.me)
        elif core.me in core.view_changes:
            core.broadcast(core.view_changes[core.me])
        self.send_status()

    def _walk_to_tip(self, me: int) -> None:
        core = self.core
        tip = core.chain.genesis if core.base_height == core.start else core.chain.header(core.base_hash)
        # PBFT-74: what proves the block that we start from is not ours to read.
        final_proof = core.chain.certificate(core.final.hash) if core.final.number > core.start else b""
        if final_proof:
            proof = core.codec.decode_finality(core.final, final_proof)
            if proof.view == core.view and proof.top is core.final and (tip is None or tip.number < core.final.number):
                tip = core.final
        followers = {height: core.chain.header(block_hash) for height, block_hash in core.voted.items()}
        while tip is not None:
            child = followers.get(tip.number + 1)
            if child is None or child.parent_hash != tip.hash:
                break
            tip = child
        for height, block_hash in core.voted.items():
            prepare = core.own_prepare(core.view, height, block_hash, me)
            core.slot(height).prepares[me] = prepare
            core.touched.add(height)
            block = core.chain.block(block_hash)
            if core.is_primary and block is not None and height > core.base_height:
                core.broadcast(PrePrepare(core.view, block.header, me, prepare.claim, block))
            else:
                core.broadcast(prepare)
        core.tip = tip
