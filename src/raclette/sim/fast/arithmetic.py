"""The integer functions that draw delays and searches, bit by bit as `primitives.randomness` and `sim.fixed`.

Python's integers have no end; here a product of three is three words of 64 bits, and a quotient of more than 64 bits is
found in steps, as on paper. Unsigned numbers stay unsigned throughout: numba makes a float of a sum of both kinds.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from raclette.sim import fixed
from raclette.sim.fast.jit import Number, inner, lean
from raclette.sim.models import QUANTILE_BITS
from raclette.sim.wiring import DELAY_MAX_NS, GOLDEN, NEVER, STREAM_SEAL

U64 = np.uint64
Words = npt.NDArray[Any]

_GOLDEN, _STREAM_SEAL = U64(GOLDEN), U64(STREAM_SEAL + 1)
_MIX1, _MIX2 = U64(0xBF58476D1CE4E5B9), U64(0x94D049BB133111EB)
_U0, _U1, _U27, _U30, _U31, _U32, _U64 = (U64(n) for n in (0, 1, 27, 30, 31, 32, 64))
_NEVER = U64(NEVER)
_HALF = U64(0xFFFFFFFF)
_ALL = U64(0xFFFFFFFFFFFFFFFF)
_DROPPED = U64(64 - fixed.FRACTION_BITS)
# Units of 2**-48 by which a logarithm may come out too small: `sim.fixed` is exact to about 16; the rest is headroom.
ROUNDING_MAX = 64
TAIL_SHIFT = U64(64 - QUANTILE_BITS)
FRACTION = fixed.FRACTION_BITS
_ONE = fixed.ONE
_LN2 = fixed.LN2
_TABLE_BITS = fixed.TABLE_BITS
_STEP_BITS = FRACTION - _TABLE_BITS
_STEP_MASK = (1 << _STEP_BITS) - 1
# A delay law in a row of numbers: scale (ns), then numerator and denominator of the shape (0: constant).
LAW = 3


def tables() -> Words:
    """log2 and 2**x at 2,048 places each, from the same source as the reference's."""
    return np.array([fixed.log_table(), fixed.power_table()], dtype=np.int64)


@lean
def mix(value: Number) -> Number:
    """splitmix64's finaliser."""
    value = (value ^ (value >> _U30)) * _MIX1
    value = (value ^ (value >> _U27)) * _MIX2
    return value ^ (value >> _U31)


@lean
def draw(key: Number, counter: Number) -> Number:
    """The number that `key` gives for `counter`."""
    return mix(key + counter * _GOLDEN)


@inner
def _wide(a: Number, b: Number) -> tuple[Number, Number]:
    """High and low word of a product."""
    a1, a0, b1, b0 = a >> _U32, a & _HALF, b >> _U32, b & _HALF
    low, middle, other = a0 * b0, a1 * b0, a0 * b1
    carry = ((low >> _U32) + (middle & _HALF) + (other & _HALF)) >> _U32
    return a1 * b1 + (middle >> _U32) + (other >> _U32) + carry, a * b


@lean
def product3(a: Number, b: Number, c: Number, shift: Number) -> Number:
    """a * b * c >> shift, for 0 <= shift < 128; NEVER (2**62) if it is more than that."""
    high, low = _wide(U64(a), U64(b))
    h1, w0 = _wide(low, U64(c))
    h2, l2 = _wide(high, U64(c))
    w1 = h1 + l2
    w2 = h2 + (_U1 if w1 < l2 else _U0)
    if shift >= 64:
        w0, w1, w2 = w1, w2, _U0
        shift -= 64
    if shift > 0:
        w0 = (w0 >> U64(shift)) | (w1 << U64(64 - shift))
        w1 >>= U64(shift)
    return NEVER if w2 or w1 or w0 > _NEVER else np.int64(w0)


@inner
def _over(a: Number, b: Number) -> Number:
    """(a << 48) // b, for a < 2**37 and b < 2**49: long division."""
    a <<= 26
    quotient = a // b
    for _ in range(2):
        a = (a % b) << 11
        quotient = (quotient << 11) + a // b
    return quotient


@lean
def surprisal(u: Number, table: Words) -> Number:
    """As `fixed.surprisal`."""
    value = u + _U1
    if value == _U0:
        return 0
    whole = 63
    while not value >> U64(whole):
        whole -= 1
    if whole <= FRACTION:
        mantissa = np.int64(value << U64(FRACTION - whole))
    else:
        mantissa = np.int64(value >> U64(whole - FRACTION))
    index = (mantissa - _ONE) >> _STEP_BITS
    base = _ONE + (index << _STEP_BITS)
    r = _over(mantissa - base, base)
    r2 = product3(r, r, 1, FRACTION)
    ln = r - (r2 >> 1) + (r2 * r >> FRACTION) // 3
    return (64 << FRACTION) - ((whole << FRACTION) + table[0, index] + _over(ln, _LN2))


@lean
def exact_delay(law: Words, u: Number, table: Words) -> Number:
    """As `wiring.Delay.exact`. `law` is (scale, numerator, denominator)."""
    if law[1] == 0:
        return law[0]
    exponent = surprisal(u, table) * law[2] // law[1]
    whole = exponent >> FRACTION
    if whole >= 27:  # at least 1 ms times 2**27: longer than a day
        return DELAY_MAX_NS
    part = exponent & (_ONE - 1)
    rest = product3(part & _STEP_MASK, _LN2, 1, FRACTION)
    square = product3(rest, rest, 1, FRACTION)
    series = _ONE + rest + (square >> 1) + (square * rest >> FRACTION) // 6
    return min(product3(law[0], table[1, part >> _STEP_BITS], series, 2 * FRACTION - whole), DELAY_MAX_NS)


@inner
def search_uniform(seed: Number, node: Number, number: Number) -> Number:
    """The uniform 64 bits of a node's `number`-th search (1, 2, ...): `draw64`."""
    return draw(mix(seed + (_STREAM_SEAL + U64(node)) * _GOLDEN), U64(number + 1))


@lean
def unit_exponential(u: Number, table: Words) -> Number:
    """As `relay.unit_exponential`: how long the search with these 64 bits takes, in units of 2**-48 of the mean."""
    return product3(surprisal(u, table), _LN2, 1, FRACTION)


@lean
def unit_exponential_least(u: Number) -> Number:
    """Never more than `unit_exponential`, hardly less where that is short, and found without a division:
    -ln(v) >= 1 - v, where v = (u + 1) / 2**64."""
    return max(np.int64((_ALL - u) >> _DROPPED) - ROUNDING_MAX, 0)


@lean
def draw_ahead(out: Words, seed: Number, first: Number, last: Number, drawn: Number, table: Words) -> None:
    """The draws after the first `drawn` of the nodes from `first` up to `last`, as many as a row has room for."""
    for node in range(first, last):
        for place in range(out.shape[1]):
            out[node, place] = unit_exponential(search_uniform(seed, node, drawn + place + 1), table)
