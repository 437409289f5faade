"""SM1 around honest miners that keep block trees with the engine's fork choice.

Two honest groups stand for many miners. Both hear honest blocks at once. When the attacker answers an honest block with
one of its own, the first group hears the attacker's block first and the second the honest one; gamma is the power of
the first group. Which branch each group mines on is its tree's own decision (first seen of equals), and the revenue is
read off the chain that both agree on.
"""

from raclette.chain.header import Header
from raclette.lab.experiments.statistics import BATCHES, ratio_and_error
from raclette.lab.experiments.tree_race import Blocks
from raclette.primitives.errors import InvariantBroken
from raclette.primitives.randomness import Random


class SelfishWorld:
    """One attacker and two groups of honest miners."""

    def __init__(self) -> None:
        self._blocks = Blocks()
        self._near = self._blocks.tree()  # hears the attacker first
        self._far = self._blocks.tree()
        self._fork = self._blocks.genesis  # the last block that everybody has in common
        self._branch: list[Header] = []  # the attacker's blocks above it
        self._published = 0  # how many of them are public
        self._mine: set[bytes] = set()
        self.gained = 0  # the attacker's blocks up to the fork
        self.length = 0  # everybody's

    @property
    def decided(self) -> bool:
        """Does the attacker mine on the public head, with nothing of its own?"""
        return not self._branch

    def attacker_finds(self) -> None:
        """A block on its own branch; if two public branches are level, this one decides."""
        tied = 0 < self._published == len(self._branch)
        block = self._blocks.on(self._branch[-1].hash if self._branch else self._fork.hash)
        self._mine.add(block.hash)
        self._branch.append(block)
        if tied:
            self._publish(len(self._branch))
            self._settle()

    def honest_finds(self, near: bool) -> None:
        """A block on what one group takes for the head; the attacker answers before the others hear of it."""
        block = self._blocks.on((self._near if near else self._far).head)
        public, private = block.number - self._fork.number, len(self._branch)
        tied = 0 < self._published == private
        if private and not tied:
            # Eyal and Sirer 2014, algorithm 1: a lead of one or two is cashed in, a longer one is revealed slowly.
            wanted = private if private - public <= 1 else public
            self._publish(wanted, before=block)
        else:
            self._near.add(block)
            self._far.add(block)
        if tied or private == 0 or private - public == 1:
            self._settle()

    def _publish(self, count: int, before: Header | None = None) -> None:
        """Make the first `count` blocks of the branch public; the first group hears them before the block `before`,
        the second after it."""
        fresh = self._branch[self._published : count]
        others = [before] if before is not None else []
        for header in [*fresh, *others]:
            self._near.add(header)
        for header in [*others, *fresh]:
            self._far.add(header)
        self._published = count

    def _settle(self) -> None:
        """The race is decided, and everybody mines on the same head."""
        if self._near.head != self._far.head:
            raise InvariantBroken("a decided race with two heads")
        cursor = self._blocks.known[self._near.head]
        self.length += cursor.number - self._fork.number
        new_fork = cursor
        while cursor.number > self._fork.number:
            self.gained += cursor.hash in self._mine
            cursor = self._blocks.known[cursor.parent_hash]
        self._fork = new_fork
        self._branch = []
        self._published = 0


def selfish_share(seed: int, stream: int, alpha: float, gamma: float, blocks: int) -> tuple[float, float]:
    """(revenue, its standard error) after `blocks` finds, in batches that begin anew and end with a decided race."""
    gained, lengths = [], []
    power, near = int(alpha * 2**53) << 11, int(gamma * 2**53) << 11
    for batch in range(BATCHES):
        random = Random(seed, stream + batch)
        world = SelfishWorld()
        finds = 0
        while finds < blocks // BATCHES or not world.decided:
            finds += 1
            if random.next64() < power:
                world.attacker_finds()
            else:
                world.honest_finds(random.next64() < near)
        gained.append(world.gained)
        lengths.append(world.length)
    return ratio_and_error(gained, lengths)
