"""The counting side: candidates and votes as they come, and the certificates that they make.

Votes of one place (height, round) are counted for each parent that a candidate there stands on, by the register at that
parent. Whoever is elected gets a certificate, and a heavier one with each vote that comes later (BAL-27).
"""

from collections.abc import Callable
from typing import NamedTuple

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Accuse, Fetch, Publish
from raclette.primitives.errors import InvalidBlock, InvalidCertificate, InvalidHeader, NotYet, UnknownParent
from raclette.primitives.units import SECOND
from raclette.protocols.ballot.book import HEIGHTS_KEPT, ROUNDS_MAX, Book
from raclette.protocols.ballot.certificate import Certificate, check_certificate, make_certificate
from raclette.protocols.ballot.core import Core
from raclette.protocols.ballot.election import Votes, is_decisive, tally
from raclette.protocols.ballot.evidence import encode_evidence
from raclette.protocols.ballot.messages import Vote
from raclette.protocols.ballot.rules import CandidateRules, claimed_ms
from raclette.protocols.ballot.weights import Register

# How long a vote waits for its candidate, which is asked for meanwhile.
UNKNOWN_NS = 10 * SECOND
# Blocks found invalid, or beside what is final, that are remembered, so that a second copy is not executed or asked for
# again.
INVALID_MAX = 1_024
# Candidates on one parent. Honest miners seal one each; more are work thrown away to fill our memory.
CANDIDATES_MAX = 512
# Certificates that wait for their blocks.
UNPLACED_MAX = 16


class Standing(NamedTuple):
    """A candidate: the time that counts for it (ms; BAL-14), and its hash."""

    counted_ms: int
    block_hash: bytes


class _Waiting(NamedTuple):
    vote: Vote
    peer: bytes | None
    since: int


