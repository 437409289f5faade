"""What stands in a snail block: the miner's claim, and after it at most one entry of the log, complaints, and fruits.

Each record is a byte string: one byte for the kind, then RLP. The claim has no such byte and comes first.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.hashing import HASH_BYTES
from raclette.primitives.rlp import Item, as_bytes, as_list, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.committee import VALIDATORS_MAX
from raclette.protocols.hybrid import fruits
from raclette.protocols.hybrid.almanac import Entry, Said
from raclette.protocols.hybrid.fruits import FRUITS_MAX, Fruit
from raclette.protocols.hybrid.messages import Complaint, complaint_digest, entry_digest
from raclette.protocols.wire import expect, frame, u64

ENTRY, COMPLAINT, FRUIT = range(1, 4)
# Complaints in one snail block: a third of the largest committee fits into a few blocks.
COMPLAINTS_MAX = 16
RECORDS_MAX = 2 + COMPLAINTS_MAX + FRUITS_MAX
# (node id, signature) of each member that signed an entry, in ascending order of ids.
Signers = tuple[tuple[bytes, bytes], ...]


class Proof(NamedTuple):
    """An entry of the log with who signed it: what the chain keeps beside a block, and the snail chain records."""

    entry: Entry
    signers: Signers

    @property
    def nodes(self) -> tuple[bytes, ...]:
        """Who signed."""
        return tuple(node_id for node_id, _ in self.signers)


class Body(NamedTuple):
    """A snail block's body, decoded. `signatures` are the claims of entry and complaints."""

    claim: fruits.Claim
    proof: Proof | None
    complaints: tuple[Complaint, ...]
    fruits: tuple[Fruit, ...]
    signatures: tuple[Claim, ...]

    @property
    def said(self) -> Said:
        """What the almanac hears."""
        complaints = tuple((complaint.election, complaint.author) for complaint in self.complaints)
        if self.proof is None:
            return Said(complaints=complaints)
        return Said(self.proof.entry, self.proof.nodes, complaints)


def encode_entry(entry: Entry) -> list[bytes]:
    """The items [day, election, number, hash, ends]."""
    numbers = int_to_bytes(entry.day), int_to_bytes(entry.number)
    return [numbers[0], entry.election, numbers[1], entry.block_hash, int_to_bytes(int(entry.ends))]


def decode_entry(items: list[Item]) -> Entry:
    """Raises DecodeError."""
    day, election, number, block_hash, ends = expect(items, 5)
    flag = bytes_to_int(ends, size_max=1)
    if flag > 1:
        raise DecodeError("entry-flag", str(flag))
    hashes = as_bytes(block_hash, HASH_BYTES), as_bytes(election, HASH_BYTES)
    return Entry(u64(day), u64(number), hashes[0], bool(flag), hashes[1])


def encode_proof(proof: Proof) -> bytes:
    """RLP of [day, election, number, hash, ends, [[node, signature]...]]."""
    return rlp.encode(_proof_items(proof))


def _proof_items(proof: Proof) -> list[rlp.Encodable]:
    signers: list[rlp.Encodable] = [[node_id, signature] for node_id, signature in proof.signers]
    return [*encode_entry(proof.entry), signers]


def decode_proof(data: bytes) -> Proof:
    """Raises DecodeError."""
    *entry_items, signer_items = rlp.decode_list(data, 6)
    entry = decode_entry(entry_items)
    listed = as_list(signer_items)
    if not 1 <= len(listed) <= VALIDATORS_MAX:
        raise DecodeError("proof-shape", f"{len(listed)} signers")
    signers = []
    for item in listed:
        node_id, signature = expect(as_list(item), 2)
        signers.append((as_bytes(node_id, NODE_ID_BYTES), as_bytes(signature, SIGNATURE_BYTES)))
    # HYB-23: in ascending order, so that a repeated signer cannot be written down.
    if any(first[0] >= second[0] for first, second in pairwise(signers)):
        raise DecodeError("proof-signers", "not in ascending order of node ids")
    return Proof(entry, tuple(signers))


def claims_of(chain_id: int, proof: Proof) -> tuple[Claim, ...]:
    """What must hold for the proof to be one."""
    digest = entry_digest(chain_id, proof.entry)
    return tuple(Claim(node_id, digest, signature) for node_id, signature in proof.signers)


def encode_records(
    claim: fruits.Claim, proof: Proof | None, complaints: Sequence[Complaint], ripe: Sequence[Fruit]
) -> tuple[bytes, ...]:
    """A body."""
    records = [claim.encode()]
    if proof is not None:
        records.append(frame(ENTRY, _proof_items(proof)))
    records += [
        frame(COMPLAINT, [complaint.election, complaint.author, complaint.claim.signature]) for complaint in complaints
    ]
    records += [bytes((FRUIT,)) + fruit.encode() for fruit in ripe]
    return tuple(records)


def decode_records(chain_id: int, records: Sequence[bytes]) -> Body:
    """Raises DecodeError: shapes, counts, and their order (entry, complaints, fruits)."""
    if not 1 <= len(records) <= RECORDS_MAX:
        raise DecodeError("snail-records", f"{len(records)} records, 1 to {RECORDS_MAX} belong")
    claim = fruits.Claim.decode(records[0])
    proof: Proof | None = None
    complaints: list[Complaint] = []
    ripe: list[Fruit] = []
    kinds = [record[0] if record else 0 for record in records[1:]]
    if kinds != sorted(kinds) or kinds.count(ENTRY) > 1:
        raise DecodeError("snail-records", "out of order, or two entries")
    for kind, record in zip(kinds, records[1:], strict=True):
        if kind == ENTRY:
            proof = decode_proof(record[1:])
        elif kind == COMPLAINT:
            complaints.append(_complaint(chain_id, rlp.decode_list(record[1:], 3)))
        elif kind == FRUIT:
            ripe.append(Fruit.decode(record[1:]))
        else:
            raise DecodeError("snail-records", f"kind {kind}")
    if len(complaints) > COMPLAINTS_MAX or len(ripe) > FRUITS_MAX:
        raise DecodeError("snail-records", f"{len(complaints)} complaints, {len(ripe)} fruits")
    signatures = claims_of(chain_id, proof) if proof is not None else ()
    signatures += tuple(complaint.claim for complaint in complaints)
    return Body(claim, proof, tuple(complaints), tuple(ripe), signatures)


def _complaint(chain_id: int, items: list[Item]) -> Complaint:
    election_item, node_id, signature = items
    election = as_bytes(election_item, HASH_BYTES)
    author, signed = as_bytes(node_id, NODE_ID_BYTES), as_bytes(signature, SIGNATURE_BYTES)
    return Complaint(election, Claim(author, complaint_digest(chain_id, election), signed))
