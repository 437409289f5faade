"""Votes counted wrongly, cast twice, believed without counting, or ranked by length."""

from collections.abc import Mapping
from typing import Any

from raclette.chain.header import Header
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import SAFETY, Swap, mutant
from raclette.protocols.ballot import certificate, polls, records, tree, voter
from raclette.protocols.ballot.certificate import Certificate
from raclette.protocols.ballot.election import Outcome, Votes
from raclette.protocols.ballot.fractions import Fraction
from raclette.protocols.ballot.tree import Entry
from raclette.protocols.ballot.weights import Register

_CAUGHT = (*SAFETY, "fork-choice", "liveness")


def _by_heads(votes: Votes, register: Register, needed: Fraction) -> Outcome | None:
    """One voter, one voice, whoever owns what."""
    heads: dict[bytes, int] = {}
    for name, vote in votes.items():
        if name in register.weights:
            heads[vote.block_hash] = heads.get(vote.block_hash, 0) + 1
    if not needed.is_exceeded(sum(heads.values()), register.size):
        return None
    elected = min(heads, key=lambda block_hash: (-heads[block_hash], block_hash))
    if needed.is_at_least(1, 2) and not needed.is_exceeded(heads[elected], register.size):
        return None
    weight = sum(register.weights[name] for name, vote in votes.items() if vote.block_hash == elected)
    return Outcome(elected, weight)


def _at_least(self: Fraction, amount: int, total: int) -> bool:
    return amount * self.whole >= self.part * total


def _always(own: Mapping[int, Any], height: int, round_number: int) -> bool:
    return True


def _believed(shown: Certificate, header: Header, register: Register, needed: Fraction) -> None:
    """The sender says what it weighs."""


def _none_possible(votes: Votes, register: Register, needed: Fraction, liars: Fraction) -> list[bytes]:
    return []


def _longest(entry: Entry) -> tuple[int, bytes]:
    return entry.number, bytes(255 - byte for byte in entry.hash)


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "P4",
        "ballot",
        "heads are counted where weight is meant",
        source="catalogue P4: weighted votes counted by heads",
        invariants=_CAUGHT,
        swaps=(Swap(polls, "tally", _by_heads), Swap(certificate, "tally", _by_heads)),
    ),
    mutant(
        "P4b",
        "ballot",
        "exactly the quorum is enough",
        source="catalogue P4: >= two thirds instead of >",
        invariants=_CAUGHT,
        swaps=(Swap(Fraction, "is_exceeded", _at_least),),
    ),
    mutant(
        "H6",
        "ballot",
        "a voter votes again where it has voted",
        source="catalogue H6: vote rule >= instead of > (HotShot, issue 3971)",
        invariants=("equivocation", *_CAUGHT),
        swaps=(Swap(records, "may_vote", _always),),
    ),
    mutant(
        "H5",
        "ballot",
        "a certificate is believed: signers, quorum and weight as the sender says",
        source="catalogue H5 and S3: certificate not verified, weight from the sender",
        invariants=_CAUGHT,
        swaps=(Swap(polls, "check_certificate", _believed),),
    ),
    mutant(
        "I1",
        "ballot",
        "a vote is repeated without asking who may have been elected before",
        source="catalogue I1: IBFT without carrying the lock (Saltini, arXiv 1901.07160)",
        invariants=("rounds", *_CAUGHT),
        swaps=(Swap(voter, "still_possible", _none_possible),),
    ),
    mutant(
        "N1",
        "ballot",
        "the longest certified branch wins, not the one with most weight",
        source="catalogue N1: fork choice by height",
        invariants=("fork-choice", *_CAUGHT),
        swaps=(Swap(tree, "_rank", _longest),),
    ),
)