class Polls:
    """Candidates and votes of the last heights. `elected(header, certificate)` is told of every certificate that is new
    or heavier than the one known."""

    def __init__(self, core: Core, rules: CandidateRules, elected: Callable[[Header, Certificate], None]) -> None:
        self._core = core
        self._rules = rules
        self._elected = elected
        self.book = Book()
        # parent -> its candidates, in order of arrival.
        self._standing: dict[bytes, list[Standing]] = {}
        self._parents: dict[bytes, int] = {}
        # voter -> its latest vote for a candidate that we do not know.
        self._waiting: dict[bytes, _Waiting] = {}
        self._unplaced: dict[bytes, Certificate] = {}
        self._invalid: dict[bytes, None] = {}
        # Blocks on branches that left ours below the final block.
        self._beside: dict[bytes, None] = {}
        self._convicted: dict[tuple[int, int, bytes], None] = {}

    # --- candidates -----------------------------------------------------------------------------------------------

    def candidates(self, parent: bytes) -> list[Standing]:
        """Those known on `parent`."""
        return self._standing.get(parent, [])

    def take(self, peer: bytes | None, block: Block) -> bool:
        """A whole block: is it a candidate (in the chain's tree now)? What waited for it is counted."""
        core, header = self._core, block.header
        if header.number <= core.final:
            return False
        if header.hash in self._invalid or header.parent_hash in self._invalid:
            core.refuse(peer, "known-invalid")
            return False
        parent = core.chain.header(header.parent_hash)
        if parent is None:
            if self._stands_beside(header):
                core.refuse(peer, "beside-final", blame=False)
            elif peer is not None:
                core.emit(Fetch(peer, header.hash))
            return False
        if len(self._standing.get(parent.hash, ())) >= CANDIDATES_MAX and core.chain.header(header.hash) is None:
            core.refuse(peer, "too-many-candidates", blame=False)
            return False
        try:
            self._rules.check(header, parent, core.now)
            if len(block.transactions) > core.parameters.transactions_max:  # BAL-9
                raise InvalidBlock("transactions-count", f"{len(block.transactions)} transactions")
            core.chain.check(block)
        except (NotYet, UnknownParent) as fault:
            core.refuse(peer, fault.reason, blame=False)
            return False
        except (InvalidHeader, InvalidBlock) as fault:
            self._invalid[header.hash] = None
            if len(self._invalid) > INVALID_MAX:
                del self._invalid[next(iter(self._invalid))]
            core.refuse(peer, fault.reason)
            return False
        self._stand(header)
        self._release(header)
        return True

    def _stands_beside(self, header: Header) -> bool:
        """BAL-42: of a block whose parent is not here: is it on a branch that the final block is not on, as far as we
        can tell? Then no ancestor of it would be taken, and it would be asked for again with each of them."""
        if header.number != self._core.final + 1 and header.parent_hash not in self._beside:
            return False
        self._beside[header.hash] = None
        if len(self._beside) > INVALID_MAX:
            del self._beside[next(iter(self._beside))]
        return True

    def _stand(self, header: Header) -> None:
        """BAL-14: the claimed time counts as far as our own clock bears it out."""
        standing = self._standing.setdefault(header.parent_hash, [])
        self._parents[header.parent_hash] = header.number
        if all(one.block_hash != header.hash for one in standing):
            counted = max(claimed_ms(header), self._core.now_ms - self._core.parameters.claim_bound_ms)
            standing.append(Standing(counted, header.hash))

    def _release(self, header: Header) -> None:
        """What waited for this block."""
        certificate = self._unplaced.pop(header.hash, None)
        if certificate is not None:
            self.show(None, header, certificate)
        for waiting in [one for one in self._waiting.values() if one.vote.block_hash == header.hash]:
            del self._waiting[waiting.vote.voter]
            self.hear(waiting.peer, waiting.vote)

    # --- votes ----------------------------------------------------------------------------------------------------

    def hear(self, peer: bytes | None, vote: Vote) -> None:
        """A vote, from anybody. At a height that is final it decides nothing, but may still convict its voter."""
        core = self._core
        head = core.chain.head
        rounds = ROUNDS_MAX if is_decisive(core.needed) else 0  # BAL-32, BAL-40
        if vote.height <= head.number - HEIGHTS_KEPT or vote.round > rounds:
            return
        header = core.chain.header(vote.block_hash)
        parent = core.chain.header(header.parent_hash) if header is not None else head
        register = core.register(parent) if parent is not None else None
        if register is None or not self._may_vote(peer, vote, register, known=header is not None):
            return
        if header is not None and header.number != vote.height:
            core.refuse(vote.voter, "vote-height")
            return
        first = self.book.get(vote.height, vote.round, vote.voter)
        if first is not None:
            if first.block_hash != vote.block_hash:
                self._convict(first, vote, is_known=header is not None)
        elif vote.height <= core.final:
            self.book.add(vote)
        elif header is None:
            self._hold(peer, vote)
        else:
            self.book.add(vote)
            core.emit(Publish(vote))  # BAL-21
            self._count(vote.height, vote.round)

    def _may_vote(self, peer: bytes | None, vote: Vote, register: Register, *, known: bool) -> bool:
        """BAL-18: is the voter registered where its candidate stands? Where that is unknown, by our own head's
        register, and nobody is blamed."""
        if vote.voter in register.weights:
            return True
        reason = "unweighted-ballot" if vote.voter in register.unweighted else "stranger-ballot"
        self._core.refuse(peer, reason, blame=known)
        return False

    def _convict(self, first: Vote, second: Vote, *, is_known: bool) -> None:
        """BAL-19: the first one counts; both together are a proof, which everybody gets to see. Only if we know that
        the voter is registered where the second one's candidate stands: else we should be accused of handing it on."""
        place = (second.height, second.round, second.voter)
        self._core.refused["second-vote"] = self._core.refused.get("second-vote", 0) + 1
        if place in self._convicted:
            return
        self._convicted[place] = None
        self._core.emit(Accuse(second.voter, "equivocation-vote", encode_evidence(first, second)))
        if is_known:
            self._core.emit(Publish(second))

    def is_convicted(self, vote: Vote) -> bool:
        """Has its voter voted twice at that place, to our knowledge?"""
        return (vote.height, vote.round, vote.voter) in self._convicted

    def _hold(self, peer: bytes | None, vote: Vote) -> None:
        """BAL-20: ask for the candidate; until it is here the vote does not count. One for each voter."""
        held = self._waiting.get(vote.voter)
        place = (vote.height, vote.round)
        if held and (held.vote.height, held.vote.round) == place and held.vote.block_hash != vote.block_hash:
            self._convict(held.vote, vote, is_known=False)
            return
        self._waiting[vote.voter] = _Waiting(vote, peer, self._core.now)
        if vote.block_hash not in self._invalid:
            self._core.emit(Fetch(peer if peer is not None else vote.voter, vote.block_hash))

    def _count(self, height: int, round_number: int) -> None:
        """Is anybody elected there now? On every parent: a vote on one branch is turnout on the others."""
        chain, votes = self._core.chain, self.book.votes(height, round_number)
        named = [chain.header(block_hash) for block_hash in dict.fromkeys(vote.block_hash for vote in votes.values())]
        for parent in dict.fromkeys(header.parent_hash for header in named if header is not None):
            self._count_on(parent, round_number, votes)

    def _count_on(self, parent_hash: bytes, round_number: int, votes: Votes) -> None:
        core = self._core
        parent = core.chain.header(parent_hash)
        register = core.register(parent) if parent is not None else None
        if register is None:
            return
        while (outcome := tally(votes, register, core.needed)) is not None:
            elected = core.chain.header(outcome.block_hash)
            if elected is not None and elected.parent_hash == parent_hash:
                entitled = [vote for voter, vote in votes.items() if voter in register.weights]
                self._elected(elected, make_certificate(outcome.weight, round_number, entitled))
                return
            # BAL-23: it stands on another branch, and takes nothing from this one.
            votes = {voter: vote for voter, vote in votes.items() if vote.block_hash != outcome.block_hash}

    # --- certificates ---------------------------------------------------------------------------------------------

    def show(self, peer: bytes | None, header: Header, certificate: Certificate) -> bool:
        """Somebody shows a certificate of a block of the tree (its claims are verified). Is it true?"""
        core = self._core
        parent = core.chain.header(header.parent_hash)
        register = core.register(parent) if parent is not None else None
        if register is None:
            return False
        try:
            check_certificate(certificate, header, register, core.needed)
        except InvalidCertificate as fault:
            core.refuse(peer, fault.reason)
            return False
        for vote in certificate.votes:
            first = self.book.get(vote.height, vote.round, vote.voter)
            if first is not None and first.block_hash != vote.block_hash:
                self._convict(first, vote, is_known=core.chain.header(vote.block_hash) is not None)
        self._elected(header, certificate)
        return True

    def place_later(self, peer: bytes, block_hash: bytes, certificate: Certificate) -> None:
        """The block is not here: ask for it, and keep its certificate meanwhile."""
        if block_hash in self._invalid:
            return
        self._unplaced[block_hash] = certificate
        if len(self._unplaced) > UNPLACED_MAX:
            del self._unplaced[next(iter(self._unplaced))]
        self._core.emit(Fetch(peer, block_hash))

    # --- house-keeping --------------------------------------------------------------------------------------------

    def tidy(self, head: Header) -> None:
        """Forget what can change nothing any more."""
        core = self._core
        below = head.number - HEIGHTS_KEPT + 1
        self.book.forget(below)
        for parent in [parent for parent, number in self._parents.items() if number < max(below, core.final)]:
            del self._parents[parent], self._standing[parent]
        for place in [place for place in self._convicted if place[0] < below]:
            del self._convicted[place]
        for voter in [voter for voter, one in self._waiting.items() if one.since + UNKNOWN_NS <= core.now]:
            del self._waiting[voter]
            core.refuse(None, "unknown-candidate")  # BAL-20

    def sizes(self) -> dict[str, int]:
        """For people."""
        return {
            "votes": len(self.book),
            "candidates": sum(map(len, self._standing.values())),
            "votes_waiting": len(self._waiting),
            "certificates_waiting": len(self._unplaced),
        }
