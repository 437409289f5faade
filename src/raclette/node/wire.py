"""The contents of frames, and their protobuf form (`wire.proto` is the protocol document).

Encoding is a function per content; decoding happens in the gate, which alone sees a stranger's bytes. Every repeated
field has a bound here, checked before its elements are touched.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from google.protobuf.message import DecodeError as ProtobufError

from raclette.chain.ledger import Transaction
from raclette.engine.message import Message
from raclette.gossip.events import Topic, Verb
from raclette.node.host import FRAME_BYTES_MAX
from raclette.node.sync import Bodies, GetBodies, GetHeaders, Headers
from raclette.node.wire_pb2 import Announcement as PbAnnouncement
from raclette.node.wire_pb2 import Frame
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError

# Most transactions in one gossip frame: a tenth of a second of the busiest network we measured.
TRANSACTIONS_PER_FRAME_MAX = 1_000
# Most ids in one announcement (32 bytes each).
IDS_PER_FRAME_MAX = 4_000
# Widest total weight we read: 2**256 hashes is the most a 256-bit target can ask for, times 2**64 blocks.
WEIGHT_BYTES_MAX = 40
HASH_BYTES = 32


_VERBS = {Verb.IHAVE: PbAnnouncement.IHAVE, Verb.GRAFT: PbAnnouncement.GRAFT, Verb.PRUNE: PbAnnouncement.PRUNE}


class Status(NamedTuple):
    """What a peer claims about itself."""

    head_hash: bytes
    height: int
    weight: int
    finalized: int


class EngineSaid(NamedTuple):
    """A consensus message; `short_ids` stands for the body if the message carries a block. `public`: by gossip."""

    message: Message
    short_ids: bytes | None
    public: bool


class Transactions(NamedTuple):
    """Transactions, decoded by the gate."""

    transactions: tuple[Transaction, ...]


class Announced(NamedTuple):
    """Plumtree's IHAVE, GRAFT or PRUNE."""

    verb: Verb
    topic: Topic
    ids: tuple[bytes, ...]


class GetBlockTransactions(NamedTuple):
    """Ask for what a compact body could not be filled with; no index means all."""

    block_hash: bytes
    indexes: tuple[int, ...]


class BlockTransactions(NamedTuple):
    """The answer: transactions by index, decoded by the gate."""

    block_hash: bytes
    transactions: tuple[tuple[int, Transaction], ...]


def encode_status(status: Status) -> bytes:
    """A Status frame."""
    frame = Frame()
    weight = status.weight.to_bytes((status.weight.bit_length() + 7) // 8, "big")
    frame.status.head_hash = status.head_hash
    frame.status.height = status.height
    frame.status.weight = weight
    frame.status.finalized = status.finalized
    return frame.SerializeToString()


def encode_engine(payload: bytes, short_ids: bytes | None, *, public: bool) -> bytes:
    """A consensus message as a frame."""
    frame = Frame()
    said = frame.public_message if public else frame.engine
    said.payload = payload
    if short_ids is not None:
        said.body.short_ids = short_ids
        said.body.SetInParent()
    return frame.SerializeToString()


def encode_transactions(raws: Iterable[bytes]) -> bytes:
    """Transactions as a frame. The caller keeps to TRANSACTIONS_PER_FRAME_MAX."""
    frame = Frame()
    frame.transactions.raw.extend(raws)
    return frame.SerializeToString()


def encode_announcement(verb: Verb, topic: Topic, ids: Sequence[bytes]) -> bytes:
    """Plumtree control as a frame."""
    frame = Frame()
    frame.announcement.verb = _VERBS[verb]
    frame.announcement.topic = topic.value
    frame.announcement.ids.extend(ids)
    return frame.SerializeToString()


def encode_get_headers(ask: GetHeaders) -> bytes:
    """Ask for headers."""
    frame = Frame()
    frame.get_headers.request = ask.request
    frame.get_headers.locator.extend(ask.locator)
    frame.get_headers.count = ask.count
    frame.get_headers.target = ask.target
    return frame.SerializeToString()


def encode_headers(answer: Headers) -> bytes:
    """Headers with their certificates."""
    frame = Frame()
    frame.headers.request = answer.request
    frame.headers.headers.extend(header.encoded for header, _ in answer.items)
    frame.headers.certificates.extend(certificate for _, certificate in answer.items)
    return frame.SerializeToString()


def encode_get_bodies(ask: GetBodies) -> bytes:
    """Ask for bodies."""
    frame = Frame()
    frame.get_bodies.request = ask.request
    frame.get_bodies.hashes.extend(ask.hashes)
    return frame.SerializeToString()


def encode_bodies(answer: Bodies) -> bytes:
    """Bodies, by block hash."""
    frame = Frame()
    frame.bodies.request = answer.request
    frame.bodies.hashes.extend(block_hash for block_hash, _ in answer.items)
    frame.bodies.bodies.extend(rlp.encode(raws) for _, raws in answer.items)
    return frame.SerializeToString()


def encode_get_block_transactions(ask: GetBlockTransactions) -> bytes:
    """Ask for the missing part of a compact block."""
    frame = Frame()
    frame.get_block_transactions.block_hash = ask.block_hash
    frame.get_block_transactions.indexes.extend(ask.indexes)
    return frame.SerializeToString()


def encode_block_transactions(block_hash: bytes, items: Sequence[tuple[int, bytes]]) -> bytes:
    """Answer with raw transactions by index."""
    frame = Frame()
    answer = frame.block_transactions
    answer.block_hash = block_hash
    answer.indexes.extend(index for index, _ in items)
    answer.raw.extend(raw for _, raw in items)
    return frame.SerializeToString()


def parse(data: bytes) -> Frame:
    """The protobuf frame. Raises DecodeError."""
    if len(data) > FRAME_BYTES_MAX:
        raise DecodeError("frame-size", f"{len(data)} bytes, at most {FRAME_BYTES_MAX}")
    frame = Frame()
    try:
        frame.ParseFromString(data)
    except ProtobufError as error:
        raise DecodeError("frame-protobuf", str(error)) from None
    return frame


def bounded(name: str, count: int, most: int) -> None:
    """Raise DecodeError if a repeated field is longer than its bound."""
    if count > most:
        raise DecodeError(f"{name}-count", f"{count}, at most {most}")


def hashes(items: Sequence[bytes]) -> tuple[bytes, ...]:
    """Assert 32-byte items. Raises DecodeError."""
    for item in items:
        if len(item) != HASH_BYTES:
            raise DecodeError("hash-size", f"{len(item)} bytes where {HASH_BYTES} belong")
    return tuple(items)


__all__ = [
    "Announced",
    "BlockTransactions",
    "Bodies",
    "EngineSaid",
    "Frame",
    "GetBlockTransactions",
    "GetBodies",
    "GetHeaders",
    "Headers",
    "Status",
    "Transactions",
]
