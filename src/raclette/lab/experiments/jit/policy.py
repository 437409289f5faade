"""Optimal selfish mining as a Markov decision process: value iteration and what a policy earns.

A state is (fork, a, h): may the attacker match, its private blocks, and the public blocks since the last common one.
Its reward is `num - rho * den` (the attacker's blocks and everybody's that become final), so that the best average
reward is zero exactly at the best revenue rho. Tables are truncated at `a` or `h` = `top`: there the attacker must
give up or override, or, with `overpay`, gets at least what any continuation could be worth and begins anew.
Source: Sapirshtein, Sompolinsky and Zohar 2016, sections 3 and 4. These are floating-point numbers: they choose a
policy, whose revenue is then computed for what it is. With `random_ties` honest miners choose between level branches at
random, whichever they heard first, so that the attacker may match at any time (the same paper, section 6).
"""

import numpy as np

from raclette.lab.experiments.jit.selfish import ACTIVE, ADOPT, IRRELEVANT, MATCH, OVERRIDE, RELEVANT, WAIT
from raclette.sim.fast.jit import jit


@jit
def overpaid(alpha: float, a: int, h: int) -> tuple[float, float]:
    """(num, den) that no continuation of (a, h) beats, the race begun anew being worth 0.

    The attacker is told beforehand when the two branches are level for the last time: it then wins every block that it
    has, or, if they never are, gives up at once. With d blocks between them they become level after d / (1 - 2 alpha)
    more on average (if the attacker leads; otherwise with probability (alpha / (1 - alpha))**d, and then as fast), and
    from there on the attacker finds 2 alpha (1 - alpha) / (1 - 2 alpha)**2 blocks until the last such moment.
    """
    drift = 1.0 - 2.0 * alpha
    distance = abs(a - h)
    all_its_blocks = 0.5 * (a + h + distance / drift) + 2.0 * alpha * (1.0 - alpha) / (drift * drift)
    level = 1.0 if a >= h else (alpha / (1.0 - alpha)) ** distance
    return level * all_its_blocks, level * all_its_blocks + (1.0 - level) * h


@jit
def iterate(
    values: np.ndarray,
    scratch: np.ndarray,
    policy: np.ndarray,
    alpha: float,
    gamma: float,
    rho: float,
    random_ties: bool,
    overpay: bool,
    precision: float,
    sweeps_max: int,
) -> tuple[float, float, int]:
    """Relative value iteration until the gain is known to `precision`: (its bounds, sweeps). Fills `policy`."""
    low, high = -1e9, 1e9
    sweeps = 0
    while high - low > precision and sweeps < sweeps_max:
        low, high = _sweep(values, scratch, policy, alpha, gamma, rho, random_ties, overpay)
        base = scratch[IRRELEVANT, 1, 0]
        for fork in range(3):
            for a in range(values.shape[1]):
                for h in range(values.shape[2]):
                    values[fork, a, h] = scratch[fork, a, h] - base
        sweeps += 1
    return low, high, sweeps


@jit
def _sweep(
    values: np.ndarray,
    fresh: np.ndarray,
    policy: np.ndarray,
    alpha: float,
    gamma: float,
    rho: float,
    random_ties: bool,
    overpay: bool,
) -> tuple[float, float]:
    """One sweep over all states: the least and the greatest change."""
    top = values.shape[1] - 1
    honest = 1.0 - alpha
    low, high = 1e9, -1e9
    restart = alpha * values[IRRELEVANT, 1, 0] + honest * values[RELEVANT, 0, 1]
    for a in range(top + 1):
        for h in range(top + 1):
            edge = a == top or h == top
            give_up = restart - rho * h
            if edge and overpay:
                num, den = overpaid(alpha, a, h)
                give_up = restart + num - rho * den
            override = -1e9
            if a > h and not (edge and overpay):
                override = (1.0 - rho) * (h + 1) + alpha * values[IRRELEVANT, a - h, 0]
                override += honest * values[RELEVANT, a - h - 1, 1]
            wait = match = -1e9
            if not edge:
                wait = alpha * values[IRRELEVANT, a + 1, h] + honest * values[RELEVANT, a, h + 1]
                if a >= h >= 1:
                    match = alpha * values[ACTIVE, a + 1, h] + honest * (1.0 - gamma) * values[RELEVANT, a, h + 1]
                    match += honest * gamma * ((1.0 - rho) * h + values[RELEVANT, a - h, 1])
            for fork in range(3):
                best, action = give_up, ADOPT
                if override > best:
                    best, action = override, OVERRIDE
                if fork == ACTIVE:
                    if match > best:
                        best, action = match, WAIT
                else:
                    if wait > best:
                        best, action = wait, WAIT
                    if (fork == RELEVANT or random_ties) and match > best:
                        best, action = match, MATCH
                change = best - values[fork, a, h]
                low = min(low, change)
                high = max(high, change)
                fresh[fork, a, h] = best
                policy[fork, a, h] = action
    return low, high


@jit
def earnings(
    policy: np.ndarray,
    alpha: float,
    gamma: float,
    overpay: bool,
    weight: np.ndarray,
    fresh: np.ndarray,
    precision: float,
    steps_max: int,
) -> tuple[float, float]:
    """(num, den) a block found, in the long run of a policy: the revenue is their ratio.

    The distribution of states is followed from a fresh start until it changes by less than `precision`.
    """
    top = policy.shape[1] - 1
    honest = 1.0 - alpha
    weight[:] = 0.0
    weight[IRRELEVANT, 1, 0] = alpha
    weight[RELEVANT, 0, 1] = honest
    num = den = 0.0
    for _ in range(steps_max):
        fresh[:] = 0.0
        num = den = 0.0
        for fork in range(3):
            for a in range(top + 1):
                for h in range(top + 1):
                    here = weight[fork, a, h]
                    if here == 0.0:
                        continue
                    action = policy[fork, a, h]
                    if action == ADOPT:
                        if overpay and (a == top or h == top):
                            extra_num, extra_den = overpaid(alpha, a, h)
                            num += here * extra_num
                            den += here * extra_den
                        else:
                            den += here * h
                        fresh[IRRELEVANT, 1, 0] += here * alpha
                        fresh[RELEVANT, 0, 1] += here * honest
                    elif action == OVERRIDE:
                        num += here * (h + 1)
                        den += here * (h + 1)
                        fresh[IRRELEVANT, a - h, 0] += here * alpha
                        fresh[RELEVANT, a - h - 1, 1] += here * honest
                    elif action == MATCH or fork == ACTIVE:
                        num += here * honest * gamma * h
                        den += here * honest * gamma * h
                        fresh[ACTIVE, a + 1, h] += here * alpha
                        fresh[RELEVANT, a - h, 1] += here * honest * gamma
                        fresh[RELEVANT, a, h + 1] += here * honest * (1.0 - gamma)
                    else:
                        fresh[IRRELEVANT, a + 1, h] += here * alpha
                        fresh[RELEVANT, a, h + 1] += here * honest
        moved = 0.0
        for fork in range(3):
            for a in range(top + 1):
                for h in range(top + 1):
                    moved += abs(fresh[fork, a, h] - weight[fork, a, h])
                    weight[fork, a, h] = fresh[fork, a, h]
        if moved < precision:
            break
    return num, den
