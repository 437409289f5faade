"""Who sits in the senate of a height: N points in the total stake, drawn from the seed.

    q_0 = H(seed), q_i = H(q_{i-1}); each q below the greatest multiple of the total is a point q mod total.

The holders stand in canonical order (by node id), each on as many points as it has stake; who stands on the point owns
the seat. Points are exactly uniform: a q at or above the greatest multiple of the total that fits into 256 bits is
skipped, so `mod` favours nobody, and there is no float that could round a seat to a neighbour. A holder may own several
seats and its votes weigh as many.
"""

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from raclette.chain.roll import Member
from raclette.primitives.hashing import sha256

_SPACE = 1 << 256
# Senates remembered: every node of a simulated world draws the same one, at nearly the same time.
SENATES_REMEMBERED = 64


@lru_cache(maxsize=SENATES_REMEMBERED)
def draw_points(seed: bytes, total: int, count: int) -> tuple[int, ...]:
    """SENATE-11: `count` points, each uniform in [0, total). `total` is in [1, 2**256)."""
    limit = _SPACE - _SPACE % total
    points: list[int] = []
    q = seed
    while len(points) < count:
        q = sha256(q)
        number = int.from_bytes(q, "big")
        if number < limit:
            points.append(number % total)
    return tuple(points)


def walk_seats(members: Sequence[Member], points: Sequence[int]) -> tuple[bytes, ...]:
    """SENATE-12: the node that owns each point. `members` in canonical order; their stakes sum to more than any
    point. Who has no stake stands nowhere."""
    ends = list(accumulate(member.stake for member in members))
    return tuple(members[bisect_right(ends, point)].node_id for point in points)


class Senate:
    """The senate of one height: `seats[i]` is the node that owns seat i, `weights` how many each owner has."""

    __slots__ = ("owners", "quorum", "seats", "stakes", "total", "weights")

    def __init__(self, members: Sequence[Member], seed: bytes, count: int) -> None:
        """`members` are those where stakes are read. Without any stake there is no senate: `seats` is empty."""
        self.stakes = {member.node_id: member.stake for member in members if member.stake > 0}
        self.total = sum(self.stakes.values())
        points = draw_points(seed, self.total, count) if self.total else ()
        self.seats = walk_seats(members, points)
        self.weights: dict[bytes, int] = {}
        for owner in self.seats:
            self.weights[owner] = self.weights.get(owner, 0) + 1
        # (node, seats) by node id: what headers commit to and certificates show.
        self.owners = tuple(sorted(self.weights.items()))
        # SENATE-1
        self.quorum = count - (count - 1) // 3

    def leader(self, round_number: int) -> bytes:
        """SENATE-20: seat 0 leads round 0, and each round that times out moves to the next seat."""
        return self.seats[round_number % len(self.seats)] if self.seats else b""

    def weight(self, nodes: Sequence[bytes]) -> int:
        """SENATE-2: seats of these distinct nodes together; who owns none weighs nothing."""
        return sum(self.weights.get(node, 0) for node in nodes)
