"""Seeded randomness without state: a number is a function of (seed, stream, counter).

Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (splitmix64).
Counter-based, so that two streams never disturb each other and a draw can be repeated without replaying the
ones before it. Integer arithmetic only: the same bits on every processor.
"""

from collections.abc import MutableSequence, Sequence
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mix64(value: int) -> int:
    """The splitmix64 finaliser: a bijection of 64-bit integers that looks random."""
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB & _MASK
    return value ^ (value >> 31)


def draw64(seed: int, stream: int, counter: int) -> int:
    """The `counter`-th 64-bit number of `stream` under `seed`."""
    key = mix64((seed + _GOLDEN * (stream + 1)) & _MASK)
    return mix64((key + _GOLDEN * (counter + 1)) & _MASK)


class Random:
    """One stream, read in order. Small and deterministic; not for keys."""

    __slots__ = ("_counter", "_key")

    def __init__(self, seed: int, stream: int = 0) -> None:
        self._key = mix64((seed + _GOLDEN * (stream + 1)) & _MASK)
        self._counter = 0

    def next64(self) -> int:
        """Uniform in [0, 2**64)."""
        self._counter += 1
        return mix64((self._key + _GOLDEN * self._counter) & _MASK)

    def below(self, bound: int) -> int:
        """Uniform in [0, bound); the bias of at most bound / 2**64 is accepted. Raises ValueError if bound < 1."""
        if bound < 1:
            raise ValueError(f"bound must be at least 1, not {bound}")
        return self.next64() * bound >> 64

    def between(self, low: int, high: int) -> int:
        """Uniform in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with probability numerator / denominator."""
        return self.below(denominator) < numerator

    def choice(self, items: Sequence[T]) -> T:
        """One item, uniformly."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Fisher-Yates, in place."""
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` distinct items (all of them, shuffled, if there are fewer)."""
        pool = list(items)
        self.shuffle(pool)
        return pool[:count]

    def bytes(self, count: int) -> bytes:
        """`count` pseudorandom bytes."""
        out = b"".join(self.next64().to_bytes(8, "big") for _ in range((count + 7) // 8))
        return out[:count]
