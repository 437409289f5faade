"""Which nodes a scenario means, and how hash power and stake are divided: whole numbers, drawn from the seed.

Every draw has a stream of its own, so that a fault added to a file does not move the liars.
"""

from collections.abc import Mapping, Sequence
from math import lcm

from raclette.lab.scenario.model import Choice, Distribution, Portion
from raclette.lab.scenario.section import ScenarioError
from raclette.lab.scenario.values import MILLION
from raclette.primitives.randomness import Random
from raclette.sim import fixed

# Streams of draws. Power shares its stream with the benchmark's, so that both give a node the same part.
STREAM_POWER, STREAM_STAKE, STREAM_LIARS, STREAM_FAULTS = 6, 11, 12, 13
# Fractions of a distribution's figures that count: thousandths.
_MILLI = 1_000
_UNIT = 1_000_000
# A sum of so many uniform numbers has the variance of one such number's range squared (Irwin and Hall).
_IRWIN_HALL = 12


def choose(
    choice: Choice,
    *,
    eligible: Sequence[int],
    weights: Sequence[int],
    groups: Mapping[str, Sequence[int]],
    random: Random,
    path: str,
) -> tuple[int, ...]:
    """The numbers of the nodes that are meant, ascending. `eligible` are those that may be drawn or named; `weights`
    (one for each node of the world) is what a share counts. Raises ScenarioError at `path`."""
    if isinstance(choice, tuple):
        return _named(choice, eligible, path)
    if isinstance(choice, str):
        if choice not in groups:
            known = ", ".join(groups) or "none is defined in [groups]"
            raise ScenarioError(path, f"there is no group {choice!r}; accepted are {known}")
        return _named(groups[choice], eligible, path)
    order = random.sample(eligible, len(eligible))
    if isinstance(choice, Portion):
        total, held, found = sum(weights[node] for node in eligible), 0, []
        for node in order:
            if (held + weights[node]) * MILLION <= choice * total:
                held += weights[node]
                found.append(node)
        return tuple(sorted(found))
    if choice > len(eligible):
        raise ScenarioError(path, f"{choice} nodes; accepted are at most {len(eligible)}")
    return tuple(sorted(order[:choice]))


def _named(nodes: Sequence[int], eligible: Sequence[int], path: str) -> tuple[int, ...]:
    for place, node in enumerate(nodes):
        if node not in eligible:
            accepted = f"{eligible[0]} to {eligible[-1]}" if eligible else "none"
            raise ScenarioError(f"{path}[{place}]", f"there is no such node {node}; accepted are {accepted}")
    return tuple(sorted(nodes))


def divide(
    how: Distribution, count: int, groups: Mapping[str, Sequence[int]], random: Random, path: str
) -> tuple[int, ...]:
    """Relative amounts of `count` owners. Raises ScenarioError below `path`."""
    if how.kind == "list":
        if len(how.values) != count or not sum(how.values):
            raise ScenarioError(f"{path}.values", f"{len(how.values)} amounts; accepted are {count}, not all of them 0")
        return how.values
    if how.kind == "shares":
        return _by_shares(how.shares, count, groups, path)
    if how.kind == "zipf":
        exponent = round(how.exponent * _MILLI)
        largest = fixed.log2(count)
        amounts = [
            fixed.exp2((largest - fixed.log2(rank)) * exponent // _MILLI, _MILLI) for rank in range(1, count + 1)
        ]
        random.shuffle(amounts)
        return tuple(amounts)
    if how.kind == "pareto":
        shape = round(how.shape * _MILLI)
        return tuple(fixed.pareto(_UNIT, shape, _MILLI, random.next64()) for _ in range(count))
    if how.kind == "normal":
        span = max(1, how.deviation)
        sums = (sum(random.below(span) for _ in range(_IRWIN_HALL)) for _ in range(count))
        return tuple(max(1, _UNIT + each - _IRWIN_HALL // 2 * span) for each in sums)
    return (1,) * count


def _by_shares(
    shares: Mapping[str, int], count: int, groups: Mapping[str, Sequence[int]], path: str
) -> tuple[int, ...]:
    members: dict[str, tuple[int, ...]] = {}
    for name in shares:
        if name not in groups:
            known = ", ".join(groups) or "none is defined in [groups]"
            raise ScenarioError(f"{path}.shares.{name}", f"there is no such group; accepted are {known}")
        members[name] = _named(groups[name], range(count), f"groups.{name}")
    if sum(shares.values()) > MILLION:
        raise ScenarioError(f"{path}.shares", "they are more than 100% together")
    return set_shares((1,) * count, [(members[name], shares[name]) for name in shares], f"{path}.shares")


def set_shares(amounts: Sequence[int], wanted: Sequence[tuple[Sequence[int], int]], path: str) -> tuple[int, ...]:
    """Amounts in which each of the groups of owners has its share (ppm) of the whole, divided equally within, and the
    others keep their proportions. Exact: everything is scaled up instead of rounded. Raises ScenarioError."""
    taken = [owner for owners, _ in wanted for owner in owners]
    if len(set(taken)) != len(taken):
        raise ScenarioError(path, "one node is in two groups")
    together = sum(share for _, share in wanted)
    rest = sum(amount for owner, amount in enumerate(amounts) if owner not in set(taken))
    if together > MILLION or (together < MILLION and not rest):
        raise ScenarioError(path, f"the shares make {together / 10_000:g}%; accepted is what leaves 100% in all")
    scale = lcm(*(len(owners) for owners, _ in wanted if owners), 1)
    base = rest or 1
    found = [amount * (MILLION - together) * scale for amount in amounts]
    for owners, share in wanted:
        for owner in owners:
            found[owner] = share * base * scale // len(owners)
    return tuple(found)
