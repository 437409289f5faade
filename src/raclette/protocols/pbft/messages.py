"""What replicas say to each other. Immutable; each carries the claims that the gate verifies before we see it.

`sender` is the author's number in the committee, not the peer that handed the message over.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.primitives.signing import Claim
from raclette.protocols.decided import Decided
from raclette.protocols.pbft.quorum import Certificate


@dataclass(frozen=True, slots=True)
class Vote:
    """One replica's word on (view, height): this hash and no other."""

    view: int
    height: int
    block_hash: bytes
    sender: int
    claim: Claim
    kind: ClassVar[str] = "vote"

    def claims(self) -> tuple[Claim, ...]:
        """The author's signature."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class Prepare(Vote):
    """I accept the primary's assignment."""

    kind: ClassVar[str] = "prepare"


@dataclass(frozen=True, slots=True)
class Commit(Vote):
    """I hold a prepared certificate for it."""

    kind: ClassVar[str] = "commit"


@dataclass(frozen=True, slots=True)
class PrePrepare:
    """The primary assigns a block to its height: its PREPARE with the block attached."""

    view: int
    header: Header
    sender: int
    claim: Claim
    block: Block | None = None
    kind: ClassVar[str] = "pre-prepare"

    def claims(self) -> tuple[Claim, ...]:
        """The primary's signature."""
        return (self.claim,)

    def with_block(self, block: Block) -> "PrePrepare":
        """The same with its body."""
        return replace(self, block=block)

    @property
    def vote(self) -> Prepare:
        """The primary's PREPARE in it."""
        return Prepare(self.view, self.header.number, self.header.hash, self.sender, self.claim)


@dataclass(frozen=True, slots=True)
class CheckpointVote:
    """I have executed everything up to this block."""

    height: int
    block_hash: bytes
    sender: int
    claim: Claim
    kind: ClassVar[str] = "checkpoint"

    def claims(self) -> tuple[Claim, ...]:
        """The author's signature."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class ViewChange:
    """I have left all views below `view`; this is my stable checkpoint and the highest block I hold prepared."""

    view: int
    checkpoint: Certificate | None
    prepared: Certificate | None
    sender: int
    claim: Claim
    proof: tuple[Claim, ...]
    kind: ClassVar[str] = "view-change"

    def claims(self) -> tuple[Claim, ...]:
        """The author's signature and those of both certificates."""
        return self.proof


@dataclass(frozen=True, slots=True)
class NewView:
    """The new primary's proof that a quorum has moved to `view`. Everybody computes the base from it."""

    view: int
    view_changes: tuple[ViewChange, ...]
    sender: int
    claim: Claim
    proof: tuple[Claim, ...]
    kind: ClassVar[str] = "new-view"

    def claims(self) -> tuple[Claim, ...]:
        """The primary's signature and all those inside, each once."""
        return self.proof


@dataclass(frozen=True, slots=True)
class Committed(Decided):
    """A quorum has sent COMMIT."""

    kind: ClassVar[str] = "committed"


@dataclass(frozen=True, slots=True)
class Status:
    """Where I stand, from one linked peer to another: whoever sees what I lack sends it. Unsigned; decides nothing."""

    view: int
    active: bool
    final: int
    tip: int
    low: int
    kind: ClassVar[str] = "status"

    def claims(self) -> tuple[Claim, ...]:
        """None: a link's peer speaks only for itself, and a lie costs us a bounded answer."""
        return ()


PbftMessage: TypeAlias = PrePrepare | Prepare | Commit | CheckpointVote | ViewChange | NewView | Committed | Status
