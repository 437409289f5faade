"""The normal case: pre-prepare, prepare, commit. Castro & Liskov 1999, 4.2, on a chain of blocks.

Several blocks are in flight: the primary builds block h+1 on its own uncommitted block h. A replica accepts a proposal
only on top of the last block it accepted in the same view, so its PREPARE for h speaks for the whole chain up to h.
"""

from collections.abc import Callable, Sequence
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.primitives.errors import NotYet, PeerFault
from raclette.primitives.units import SECOND
from raclette.protocols.pbft import records
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.evidence import encode_evidence
from raclette.protocols.pbft.finality import Finality
from raclette.protocols.pbft.log import Filing, file_vote, signatures_for, statements_in
from raclette.protocols.pbft.messages import Prepare, PrePrepare, Vote
from raclette.protocols.pbft.quorum import Certificate

# Proposals kept above the last final block, in pipelines: one in flight, one that overtook its NEW-VIEW or base, one
# for a replica whose commits are late. More is fetched later.
PROPOSALS_KEPT = 3
# Accusations remembered so that each is made once; a forgotten one is only repeated.
ACCUSED_MAX = 1_024


class Ordering:
    """Votes on proposals and makes them."""

    def __init__(self, core: Core, finality: Finality, check_header: Callable[[Header, Header, int], None]) -> None:
        self.core = core
        self.finality = finality
        # Raises InvalidHeader; `now` in nanoseconds.
        self.check_header = check_header
        # (phase, view, height, sender): a liar is accused once per place.
        self.accused: dict[tuple[str, int, int, int], None] = {}

    # --- what arrives ---------------------------------------------------------------------------------------------

    def on_pre_prepare(self, message: PrePrepare) -> None:
        """Keep the proposal until its turn; its signature is the primary's PREPARE."""
        core = self.core
        height = message.header.number
        if message.sender == core.me or not core.in_window(height):
            return
        if self.on_vote(message.vote) is Filing.CONFLICT:
            return
        if message.view != core.view or message.block is None or (core.tip is not None and height <= core.tip.number):
            return
        if not core.final.number < height <= core.final.number + PROPOSALS_KEPT * core.parameters.pipeline:
            return
        slot = core.slot(height)
        # PBFT-10: the first proposal of a view for a height is the only one.
        if slot.proposal is None or slot.proposal.view < message.view:
            slot.proposal = message

    def on_vote(self, vote: Vote) -> Filing:
        """File a PREPARE or COMMIT."""
        core = self.core
        if vote.sender == core.me or not core.in_window(vote.height):
            return Filing.OLD
        filed = self._filed(type(vote), vote.height)
        filing = file_vote(filed, vote)
        if filing is Filing.NEW:
            core.touched.add(vote.height)
        elif filing is Filing.CONFLICT:
            self._accuse(filed[vote.sender], vote)
        return filing

    def on_phase(self, votes: Sequence[Vote]) -> bool:
        """File votes of one phase that a host held back, in one step, where that is the same as one by one: they are
        for one height in the window, and there is nothing to compare, because no author is named twice or has said
        anything there yet. Else do nothing; False then."""
        core = self.core
        heights = {vote.height for vote in votes}
        if len(heights) > 1 or not core.in_window(height := votes[0].height):
            return False
        filed = self._filed(type(votes[0]), height)
        said = {vote.sender: vote for vote in votes}
        if len(said) < len(votes) or core.me in said or not said.keys().isdisjoint(filed):
            return False
        filed.update(said)
        core.touched.add(height)
        return True

    def _filed(self, phase: type[Vote], height: int) -> dict[int, Any]:
        """Who said what in this phase at this height."""
        slot = self.core.slot(height)
        return slot.prepares if issubclass(phase, Prepare) else slot.commits

    def _accuse(self, earlier: Vote, later: Vote) -> None:
        place = (later.kind, later.view, later.height, later.sender)
        if place in self.accused:
            return
        self.accused[place] = None
        if len(self.accused) > ACCUSED_MAX:
            del self.accused[next(iter(self.accused))]
        # PBFT-50: both signed statements, as one proof.
        self.core.accuse(later.sender, f"equivocation-{later.kind}", encode_evidence(earlier, later))

    # --- what follows from it -------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Do everything that the votes and proposals at hand allow."""
        core = self.core
        if core.me is None:
            return
        while True:
            self._find_base(core.me)
            while self._accept_next(core.me):
                pass
            if not core.touched:
                return
            height = min(core.touched)
            core.touched.discard(height)
            self._check_prepared(height, core.me)
            self._check_committed(height)

    def _find_base(self, me: int) -> None:
        """PBFT-33: the base is the first block voted on in a view; whoever lacks it fetches it."""
        core = self.core
        if core.tip is not None or not core.active:
            return
        base = core.chain.genesis if core.base_height == core.start else core.chain.header(core.base_hash)
        if base is None:
            core.want(core.base_hash, core.committee.ids[core.committee.primary(core.view)])
            return
        core.tip = base
        if core.new_view is not None and core.in_window(base.number):
            # PBFT-49: our PREPARE for the base promises its unfinal ancestors too.
            for header in core.path_from_final(base) or []:
                ancestor = core.chain.block(header.hash)
                if ancestor is not None:
                    core.persist_body(ancestor, ancestor.number)
            core.broadcast(self._cast(me, base, None))

    def _accept_next(self, me: int) -> bool:
        core = self.core
        if core.tip is None or not core.active:
            return False
        height = core.tip.number + 1
        slot = core.slots.get(height)
        if slot is None or slot.proposal is None or slot.proposal.view != core.view or slot.refused_view == core.view:
            return False
        header, block = slot.proposal.header, slot.proposal.block
        # PBFT-11: never two PREPAREs for one (view, height), restarts included.
        if block is None or core.voted.get(height, header.hash) != header.hash:
            slot.proposal = None
            return False
        if header.timestamp > core.now // SECOND + core.parameters.clock_drift_s:
            return False
        try:
            reason = self._refusal(core.tip, slot.proposal.sender, header, block)
        except NotYet:
            # PBFT-71: nobody's fault; it stays, and is looked at again at the next event.
            return False
        slot.proposal = None
        if reason:
            slot.refused_view = core.view
            core.accuse(core.committee.primary(core.view), reason)
            return False
        prepare = self._cast(me, header, block)
        core.tip = header
        core.broadcast(prepare)
        return True

    def _refusal(self, tip: Header, sender: int, header: Header, block: Block) -> str:
        """Why this block may not follow our tip in this view; empty if it may. Raises NotYet if that cannot be said."""
        core = self.core
        # PBFT-12: the parent is the block we accepted before it in this view.
        if header.parent_hash != tip.hash:
            return "proposal-parent"
        # PBFT-13: made by this view's primary, and worth its height.
        if header.extra_data != core.committee.ids[sender]:
            return "proposal-author"
        if not core.frame.worth(block):
            return "proposal-empty"
        try:
            self.check_header(header, tip, core.now)
            core.chain.check(block)
        except NotYet:
            raise
        except PeerFault as fault:
            return f"proposal-{fault.reason}"
        return ""

    def _cast(self, me: int, header: Header, block: Block | None) -> Prepare:
        """Record our PREPARE, on disk first; the caller then sends it."""
        core = self.core
        height = header.number
        if height not in core.voted:
            if block is not None:
                core.persist_body(block, block.number)
            key = records.vote_key(height, core.parameters.window)
            # PBFT-14: a replica that forgot its vote could be asked twice.
            core.persist(key, records.encode_vote(core.view, height, header.hash))
            core.voted[height] = header.hash
        prepare = core.own_prepare(core.view, height, header.hash, me)
        core.slot(height).prepares[me] = prepare
        core.touched.add(height)
        return prepare

    def _check_prepared(self, height: int, me: int) -> None:
        """PBFT-20: a quorum of PREPAREs for what we accepted: commit to it."""
        core = self.core
        slot, block_hash = core.slots.get(height), core.voted.get(height)
        if slot is None or block_hash is None or not core.active or slot.committed_view == core.view:
            return
        if core.committee.weigh(slot.prepares) < core.committee.quorum:
            return
        votes = signatures_for(slot.prepares, core.view, block_hash)
        if core.committee.weigh_votes(votes) < core.committee.quorum:
            return
        certificate = Certificate(core.view, height, block_hash, core.committee.fewest_votes(votes))
        if core.prepared is None or certificate.rank > core.prepared.rank:
            # PBFT-21: what we will show in a VIEW-CHANGE must not be lost once we have committed to it.
            core.prepared = certificate
            core.persist(records.PREPARED, records.encode_certificate(core.codec, certificate))
        slot.committed_view = core.view
        commit = core.own_commit(core.view, height, block_hash, me)
        slot.commits[me] = commit
        core.broadcast(commit)

    def _check_committed(self, height: int) -> None:
        """PBFT-22: a quorum of COMMITs in one view, whatever we ourselves have seen or said."""
        core = self.core
        committee = core.committee
        slot = core.slots.get(height)
        if slot is None or height <= core.final.number or committee.weigh(slot.commits) < committee.quorum:
            return
        for view, block_hash in statements_in(slot.commits):
            votes = signatures_for(slot.commits, view, block_hash)
            if committee.weigh_votes(votes) >= committee.quorum:
                self.finality.on_quorum(view, height, block_hash, committee.fewest_votes(votes))
                return

    # --- proposing ------------------------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """Blocks accepted in this view and not final."""
        core = self.core
        return 0 if core.tip is None else max(0, core.tip.number - core.final.number)

    def propose(self, batch_due: bool) -> None:
        """PBFT-16: at once when nothing is in flight; else after gathering for `batch_delay_ms`, up to the pipeline."""
        core = self.core
        tip = core.tip
        if not core.is_primary or core.me is None or tip is None or tip.number < core.final.number:
            return
        if self.in_flight and not (batch_due and self.in_flight < core.parameters.pipeline):
            return
        height = tip.number + 1
        # PBFT-17: within the watermarks, and never twice for a height of this view.
        if not core.in_window(height) or height in core.voted:
            return
        if not core.chain.has_pending(tip) and not core.frame.wanted(tip):
            return
        # PBFT-72: what our block carries for an engine around us.
        mark = core.frame.mark(tip, core.now)
        draft = Draft(
            # PBFT-18: not before the parent.
            timestamp=max(tip.timestamp, core.now // SECOND),
            beneficiary=core.beneficiary,
            extra_data=core.committee.ids[core.me],
            mix_hash=mark.mix_hash,
            nonce=mark.nonce,
        )
        block = core.chain.build(tip, draft)
        if not core.frame.worth(block):
            return
        prepare = self._cast(core.me, block.header, block)
        core.tip = block.header
        core.broadcast(PrePrepare(core.view, block.header, core.me, prepare.claim, block))
        self.advance()
