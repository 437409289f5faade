"""PBFT counts wrongly: quorums too small, voters counted twice, votes of different statements added together.

Everything safe about PBFT rests on one sentence, "any two quorums share an honest replica". Each of these bugs makes it
false in its own way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, SAFETY, Swap, mutant, with_quorum
from raclette.primitives.signing import Claim
from raclette.protocols.committee import Committee
from raclette.protocols.pbft import ordering, records
from raclette.protocols.pbft.codec import Codec
from raclette.protocols.pbft.log import Filing
from raclette.protocols.pbft.messages import Commit, Prepare, Vote
from raclette.protocols.pbft.ordering import Ordering

_init = Committee.__init__
_on_vote = Ordering.on_vote
_check_prepared = Ordering._check_prepared
_votes = Codec._votes
_restore = records.restore


def _quorum_of_2f(self: Committee, ids: Sequence[bytes], chain_id: int, weights: Sequence[int] = ()) -> None:
    _init(self, ids, chain_id, weights)
    self.quorum = max(1, 2 * self.faults)


def _quorum_of_f_and_1(self: Committee, ids: Sequence[bytes], chain_id: int, weights: Sequence[int] = ()) -> None:
    _init(self, ids, chain_id, weights)
    self.quorum = self.faults + 1


def _on_vote_counting_messages(self: Ordering, vote: Prepare | Commit) -> Filing:
    """What was said before is filed once more, in the place of a voter that does not exist."""
    filing = _on_vote(self, vote)
    slot = self.core.slots.get(vote.height)
    if filing is Filing.OLD and slot is not None and vote.sender != self.core.me:
        votes: dict[int, Any] = slot.prepares if isinstance(vote, Prepare) else slot.commits
        votes[self.core.committee.size + len(votes)] = vote
        self.core.touched.add(vote.height)
    return filing


def _repeated_signatures(votes: Mapping[int, Vote], view: int, block_hash: bytes) -> tuple[tuple[int, bytes], ...]:
    matching = [vote for vote in votes.values() if vote.view == view and vote.block_hash == block_hash]
    return tuple((vote.sender, vote.claim.signature) for vote in matching)


def _any_signatures(votes: Mapping[int, Vote], view: int, block_hash: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple(sorted((number, vote.claim.signature) for number, vote in votes.items()))


def _commit_at_f_and_1(self: Ordering, height: int, me: int) -> None:
    committee = self.core.committee
    with_quorum(committee, committee.faults + 1, lambda: _check_prepared(self, height, me))


def _restore_at_f_and_1(codec: Codec, kept: Mapping[bytes, bytes]) -> records.Restored:
    """What it took for prepared it takes for that after a restart too."""
    state: records.Restored = with_quorum(codec.committee, codec.committee.faults + 1, lambda: _restore(codec, kept))
    return state


def _votes_of_anybody(self: Codec, signers: Any, signatures: Any) -> tuple[tuple[int, bytes], ...]:
    votes: tuple[tuple[int, bytes], ...] = with_quorum(self.committee, 1, lambda: _votes(self, signers, signatures))
    return votes


def _no_claims(self: Committee, digest: bytes, votes: Any) -> tuple[Claim, ...]:
    return ()


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "P1",
        "pbft",
        "a quorum is 2f replicas, not 2f+1",
        source="Bano et al., Twins, arXiv:2004.10617 (planted there)",
        invariants=SAFETY,
        swaps=(Swap(Committee, "__init__", _quorum_of_2f),),
    ),
    mutant(
        "P1b",
        "pbft",
        "a quorum is f+1 replicas, not 2f+1",
        source="Bano et al., Twins, arXiv:2004.10617 (planted there)",
        invariants=SAFETY,
        swaps=(Swap(Committee, "__init__", _quorum_of_f_and_1),),
    ),
    mutant(
        "P2",
        "pbft",
        "messages are counted, not distinct senders: a repeated vote passes for another replica's",
        source="SaraBaradaran/PBFT, count_logs(); codechain #1236",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(
            Swap(Ordering, "on_vote", _on_vote_counting_messages),
            Swap(ordering, "signatures_for", _repeated_signatures),
        ),
    ),
    mutant(
        "P3",
        "pbft",
        "votes of different views and for different blocks are added together",
        source="Castro & Liskov 1999, 4.2: matching view, number and digest",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(ordering, "signatures_for", _any_signatures),),
    ),
    mutant(
        "T4b",
        "pbft",
        "COMMIT at f+1 PREPAREs",
        source="CometBFT evidence specification, after T4: precommit without a polka",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(
            Swap(Ordering, "_check_prepared", _commit_at_f_and_1),
            Swap(records, "restore", _restore_at_f_and_1),
        ),
    ),
    mutant(
        "H5",
        "pbft",
        "a certificate with any number of signers counts",
        source="HotStuff implementations that do not verify the threshold of a QC (Twins' catalogue)",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(Codec, "_votes", _votes_of_anybody),),
    ),
    mutant(
        "H5b",
        "pbft",
        "the signatures in a certificate are not verified",
        source="HotStuff implementations that do not verify the signatures of a QC (Twins' catalogue)",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(Committee, "claims", _no_claims),),
    ),
)
