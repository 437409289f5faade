"""The vote of a round: the leader proposes a director's block, senators check it, and sign.

PREPAREs of a quorum of seats lock a senator on the block; it says so with COMMIT. COMMITs of a quorum of seats make the
block final. A senator prepares one block a round, and in a later round only what the round's justification allows (see
`rounds`): spec/senate.md says why two quorums never decide differently.
"""

from collections.abc import Mapping
from typing import TypeVar

from raclette.primitives.errors import PeerFault
from raclette.protocols.senate.codec import reason_of
from raclette.protocols.senate.core import Core
from raclette.protocols.senate.directing import Directing
from raclette.protocols.senate.evidence import amnesia, shows_amnesia, two_proposals, two_votes
from raclette.protocols.senate.messages import Candidate, Commit, Lock, Prepare, Proposal, Vote, Votes
from raclette.protocols.senate.rounds import Rounds

AnyVote = TypeVar("AnyVote", bound=Vote)


class Voting:
    """Proposals, PREPAREs, locks, COMMITs."""

    def __init__(self, core: Core, directing: Directing, rounds: Rounds) -> None:
        self.core = core
        self.directing = directing
        self.rounds = rounds

    # --- the leader -----------------------------------------------------------------------------------------------

    def propose(self) -> None:
        """SENATE-22: once a round, the locked block if the justification shows a lock, else the best candidate."""
        core, work = self.core, self.core.work
        word = work.word
        if not work.is_open or word.is_over or not core.seats or work.senate.leader(word.round) != core.me:
            return
        # After a wiped disk we may be in a round whose justification is lost: another leader's turn will come.
        if work.proposal is not None or (word.round and work.justification is None):
            return
        proposal = self._make_proposal()
        if proposal is None or word.proposed not in (b"", proposal.header.hash):
            return
        word.proposed = proposal.header.hash
        core.keep_word()
        work.proposal = proposal
        core.tell_senate(proposal)

    def _make_proposal(self) -> Proposal | None:
        core, work = self.core, self.core.work
        lock = work.justification.lock if work.justification is not None else None
        if lock is None:
            candidate = self._best_candidate() if work.window_over else None
            if candidate is None or candidate.block is None:
                return None
            block, director_signature = candidate.block, candidate.claim.signature
        else:
            locked = core.chain.block(lock.block_hash)
            if locked is None:
                core.want(lock.block_hash, next(node for node, _ in lock.votes if node != core.me))
                return None
            block, director_signature = locked, b""
        reason = reason_of(work.justification)
        claim = core.sign(core.statements.proposal_digest(work.height, work.round, block.hash, reason))
        proposal = core.codec.make_proposal(
            work.round, block.header, work.justification, director_signature, core.me, claim.signature
        )
        return proposal.with_block(block)

    def _best_candidate(self) -> Candidate | None:
        """The lowest ticket whose block is valid; directors of others are accused."""
        core, work = self.core, self.core.work
        while True:
            candidate = self.directing.best()
            if candidate is None or candidate.block is None:
                return None
            try:
                core.chain.check(candidate.block)
            except PeerFault as fault:
                core.accuse(candidate.sender, fault.reason)
                del work.candidates[candidate.sender]
                del work.entries[candidate.sender]
                continue
            return candidate

    # --- what arrives ---------------------------------------------------------------------------------------------

    def on_proposal(self, proposal: Proposal) -> None:
        """Keep the proposal of our round; enter a later one if it shows that it exists."""
        core, work = self.core, self.core.work
        if proposal.header.parent_hash != work.parent.hash or proposal.block is None or proposal.sender == core.me:
            return
        if proposal.sender != work.senate.leader(proposal.round):
            core.accuse(proposal.sender, "not-leader")
            return
        if proposal.justification is not None and not self.rounds.is_valid(proposal.justification):
            core.accuse(proposal.sender, "bad-justification")
            return
        if proposal.round > work.round and proposal.justification is not None:
            self.rounds.begin(proposal.round, proposal.justification)
        if proposal.round != work.round:
            return
        if work.proposal is None:
            work.proposal = proposal
        elif work.proposal.header.hash != proposal.header.hash:
            # SENATE-5
            core.accuse(proposal.sender, "two-proposals", two_proposals(work.proposal, proposal))

    def on_vote(self, vote: Vote) -> None:
        """File a PREPARE or COMMIT."""
        core, work = self.core, self.core.work
        if vote.sender == core.me:
            return
        if vote.sender not in work.senate.weights:
            # SENATE-7: no seat, no vote.
            core.accuse(vote.sender, "no-seat")
            return
        if isinstance(vote, Prepare):
            self._file(work.prepares, vote)
        elif isinstance(vote, Commit):
            self._file(work.commits, vote)
            self.compare(vote.sender)

    def _file(self, votes: dict[bytes, AnyVote], vote: AnyVote) -> None:
        old = votes.get(vote.sender)
        if old is None or old.round < vote.round:
            votes[vote.sender] = vote
        elif old.round == vote.round and old.block_hash != vote.block_hash:
            # SENATE-5: a vote counts once; a second, different one is evidence.
            self.core.accuse(vote.sender, "two-votes", two_votes(old, vote))

    def compare(self, sender: bytes) -> None:
        """SENATE-26: does a senator's last TIMEOUT forget what it was locked on?"""
        commit, timeout = self.core.work.commits.get(sender), self.core.work.timeouts.get(sender)
        if commit is not None and timeout is not None and shows_amnesia(commit, timeout):
            self.core.accuse(sender, "amnesia", amnesia(commit, timeout))

    # --- what follows ---------------------------------------------------------------------------------------------

    def prepare(self) -> bool:
        """SENATE-23: vote for the round's proposal if it is right in every respect. True if we voted."""
        core, work = self.core, self.core.work
        word, proposal = work.word, work.proposal
        if proposal is None or proposal.block is None or not core.seats or work.is_refused or word.is_over:
            return False
        if proposal.round != word.round or word.prepared not in (b"", proposal.header.hash):
            return False
        if word.prepared and core.me in work.prepares:
            return False
        if not self._is_right(proposal):
            work.is_refused = True
            return False
        word.prepared = proposal.header.hash
        core.keep_word()
        self.say_prepare()
        return True

    def _is_right(self, proposal: Proposal) -> bool:
        core, work = self.core, self.core.work
        ticket = self.directing.judge(proposal.header, proposal.sender)
        if ticket is None or proposal.block is None:
            return False
        lock = proposal.justification.lock if proposal.justification is not None else None
        if lock is not None:
            # SENATE-27: what a quorum may have decided is proposed again, and nothing else.
            if proposal.header.hash != lock.block_hash:
                core.accuse(proposal.sender, "lock-ignored")
                return False
        elif work.rank(ticket) > work.round:
            # SENATE-17: a leader may not pass over better tickets as long as the round is young. Nobody is accused:
            # the leader need not have heard of them.
            return False
        try:
            core.chain.check(proposal.block)
        except PeerFault as fault:
            core.accuse(ticket.director, fault.reason)
            return False
        return True

    def say_prepare(self) -> None:
        """Our PREPARE of this round, to the senate."""
        core, work = self.core, self.core.work
        vote = core.own_vote(Prepare, work.height, work.word.round, work.word.prepared)
        work.prepares[core.me] = vote
        core.tell_senate(vote)

    def lock(self) -> bool:
        """SENATE-28: PREPAREs of a quorum of seats in our round: lock, keep the block, say COMMIT. True if we did."""
        core, work = self.core, self.core.work
        word = work.word
        if not core.seats or word.is_over or (word.lock is not None and word.lock.round == word.round):
            return False
        found = self.quorum(work.prepares, word.round)
        if found is None:
            return False
        block_hash, votes = found
        block = core.chain.block(block_hash)
        if block is None:
            core.want(block_hash, next(node for node, _ in votes if node != core.me))
            return False
        word.lock = Lock(word.round, block_hash, votes)
        core.persist_body(block, block.number)
        core.keep_word()
        self.say_commit()
        return True

    def say_commit(self) -> None:
        """Our COMMIT of this round, to the senate."""
        core, work = self.core, self.core.work
        if work.word.lock is None:
            return
        vote = core.own_vote(Commit, work.height, work.word.lock.round, work.word.lock.block_hash)
        work.commits[core.me] = vote
        core.tell_senate(vote)

    def quorum(self, votes: Mapping[bytes, Vote], round_number: int) -> tuple[bytes, Votes] | None:
        """A block for which a quorum of seats voted in that round, with the votes by node id."""
        senate = self.core.work.senate
        weights: dict[bytes, int] = {}
        for sender, vote in votes.items():
            if vote.round == round_number:
                # SENATE-2: as many as the sender owns seats; SENATE-4: rounds and blocks are never added together.
                weights[vote.block_hash] = weights.get(vote.block_hash, 0) + senate.weights[sender]
        for block_hash, weight in weights.items():
            if weight >= senate.quorum:
                matching = [
                    (sender, vote.claim.signature)
                    for sender, vote in sorted(votes.items())
                    if vote.round == round_number and vote.block_hash == block_hash
                ]
                return block_hash, tuple(matching)
        return None

    def decided(self) -> tuple[int, bytes, Votes] | None:
        """SENATE-29: (round, block, votes) of COMMITs of a quorum of seats, whatever our own round is."""
        by_round: dict[int, dict[bytes, Vote]] = {}
        for sender, commit in self.core.work.commits.items():
            by_round.setdefault(commit.round, {})[sender] = commit
        for round_number, commits in by_round.items():
            found = self.quorum(commits, round_number)
            if found is not None:
                return round_number, *found
        return None
