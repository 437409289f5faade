"""Seats of a committee, counted here and not asked of the engine, so that a wrong one cannot vouch for itself.

A replica owns one seat as a rule; where it owns several its word weighs as many (`protocols.committee`). Of n seats
f = floor((n - 1) / 3) may be liars'; a quorum has ceil((n + f + 1) / 2), so that two of them share f + 1.
"""

from collections.abc import Iterable, Mapping

from raclette.chain.genesis import Genesis
from raclette.protocols.committee import Committee, CommitteeParameters
from raclette.protocols.parameters import parse_parameters


def faults_of(seats: int) -> int:
    """f."""
    return (seats - 1) // 3


def quorum_of(seats: int) -> int:
    """The fewest seats of which any two sets share f + 1."""
    return -(-(seats + faults_of(seats) + 1) // 2)


def genesis_seats(model: type[CommitteeParameters], genesis: Genesis) -> dict[bytes, int]:
    """By node id, of the committee that stands in genesis. Raises ConfigError."""
    parameters = parse_parameters(model, genesis.protocol_parameters)
    ids = parameters.node_ids
    return dict(zip(ids, parameters.weights or [1] * len(ids), strict=True))


def seats_of(committee: Committee) -> dict[bytes, int]:
    """By node id."""
    return dict(zip(committee.ids, committee.weights, strict=True))


def weigh(seats: Mapping[bytes, int], nodes: Iterable[bytes]) -> int:
    """The seats of these nodes, each counted once; who has none weighs nothing."""
    return sum(seats.get(node_id, 0) for node_id in dict.fromkeys(nodes))


def too_few(committee: Committee, guilty: Iterable[bytes]) -> str:
    """Against how many the proof should be ("against 2"); empty if the guilty own more than f seats."""
    seats = seats_of(committee)
    faults = faults_of(sum(seats.values()))
    if weigh(seats, guilty) > faults:
        return ""
    equal = all(count == 1 for count in seats.values())
    return f"against {faults + 1}" if equal else f"against the owners of {faults + 1} seats"
