"""What is signed and what is drawn: each statement of the protocol as the 32 bytes that stand for it.

All are bound to the chain, and to height and round where these exist; the domain keeps one kind of statement from ever
being read as another.
"""

from collections.abc import Sequence
from typing import NamedTuple

from raclette.chain.header import Header
from raclette.primitives import rlp
from raclette.primitives.hashing import sha256
from raclette.primitives.rlp import as_bytes
from raclette.primitives.signing import LOT_BYTES, NODE_ID_BYTES, Claim, Lot, digest_of


class Extra(NamedTuple):
    """SENATE-18: a header's `extra_data`: the director, the seed of the height, its ticket and the lot from which the
    next seed comes (proof and output each), and the hash of the senate that is to sign."""

    director: bytes
    seed: bytes
    ticket: bytes
    next_lot: bytes
    senate_root: bytes

    def encode(self) -> bytes:
        """RLP, 362 bytes."""
        return rlp.encode(list(self))


def read_extra(header: Header) -> Extra:
    """Raises DecodeError."""
    director, seed, ticket, next_lot, root = rlp.decode_list(header.extra_data, 5)
    return Extra(
        as_bytes(director, NODE_ID_BYTES),
        as_bytes(seed, 32),
        as_bytes(ticket, LOT_BYTES),
        as_bytes(next_lot, LOT_BYTES),
        as_bytes(root, 32),
    )


class Statements:
    """Of one chain. Pure."""

    __slots__ = ("chain_id", "genesis_hash")

    def __init__(self, chain_id: int, genesis_hash: bytes) -> None:
        self.chain_id = chain_id
        self.genesis_hash = genesis_hash

    # --- lots -----------------------------------------------------------------------------------------------------

    def seed_after(self, header: Header) -> bytes:
        """SENATE-13: the seed of the height above `header`. Raises DecodeError."""
        if header.number == 0:
            return digest_of("raclette/senate/first-seed", self.chain_id, self.genesis_hash)
        return sha256(Lot(b"", b"", read_extra(header).next_lot).output)

    def ticket_alpha(self, height: int, seed: bytes) -> bytes:
        """SENATE-14: what an entrant of the lottery draws from. Not the parent's hash: who wrote the parent could have
        tried blocks until his own ticket was a good one."""
        return digest_of("raclette/senate/ticket", self.chain_id, height, seed)

    def seed_alpha(self, height: int, seed: bytes) -> bytes:
        """What the director draws the next seed from: nothing that it could choose."""
        return digest_of("raclette/senate/seed", self.chain_id, height, seed)

    def lots(self, header: Header) -> tuple[Lot, Lot]:
        """Ticket and next seed of a header. Raises DecodeError."""
        extra = read_extra(header)
        return (
            Lot(extra.director, self.ticket_alpha(header.number, extra.seed), extra.ticket),
            Lot(extra.director, self.seed_alpha(header.number, extra.seed), extra.next_lot),
        )

    def senate_root(self, owners: Sequence[tuple[bytes, int]]) -> bytes:
        """Of (node, seats), sorted by node."""
        return digest_of("raclette/senate/root", self.chain_id, *(part for owner in owners for part in owner))

    # --- signatures -----------------------------------------------------------------------------------------------

    def candidate_digest(self, height: int, block_hash: bytes) -> bytes:
        """The director signs its block: without this anybody could put another one behind its ticket."""
        return digest_of("raclette/senate/candidate", self.chain_id, height, block_hash)

    def proposal_digest(self, height: int, round_number: int, block_hash: bytes, reason: bytes = b"") -> bytes:
        """The leader proposes. SENATE-24: `reason` is the hash of the justification (empty in round 0), or whoever
        holds another one could put it behind the leader's signature."""
        return digest_of("raclette/senate/proposal", self.chain_id, height, round_number, block_hash, reason)

    def vote_digest(self, phase: str, height: int, round_number: int, block_hash: bytes) -> bytes:
        """SENATE-3: a PREPARE or COMMIT. The block's hash is over parent, ticket, transactions and state."""
        return digest_of("raclette/senate/" + phase, self.chain_id, height, round_number, block_hash)

    def timeout_digest(self, height: int, round_number: int, lock_rank: int, lock_hash: bytes) -> bytes:
        """A TIMEOUT, with the lock it carries: `lock_rank` is its round plus 1, or 0 for none."""
        return digest_of("raclette/senate/timeout", self.chain_id, height, round_number, lock_rank, lock_hash)

    def claims(self, digest: bytes, votes: Sequence[tuple[bytes, bytes]]) -> tuple[Claim, ...]:
        """One for each (node, signature)."""
        return tuple(Claim(node, digest, signature) for node, signature in votes)
