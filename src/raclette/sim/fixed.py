"""Logarithms and powers in integers, for every draw that decides an order.

A C library's `log` and `pow` may differ in their last bit from one processor to another, and one bit is enough to
swap two events. Here a real number is an integer in units of 2**-48. Tables of 2,048 entries come from repeated
squaring and integer square roots; between two entries a short Taylor series is exact to about 2**-44.

Source of the method: Knuth, The Art of Computer Programming, volume 1, section 1.2.2, exercises 25 and 28.
"""

from functools import lru_cache
from math import isqrt

FRACTION_BITS = 48
ONE = 1 << FRACTION_BITS
# ln 2 in units of 2**-48.
LN2 = 195103586505167
TABLE_BITS = 11
_STEP_BITS = FRACTION_BITS - TABLE_BITS
_WORK_BITS = 80


def _log2_slow(numerator: int, denominator_bits: int) -> int:
    """log2(numerator / 2**denominator_bits) of a value in [1, 2), by squaring: one bit of the answer a step."""
    value = numerator << (_WORK_BITS - denominator_bits)
    result = 0
    for _ in range(FRACTION_BITS):
        value = value * value >> _WORK_BITS
        result <<= 1
        if value >> (_WORK_BITS + 1):
            value >>= 1
            result |= 1
    return result


@lru_cache(maxsize=1)
def log_table() -> list[int]:
    """log2(1 + i / 2048) for every i."""
    return [_log2_slow((1 << TABLE_BITS) + i, TABLE_BITS) for i in range(1 << TABLE_BITS)]


@lru_cache(maxsize=1)
def power_table() -> list[int]:
    """2**(i / 2048) for every i, in units of 2**-48."""
    roots = [2 << _WORK_BITS]
    for _ in range(TABLE_BITS):
        roots.append(isqrt(roots[-1] << _WORK_BITS))
    table = []
    for i in range(1 << TABLE_BITS):
        value = 1 << _WORK_BITS
        for bit in range(TABLE_BITS):
            if i >> (TABLE_BITS - 1 - bit) & 1:
                value = value * roots[bit + 1] >> _WORK_BITS
        table.append(value >> (_WORK_BITS - FRACTION_BITS))
    return table


def log2(value: int) -> int:
    """log2 of a positive integer, in units of 2**-48. Raises ValueError if value < 1."""
    if value < 1:
        raise ValueError(f"log2 needs a positive integer, not {value}")
    whole = value.bit_length() - 1
    mantissa = value << FRACTION_BITS >> whole if whole <= FRACTION_BITS else value >> (whole - FRACTION_BITS)
    index = (mantissa - ONE) >> _STEP_BITS
    base = ONE + (index << _STEP_BITS)
    # ln(1 + r) = r - r^2/2 + r^3/3 - ..., with r < 2**-11.
    r = ((mantissa - base) << FRACTION_BITS) // base
    r2 = r * r >> FRACTION_BITS
    ln = r - (r2 >> 1) + (r2 * r >> FRACTION_BITS) // 3
    return (whole << FRACTION_BITS) + log_table()[index] + (ln << FRACTION_BITS) // LN2


def exp2(exponent: int, scale: int = 1) -> int:
    """floor(scale * 2**exponent), with `exponent` >= 0 in units of 2**-48. Raises ValueError if it is negative."""
    if exponent < 0:
        raise ValueError(f"exp2 needs an exponent of at least 0, not {exponent}")
    whole, part = exponent >> FRACTION_BITS, exponent & (ONE - 1)
    rest = (part & ((1 << _STEP_BITS) - 1)) * LN2 >> FRACTION_BITS
    # e^t = 1 + t + t^2/2 + t^3/6 + ..., with t < 2**-11.
    square = rest * rest >> FRACTION_BITS
    series = ONE + rest + (square >> 1) + (square * rest >> FRACTION_BITS) // 6
    return (scale * power_table()[part >> _STEP_BITS] * series << whole) >> (2 * FRACTION_BITS)


def surprisal(draw: int) -> int:
    """-log2(u) for the uniform u = (draw + 1) / 2**64, in units of 2**-48."""
    return (64 << FRACTION_BITS) - log2(draw + 1)


def exponential(mean: int, draw: int) -> int:
    """An exponentially distributed integer with this mean, from a uniform 64-bit `draw`."""
    return mean * surprisal(draw) * LN2 >> (2 * FRACTION_BITS)


def pareto(scale: int, shape_numerator: int, shape_denominator: int, draw: int) -> int:
    """A Pareto-distributed integer >= scale: scale * u**(-1/shape), from a uniform 64-bit `draw`."""
    return exp2(surprisal(draw) * shape_denominator // shape_numerator, scale)
