"""A chain with fruits, and one attacker among honest miners who hear of everything at once.

Every find is a fruit, and one in so many is a block as well. At most two branches stand above the last block that all
share: the public one, which is honest, and the private one, which is the attacker's. What a block includes is decided
when its branch has won, block by block in the order of the branch, from what was known when it was found: the same as
if every block had chosen when it was made, for what an orphan included waits again.

The rows of arrays: `honest` (time found, height of the block it hangs from, where that is), `own` (time published,
height of the block it hangs from), both in the order in which they expire; `branches` (times of the private and of the
public blocks); `chain` (attacker's?, honest fruits, attacker's fruits).
"""

from typing import NamedTuple

import numpy as np

from raclette.lab.experiments.jit.draws import draw
from raclette.sim.fast.jit import jit

_ONE = np.uint64(1)
# Where a fruit hangs: below the fork, on the public or the private branch above it, or on a branch that has lost.
COMMON, PUBLIC, PRIVATE, DEAD = 0, 1, 2, 3
# Places of the tally: height of the shared chain; ends and beginnings of both queues; honest fruits that expired or
# hung from a lost branch; where the fork and the hoard begin in the queues; blocks above the fork; are both public?
HEIGHT, HONEST_END, HONEST_NEXT, OWN_END, OWN_NEXT, EXPIRED, LOST, FORKED, HOARDED, ABOVE, HIDDEN, TIED = range(12)
TALLY = 12
# When a hoarded fruit is published, until it is.
NEVER = 2**31 - 1


class Chances(NamedTuple):
    """Thresholds of draws: a find is the attacker's; an honest one is on the attacker's branch in a tie; a find is a
    block."""

    alpha: np.uint64
    gamma: np.uint64
    block: np.uint64


class Rules(NamedTuple):
    """How deep the block is that an honest fruit hangs from, in blocks; the window, in blocks; a block's fruits, at
    most."""

    depth: int
    window: int
    limit: int


class Plan(NamedTuple):
    """What the attacker does: withholds blocks by SM1 (0 or 1); leaves honest fruits out of its blocks (0 or 1);
    withholds its fruits for `hoard` blocks, then not for `harvest` blocks, and so on."""

    selfish: int
    censors: int
    hoard: int
    harvest: int


class World(NamedTuple):
    """Arrays of integers: see above."""

    tally: np.ndarray
    honest: np.ndarray
    own: np.ndarray
    branches: np.ndarray
    chain: np.ndarray


@jit
def _include(rules: Rules, plan: Plan, world: World, time: int, attacks: int) -> None:
    """One block more that all share, found at `time`, the attacker's if `attacks`. It includes the waiting fruits that
    expire first; the attacker its own before others, and only those if it censors."""
    tally, honest, own, chain = world.tally, world.honest, world.own, world.chain
    height = tally[HEIGHT] + 1
    tally[HEIGHT] = height
    next_honest, next_own = tally[HONEST_NEXT], tally[OWN_NEXT]
    taken = mine = 0
    while taken + mine < rules.limit:
        while next_honest < tally[HONEST_END] and (
            honest[next_honest, 2] == DEAD or height - honest[next_honest, 1] > rules.window
        ):
            tally[LOST if honest[next_honest, 2] == DEAD else EXPIRED] += 1
            next_honest += 1
        while next_own < tally[OWN_END] and height - own[next_own, 1] > rules.window:
            next_own += 1
        wanted = not (attacks and plan.censors)
        theirs = wanted and next_honest < tally[HONEST_END] and honest[next_honest, 0] < time
        ours = next_own < tally[OWN_END] and own[next_own, 0] < time
        if ours and (attacks or not theirs or own[next_own, 1] <= honest[next_honest, 1]):
            mine += 1
            next_own += 1
        elif theirs:
            taken += 1
            next_honest += 1
        else:
            break
    tally[HONEST_NEXT], tally[OWN_NEXT] = next_honest, next_own
    chain[height, 0], chain[height, 1], chain[height, 2] = attacks, taken, mine


