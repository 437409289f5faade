"""The directors' lottery: everybody's ticket is a number drawn by its key, weighted by its stake; the lowest wins.

A ticket is the first 32 bytes of the output of the holder's random function, a number u between 0 and 1. Compared are
-log(u) / stake: exponentially distributed with a rate in proportion to the stake, so that the chance to win is exactly
the share of the stake, and whoever splits his money among many names wins just as often as before. (Comparing u / stake
would favour the rich: of two holders with 3 and 1, the first would win 5 times of 6 instead of 3 of 4.)

The logarithm is taken bit by bit in integers, so that every processor orders tickets alike.
"""

from typing import NamedTuple

# Units of a surprisal: 2**-128. By lack of precision a holder of next to nothing wins at most once in 2**128 draws.
FRACTION_BITS = 128
DRAW_BYTES = 32
_DRAW_BITS = 8 * DRAW_BYTES
# Guard bits of the squarings: each of the 128 steps loses less than one unit of the last.
_WORK_BITS = 192
# ln 2 in units of 2**-48.
_LN2 = 195103586505167
_LN2_BITS = 48


class Ticket(NamedTuple):
    """`director`'s entry: its surprisal -log2(u) in units of 2**-128, its stake (above 0), and its draw."""

    surprisal: int
    stake: int
    draw: bytes
    director: bytes

    def beats(self, other: "Ticket") -> bool:
        """SENATE-15: is this ticket the lower of the two, weighted by stake? Exact; ties by draw, then by name."""
        ours, theirs = self.surprisal * other.stake, other.surprisal * self.stake
        return ours < theirs or (ours == theirs and (self.draw, self.director) < (other.draw, other.director))

    def expected_better(self, total: int, scale: int) -> int:
        """How many of a `total` stake's holders are expected to have a lower ticket than this, times `scale`."""
        return scale * total * self.surprisal * _LN2 // self.stake >> (FRACTION_BITS + _LN2_BITS)


def make_ticket(director: bytes, stake: int, output: bytes) -> Ticket:
    """From the output of the random function (64 bytes)."""
    draw = output[:DRAW_BYTES]
    return Ticket(surprisal(int.from_bytes(draw, "big")), stake, draw, director)


def surprisal(draw: int) -> int:
    """-log2(u) for u = (draw + 1) / 2**256, rounded up, in units of 2**-128; 0 only for the highest draw.

    Source of the method: Knuth, The Art of Computer Programming, volume 1, section 1.2.2, exercise 25: one bit of the
    logarithm for each squaring.
    """
    value = draw + 1
    whole = value.bit_length() - 1
    value = value << _WORK_BITS >> whole
    fraction = 0
    for _ in range(FRACTION_BITS):
        value = value * value >> _WORK_BITS
        fraction <<= 1
        if value >> (_WORK_BITS + 1):
            value >>= 1
            fraction |= 1
    return ((_DRAW_BITS - whole) << FRACTION_BITS) - fraction
