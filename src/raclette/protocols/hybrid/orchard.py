"""Fruits on the snail chain: which of those that wait a block takes in, and whether another's block took in only what
it may. `fruits` has the rules; here they meet the chain. Without fruits (`expected` 0) no block may hold any."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from raclette.chain.header import Header
from raclette.engine.contract import Lookup, SealCheck
from raclette.primitives.errors import InvalidBlock
from raclette.protocols.hybrid.fruits import (
    Fruit,
    FruitSeal,
    ancestors,
    check_fruits,
    choose,
    fruit_target,
    refusal,
)

# Fruits that wait, about a kilobyte each. Those that blocks have taken in wait on until they are too old, in case the
# branch changes; beyond this the oldest go, and a later block is short of them.
WAITING_MAX = 8_192


@dataclass(frozen=True)
class Orchard:
    """The rules with their numbers. `expected` fruits a block (0: off), `seal` judges work."""

    expected: int
    freshness: int
    seal: SealCheck

    @property
    def block_seal(self) -> SealCheck:
        """What makes a block a block."""
        return FruitSeal(self.seal, self.expected) if self.expected else self.seal

    def target(self, target: int) -> int:
        """What is searched for where a block would have `target`."""
        return fruit_target(target, self.expected) if self.expected else target

    def has_work(self, fruit: Fruit, pointer: Header) -> bool:
        """HYB-41."""
        return fruit.has_work(self.expected, pointer.difficulty, self.seal)

    def check(
        self,
        fruits: Sequence[Fruit],
        parent: Header,
        lookup: Lookup,
        fruits_of: Callable[[bytes], tuple[bytes, ...]],
    ) -> None:
        """HYB-42: may a child of `parent` hold these? Raises InvalidBlock."""
        if not fruits:
            return
        if not self.expected:
            raise InvalidBlock("fruits-off", "this chain has none")
        behind = ancestors(parent, self.freshness, lookup)
        check_fruits(
            fruits, parent.number + 1, self.freshness, behind.get, self._included(behind, fruits_of), self.has_work
        )

    def pick(
        self,
        waiting: dict[bytes, Fruit],
        parent: Header,
        lookup: Lookup,
        fruits_of: Callable[[bytes], tuple[bytes, ...]],
    ) -> tuple[Fruit, ...]:
        """What a child of `parent` takes in; what has become too old is dropped from `waiting`."""
        if not self.expected or not waiting:
            return ()
        behind = ancestors(parent, self.freshness, lookup)
        included, number = self._included(behind, fruits_of), parent.number + 1
        for name in [name for name, fruit in waiting.items() if self._is_gone(fruit, number, lookup)]:
            del waiting[name]
        return choose(waiting.values(), number, self.freshness, behind.get, included)

    def is_wanted(self, fruit: Fruit, head: Header, lookup: Lookup) -> bool:
        """HYB-43: is it worth keeping and passing on? Its work is done, and a block on the head could hold it."""
        pointer = lookup(fruit.pointer)
        if not self.expected or pointer is None or not self.has_work(fruit, pointer):
            return False
        return not refusal(fruit, max(head.number, pointer.number) + 1, self.freshness, lookup, ())

    def _is_gone(self, fruit: Fruit, number: int, lookup: Lookup) -> bool:
        """Too old for every block to come, whichever branch wins."""
        pointer = lookup(fruit.pointer)
        return pointer is None or number - pointer.number > 2 * self.freshness

    def _included(
        self, behind: dict[bytes, Header], fruits_of: Callable[[bytes], tuple[bytes, ...]]
    ) -> frozenset[bytes]:
        return frozenset(name for block_hash in behind for name in fruits_of(block_hash))