@jit
def _decide(rules: Rules, plan: Plan, world: World, side: int, blocks: int, hidden: int) -> None:
    """The branch on this side has won with so many blocks, the first `hidden` of them the attacker's. What hangs from
    it hangs from the shared chain now; what hangs from the other hangs from nothing."""
    tally, honest, branches = world.tally, world.honest, world.branches
    for place in range(tally[FORKED], tally[HONEST_END]):
        if honest[place, 2] != COMMON:
            honest[place, 2] = COMMON if honest[place, 2] == side else DEAD
    tally[FORKED] = tally[HONEST_END]
    tally[ABOVE] = tally[HIDDEN] = tally[TIED] = 0
    for place in range(blocks):
        if place < hidden:
            _include(rules, plan, world, branches[place, 0], 1)
        else:
            _include(rules, plan, world, branches[place, 1], 0)


@jit
def _attacker_finds(rules: Rules, plan: Plan, world: World, time: int, block: bool) -> None:
    """Its fruit hangs from the last block that all share, where nothing can happen to it."""
    tally, own, branches = world.tally, world.own, world.branches
    height, place = tally[HEIGHT], tally[OWN_END]
    cycle = plan.hoard + plan.harvest
    hoards = cycle and height % cycle < plan.hoard
    own[place, 0], own[place, 1] = (NEVER if hoards else time), height
    tally[OWN_END] = place + 1
    if not block:
        return
    branches[tally[HIDDEN], 0] = time
    tally[HIDDEN] += 1
    if tally[TIED] or not plan.selfish:
        _decide(rules, plan, world, PRIVATE, tally[HIDDEN], tally[HIDDEN])


@jit
def _honest_finds(rules: Rules, plan: Plan, world: World, time: int, block: bool, side: int) -> None:
    """On the public branch or (in a tie) on the attacker's. Then SM1's answer to a block."""
    tally, honest, branches = world.tally, world.honest, world.branches
    base, above, hidden, place = tally[HEIGHT], tally[ABOVE], tally[HIDDEN], tally[HONEST_END]
    pointer = max(base + above - rules.depth, 0)
    honest[place, 0], honest[place, 1], honest[place, 2] = time, pointer, (side if pointer > base else COMMON)
    tally[HONEST_END] = place + 1
    if not block:
        return
    branches[above, 1] = time
    above += 1
    tally[ABOVE] = above
    if hidden == 0 or tally[TIED]:
        _decide(rules, plan, world, side, above, hidden if side == PRIVATE else 0)
    elif hidden == above:  # the lead was one: publish, and all depends on who hears whom first
        tally[TIED] = 1
    elif hidden == above + 1:  # the lead was two: publish everything and win
        _decide(rules, plan, world, PRIVATE, hidden, hidden)


@jit
def _publish_hoard(plan: Plan, world: World, time: int) -> None:
    """All at once, when the time of hoarding is over."""
    tally, own = world.tally, world.own
    cycle = plan.hoard + plan.harvest
    if not cycle or tally[HEIGHT] % cycle >= plan.hoard:
        for place in range(tally[HOARDED], tally[OWN_END]):
            if own[place, 0] == NEVER:
                own[place, 0] = time
        tally[HOARDED] = tally[OWN_END]


@jit
def grow(key: np.uint64, chances: Chances, finds: int, rules: Rules, plan: Plan, world: World) -> int:
    """So many finds, or fewer if the blocks fill the arrays; the height of the chain that all share then.

    SM1 is algorithm 1 of Eyal and Sirer 2014.
    """
    tally = world.tally
    counter = np.uint64(0)
    blocks = 0
    for time in range(1, finds + 1):
        counter += _ONE
        attacks = draw(key, counter) < chances.alpha
        counter += _ONE
        block = bool(draw(key, counter) < chances.block)
        blocks += int(block)
        if blocks >= len(world.branches):
            break
        if attacks:
            _attacker_finds(rules, plan, world, time, block)
        else:
            side = PUBLIC
            if tally[TIED]:
                counter += _ONE
                side = PRIVATE if draw(key, counter) < chances.gamma else PUBLIC
            _honest_finds(rules, plan, world, time, block, side)
        _publish_hoard(plan, world, time)
    return int(tally[HEIGHT])
