"""Draws inside compiled code: the same numbers as `primitives.randomness`, bit for bit.

A stream is its key; the counter is the caller's variable, so that a kernel's draws can be repeated one by one in
Python. Compiled code is kept by file (see `sim.fast.jit`): whoever changes a function here that kernels of other files
call must touch those files, too. Probabilities are 64-bit thresholds: an event of probability p happens when a draw is
below p * 2**64.
"""

from fractions import Fraction

import numpy as np

from raclette.primitives.randomness import draw64
from raclette.sim.fast.jit import jit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)


@jit
def draw(key: np.uint64, counter: np.uint64) -> np.uint64:
    """The `counter`-th number of the stream with this key (from 1, as `Random` counts)."""
    x = key + _GOLDEN * counter
    x = (x ^ (x >> _S30)) * _MIX1
    x = (x ^ (x >> _S27)) * _MIX2
    return x ^ (x >> _S31)


@jit
def below(value: np.uint64, bound: np.uint64) -> np.int64:
    """A uniform 64-bit value scaled to [0, bound): the high half of their product. bound < 2**32."""
    high = (value >> _S32) * bound
    low = (value & _LOW) * bound
    return np.int64((high + (low >> _S32)) >> _S32)


def stream_key(seed: int, stream: int) -> np.uint64:
    """The key of a stream: what `Random(seed, stream)` mixes its counter with, under another name for each stream."""
    return np.uint64(draw64(seed, stream, 0))


def threshold(probability: float | Fraction) -> np.uint64:
    """The draws below this number are `probability` of all, as near as 64 bits allow."""
    exact = Fraction(probability)
    if not 0 <= exact <= 1:
        raise ValueError(f"a probability is from 0 to 1, not {probability}")
    return np.uint64(min(int(exact * 2**64), 2**64 - 1))
