"""Proof that a member signed two different blocks for one place of its day's log."""

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.hybrid.almanac import Entry
from raclette.protocols.hybrid.messages import Signed, entry_digest


def encode_evidence(first: Signed, second: Signed) -> bytes:
    """HYB-27: RLP of [day, number, signer, hash, ends, signature, hash, ends, signature]."""
    items: list[rlp.Encodable] = [int_to_bytes(first.entry.day), int_to_bytes(first.entry.number), first.signer]
    for signed in (first, second):
        items += [signed.entry.block_hash, int_to_bytes(int(signed.entry.ends)), signed.claim.signature]
    return rlp.encode(items)


def check_evidence(chain_id: int, evidence: bytes) -> tuple[Claim, Claim]:
    """The two claims that, if they hold, convict their author. Whether it had a seat, the snail chain says.

    Raises DecodeError if the evidence could not convict whatever its signatures.
    """
    day_item, number_item, signer_item, *said = rlp.decode_list(evidence, 9)
    day, number = bytes_to_int(day_item, size_max=8), bytes_to_int(number_item, size_max=8)
    signer = as_bytes(signer_item, NODE_ID_BYTES)
    claims = []
    entries = []
    for block_hash, ends, signature in (said[:3], said[3:]):
        flag = bytes_to_int(ends, size_max=1)
        if flag > 1:
            raise DecodeError("evidence", "an entry ends its day or does not")
        entry = Entry(day, number, as_bytes(block_hash, 32), bool(flag))
        entries.append(entry)
        claims.append(Claim(signer, entry_digest(chain_id, entry), as_bytes(signature, SIGNATURE_BYTES)))
    if entries[0] == entries[1]:
        raise DecodeError("evidence", "twice the same entry contradicts nothing")
    return claims[0], claims[1]
