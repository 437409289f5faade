"""What nodes say to each other. Immutable; each carries the claims that the gate verifies before we see it."""

from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.primitives.errors import Misuse
from raclette.primitives.signing import Claim, digest_of

_DOMAIN = "raclette/ballot/vote"


def vote_digest(chain_id: int, height: int, round_number: int, block_hash: bytes) -> bytes:
    """BAL-17: the 32 bytes that a vote signs. The block's hash commits to its parent."""
    return digest_of(_DOMAIN, chain_id, height, round_number, block_hash)


@dataclass(frozen=True, slots=True)
class Vote:
    """One voter's word at (height, round): this candidate and no other. The voter is the claim's author."""

    height: int
    round: int
    block_hash: bytes
    claim: Claim
    kind: ClassVar[str] = "vote"

    @property
    def voter(self) -> bytes:
        """Its node id."""
        return self.claim.author

    def claims(self) -> tuple[Claim, ...]:
        """The voter's signature."""
        return (self.claim,)


@dataclass(frozen=True, slots=True)
class Ballots:
    """Votes of one height that were cast before, for those who may have missed them."""

    votes: tuple[Vote, ...]
    kind: ClassVar[str] = "ballots"

    def claims(self) -> tuple[Claim, ...]:
        """Every voter's signature."""
        return tuple(vote.claim for vote in self.votes)


@dataclass(frozen=True, slots=True)
class Candidate:
    """BAL-12: a sealed block, with the certificate of its parent (empty on genesis)."""

    header: Header
    certificate: bytes
    proof: tuple[Claim, ...]
    block: Block | None = None
    kind: ClassVar[str] = "candidate"

    def claims(self) -> tuple[Claim, ...]:
        """The signatures of the parent's voters."""
        return self.proof

    def with_block(self, block: Block) -> "Candidate":
        """The same with its body. Raises Misuse if the body belongs to another header."""
        if block.hash != self.header.hash:
            raise Misuse("this body belongs to another header")
        return replace(self, block=block)


@dataclass(frozen=True, slots=True)
class Elected:
    """This candidate was elected: its number, hash, and certificate."""

    number: int
    block_hash: bytes
    certificate: bytes
    proof: tuple[Claim, ...]
    kind: ClassVar[str] = "elected"

    def claims(self) -> tuple[Claim, ...]:
        """The voters' signatures."""
        return self.proof


@dataclass(frozen=True, slots=True)
class Question:
    """By which votes was this block elected? Answered with `Elected`, or not at all."""

    number: int
    block_hash: bytes
    kind: ClassVar[str] = "question"

    def claims(self) -> tuple[Claim, ...]:
        """None: a false one costs us a bounded answer."""
        return ()


BallotMessage: TypeAlias = Vote | Ballots | Candidate | Elected | Question
