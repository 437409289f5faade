"""Bytes on the wire: one byte for the kind, then RLP of a fixed shape. Strict: one encoding per message.

Deviation from "decoding is pure": a message of an inner engine can be read only by an engine that knows the committee,
so `inner` is asked for the one that runs. A message of another day stays closed; nobody acts on its content.
"""

from collections.abc import Callable
from typing import NamedTuple

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Engine
from raclette.engine.message import Message, carries_block
from raclette.primitives.errors import DecodeError, InvalidCertificate, Misuse
from raclette.primitives.hashing import HASH_BYTES
from raclette.primitives.rlp import Item, as_bytes, as_list, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.committee import VALIDATORS_MAX
from raclette.protocols.decided import read_decided
from raclette.protocols.hybrid.almanac import Day
from raclette.protocols.hybrid.fruits import FRUIT_BYTES_MAX, FRUITS_MAX, Fruit
from raclette.protocols.hybrid.messages import (
    Complaint,
    Daily,
    DailyBlock,
    FreshFruit,
    Logged,
    Signed,
    SnailBlock,
    SnailBlocks,
    SnailQuestion,
    Unproven,
    complaint_digest,
    entry_digest,
    wrap,
)
from raclette.protocols.hybrid.records import (
    COMPLAINTS_MAX,
    claims_of,
    decode_entry,
    decode_proof,
    decode_records,
    encode_entry,
)
from raclette.protocols.hybrid.snail import ANSWER_BLOCKS_MAX, ANSWER_BYTES_MAX
from raclette.protocols.wire import expect, frame, read, u64

(DAILY, SIGNED, LOGGED, UNPROVEN, SNAIL_BLOCK, SNAIL_QUESTION, SNAIL_BLOCKS, COMPLAINT, FRUIT) = range(1, 10)
HEADER_BYTES_MAX = 1_024
# A signature with its author, and what it is about.
STATEMENT_BYTES_MAX = 256
PROOF_BYTES_MAX = VALIDATORS_MAX * (NODE_ID_BYTES + SIGNATURE_BYTES + 8) + 128
SNAIL_BLOCK_BYTES_MAX = (
    HEADER_BYTES_MAX + PROOF_BYTES_MAX + COMPLAINTS_MAX * STATEMENT_BYTES_MAX + FRUITS_MAX * (FRUIT_BYTES_MAX + 8)
)
# A locator: 32 steps of doubled stride reach below any chain.
LOCATOR_MAX = 64
# The largest message of an inner engine: a NEW-VIEW of 128 replicas, each with a certificate.
DAILY_BYTES_MAX = 4 * 1024 * 1024


class Running(NamedTuple):
    """The inner engine that runs here, and its day."""

    day: Day
    engine: Engine


