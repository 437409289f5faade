"""How many liars each protocol claims to bear. A scenario with more proves nothing about the protocol, and is refused
unless that is what it wants to show (`--beyond`, or `beyond = true`).

A protocol that is missing here claims nothing: any liar is beyond it until somebody writes its claim down.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Check: TypeAlias = Callable[[Collection[int], int, Sequence[int]], str]
"""`check(liars, voters, power)`: what is too much about these numbers of nodes, or nothing. Nodes below `voters` take
part; `power` is the relative hash power of each node."""


@dataclass(frozen=True)
class Claim:
    """`text` is the claim in the field's words, with its source."""

    text: str
    check: Check


def _a_third(liars: Collection[int], voters: int, power: Sequence[int]) -> str:
    faults = (voters - 1) // 3
    found = sum(1 for node in liars if node < voters)
    return f"{found} of {voters} replicas lie; accepted are at most f = {faults}" if found > faults else ""


def _half_the_power(liars: Collection[int], voters: int, power: Sequence[int]) -> str:
    theirs, total = sum(power[node] for node in liars), sum(power)
    share = 100 * theirs / max(1, total)
    return f"{share:.4g}% of the hash power lies; accepted is less than half" if liars and 2 * theirs >= total else ""


def _a_sixth(liars: Collection[int], voters: int, power: Sequence[int]) -> str:
    found = sum(1 for node in liars if node < voters)
    return f"{found} of {voters} holders lie; accepted is at most a sixth of the stake" if 6 * found > voters else ""


def _a_ninth(liars: Collection[int], voters: int, power: Sequence[int]) -> str:
    found = sum(1 for node in liars if node < voters)
    return f"{found} of {voters} voters lie; accepted is at most a ninth of the weight" if 9 * found > voters else ""


CLAIMS: Mapping[str, Claim] = {
    "ballot": Claim("a ninth of the weight, in equal parts, with a quorum of two thirds (spec/ballot.md)", _a_ninth),
    "pbft": Claim("f = floor((n - 1) / 3) of n replicas (Castro and Liskov 1999, section 3)", _a_third),
    "senate": Claim("a sixth of the stake, in equal parts, which seldom draws a third of the seats", _a_sixth),
    "simplex": Claim("f = floor((n - 1) / 3) of n replicas (Chan and Pass 2023, section 2)", _a_third),
    "nakamoto": Claim("less than half of the hash power (Nakamoto 2008, section 11)", _half_the_power),
}


def too_many(protocol: str, liars: Collection[int], voters: int, power: Sequence[int]) -> str:
    """What is beyond the protocol's claim, and what would be accepted; empty if nothing is."""
    if not liars:
        return ""
    claim = CLAIMS.get(protocol)
    if claim is None:
        return f"{protocol} claims nothing about liars here; accepted are none"
    found = claim.check(liars, voters, power)
    return f"{found}: {protocol} claims to bear {claim.text}" if found else ""
