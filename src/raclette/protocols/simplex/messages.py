"""What replicas say to each other. Immutable; each carries the claims that the gate verifies before we see it.

`sender` is the author's number in the committee, not the peer that handed the message over.
"""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.primitives.signing import Claim
from raclette.protocols.decided import Decided
from raclette.protocols.simplex.statements import DUMMY_HASH, Certificate, Phase, iteration_of


@dataclass(frozen=True, slots=True)
class Vote:
    """One replica's word on an iteration."""

    iteration: int
    block_hash: bytes
    sender: int
    claim: Claim
    kind: ClassVar[str] = "statement"
    phase: ClassVar[Phase]

    def claims(self) -> tuple[Claim, ...]:
        """The author's signature."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class BlockVote(Vote):
    """I have seen the leader propose this block, and it extends a notarized chain."""

    kind: ClassVar[str] = "vote"
    phase: ClassVar[Phase] = Phase.NOTARIZED


@dataclass(frozen=True, slots=True)
class DummyVote(Vote):
    """My patience is over; I shall not finalize this iteration. `block_hash` is DUMMY_HASH."""

    kind: ClassVar[str] = "dummy"
    phase: ClassVar[Phase] = Phase.DUMMY


@dataclass(frozen=True, slots=True)
class FinalizeVote(Vote):
    """This block is notarized, and I have not voted for the dummy block of its iteration, nor shall I."""

    kind: ClassVar[str] = "finalize"
    phase: ClassVar[Phase] = Phase.FINALIZED


VOTES: dict[Phase, type[Vote]] = {kind.phase: kind for kind in (BlockVote, DummyVote, FinalizeVote)}


def make_vote(phase: Phase, iteration: int, block_hash: bytes, sender: int, claim: Claim) -> Vote:
    """The vote class of a phase."""
    return VOTES[phase](iteration, DUMMY_HASH if phase is Phase.DUMMY else block_hash, sender, claim)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The leader's vote with the block attached, and the notarizations of all it skips and extends."""

    header: Header
    sender: int
    claim: Claim
    certificates: tuple[Certificate, ...]
    proof: tuple[Claim, ...]
    block: Block | None = None
    kind: ClassVar[str] = "proposal"

    def claims(self) -> tuple[Claim, ...]:
        """The leader's signature and those of the notarizations."""
        return self.proof

    def with_block(self, block: Block) -> "Proposal":
        """The same with its body."""
        return replace(self, block=block)

    @property
    def iteration(self) -> int:
        """The iteration it is for: the codec lets no header pass that names none."""
        return iteration_of(self.header)

    @property
    def vote(self) -> BlockVote:
        """The leader's vote in it."""
        return BlockVote(self.iteration, self.header.hash, self.sender, self.claim)


@dataclass(frozen=True, slots=True)
class Notarized:
    """A certificate, passed on so that everybody enters the next iteration."""

    certificate: Certificate
    proof: tuple[Claim, ...]
    kind: ClassVar[str] = "notarization"

    def claims(self) -> tuple[Claim, ...]:
        """The quorum's signatures."""
        return self.proof


@dataclass(frozen=True, slots=True)
class Finalized(Decided):
    """A quorum has sent FINALIZE."""

    kind: ClassVar[str] = "finalized"


@dataclass(frozen=True, slots=True)
class Status:
    """Where I stand, from one linked peer to another: whoever sees what I lack sends it. Unsigned; decides nothing.

    `final` is the iteration of the last final block, `gap` the first above it of which the sender has no certificate.
    """

    iteration: int
    final: int
    gap: int
    kind: ClassVar[str] = "status"

    def claims(self) -> tuple[Claim, ...]:
        """None: a link's peer speaks only for itself, and a lie costs us a bounded answer."""
        return ()


SimplexMessage: TypeAlias = Proposal | Vote | Notarized | Finalized | Status
