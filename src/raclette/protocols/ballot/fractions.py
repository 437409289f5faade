"""Exact fractions: the quorum, and how much may lie. Comparisons multiply, nothing is ever rounded."""

from typing import NamedTuple


class Fraction(NamedTuple):
    """part / whole; `whole` is at least 1."""

    part: int
    whole: int

    def is_exceeded(self, amount: int, total: int) -> bool:
        """Is `amount` of `total` strictly more than this fraction?"""
        return amount * self.whole > self.part * total

    def is_at_least(self, part: int, whole: int) -> bool:
        """Is this fraction at least part / whole?"""
        return self.part * whole >= part * self.whole
