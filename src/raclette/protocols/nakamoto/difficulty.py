"""How hard the next block must be: `fixed`, `asert`, `rising`.

A rule is a function of the parent and genesis alone, so a header's difficulty is recomputed by everybody and the
field in the header is only compared, never believed. Integers throughout.

`asert` is Bitcoin Cash's aserti3-2d (Mark Lundeberg, "Static difficulty adjustments, with absolutely scheduled
exponentially rising targets", 2020; CHIP of 15 November 2020): the target doubles for each half-life that the chain is
behind its schedule and halves for each it is ahead. The schedule is absolute, counted from genesis: a false timestamp
moves the next target and is forgotten, it never accumulates, so there is no window whose ends could be stretched
(time warp).

Deviation: the anchor is genesis with an imagined parent one interval before it. A genesis dated long before the first
miner starts begins at the minimum difficulty.
"""

from functools import lru_cache
from typing import Protocol

from raclette.chain.header import Header
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.nakamoto.seal import DIFFICULTY_MAX, difficulty_of, target_of

RADIX_BITS = 16
RADIX = 1 << RADIX_BITS
# 2**x - 1 for 0 <= x < 1 as a cubic in 16-bit fixed point, scaled by 2**48 (error below 0.013 %).
CUBIC_1 = 195_766_423_245_049
CUBIC_2 = 971_821_376
CUBIC_3 = 5_127
CUBIC_BITS = 48
# No target can be doubled or halved more often than it has bits; beyond, the result is the limit or 1 anyway.
SHIFT_MAX = 512


def aserti3_2d(anchor_target: int, behind: int, half_life: int, limit: int) -> int:
    """The target after a schedule error of `behind` (seconds; negative: ahead), at most `limit` and at least 1.

    `behind` is (parent time - anchor's parent time) - interval * (blocks from anchor to parent + 1).
    """
    # C++ divides towards zero, so the published algorithm does.
    exponent = abs(behind) * RADIX // half_life * (1 if behind >= 0 else -1)
    shift, fraction = exponent >> RADIX_BITS, exponent & (RADIX - 1)
    if shift > SHIFT_MAX:
        return limit
    cubic = CUBIC_1 * fraction + CUBIC_2 * fraction**2 + CUBIC_3 * fraction**3 + (1 << (CUBIC_BITS - 1))
    target = anchor_target * (RADIX + (cubic >> CUBIC_BITS))
    shift -= RADIX_BITS
    target = target << shift if shift >= 0 else target >> -shift
    return min(max(target, 1), limit)


def cube_root(value: int) -> int:
    """The largest r with r**3 <= value, by Newton's method on integers. Raises ValueError if negative."""
    if value < 0:
        raise ValueError(f"no cube root of {value} here")
    if value == 0:
        return 0
    root = 1 << -(-value.bit_length() // 3)
    while True:
        better = (2 * root + value // (root * root)) // 3
        if better >= root:
            return root
        root = better


class DifficultyRule(Protocol):
    """What the block after `parent` must cost."""

    def after(self, parent: Header) -> int:
        """Expected hashes, 1..2**255."""


class Fixed:
    """NAK-12: always the initial difficulty."""

    __slots__ = ("_difficulty",)

    def __init__(self, parameters: Parameters) -> None:
        self._difficulty = parameters.initial_difficulty

    def after(self, parent: Header) -> int:
        return self._difficulty


class Asert:
    """NAK-13: aserti3-2d anchored at genesis."""

    __slots__ = ("_anchor_target", "_anchor_time", "_half_life", "_interval", "_limit")

    def __init__(self, parameters: Parameters, genesis: Header) -> None:
        self._anchor_target = target_of(parameters.initial_difficulty)
        self._limit = target_of(parameters.least_difficulty)
        self._interval = parameters.block_interval_s
        self._half_life = parameters.half_life_s
        self._anchor_time = genesis.timestamp - self._interval

    def after(self, parent: Header) -> int:
        behind = parent.timestamp - self._anchor_time - self._interval * (parent.number + 1)
        target = aserti3_2d(self._anchor_target, behind, self._half_life, self._limit)
        return min(difficulty_of(target), DIFFICULTY_MAX)


class Rising:
    """NAK-14: asert over a floor of 4 * digits + bits * floor(cbrt(height)) leading zero bits."""

    __slots__ = ("_asert", "_bits", "_digits")

    def __init__(self, parameters: Parameters, genesis: Header) -> None:
        self._asert = Asert(parameters, genesis)
        self._digits = parameters.rise_start_digits
        self._bits = parameters.rise_bits_per_step

    def floor(self, number: int) -> int:
        """The least difficulty of block `number`."""
        bits = 4 * self._digits + self._bits * cube_root(number)
        return min(1 << bits, DIFFICULTY_MAX) if bits < 256 else DIFFICULTY_MAX

    def after(self, parent: Header) -> int:
        return max(self.floor(parent.number + 1), self._asert.after(parent))


@lru_cache(maxsize=64)
def make_rule(parameters: Parameters, genesis: Header) -> DifficultyRule:
    """The rule that the parameters name: the same object every time, for a rule remembers nothing."""
    if parameters.difficulty_rule == "fixed":
        return Fixed(parameters)
    if parameters.difficulty_rule == "asert":
        return Asert(parameters, genesis)
    return Rising(parameters, genesis)
