"""Races of two branches, block by block: every block is the attacker's with probability q, else honest."""

import numpy as np

from raclette.lab.experiments.jit.draws import draw
from raclette.sim.fast.jit import jit

_ONE = np.uint64(1)


@jit
def double_spends(key: np.uint64, share: np.uint64, confirmations: int, give_up: int, trials: int) -> int:
    """How many of `trials` private branches overtake the public one. `share`: threshold of the attacker's draws.

    The attacker has one block ahead of the payment. The payment counts after `confirmations` public blocks; from then
    on the attacker publishes as soon as its branch is longer, and gives up when it is `give_up` blocks short of that.
    """
    counter = np.uint64(0)
    won = 0
    for _ in range(trials):
        private, public = 1, 0
        while public < confirmations:
            counter += _ONE
            if draw(key, counter) < share:
                private += 1
            else:
                public += 1
        while private <= public and public - private < give_up:
            counter += _ONE
            if draw(key, counter) < share:
                private += 1
            else:
                public += 1
        if private > public:
            won += 1
    return won


@jit
def catch_ups(
    key: np.uint64, share: np.uint64, table: np.ndarray, confirmations: int, give_up: int, trials: int
) -> int:
    """The same with Nakamoto's simplification: the attacker's blocks during the wait are Poisson distributed.

    `table[k]` is the threshold of drawing at most k blocks.
    """
    counter = np.uint64(0)
    won = 0
    for _ in range(trials):
        counter += _ONE
        value = draw(key, counter)
        found = 0
        while found < len(table) and value >= table[found]:
            found += 1
        behind = confirmations - found
        while 0 < behind < give_up:
            counter += _ONE
            if draw(key, counter) < share:
                behind -= 1
            else:
                behind += 1
        if behind <= 0:
            won += 1
    return won


@jit
def displaced(key: np.uint64, share: np.uint64, blocks: int) -> tuple[int, int]:
    """(length of the public chain, attacker's blocks in it) after `blocks` were found, under the worst attack.

    The attacker keeps its blocks, and publishes one whenever an honest block appears; its messages arrive first
    everywhere, so that the honest block of that height is lost. Ends when nothing is kept after `blocks` finds.
    """
    counter = np.uint64(0)
    kept = length = taken = 0
    found = 0
    while found < blocks or kept:
        found += 1
        counter += _ONE
        if draw(key, counter) < share:
            kept += 1
        else:
            length += 1
            if kept:
                kept -= 1
                taken += 1
    return length, taken
