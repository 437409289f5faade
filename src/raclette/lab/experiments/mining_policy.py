"""The best that a selfish miner can do, and how sure that is.

`optimal` improves a policy until no other earns more (Dinkelbach's method: the policy that is best for a revenue rho
has a revenue of at least rho, which is the next rho). It returns the revenue of a policy that exists, so a lower bound;
the same search with overpaid edges gives an upper bound. The truth lies between them.
"""

from dataclasses import dataclass
from typing import Any

# Rounds of improvement; four suffice from an honest start, and more would mean that it does not converge.
_ROUNDS_MAX = 30
_SWEEPS_MAX = 200_000
# Precision of the gain (blocks a find) and of the distribution of states.
_GAIN = 1e-8
_WEIGHT = 1e-11
# Improvements of the revenue below this end the search.
_SETTLED = 1e-9


@dataclass(frozen=True)
class Optimum:
    """`revenue` of `policy` (a table by fork, a, h) and an upper bound that no policy exceeds."""

    revenue: float
    upper: float
    policy: Any


class Tables:
    """The arrays of one truncation, kept between searches so that each begins where the last ended."""

    def __init__(self, top: int, *, random_ties: bool = False) -> None:
        import numpy as np

        self._random_ties = random_ties
        shape = (3, top + 1, top + 1)
        self.values, self.scratch, self.weight = (np.zeros(shape) for _ in range(3))
        self.policy = np.zeros(shape, dtype=np.int8)

    def improve(self, alpha: float, gamma: float, rho: float, *, overpay: bool) -> tuple[float, float]:
        """(revenue of the policy that is best at `rho`, bound on how much more any could have at this truncation)."""
        from raclette.lab.experiments.jit.policy import earnings, iterate

        low, high, _ = iterate(
            self.values, self.scratch, self.policy, alpha, gamma, rho, self._random_ties, overpay, _GAIN, _SWEEPS_MAX
        )
        num, den = earnings(self.policy, alpha, gamma, overpay, self.weight, self.scratch, _WEIGHT, _SWEEPS_MAX)
        return num / den, max(high - low, 0.0) / (1 - alpha)

    def best(self, alpha: float, gamma: float, *, overpay: bool, start: float) -> tuple[float, float]:
        """The best revenue at this truncation, and how much more it might be because the gain is known only so well.

        Every block found by the honest makes the chain longer by one, or replaces one of theirs by the attacker's: at
        least 1 - alpha blocks become final a find, which turns a gain into a revenue.
        """
        rho, slack = start, 0.0
        for _ in range(_ROUNDS_MAX):
            better, slack = self.improve(alpha, gamma, rho, overpay=overpay)
            if better <= rho + _SETTLED:
                break
            rho = better
        return max(rho, start), slack


def optimal(alpha: float, gamma: float, top: int, *, random_ties: bool = False) -> Optimum:
    """The optimal policy for these powers, with races of up to `top` blocks."""
    tables = Tables(top, random_ties=random_ties)
    revenue, _ = tables.best(alpha, gamma, overpay=False, start=alpha)
    policy = tables.policy.copy()
    upper, slack = tables.best(alpha, gamma, overpay=True, start=revenue)
    return Optimum(revenue, upper + slack, policy)


def pays(alpha: float, gamma: float, tables: Tables, margin: float) -> bool:
    """Does any policy earn more than `alpha` by `margin`?"""
    return tables.improve(alpha, gamma, alpha, overpay=False)[0] > alpha + margin
