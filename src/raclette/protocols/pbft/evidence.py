"""Proof that a replica contradicted itself: two of its signatures over different blocks at one (view, height)."""

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.signing import SIGNATURE_BYTES, Claim
from raclette.protocols.pbft.messages import Prepare, Vote
from raclette.protocols.pbft.quorum import Committee


def encode_evidence(first: Vote, second: Vote) -> bytes:
    """RLP of [phase, view, height, replica number, hash, signature, hash, signature]."""
    return rlp.encode(
        [
            int_to_bytes(int(isinstance(first, Prepare))),
            int_to_bytes(first.view),
            int_to_bytes(first.height),
            int_to_bytes(first.sender),
            first.block_hash,
            first.claim.signature,
            second.block_hash,
            second.claim.signature,
        ]
    )


def check_evidence(committee: Committee, evidence: bytes) -> tuple[Claim, Claim]:
    """The two claims that, if they hold, convict their author. For anybody: needs only the committee.

    Raises DecodeError if the evidence could not convict whatever its signatures.
    """
    phase, view_item, height_item, sender_item, hash_a, sign_a, hash_b, sign_b = rlp.decode_list(evidence, 8)
    view, height = bytes_to_int(view_item, size_max=8), bytes_to_int(height_item, size_max=8)
    sender, is_prepare = bytes_to_int(sender_item, size_max=2), bytes_to_int(phase, size_max=1)
    if sender >= committee.size or is_prepare > 1 or hash_a == hash_b:
        raise DecodeError("evidence", "does not show a contradiction of a replica")
    digest = committee.prepare_digest if is_prepare else committee.commit_digest
    return (
        Claim(committee.ids[sender], digest(view, height, as_bytes(hash_a, 32)), as_bytes(sign_a, SIGNATURE_BYTES)),
        Claim(committee.ids[sender], digest(view, height, as_bytes(hash_b, 32)), as_bytes(sign_b, SIGNATURE_BYTES)),
    )
