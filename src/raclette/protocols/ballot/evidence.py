"""Proof that a voter voted twice: two of its signatures over different candidates at one (height, round)."""

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.ballot.messages import Vote, vote_digest


def encode_evidence(first: Vote, second: Vote) -> bytes:
    """BAL-19: RLP of [height, round, voter, candidate, signature, candidate, signature]."""
    return rlp.encode(
        [
            int_to_bytes(first.height),
            int_to_bytes(first.round),
            first.voter,
            first.block_hash,
            first.claim.signature,
            second.block_hash,
            second.claim.signature,
        ]
    )


def check_evidence(chain_id: int, evidence: bytes) -> tuple[Claim, Claim]:
    """The two claims that, if they hold, convict their author. For anybody: needs only the chain's id.

    Raises DecodeError if the evidence could not convict whatever its signatures.
    """
    height_item, round_item, voter_item, hash_a, sign_a, hash_b, sign_b = rlp.decode_list(evidence, 7)
    height, round_number = bytes_to_int(height_item, size_max=8), bytes_to_int(round_item, size_max=8)
    voter = as_bytes(voter_item, NODE_ID_BYTES)
    if hash_a == hash_b:
        raise DecodeError("evidence", "two votes for one candidate contradict nothing")

    def claim(block_hash: rlp.Item, signature: rlp.Item) -> Claim:
        digest = vote_digest(chain_id, height, round_number, as_bytes(block_hash, 32))
        return Claim(voter, digest, as_bytes(signature, SIGNATURE_BYTES))

    return claim(hash_a, sign_a), claim(hash_b, sign_b)
