"""Honest mining under load: many small miners, and the same delay between any two.

Source of the model: Sompolinsky and Zohar 2015, section 4, and Decker and Wattenhofer 2013. Blocks come as a Poisson
process of rate lambda, and everybody knows a block D after it was found. With countless miners nobody finds two blocks
within D, so all of them share one view: a block is mined on the head of a tree that knows every block older than D.
That tree is the engine's (`protocols.nakamoto.forkchoice`), under either of its rules.

Deviation: a miner knows its own block at once; with n equal miners that is one in n of the blocks found within D.
"""

from collections import deque
from dataclasses import dataclass

from raclette.chain.header import Header
from raclette.lab.experiments.tree_race import Blocks
from raclette.primitives.randomness import draw64
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto.forkchoice import WINDOW, BlockTree
from raclette.sim import fixed

DELAY_NS = SECOND


@dataclass(frozen=True)
class Grown:
    """A tree of `found` honest blocks, known to everybody; `soon` of them were found within D of the one before."""

    blocks: Blocks
    tree: BlockTree
    found: int
    soon: int

    @property
    def height(self) -> int:
        """Blocks of the main chain."""
        return self.blocks.known[self.tree.head].number

    def attacker_needs(self) -> int:
        """Length of the shortest private branch from genesis that the fork choice prefers when it is published."""
        tip = self.blocks.genesis
        while True:
            tip = self.blocks.on(tip.hash)
            self.tree.add(tip)
            if self.tree.head == tip.hash:
                return tip.number


def grow(seed: int, stream: int, load: float, found: int, *, ghost: bool, window: int = WINDOW) -> Grown:
    """Let `found` blocks come. `load` is lambda times D: blocks found, in the mean, while one travels."""
    blocks = Blocks()
    tree = blocks.tree(ghost=ghost, window=window)
    mean = round(DELAY_NS / load)
    under_way: deque[tuple[int, Header]] = deque()
    now = soon = 0
    for number in range(found):
        wait = fixed.exponential(mean, draw64(seed, stream, number))
        soon += number > 0 and wait < DELAY_NS
        now += wait
        while under_way and under_way[0][0] <= now:
            tree.add(under_way.popleft()[1])
        under_way.append((now + DELAY_NS, blocks.on(tree.head)))
    for _, header in under_way:
        tree.add(header)
    return Grown(blocks, tree, found, soon)
