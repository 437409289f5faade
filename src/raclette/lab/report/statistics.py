"""Means and shares with the uncertainty that belongs to them."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

# Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom; beyond, the normal one is near enough.
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_Z95 = 1.96


class Estimate(NamedTuple):
    """A value and its 95 % confidence interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}]"


def mean(values: Sequence[float]) -> Estimate:
    """Of independent values, by Student's t. One value has no interval but itself. Raises ValueError for none."""
    if not values:
        raise ValueError("no values have no mean")
    count = len(values)
    middle = sum(values) / count
    if count == 1:
        return Estimate(middle, middle, middle)
    deviation = sqrt(sum((value - middle) ** 2 for value in values) / (count - 1))
    half = (_T95[count - 2] if count - 2 < len(_T95) else _Z95) * deviation / sqrt(count)
    return Estimate(middle, middle - half, middle + half)


def share(hits: int, trials: int) -> Estimate:
    """Of hits among independent trials, by Wilson's score interval (JASA 22, 1927). Raises ValueError for no trials."""
    if trials < 1:
        raise ValueError("no trials have no share")
    observed = hits / trials
    z2 = _Z95 * _Z95
    middle = (observed + z2 / (2 * trials)) / (1 + z2 / trials)
    half = _Z95 / (1 + z2 / trials) * sqrt(observed * (1 - observed) / trials + z2 / (4 * trials * trials))
    return Estimate(observed, max(0.0, middle - half), min(1.0, middle + half))


def quantile(ordered: Sequence[int], permille: int) -> int:
    """Of sorted values: the smallest that at least that many per mille reach. Raises ValueError for none."""
    if not ordered:
        raise ValueError("no values have no quantile")
    return ordered[min(len(ordered) - 1, len(ordered) * permille // 1000)]
