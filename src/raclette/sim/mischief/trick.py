"""What a trick is: who plays it, and what it hands to which node when."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from raclette.chain.presets import sample_key
from raclette.primitives.keys import AccountKey
from raclette.primitives.randomness import Random
from raclette.primitives.units import SECOND

# Every trick has two accounts to itself, so that one does not spoil another.
ACCOUNTS_PER_TRICK = 2
# What a trick's later steps wait, so that the earlier ones have been executed in a network that works.
STEP_NS = 2 * SECOND


class Attempt(NamedTuple):
    """`raw` is handed to a node `after` ns from the start of its trick; `place` counts nodes from a drawn one."""

    after: int
    place: int
    raw: bytes
    lawful: bool = True


class Purse:
    """The two accounts of one trick."""

    def __init__(self, index: int, first: int, chain_id: int) -> None:
        self.key: AccountKey = sample_key(first + ACCOUNTS_PER_TRICK * index)
        self.other: AccountKey = sample_key(first + ACCOUNTS_PER_TRICK * index + 1)
        self.chain_id = chain_id


Trick: TypeAlias = Callable[[Purse, Random], Sequence[Attempt]]


def accounts_of(mischief: int) -> int:
    """Accounts that this many tricks need."""
    return ACCOUNTS_PER_TRICK * mischief
