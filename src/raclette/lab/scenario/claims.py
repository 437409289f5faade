"""How many liars each protocol claims to bear. A scenario with more proves nothing about the protocol, and is refused
unless that is what it wants to show (`--beyond`, or `beyond = true`).

A protocol that is missing here claims nothing: any liar is beyond it until somebody writes its claim down.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from raclette.protocols import PROTOCOLS

Check: TypeAlias = Callable[[Collection[int], int, Sequence[int], Mapping[str, Any]], str]
"""`check(liars, voters, power, parameters)`: what is too much about these numbers of nodes, or nothing. Nodes below
`voters` take part; `power` is the relative hash power of each node (equal if empty), `parameters` the protocol's."""
# `hybrid`: one committee in so many may have a third of liars, where miners lie as well as they can.
CHANCE = 1e-3


@dataclass(frozen=True)
class Claim:
    """`text` is the claim in the field's words, with its source."""

    text: str
    check: Check


def _a_third(liars: Collection[int], voters: int, power: Sequence[int], parameters: Mapping[str, Any]) -> str:
    first = parameters.get("validators")
    voters = first if isinstance(first, int) else voters
    faults = (voters - 1) // 3
    found = sum(1 for node in liars if node < voters)
    return f"{found} of {voters} replicas lie; accepted are at most f = {faults}" if found > faults else ""


def _half_the_power(liars: Collection[int], voters: int, power: Sequence[int], parameters: Mapping[str, Any]) -> str:
    theirs, total = sum(power[node] for node in liars), sum(power)
    share = 100 * theirs / max(1, total)
    return f"{share:.4g}% of the hash power lies; accepted is less than half" if liars and 2 * theirs >= total else ""


def _a_sixth(liars: Collection[int], voters: int, power: Sequence[int], parameters: Mapping[str, Any]) -> str:
    found = sum(1 for node in liars if node < voters)
    return f"{found} of {voters} holders lie; accepted is at most a sixth of the stake" if 6 * found > voters else ""


def _a_ninth(liars: Collection[int], voters: int, power: Sequence[int], parameters: Mapping[str, Any]) -> str:
    found = sum(1 for node in liars if node < voters)
    return f"{found} of {voters} voters lie; accepted is at most a ninth of the weight" if 9 * found > voters else ""


def _a_third_of_each_committee(
    liars: Collection[int], voters: int, power: Sequence[int], parameters: Mapping[str, Any]
) -> str:
    """The first committee stands in genesis; the others are drawn by work, so a bound on the liars bounds a chance.

    Seats are counted as if each were drawn alone. Where they go to blocks, miners that withhold theirs take at most
    share / (1 - share) of them (Pass and Shi 2017, FruitChains, section 1: quality of Nakamoto's chain); where they go
    to fruits, who hoards those of a window takes at most share + share (1 - share) / 10 (`protocols.hybrid.fruits`).
    """
    from raclette.lab.experiments.committee import at_least

    defaults = PROTOCOLS["hybrid"].parameters.model_fields
    seats, fruits = (parameters.get(key, defaults[key].default) for key in ("committee_size", "fruits"))
    found = _a_third(liars, voters, power, parameters)
    if found or not liars:
        return found
    shares = power or (1,) * voters
    share = sum(shares[node] for node in liars if node < len(shares)) / max(1, sum(shares))
    taken = share + share * (1 - share) / 10 if fruits else share / max(share, 1 - share)
    chance = at_least(taken, seats, (seats - 1) // 3 + 1)
    if chance <= CHANCE:
        return ""
    return (
        f"{100 * share:.4g}% of the hash power lies, so that a committee of {seats} seats may have a third of liars "
        f"with probability {float(chance):.2g}; accepted is at most {CHANCE:g} (less power, or a larger committee_size)"
    )


CLAIMS: Mapping[str, Claim] = {
    "ballot": Claim("a ninth of the weight, in equal parts, with a quorum of two thirds (spec/ballot.md)", _a_ninth),
    "hybrid": Claim(
        "less than a third of the seats of every committee: f = floor((n - 1) / 3) of those that genesis names, and of "
        f"the hash power so little that work elects a worse committee with probability {CHANCE:g} at most; no snail "
        "block being reverted that is stable_depth deep (Pass and Shi 2017, Hybrid Consensus)",
        _a_third_of_each_committee,
    ),
    "pbft": Claim("f = floor((n - 1) / 3) of n replicas (Castro and Liskov 1999, section 3)", _a_third),
    "senate": Claim("a sixth of the stake, in equal parts, which seldom draws a third of the seats", _a_sixth),
    "simplex": Claim("f = floor((n - 1) / 3) of n replicas (Chan and Pass 2023, section 2)", _a_third),
    "nakamoto": Claim("less than half of the hash power (Nakamoto 2008, section 11)", _half_the_power),
}


def too_many(
    protocol: str,
    liars: Collection[int],
    voters: int,
    power: Sequence[int],
    parameters: Mapping[str, Any] = MappingProxyType({}),
) -> str:
    """What is beyond the protocol's claim, and what would be accepted; empty if nothing is. `parameters` as far as they
    differ from the protocol's defaults."""
    if not liars:
        return ""
    claim = CLAIMS.get(protocol)
    if claim is None:
        return f"{protocol} claims nothing about liars here; accepted are none"
    found = claim.check(liars, voters, power, parameters)
    return f"{found}: {protocol} claims to bear {claim.text}" if found else ""
