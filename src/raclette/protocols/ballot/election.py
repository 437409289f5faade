"""What votes decide: the tally of a round, and what a round that decided nothing leaves open."""

from collections.abc import Mapping
from typing import NamedTuple

from raclette.protocols.ballot.fractions import Fraction
from raclette.protocols.ballot.messages import Vote
from raclette.protocols.ballot.weights import Register

Votes = Mapping[bytes, Vote]
"""One vote for each voter's node id, all of one round of one height."""


class Outcome(NamedTuple):
    """Who is elected, and by which weight (tenths)."""

    block_hash: bytes
    weight: int


def is_decisive(needed: Fraction) -> bool:
    """BAL-24: is the quorum so high that two candidates cannot both have it?"""
    return needed.is_at_least(1, 2)


def makes_final(needed: Fraction) -> bool:
    """BAL-30: does an election by this quorum make final?"""
    return needed.is_at_least(2, 3)


def support(votes: Votes, register: Register) -> dict[bytes, int]:
    """Weight by candidate, of the registered voters' votes."""
    weights: dict[bytes, int] = {}
    for voter, vote in votes.items():
        weight = register.weights.get(voter)
        if weight is not None:
            weights[vote.block_hash] = weights.get(vote.block_hash, 0) + weight
    return weights


def tally(votes: Votes, register: Register, needed: Fraction) -> Outcome | None:
    """BAL-22 to BAL-24: who is elected by these votes; None if nobody is."""
    turnout = sum(1 for voter in votes if voter in register.weights)
    if not needed.is_exceeded(turnout, register.size):  # BAL-22: heads, distinct
        return None
    weights = support(votes, register)
    elected = min(weights, key=lambda block_hash: (-weights[block_hash], block_hash))  # BAL-23
    if is_decisive(needed) and not needed.is_exceeded(weights[elected], register.total):  # BAL-24: weight, strictly
        return None
    return Outcome(elected, weights[elected])


def is_split(votes: Votes, register: Register, needed: Fraction) -> bool:
    """BAL-32: has more than the quorum of the weight voted, and elected nobody?"""
    voted = sum(support(votes, register).values())
    return needed.is_exceeded(voted, register.total) and tally(votes, register, needed) is None


def still_possible(votes: Votes, register: Register, needed: Fraction, liars: Fraction) -> list[bytes]:
    """BAL-33: candidates that somebody else may have seen elected in this round: with the votes that we do not hold,
    and those of liars, who may have voted twice. Sorted."""
    weights = support(votes, register)
    missing = register.total - sum(weights.values())
    total = register.total

    def may_have_quorum(weight: int) -> bool:
        # weight + missing + liars * total > needed * total, in integers
        left = (weight + missing) * liars.whole + liars.part * total
        return left * needed.whole > needed.part * total * liars.whole

    return sorted(block_hash for block_hash, weight in weights.items() if may_have_quorum(weight))