class Codec:
    """Encodes and decodes for one chain. Thread-safe."""

    def __init__(self, chain_id: int, seats: int, inner: Callable[[], Running | None]) -> None:
        """`seats` of the largest committee."""
        self._chain_id = chain_id
        self._seats = seats
        self._inner = inner
        # HYB-50: the largest payload of each kind.
        self._kinds: dict[int, tuple[int, Callable[[list[Item]], Message]]] = {
            DAILY: (DAILY_BYTES_MAX, self._daily),
            SIGNED: (STATEMENT_BYTES_MAX, self._signed),
            LOGGED: (HEADER_BYTES_MAX + PROOF_BYTES_MAX, self._logged),
            UNPROVEN: (STATEMENT_BYTES_MAX, self._unproven),
            SNAIL_BLOCK: (SNAIL_BLOCK_BYTES_MAX, self._snail_block),
            SNAIL_QUESTION: (LOCATOR_MAX * 33 + 64, self._snail_question),
            SNAIL_BLOCKS: (ANSWER_BYTES_MAX + SNAIL_BLOCK_BYTES_MAX, self._snail_blocks),
            COMPLAINT: (STATEMENT_BYTES_MAX, self._complaint),
            FRUIT: (FRUIT_BYTES_MAX + 16, self._fruit),
        }

    # --- to bytes -------------------------------------------------------------------------------------------------

    def encode(self, message: Message) -> bytes:
        """Without a log block's body. Raises Misuse for another protocol's message."""
        match message:
            case Daily() | DailyBlock():
                return frame(DAILY, [int_to_bytes(message.day), message.election, message.payload])
            case Signed(entry, claim):
                return frame(SIGNED, [*encode_entry(entry), claim.author, claim.signature])
            case Logged(header, certificate):
                return frame(LOGGED, [header.encoded, certificate])
            case Unproven(number):
                return frame(UNPROVEN, [int_to_bytes(number)])
            case SnailBlock(block):
                return frame(SNAIL_BLOCK, [block.encoded])
            case SnailQuestion(locator, target):
                return frame(SNAIL_QUESTION, [list(locator), target])
            case SnailBlocks(blocks, more):
                return frame(SNAIL_BLOCKS, [[block.encoded for block in blocks], int_to_bytes(int(more))])
            case Complaint(election, claim):
                return frame(COMPLAINT, [election, claim.author, claim.signature])
            case FreshFruit(fruit):
                return frame(FRUIT, [fruit.encode()])
        raise Misuse(f"hybrid has no message {message.kind!r}")

    # --- from bytes -----------------------------------------------------------------------------------------------

    def decode(self, payload: bytes) -> Message:
        """Raises DecodeError."""
        return read("hybrid", self._kinds, payload)

    def _daily(self, items: list[Item]) -> Message:
        day_item, election_item, payload_item = expect(items, 3)
        day, election, payload = u64(day_item), as_bytes(election_item, HASH_BYTES), as_bytes(payload_item)
        running = self._inner()
        if running is None or (running.day.number, running.day.snail_hash) != (day, election):  # HYB-38
            return Daily(day, election, payload, None)
        inner = running.engine.decode(payload)
        if carries_block(inner) and inner.header.number < 1:
            raise DecodeError("daily-block", "genesis is nobody's proposal")
        return wrap(running.day, payload, inner)

    def _signed(self, items: list[Item]) -> Signed:
        *entry_items, signer, signature = expect(items, 7)
        entry = decode_entry(entry_items)
        digest = entry_digest(self._chain_id, entry)
        return Signed(entry, _claim(signer, digest, signature))

    def _logged(self, items: list[Item]) -> Logged:
        return Logged(*read_decided(items, self.finality_claims))

    def finality_claims(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """HYB-22: those of the members who signed this very block. Whether their authors have enough seats, only the
        machine can tell, which knows the snail chain. Raises InvalidCertificate."""
        if len(certificate) > PROOF_BYTES_MAX:
            raise InvalidCertificate("certificate-size", f"{len(certificate)} bytes, at most {PROOF_BYTES_MAX}")
        try:
            proof = decode_proof(certificate)
        except DecodeError as error:
            raise InvalidCertificate(error.reason, error.detail) from error
        if (proof.entry.number, proof.entry.block_hash) != (header.number, header.hash):
            raise InvalidCertificate("certificate-block", f"it is not for block {header.number}")
        if len(proof.signers) > self._seats:
            raise InvalidCertificate("certificate-signers", f"{len(proof.signers)} signers of {self._seats} seats")
        return claims_of(self._chain_id, proof)

    def _unproven(self, items: list[Item]) -> Unproven:
        (number,) = expect(items, 1)
        return Unproven(u64(number))

    def _snail_block(self, items: list[Item]) -> SnailBlock:
        (data,) = expect(items, 1)
        block = Block.decode(as_bytes(data))
        return SnailBlock(block, self._proof_of(block))

    def _proof_of(self, block: Block) -> tuple[Claim, ...]:
        body = decode_records(self._chain_id, block.transactions)
        if body.proof is not None and len(body.proof.signers) > self._seats:
            raise DecodeError("snail-records", f"{len(body.proof.signers)} signers of {self._seats} seats")
        return body.signatures

    def _snail_question(self, items: list[Item]) -> SnailQuestion:
        locator_item, target = expect(items, 2)
        locator = as_list(locator_item)
        if not 1 <= len(locator) <= LOCATOR_MAX:
            raise DecodeError("locator", f"{len(locator)} hashes, 1 to {LOCATOR_MAX} belong")
        wanted = as_bytes(target)
        return SnailQuestion(tuple(as_bytes(item, 32) for item in locator), as_bytes(target, 32) if wanted else b"")

    def _snail_blocks(self, items: list[Item]) -> SnailBlocks:
        listed, flag_item = expect(items, 2)
        encoded = as_list(listed)
        flag = bytes_to_int(flag_item, size_max=1)
        if len(encoded) > ANSWER_BLOCKS_MAX or flag > 1:
            raise DecodeError("snail-blocks", f"{len(encoded)} blocks, at most {ANSWER_BLOCKS_MAX}; flag {flag}")
        blocks = tuple(Block.decode(as_bytes(item)) for item in encoded)
        proof = tuple(claim for block in blocks for claim in self._proof_of(block))
        return SnailBlocks(blocks, bool(flag), proof)

    def _complaint(self, items: list[Item]) -> Complaint:
        election_item, author, signature = expect(items, 3)
        election = as_bytes(election_item, HASH_BYTES)
        return Complaint(election, _claim(author, complaint_digest(self._chain_id, election), signature))

    def _fruit(self, items: list[Item]) -> FreshFruit:
        (data,) = expect(items, 1)
        return FreshFruit(Fruit.decode(as_bytes(data)))


def _claim(author: Item, digest: bytes, signature: Item) -> Claim:
    return Claim(as_bytes(author, NODE_ID_BYTES), digest, as_bytes(signature, SIGNATURE_BYTES))
