"""Two final blocks where one belongs."""

from collections.abc import Callable
from dataclasses import dataclass

from raclette.chain.roll import Member


@dataclass(frozen=True)
class Fork:
    """`height` is the lowest at which honest nodes hold different blocks final; `members` reads the roll, with stakes,
    after the block below it, on which they agree."""

    height: int
    members: Callable[[], tuple[Member, ...]]
