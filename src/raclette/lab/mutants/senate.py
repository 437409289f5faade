"""The senate's bugs: seeds that can be ground, lots that nobody verifies, heads instead of seats, forgotten locks."""

from collections.abc import Mapping
from typing import Any

from raclette.chain.header import Header
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, SAFETY, Swap, mutant
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import Claim, Lot
from raclette.protocols.decided import Decided
from raclette.protocols.senate.codec import Codec, reason_of
from raclette.protocols.senate.engine import SenateEngine
from raclette.protocols.senate.messages import Candidate, Entry, Proposal, Vote, Votes
from raclette.protocols.senate.rounds import Rounds
from raclette.protocols.senate.statements import Statements
from raclette.protocols.senate.voting import Voting

FAIRNESS = ("seed", "lots", *SAFETY)
_candidate, _proposal, _decided = Candidate.claims, Proposal.claims, Decided.claims
_quorum, _say_timeout, _is_right = Voting.quorum, Rounds.say_timeout, Voting._is_right
_advance, _is_valid = Rounds.advance, Rounds.is_valid
_make_proposal = Voting._make_proposal


def _seed_of_the_block(self: Statements, header: Header) -> bytes:
    """What is in the block is the director's to choose."""
    return sha256(header.hash)


def _without_lots(claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
    return tuple(claim for claim in claims if not isinstance(claim, Lot))


def _heads(weights: Mapping[bytes, int], nodes: list[bytes]) -> bool:
    return 3 * len(nodes) > 2 * len(weights)


def _quorum_of_heads(self: Voting, votes: Mapping[bytes, Vote], round_number: int) -> tuple[bytes, Votes] | None:
    in_round = [vote for vote in votes.values() if vote.round == round_number]
    for block_hash in dict.fromkeys(vote.block_hash for vote in in_round):
        senders = sorted(vote.sender for vote in in_round if vote.block_hash == block_hash)
        if _heads(self.core.work.senate.weights, senders):
            return block_hash, tuple((sender, votes[sender].claim.signature) for sender in senders)
    return None


def _require_heads(self: Codec, weights: Mapping[bytes, int], votes: Votes) -> None:
    """Whatever they are worth."""


def _quorum_of_owners(self: Voting, votes: Mapping[bytes, Vote], round_number: int) -> tuple[bytes, Votes] | None:
    """One voice for each owner, however many seats he has, against a quorum of seats."""
    senate = self.core.work.senate
    honest, senate.weights = senate.weights, dict.fromkeys(senate.weights, 1)
    try:
        return _quorum(self, votes, round_number)
    finally:
        senate.weights = honest


def _timeout_without_lock(self: Rounds) -> None:
    word = self.core.work.word
    honest, word.lock = word.lock, None
    try:
        _say_timeout(self)
    finally:
        word.lock = honest


def _with_small_quorum(self: Rounds, action: Any) -> Any:
    senate = self.core.work.senate
    honest, senate.quorum = senate.quorum, self.core.parameters.faults + 1
    try:
        return action()
    finally:
        senate.quorum = honest


def _advance_at_t_and_1(self: Rounds) -> bool:
    moved: bool = _with_small_quorum(self, lambda: _advance(self))
    return moved


def _valid_at_t_and_1(self: Rounds, justification: Any) -> bool:
    valid: bool = _with_small_quorum(self, lambda: _is_valid(self, justification))
    return valid


def _propose_freely(self: Voting) -> Proposal | None:
    """The best candidate, whatever a quorum may have decided."""
    work = self.core.work
    proposal = _make_proposal(self)
    candidate = self.directing.best()
    if proposal is None or candidate is None or candidate.block is None or work.justification is None:
        return proposal
    core, block = self.core, candidate.block
    claim = core.sign(
        core.statements.proposal_digest(work.height, work.round, block.hash, reason_of(work.justification))
    )
    signature = b"" if work.justification.lock is not None else candidate.claim.signature
    free = core.codec.make_proposal(work.round, block.header, work.justification, signature, core.me, claim.signature)
    return free.with_block(block)


def _right_without_lock(self: Voting, proposal: Proposal) -> bool:
    justification = proposal.justification
    if justification is None or justification.lock is None:
        return _is_right(self, proposal)
    lock = justification.lock._replace(block_hash=proposal.header.hash)
    object.__setattr__(proposal, "justification", justification._replace(lock=lock))
    try:
        return _is_right(self, proposal)
    finally:
        object.__setattr__(proposal, "justification", justification)


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "S3",
        "senate",
        "the next seed is the hash of the last block, which its director can grind",
        source="TrueChain (seed of snail hashes)",
        invariants=FAIRNESS,
        swaps=(Swap(Statements, "seed_after", _seed_of_the_block),),
    ),
    mutant(
        "S4",
        "senate",
        "the proof of a ticket is not verified",
        source="Gilad et al., SOSP 2017 (Algorand): what VerifySort is for",
        invariants=FAIRNESS,
        swaps=(
            Swap(Entry, "claims", lambda self: ()),
            Swap(Candidate, "claims", lambda self: _without_lots(_candidate(self))),
            Swap(Proposal, "claims", lambda self: _without_lots(_proposal(self))),
            Swap(Decided, "claims", lambda self: _without_lots(_decided(self))),
        ),
    ),
    mutant(
        "S4b",
        "senate",
        "a senator's vote is not multiplied by its seats",
        source="Gilad et al., SOSP 2017 (Algorand): sub-users",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(Voting, "quorum", _quorum_of_owners),),
    ),
    mutant(
        "P4",
        "senate",
        "heads are counted instead of seats",
        source="weighted BFT implementations",
        invariants=SAFETY,
        swaps=(Swap(Voting, "quorum", _quorum_of_heads), Swap(Codec, "_require_quorum", _require_heads)),
    ),
    mutant(
        "I1",
        "senate",
        "a TIMEOUT carries no lock",
        source="Saltini & Hyland-Wood, arXiv:1901.07160 (IBFT, EIP-650: no lock carried over)",
        invariants=SAFETY,
        swaps=(Swap(Rounds, "say_timeout", _timeout_without_lock),),
    ),
    mutant(
        "P5",
        "senate",
        "a later leader proposes freely, and senators let it",
        source="johnhenry/raijin #8 (view change drops prepared certificates)",
        invariants=SAFETY,
        swaps=(
            Swap(Voting, "_make_proposal", _propose_freely),
            Swap(Voting, "_is_right", _right_without_lock),
        ),
    ),
    mutant(
        "P6",
        "senate",
        "TIMEOUTs of T+1 seats justify a round",
        source="Castro & Liskov 1999, 4.4: a new view needs a quorum of VIEW-CHANGEs",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(
            Swap(Rounds, "advance", _advance_at_t_and_1),
            Swap(Rounds, "is_valid", _valid_at_t_and_1),
        ),
    ),
    mutant(
        "T4",
        "senate",
        "amnesia: a restarted senator forgets its votes and its lock",
        source="CometBFT evidence specification (amnesia)",
        invariants=SAFETY,
        swaps=(Swap(SenateEngine, "_restore_word", lambda self: None),),
    ),
)
