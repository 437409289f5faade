"""The log: for each height between the watermarks, what each replica said last about it.

Bounded by construction. A slot keeps one PREPARE and one COMMIT per replica, that of the highest view it has spoken in:
an honest replica's view only grows, and a liar who names an absurd view hides nothing but its own vote.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TypeVar

from raclette.protocols.pbft.messages import Commit, Prepare, PrePrepare, Vote

AnyVote = TypeVar("AnyVote", bound=Vote)


class Filing(Enum):
    """What became of a vote."""

    NEW = "counted"
    OLD = "said before, or overtaken by a later view"
    CONFLICT = "contradicts an earlier vote of the same replica for the same view and height"


class Slot:
    """One height. `proposal` waits here for its parent; `committed_view` is the last view in which we sent COMMIT."""

    __slots__ = ("commits", "committed_view", "prepares", "proposal", "refused_view")

    def __init__(self) -> None:
        self.prepares: dict[int, Prepare] = {}
        self.commits: dict[int, Commit] = {}
        self.proposal: PrePrepare | None = None
        self.refused_view = -1
        self.committed_view = -1


def file_vote(votes: dict[int, AnyVote], vote: AnyVote) -> Filing:
    """Put `vote` in its author's place unless something there outranks it."""
    old = votes.get(vote.sender)
    if old is not None:
        if old.view > vote.view:
            return Filing.OLD
        if old.view == vote.view:
            # PBFT-5: a vote counts once; a second, different one is evidence.
            return Filing.OLD if old.block_hash == vote.block_hash else Filing.CONFLICT
    votes[vote.sender] = vote
    return Filing.NEW


def statements_in(votes: dict[int, AnyVote]) -> Iterator[tuple[int, bytes]]:
    """Each (view, hash) that somebody voted for. First that of the last replica to be heard, as a rule the one that
    became a quorum; the others in the order in which they were first filed."""
    latest = votes[next(reversed(votes))]
    likely = (latest.view, latest.block_hash)
    yield likely
    for statement in dict.fromkeys((vote.view, vote.block_hash) for vote in votes.values()):
        if statement != likely:
            yield statement


def signatures_for(votes: Mapping[int, Vote], view: int, block_hash: bytes) -> tuple[tuple[int, bytes], ...]:
    """(number, signature) of the replicas whose vote is for exactly this view and hash, numbers ascending."""
    # PBFT-6: votes of different views or for different blocks are never added together.
    # Numbers are put in order before they are paired with signatures: pairs take several times as long to sort.
    return tuple(
        [
            (number, vote.claim.signature)
            for number in sorted(votes)
            if (vote := votes[number]).view == view and vote.block_hash == block_hash
        ]
    )
