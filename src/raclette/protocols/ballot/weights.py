"""Who may vote on the children of a block, and how much each vote weighs.

Bands instead of plain stake: who owns a thousand times as much weighs at most 14.8 times as much. The shares are those
of one, two and more standard deviations (68.2, 27.2, 4.6 percent), as in the first design.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from raclette.chain.roll import Member

# BAL-3: weights in tenths: 1, 2.5 and 14.8. Shares of the voters in thousandths, from the top.
LOW_WEIGHT, MIDDLE_WEIGHT, TOP_WEIGHT = 10, 25, 148
TOP_PERMILLE = 46
UPPER_PERMILLE = 46 + 272


@dataclass(frozen=True, slots=True)
class Register:
    """BAL-1: the voters at one block. `weights` (tenths) and `accounts` by node id; `unweighted` are on the roll
    without stake. `total` is the sum of all weights."""

    weights: Mapping[bytes, int]
    accounts: Mapping[bytes, bytes]
    unweighted: frozenset[bytes]
    total: int

    @property
    def size(self) -> int:
        """How many voters are registered."""
        return len(self.weights)


def register_of(members: Iterable[Member]) -> Register:
    """From the roll at a block."""
    listed = list(members)
    # BAL-2: by stake, ties by account. Zero stake does not count.
    ranked = sorted((member for member in listed if member.stake > 0), key=lambda one: (one.stake, one.account))
    weights = {member.node_id: band_weight(place, len(ranked)) for place, member in enumerate(ranked)}
    return Register(
        weights,
        {member.node_id: member.account for member in ranked},
        frozenset(member.node_id for member in listed if member.stake <= 0),
        sum(weights.values()),
    )


def band_weight(place: int, count: int) -> int:
    """BAL-3: tenths for the voter at `place` (0 is the poorest) of `count`. The borders are rounded so that the upper
    bands are the smaller ones: a band whose share is less than one voter is empty."""
    from_top = count - place
    if from_top <= count * TOP_PERMILLE // 1000:
        return TOP_WEIGHT
    return MIDDLE_WEIGHT if from_top <= count * UPPER_PERMILLE // 1000 else LOW_WEIGHT
