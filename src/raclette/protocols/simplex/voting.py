"""An iteration: propose, vote, lose patience, notarize, go on. Chan & Pass 2023, section 2.

A replica is in one iteration at a time. It votes there for the first proposal of the leader that extends a notarized
chain, and for the dummy block when its patience is over; either notarization takes it to the next iteration. If it was
a block's and the replica has not said DUMMY, it says FINALIZE.
"""

from collections.abc import Callable, Sequence

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.primitives.errors import NotYet, PeerFault
from raclette.primitives.units import SECOND
from raclette.protocols.committee import Votes
from raclette.protocols.simplex.codec import PROOFS_MAX
from raclette.protocols.simplex.core import Core, Slot
from raclette.protocols.simplex.evidence import contradicts, encode_evidence
from raclette.protocols.simplex.finality import Finality
from raclette.protocols.simplex.messages import Proposal, Vote
from raclette.protocols.simplex.records import Promises
from raclette.protocols.simplex.statements import DUMMY_HASH, Certificate, Phase, extra_data

# Accusations remembered so that each is made once; a forgotten one is only repeated.
ACCUSED_MAX = 1_024


def signatures_for(votes: dict[int, Vote], block_hash: bytes) -> Votes:
    """(number, signature) of the replicas whose vote is for exactly this block, numbers ascending."""
    # SIM-6: votes for different blocks are never added together; those of different iterations never meet.
    return tuple(
        sorted((number, vote.claim.signature) for number, vote in votes.items() if vote.block_hash == block_hash)
    )


