"""What nodes of a hybrid chain say to each other. Immutable; each carries the claims that the gate verifies.

Three kinds of talk: of the members of a committee (`Daily`, which wraps the inner engine's messages, and `Signed`), of
the log's followers (`Logged`), and of the snail chain (`SnailBlock`, `Complaint`, `Fruit`, and its sync).
"""

from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message, carries_block
from raclette.primitives.signing import Claim, digest_of
from raclette.protocols.decided import Decided
from raclette.protocols.hybrid.almanac import Day, Entry
from raclette.protocols.hybrid.fruits import Fruit


def entry_digest(chain_id: int, entry: Entry) -> bytes:
    """HYB-21: what a member signs for a block of the log."""
    what = (entry.day, entry.election, entry.number, entry.block_hash, int(entry.ends))
    return digest_of("raclette/hybrid/entry", chain_id, *what)


def complaint_digest(chain_id: int, election: bytes) -> bytes:
    """HYB-12: what a member signs who finds the committee of this election silent."""
    return digest_of("raclette/hybrid/complaint", chain_id, election)


@dataclass(frozen=True, slots=True)
class Daily:
    """A message of the inner engine of day `day`, which snail block `election` elected. `inner` is None if we do not
    run that day: then nobody has checked it, and it only tells that the day is on."""

    kind: ClassVar[str] = "daily"

    day: int
    election: bytes
    payload: bytes
    inner: Message | None

    @property
    def closed(self) -> bool:
        """HYB-38."""
        return self.inner is None

    def claims(self) -> tuple[Claim, ...]:
        """The inner message's."""
        return self.inner.claims() if self.inner is not None else ()


@dataclass(frozen=True, slots=True)
class DailyBlock:
    """The same for one that carries a block of the log."""

    kind: ClassVar[str] = "daily-block"

    day: int
    election: bytes
    payload: bytes
    inner: Message
    header: Header
    block: Block | None = None

    def claims(self) -> tuple[Claim, ...]:
        """The inner message's."""
        return self.inner.claims()

    def with_block(self, block: Block) -> "DailyBlock":
        """The same with its body, inside and outside."""
        inner = self.inner.with_block(block) if carries_block(self.inner) else self.inner
        return replace(self, inner=inner, block=block)


@cache
def _named(base: type, kind: str) -> type:
    """A class of its own for each inner kind, so that messages are counted by it."""
    return type(base.__name__, (base,), {"kind": kind, "__slots__": ()})


def wrap(day: Day, payload: bytes, inner: Message) -> "Daily | DailyBlock":
    """An inner message for the wire; `payload` is its inner encoding."""
    wrapped: Daily | DailyBlock
    if carries_block(inner):
        block = inner.header, inner.block
        wrapped = _named(DailyBlock, inner.kind)(day.number, day.snail_hash, payload, inner, *block)
    else:
        wrapped = _named(Daily, inner.kind)(day.number, day.snail_hash, payload, inner)
    return wrapped


@dataclass(frozen=True, slots=True)
class Signed:
    """HYB-21: a member has seen this block ordered. One with `ends` is the paper's signed stop."""

    kind: ClassVar[str] = "entry"

    entry: Entry
    claim: Claim

    @property
    def signer(self) -> bytes:
        """Node id."""
        return self.claim.author

    def claims(self) -> tuple[Claim, ...]:
        """The member's signature."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class Logged(Decided):
    """HYB-22: a block of the log with the signatures of more than a third of its committee."""

    kind: ClassVar[str] = "logged"


@dataclass(frozen=True, slots=True)
class Unproven:
    """HYB-26: I have seen block `number` ordered and lack its proof: who has it?"""

    kind: ClassVar[str] = "unproven"

    number: int

    def claims(self) -> tuple[Claim, ...]:
        """None: a lie costs a bounded answer."""
        return ()


@dataclass(frozen=True, slots=True)
class SnailBlock:
    """A new block of the snail chain, whole: it is small."""

    kind: ClassVar[str] = "snail-block"

    block: "Block"
    proof: tuple[Claim, ...]

    def claims(self) -> tuple[Claim, ...]:
        """Those of what it records; work speaks for the block."""
        return self.proof


@dataclass(frozen=True, slots=True)
class SnailQuestion:
    """Which blocks lead from what I have (`locator`, newest first) to your head, or to `target` if it is not empty?"""

    kind: ClassVar[str] = "snail-question"

    locator: tuple[bytes, ...]
    target: bytes

    def claims(self) -> tuple[Claim, ...]:
        """None: a lie costs a bounded answer."""
        return ()


@dataclass(frozen=True, slots=True)
class SnailBlocks:
    """The answer: blocks in order, as many as fit; `more` if there are others."""

    kind: ClassVar[str] = "snail-blocks"

    blocks: tuple[Block, ...]
    more: bool
    proof: tuple[Claim, ...]

    def claims(self) -> tuple[Claim, ...]:
        """Those of what the blocks record."""
        return self.proof


@dataclass(frozen=True, slots=True)
class Complaint:
    """HYB-12: a member of the newest day, which snail block `election` elected, says that nothing is ordered although
    something waits."""

    kind: ClassVar[str] = "complaint"

    election: bytes
    claim: Claim

    @property
    def author(self) -> bytes:
        """Node id."""
        return self.claim.author

    def claims(self) -> tuple[Claim, ...]:
        """The member's signature."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class FreshFruit:
    """HYB-40: a fruit that waits to be taken into a snail block."""

    kind: ClassVar[str] = "fruit"

    fruit: Fruit

    def claims(self) -> tuple[Claim, ...]:
        """None: work speaks for it."""
        return ()


HybridMessage: TypeAlias = (
    Daily | DailyBlock | Signed | Logged | Unproven | SnailBlock | SnailQuestion | SnailBlocks | Complaint | FreshFruit
)
