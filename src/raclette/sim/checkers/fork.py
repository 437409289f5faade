"""Two final blocks where one belongs, and what evidence says."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from raclette.chain.roll import Member
from raclette.primitives.signing import Claim

# One way to read a piece of evidence: claims of one author that convict it if all of them hold.
Reading: TypeAlias = tuple[Claim, ...]


@dataclass(frozen=True)
class Fork:
    """`height` is the lowest at which honest nodes hold different blocks final; `members` reads the roll, with stakes,
    after the block below it, on which they agree. `honest` are the node ids of which a protocol's theorem speaks: those
    that keep to the protocol, and forget nothing."""

    height: int
    members: Callable[[], tuple[Member, ...]]
    honest: frozenset[bytes]
