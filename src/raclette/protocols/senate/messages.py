"""What holders, directors and senators say. Immutable; each carries the claims that the gate verifies before we see it.

`sender` is the author's node id. Nobody says how much he weighs: that is looked up in the state of the parent.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.primitives.signing import Claim, Lot
from raclette.protocols.decided import Decided

Votes: TypeAlias = tuple[tuple[bytes, bytes], ...]


class Lock(NamedTuple):
    """PREPAREs of a quorum of seats for `block_hash` in `round`: (node, signature), nodes ascending and distinct."""

    round: int
    block_hash: bytes
    votes: Votes


class Excuse(NamedTuple):
    """One TIMEOUT inside a justification: who, the lock it names (`lock_rank` is its round plus 1, 0 for none)."""

    sender: bytes
    lock_rank: int
    lock_hash: bytes
    signature: bytes


class Justification(NamedTuple):
    """Why `round` may begin: TIMEOUTs of a quorum of seats for the round before, senders ascending and distinct, and
    the highest lock that they name, whole."""

    round: int
    excuses: tuple[Excuse, ...]
    lock: Lock | None


@dataclass(frozen=True, slots=True)
class Entry:
    """I enter the directors' lottery of this height; this is my ticket."""

    height: int
    seed: bytes
    sender: bytes
    ticket: Lot
    kind: ClassVar[str] = "entry"

    def claims(self) -> tuple[Claim, ...]:
        """The ticket: nobody else could have drawn it."""
        return (self.ticket,)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A director's block."""

    header: Header
    sender: bytes
    claim: Claim
    lots: tuple[Lot, Lot]
    block: Block | None = None
    kind: ClassVar[str] = "candidate"

    def claims(self) -> tuple[Claim, ...]:
        """The director's signature, its ticket, and the lot for the next seed."""
        return (self.claim, *self.lots)

    def with_block(self, block: Block) -> "Candidate":
        """The same with its body."""
        return replace(self, block=block)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The leader of a round puts a director's block to the vote. Above round 0 it shows why the round exists. The
    director's signature is with it unless the block is the justification's lock."""

    round: int
    header: Header
    justification: Justification | None
    director_signature: bytes
    sender: bytes
    claim: Claim
    proof: tuple[Claim, ...]
    block: Block | None = None
    kind: ClassVar[str] = "proposal"

    def claims(self) -> tuple[Claim, ...]:
        """Leader, director, its lots, and everything inside the justification."""
        return self.proof

    def with_block(self, block: Block) -> "Proposal":
        """The same with its body."""
        return replace(self, block=block)


@dataclass(frozen=True, slots=True)
class Vote:
    """A senator's word on (height, round): this block and no other."""

    height: int
    round: int
    block_hash: bytes
    sender: bytes
    claim: Claim
    kind: ClassVar[str] = "vote"

    def claims(self) -> tuple[Claim, ...]:
        """The author's signature."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class Prepare(Vote):
    """I have checked it."""

    kind: ClassVar[str] = "prepare"


@dataclass(frozen=True, slots=True)
class Commit(Vote):
    """I am locked on it: a quorum has checked it."""

    kind: ClassVar[str] = "commit"


@dataclass(frozen=True, slots=True)
class Timeout:
    """I vote no more in this round; this is the highest lock I hold."""

    height: int
    round: int
    lock: Lock | None
    sender: bytes
    claim: Claim
    proof: tuple[Claim, ...]
    kind: ClassVar[str] = "timeout"

    def claims(self) -> tuple[Claim, ...]:
        """The author's signature and the lock's."""
        return self.proof

    @property
    def excuse(self) -> Excuse:
        """As it stands in a justification."""
        rank, lock_hash = (self.lock.round + 1, self.lock.block_hash) if self.lock is not None else (0, b"")
        return Excuse(self.sender, rank, lock_hash, self.claim.signature)


@dataclass(frozen=True, slots=True)
class RoundChange:
    """For one who is behind: this round has begun, and why."""

    height: int
    justification: Justification
    proof: tuple[Claim, ...]
    kind: ClassVar[str] = "round-change"

    def claims(self) -> tuple[Claim, ...]:
        """The TIMEOUTs and the lock."""
        return self.proof


@dataclass(frozen=True, slots=True)
class Committed(Decided):
    """A quorum of seats has sent COMMIT; the claims begin with the director's lots."""

    kind: ClassVar[str] = "committed"


@dataclass(frozen=True, slots=True)
class Inquiry:
    """I know of no final block of this height, and nothing has moved for a while: do you?"""

    height: int
    kind: ClassVar[str] = "inquiry"

    def claims(self) -> tuple[Claim, ...]:
        """None: it commits its author to nothing."""
        return ()


SenateMessage: TypeAlias = Entry | Candidate | Proposal | Prepare | Commit | Timeout | RoundChange | Committed | Inquiry
