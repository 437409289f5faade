"""Selfish mining as a race of two branches: the strategy SM1, and any policy given as a table."""

import numpy as np

from raclette.lab.experiments.jit.draws import draw
from raclette.sim.fast.jit import jit

_ONE = np.uint64(1)
# Actions of a policy, as in Sapirshtein, Sompolinsky and Zohar 2016, section 3.
ADOPT, OVERRIDE, MATCH, WAIT = 0, 1, 2, 3
# May the attacker match? Its own block came last; an honest one came last; it has matched and miners are split.
IRRELEVANT, RELEVANT, ACTIVE = 0, 1, 2


@jit
def sm1(key: np.uint64, alpha: np.uint64, gamma: np.uint64, blocks: int) -> tuple[int, int, int, int]:
    """(attacker's blocks in the chain, everybody's, blocks the attacker found, blocks everybody found).

    The rules of Eyal and Sirer 2014, algorithm 1: `private` and `public` are the branches above the last common
    block, `tied` that both are public and equally long. Ends with the first decided race after `blocks` finds.
    """
    counter = np.uint64(0)
    mine = total = found = finds = 0
    private = public = 0
    tied = False
    while finds < blocks or private or public:
        finds += 1
        counter += _ONE
        if draw(key, counter) < alpha:
            found += 1
            private += 1
            if tied:  # its branch wins the tie
                mine += private
                total += private
                private = public = 0
                tied = False
            continue
        if tied:
            counter += _ONE
            if draw(key, counter) < gamma:  # an honest block on the attacker's branch
                mine += private
                total += private + 1
            else:
                total += public + 1
            private = public = 0
            tied = False
        elif private == 0:
            total += 1
        elif private - public == 1:  # the lead was one: publish, and all depends on who hears whom first
            public += 1
            tied = True
        elif private - public == 2:  # the lead was two: publish everything and win
            mine += private
            total += private
            private = public = 0
        else:  # a long lead: reveal block by block, which changes nothing that counts
            public += 1
    return mine, total, found, finds


@jit
def play(key: np.uint64, alpha: np.uint64, gamma: np.uint64, policy: np.ndarray, blocks: int) -> tuple[int, int]:
    """(attacker's blocks in the chain, everybody's) with `policy[fork, a, h]` deciding before each find.

    `a` and `h` are the branches above the last common block. Ends like `sm1`.
    """
    counter = np.uint64(0)
    mine = total = finds = 0
    a = h = 0
    fork = IRRELEVANT
    while True:
        action = policy[fork, a, h]
        if action == ADOPT:
            total += h
            a = h = 0
            fork = IRRELEVANT
        elif action == OVERRIDE:
            mine += h + 1
            total += h + 1
            a -= h + 1
            h = 0
            fork = IRRELEVANT
        elif action == MATCH:
            fork = ACTIVE
        if finds >= blocks and a == 0 and h == 0:
            return mine, total
        finds += 1
        counter += _ONE
        if draw(key, counter) < alpha:
            a += 1
            if fork != ACTIVE:
                fork = IRRELEVANT
            continue
        if fork == ACTIVE:
            counter += _ONE
            if draw(key, counter) < gamma:  # on the published part of the attacker's branch, which so wins
                mine += h
                total += h
                a -= h
                h = 0
        h += 1
        fork = RELEVANT
