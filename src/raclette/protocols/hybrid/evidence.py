"""Proof that a member signed two different blocks for one place of its day's log, or broke the inner protocol's rules.

The two shapes cannot be mistaken for each other: a list of five items, and one of two.
"""

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.hashing import HASH_BYTES
from raclette.primitives.rlp import as_bytes, as_list
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.hybrid.messages import Signed, entry_digest
from raclette.protocols.hybrid.records import decode_entry, encode_entry


def encode_evidence(first: Signed, second: Signed) -> bytes:
    """HYB-27: RLP of [signer, [day, election, number, hash, ends], signature, [...], signature]."""
    items: list[rlp.Encodable] = [first.signer]
    for signed in (first, second):
        items += [encode_entry(signed.entry), signed.claim.signature]
    return rlp.encode(items)


def check_evidence(chain_id: int, evidence: bytes) -> tuple[Claim, Claim]:
    """The two claims that, if they hold, convict their author. Whether it had a seat, the snail chain says.

    Raises DecodeError if the evidence could not convict whatever its signatures.
    """
    signer_item, *said = rlp.decode_list(evidence, 5)
    signer = as_bytes(signer_item, NODE_ID_BYTES)
    entries = [decode_entry(as_list(item)) for item in said[::2]]
    places = [(entry.day, entry.election, entry.number) for entry in entries]
    if places[0] != places[1] or entries[0] == entries[1]:
        raise DecodeError("evidence", "two entries for two places, or twice the same, contradict nothing")
    first, second = (
        Claim(signer, entry_digest(chain_id, entry), as_bytes(signature, SIGNATURE_BYTES))
        for entry, signature in zip(entries, said[1::2], strict=True)
    )
    return first, second


def encode_inner(election: bytes, evidence: bytes) -> bytes:
    """HYB-39: RLP of [election, evidence of the inner engine]."""
    return rlp.encode([election, evidence])


def decode_inner(evidence: bytes) -> tuple[bytes, bytes]:
    """Of `encode_inner`. Raises DecodeError."""
    election, inner = rlp.decode_list(evidence, 2)
    return as_bytes(election, HASH_BYTES), as_bytes(inner)
