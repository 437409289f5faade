"""Who makes the blocks of a chain, one by one, under the worst attack on its quality."""

import numpy as np

from raclette.lab.experiments.jit.draws import draw
from raclette.sim.fast.jit import jit

_ONE = np.uint64(1)


@jit
def owners(key: np.uint64, share: np.uint64, chain: np.ndarray) -> None:
    """Fill `chain` (8-bit integers) with 1 for each block of the attacker and 0 for each honest one, in order.

    The attacker keeps its blocks, and publishes one whenever an honest block appears; its messages arrive first
    everywhere, so that the honest block of that height is lost (as `races.displaced`, which only counts).
    """
    counter = np.uint64(0)
    kept = length = 0
    while length < len(chain):
        counter += _ONE
        if draw(key, counter) < share:
            kept += 1
            continue
        chain[length] = 1 if kept else 0
        length += 1
        if kept:
            kept -= 1