class Voting:
    """Votes, certificates and proposals of one replica."""

    def __init__(self, core: Core, finality: Finality, check_header: Callable[[Header, Header, int], None]) -> None:
        self.core = core
        self.finality = finality
        # Raises InvalidHeader; `now` in nanoseconds.
        self.check_header = check_header
        # (iteration, sender): a liar is accused once for each iteration.
        self.accused: dict[tuple[int, int], None] = {}

    # --- what arrives ---------------------------------------------------------------------------------------------

    def on_proposal(self, message: Proposal) -> None:
        """Learn from its notarizations, and keep it until its turn; its signature is the leader's vote."""
        core = self.core
        for certificate in message.certificates:
            self.learn(certificate)
        if message.sender == core.me or not core.in_window(message.iteration):
            return
        self.on_vote(message.vote)
        if message.block is None or message.iteration < core.iteration:
            return
        slot = core.slot(message.iteration)
        # SIM-10: the first proposal of a leader is the only one.
        if slot.proposal is None and slot.votes[Phase.NOTARIZED][message.sender].block_hash == message.header.hash:
            slot.proposal = message

    def on_vote(self, vote: Vote) -> None:
        """SIM-6, SIM-51: file it, unless its author has spoken; a contradiction is evidence."""
        core = self.core
        if vote.sender == core.me or not core.in_window(vote.iteration):
            return
        slot = core.slot(vote.iteration)
        for phase, said in slot.votes.items():
            earlier = said.get(vote.sender)
            if earlier is not None and contradicts(phase, earlier.block_hash, vote.phase, vote.block_hash):
                self._accuse(earlier, vote)
                return
        votes = slot.votes[vote.phase]
        if vote.sender not in votes:
            votes[vote.sender] = vote
            core.touched[vote.iteration, vote.phase] = None

    def _accuse(self, earlier: Vote, later: Vote) -> None:
        place = (later.iteration, later.sender)
        if place in self.accused:
            return
        self.accused[place] = None
        if len(self.accused) > ACCUSED_MAX:
            del self.accused[next(iter(self.accused))]
        # SIM-50: both signed statements, as one proof.
        reason = "equivocation" if earlier.phase is later.phase else "dummy-and-finalize"
        self.core.accuse(later.sender, f"{reason}-{later.kind}", encode_evidence(earlier, later))

    # --- certificates ---------------------------------------------------------------------------------------------

    def learn(self, certificate: Certificate) -> None:
        """SIM-20: a certificate, ours or somebody's, for any iteration above the last final one."""
        core = self.core
        phase, iteration = certificate.phase, certificate.iteration
        if phase is Phase.FINALIZED:
            self.finality.on_quorum(certificate)
            return
        book = core.dummies if phase is Phase.DUMMY else core.notarized
        if iteration <= core.final_iteration or iteration in book:
            return
        book[iteration] = certificate
        # SIM-41: after everybody has crashed nobody could make it again.
        core.persist_certificate(certificate)
        if iteration >= core.iteration and core.me is not None:
            self._leave(certificate, core.me)

    def catch_up(self, me: int) -> None:
        """SIM-43: after a restart. If the crash came between a notarization and the promise that goes with it, we are
        still where it should have taken us from; it is known, so nobody could show it to us again."""
        core = self.core
        ahead = [
            certificate
            for book in (core.dummies, core.notarized)
            for iteration, certificate in book.items()
            if iteration >= core.iteration
        ]
        if ahead:
            self._leave(max(ahead, key=lambda certificate: certificate.iteration), me)

    def _leave(self, certificate: Certificate, me: int) -> None:
        """SIM-21: the notarization of our iteration, or of one beyond it, takes us to the next."""
        core = self.core
        said = core.promises
        finalizes = self.may_finalize(certificate)
        finalized = (certificate.iteration, certificate.block_hash) if finalizes else ()
        core.promises = Promises(
            certificate.iteration + 1, b"", False, *(finalized or (said.finalized_iteration, said.finalized_hash))
        )
        core.forget_old()
        # SIM-42: what we promise by going on is on disk before anybody hears of it.
        core.persist_promises()
        core.broadcast(core.codec.make_notarized(certificate))
        if finalizes:
            vote = core.own_vote(Phase.FINALIZED, certificate.iteration, certificate.block_hash, me)
            core.file_own(vote)
            core.broadcast(vote)

    def may_finalize(self, certificate: Certificate) -> bool:
        """SIM-22: a block's notarization, and we have not said DUMMY in its iteration. Nor shall we: we leave it."""
        core = self.core
        is_block = certificate.phase is Phase.NOTARIZED
        return is_block and not (certificate.iteration == core.iteration and core.promises.dummied)

    # --- what follows from it -------------------------------------------------------------------------------------

    def advance(self) -> None:
        """Do everything that the votes and proposals at hand allow."""
        core = self.core
        if core.me is None:
            return
        while True:
            while core.touched:
                iteration, phase = min(core.touched)
                del core.touched[iteration, phase]
                self._count(iteration, phase)
            self._find_tip()
            if not self._accept(core.me):
                return

    def _count(self, iteration: int, phase: Phase) -> None:
        """SIM-4: equal votes of a quorum in one iteration."""
        committee = self.core.committee
        slot = self.core.slots.get(iteration)
        votes = slot.votes[phase] if slot is not None else {}
        if committee.weigh(votes) < committee.quorum or (
            phase is not Phase.FINALIZED and self._is_known(iteration, phase)
        ):
            return
        for block_hash in dict.fromkeys(vote.block_hash for vote in votes.values()):
            signatures = signatures_for(votes, block_hash)
            if committee.weigh_votes(signatures) >= committee.quorum:
                self.learn(Certificate(phase, iteration, block_hash, committee.fewest_votes(signatures)))
                return

    def _is_known(self, iteration: int, phase: Phase) -> bool:
        return iteration in (self.core.dummies if phase is Phase.DUMMY else self.core.notarized)

    def _find_tip(self) -> None:
        """SIM-46: the highest notarized block is what the next one extends: whoever lacks it asks a voter for it."""
        core = self.core
        if not core.notarized:
            return
        highest = core.notarized[max(core.notarized)]
        if core.chain.header(highest.block_hash) is None:
            core.want_from(highest)

    def _accept(self, me: int) -> bool:
        """Vote for the proposal of our iteration, if there is one and it may be voted for."""
        core = self.core
        slot = core.slots.get(core.iteration)
        # SIM-11: never two votes in one iteration, restarts included.
        if slot is None or slot.proposal is None or slot.refused or core.promises.voted:
            return False
        header, block = slot.proposal.header, slot.proposal.block
        parent = core.chain.header(header.parent_hash)
        if parent is None:
            self._fetch_parent(header, slot.proposal.sender)
        if block is None or parent is None or not self.extends_notarized(parent, core.iteration):
            return False
        if header.timestamp > core.now // SECOND + core.parameters.clock_drift_s:
            return False
        sender = slot.proposal.sender
        try:
            reason = self._refusal(parent, header, block)
        except NotYet:
            # SIM-71: nobody's fault; it stays, and is looked at again at the next event.
            return False
        slot.proposal = None
        if reason:
            slot.refused = True
            core.accuse(sender, reason)
            return False
        core.broadcast(self._cast(me, block))
        return True

    def _fetch_parent(self, header: Header, leader: int) -> None:
        """A notarized block that the leader extends need not be the highest."""
        core = self.core
        if any(known.block_hash == header.parent_hash for known in core.notarized.values()):
            core.want(header.parent_hash, core.committee.ids[leader])

    def extends_notarized(self, parent: Header, iteration: int) -> bool:
        """SIM-12: is `parent` notarized or final, and every iteration between it and `iteration` a notarized dummy?"""
        core = self.core
        begun = core.iteration_of(parent)
        if parent.hash != core.final.hash:
            known = core.notarized.get(begun)
            if known is None or known.block_hash != parent.hash or core.path_from_final(parent) is None:
                return False
        return all(between in core.dummies for between in range(begun + 1, iteration))

    def _refusal(self, parent: Header, header: Header, block: Block) -> str:
        """Why this block may not be voted for; empty if it may. SIM-13: header, execution and roots. Raises NotYet if
        that cannot be said."""
        try:
            self.check_header(header, parent, self.core.now)
            self.core.chain.check(block)
        except NotYet:
            raise
        except PeerFault as fault:
            return f"proposal-{fault.reason}"
        return ""

    def _cast(self, me: int, block: Block) -> Vote:
        """Record our vote, on disk first; the caller then sends it."""
        core = self.core
        # SIM-14: the block, then the promise, then the word.
        core.persist_body(block, core.iteration_of(block.header))
        core.promises.voted = block.hash
        core.persist_promises()
        vote = core.own_vote(Phase.NOTARIZED, core.iteration, block.hash, me)
        core.file_own(vote)
        return vote

    def lose_patience(self) -> None:
        """SIM-30: the timer of our iteration has run out: vote for its dummy block, once."""
        core = self.core
        if core.me is None or core.promises.dummied:
            return
        core.promises.dummied = True
        core.persist_promises()
        vote = core.own_vote(Phase.DUMMY, core.iteration, DUMMY_HASH, core.me)
        core.file_own(vote)
        core.broadcast(vote)

    # --- proposing ------------------------------------------------------------------------------------------------

    def parent(self) -> Header | None:
        """SIM-15: the notarized block of the latest iteration that only dummy blocks follow, or the final block; None
        while a certificate or the block is missing."""
        core = self.core
        for iteration in range(core.iteration - 1, core.final_iteration, -1):
            known = core.notarized.get(iteration)
            header = core.chain.header(known.block_hash) if known is not None else None
            if header is not None and core.path_from_final(header) is not None:
                return header
            if iteration not in core.dummies:
                return None
        return core.final

    def propose(self, *, fill: bool) -> None:
        """SIM-16: at once if transactions wait; an empty block only to make the notarized one before it final."""
        core = self.core
        if not core.is_leader or core.me is None or core.promises.voted:
            return
        parent = self.parent()
        if parent is None:
            return
        fills = fill and parent.number > core.final.number
        if not (core.chain.has_pending(parent) or fills or core.frame.wanted(parent)):
            return
        # SIM-72: what our block carries for an engine around us.
        mark = core.frame.mark(parent, core.now)
        draft = Draft(
            # SIM-18: not before the parent.
            timestamp=max(parent.timestamp, core.now // SECOND),
            beneficiary=core.beneficiary,
            extra_data=extra_data(core.signer.public_key, core.iteration),
            mix_hash=mark.mix_hash,
            nonce=mark.nonce,
        )
        block = core.chain.build(parent, draft)
        if parent.number == core.final.number and not core.frame.worth(block):
            return
        core.chain.check(block)
        vote = self._cast(core.me, block)
        self.announce(block, parent, vote)
        self.advance()

    def announce(self, block: Block, parent: Header, vote: Vote) -> None:
        """SIM-17: with the notarizations of its parent and of every dummy block since; what does not fit goes ahead."""
        core = self.core
        certificates = self._shown(parent, vote.iteration)
        for certificate in certificates[:-PROOFS_MAX]:
            core.broadcast(core.codec.make_notarized(certificate))
        shown = tuple(certificates[-PROOFS_MAX:])
        message = core.codec.make_proposal(block.header, vote.claim.signature, shown)
        core.broadcast(message.with_block(block))

    def own_proposal(self, vote: Vote) -> Proposal | None:
        """Our proposal once more, for somebody who missed it; None if it, or its parent, is no longer at hand."""
        core = self.core
        block = core.chain.block(vote.block_hash)
        parent = core.chain.header(block.parent_hash) if block is not None else None
        if block is None or parent is None:
            return None
        shown = tuple(self._shown(parent, vote.iteration)[-PROOFS_MAX:])
        return core.codec.make_proposal(block.header, vote.claim.signature, shown).with_block(block)

    def _shown(self, parent: Header, iteration: int) -> list[Certificate]:
        core = self.core
        certificates: list[Certificate] = []
        begun = core.iteration_of(parent)
        proof = core.final_proof if parent.hash == core.final.hash else core.notarized.get(begun)
        if proof is not None:
            certificates.append(proof)
        between = range(begun + 1, iteration)
        certificates += [core.dummies[skipped] for skipped in between if skipped in core.dummies]
        return certificates

    def in_play(self) -> bool:
        """Is the leader's block of our iteration at hand, voted for or not?"""
        slot: Slot | None = self.core.slots.get(self.core.iteration)
        return bool(self.core.promises.voted) or (slot is not None and slot.proposal is not None)

    def impatient(self) -> int:
        """How many seats have voted for the dummy block of our iteration."""
        slot = self.core.slots.get(self.core.iteration)
        return 0 if slot is None else self.core.committee.weigh(slot.votes[Phase.DUMMY])


def own_votes(slots: dict[int, Slot], me: int, iterations: Sequence[int]) -> list[Vote]:
    """What we said in these iterations, in order."""
    return [
        slots[iteration].votes[phase][me]
        for iteration in iterations
        if iteration in slots
        for phase in Phase
        if me in slots[iteration].votes[phase]
    ]
