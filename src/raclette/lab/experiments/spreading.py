"""Blocks spreading over the Internet of 2019, and the forks that come of it: what two experiments measure.

The workload is SimBlock's: full blocks of 535,000 bytes, announced, requested and sent whole, among nodes in six
regions. Two disciplines of the uplink: SimBlock's, where a node sends its next block only when the one before has
arrived, and the network's own, where the next one leaves as soon as the last bit of the one before has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.miners import draw_power
from raclette.sim.pow import PowRun, run_pow


@dataclass(frozen=True)
class Spread:
    """One run. Delays in ms: `delays` of every node and block, in order, and their mean by hash power."""

    run: PowRun
    delays: Sequence[float]
    mean_ms: float
    weighted_mean_ms: float
    conflicts: int
    expected_conflicts: float

    @property
    def stale(self) -> float:
        """Part of the blocks that are not in the chain."""
        return len(self.run.stale) / self.run.blocks

    def quantile(self, percent: int) -> float:
        """Of all delays (ms)."""
        return self.delays[(len(self.delays) - 1) * percent // 100]


def spread(nodes: int, interval_s: float, blocks: int, seed: int, *, stop_and_wait: bool) -> Spread:
    """Mine `blocks` blocks and see how they travel.

    A block conflicts if another is found by somebody who has not got it yet. Source of that count, and of what is
    expected for the delays that the block met (one minus the exponential of the power that did not know it, summed
    over time): Decker and Wattenhofer 2013, section V, equations 3 and 4.
    """
    import numpy as np

    run = run_pow(
        nodes=nodes, interval_ms=round(interval_s * 1000), blocks=blocks, seed=seed, stop_and_wait=stop_and_wait
    )
    power = np.array(draw_power(nodes, seed), dtype=np.float64)
    power /= power.sum()
    everything, means = [], []
    conflicts = 0
    for block in range(1, run.blocks + 1):
        arrivals = np.array(run.arrivals(block), dtype=np.int64)
        delays = (arrivals - run.sealed_at[block]) / MILLISECOND
        everything.append(delays)
        means.append(float((delays * power).sum()))
        conflicts += _conflicts(run, block, arrivals.tolist())
    pooled = np.sort(np.concatenate(everything))
    rate = MILLISECOND / (interval_s * SECOND)
    return Spread(
        run=run,
        delays=pooled.tolist(),
        mean_ms=float(pooled.mean()),
        weighted_mean_ms=sum(means) / len(means),
        conflicts=conflicts,
        expected_conflicts=sum(1 - exp(-rate * mean) for mean in means),
    )


def _conflicts(run: PowRun, block: int, arrivals: Sequence[int]) -> bool:
    """Was a later block found by somebody who had not got this one?"""
    last = max(arrivals)
    for other in range(block + 1, run.blocks + 1):
        if run.sealed_at[other] >= last:
            return False
        if run.sealed_at[other] < arrivals[run.miners[other]]:
            return True
    return False
