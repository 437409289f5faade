"""The log: for each height between the watermarks, what each replica said last about it.

Bounded by construction. A slot keeps one PREPARE and one COMMIT per replica, that of the highest view it has spoken in:
an honest replica's view only grows, and a liar who names an absurd view hides nothing but its own vote.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import TypeVar

from raclette.protocols.pbft.messages import CheckpointVote, Commit, Prepare, PrePrepare, Vote

AnyVote = TypeVar("AnyVote", bound=Vote)

# A quorum is handed over at once where the host counts; these read a field of a hundred votes in a few microseconds.
_HEIGHT, _SENDER, _STATEMENT = attrgetter("height"), attrgetter("sender"), attrgetter("view", "block_hash")


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


def heights_of(votes: Iterable[Vote | CheckpointVote]) -> set[int]:
    """The heights that these votes are about: one, as a rule."""
    return set(map(_HEIGHT, votes))


def by_author(votes: Sequence[AnyVote]) -> dict[int, AnyVote]:
    """Votes by replica number; of several by one replica the last."""
    return dict(zip(map(_SENDER, votes), votes, strict=True))


def statements_in(votes: dict[int, AnyVote]) -> Iterator[tuple[int, bytes]]:
    """Each (view, hash) that somebody voted for. First that of the last replica to be heard, as a rule the one that
    became a quorum; the others in the order in which they were first filed."""
    latest = votes[next(reversed(votes))]
    likely = (latest.view, latest.block_hash)
    yield likely
    for statement in dict.fromkeys(map(_STATEMENT, votes.values())):
        if statement != likely:
            yield statement


def signatures_for(votes: Mapping[int, Vote], view: int, block_hash: bytes) -> tuple[tuple[int, bytes], ...]:
    """(number, signature) of the replicas whose vote is for exactly this view and hash, numbers ascending."""
    # PBFT-6: votes of different views or for different blocks are never added together.
    matching = [
        (number, vote.claim.signature)
        for number, vote in votes.items()
        if vote.view == view and vote.block_hash == block_hash
    ]
    matching.sort()
    return tuple(matching)
