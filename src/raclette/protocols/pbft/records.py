"""What must survive a crash, as records under short keys, and how a restarted replica reads it back.

A record is written before the message that depends on it leaves (the host keeps that order). Bodies are written here
too because a block that a quorum has prepared must be found again after everybody has crashed, and the chain promises
to keep only what is final.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from raclette.chain.block import Block
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.protocols.pbft.codec import Codec
from raclette.protocols.pbft.messages import NewView, ViewChange
from raclette.protocols.pbft.quorum import Certificate
from raclette.protocols.records import BODY, read_records

VIEW = b"view"
VIEW_CHANGE = b"view-change"
PREPARED = b"prepared"
CHECKPOINT = b"checkpoint"
VOTE = b"vote/"


@dataclass
class Restored:
    """The persisted part of a replica's state. `votes` maps height to (view, hash) of our last PREPARE there."""

    view: int = 0
    base_height: int = 0
    base_hash: bytes = b""
    new_view: NewView | None = None
    view_change: ViewChange | None = None
    prepared: Certificate | None = None
    checkpoint: Certificate | None = None
    votes: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


def vote_key(height: int, window: int) -> bytes:
    """Votes live in a ring: a height is voted on only after the one a window below is under the low mark."""
    return VOTE + (height % window).to_bytes(2, "big")


def encode_vote(view: int, height: int, block_hash: bytes) -> bytes:
    """Our PREPARE, without its signature, which we can make again."""
    return rlp.encode([int_to_bytes(view), int_to_bytes(height), block_hash])


def encode_view(codec: Codec, view: int, base_height: int, base_hash: bytes, new_view: NewView | None) -> bytes:
    """The view we are in, its base, and the NEW-VIEW that proves it (absent after joining by a commit certificate)."""
    proof = codec.encode(new_view) if new_view is not None else b""
    return rlp.encode([int_to_bytes(view), int_to_bytes(base_height), base_hash, proof])


def encode_certificate(codec: Codec, certificate: Certificate) -> bytes:
    """A prepared or stable-checkpoint certificate."""
    return rlp.encode(codec.encode_certificate(certificate))


def restore(codec: Codec, records: Mapping[bytes, bytes]) -> Restored:
    """Read everything back. Raises StoreDamaged naming the record."""
    state = Restored()
    read_records(records, partial(_read, codec, state))
    state.blocks.sort(key=lambda block: (block.number, block.hash))
    return state


def _read(codec: Codec, state: Restored, key: bytes, value: bytes) -> None:
    if key == VIEW:
        view, height, base_hash, proof = rlp.decode_list(value, 4)
        state.view, state.base_height = bytes_to_int(view, size_max=8), bytes_to_int(height, size_max=8)
        state.base_hash = as_bytes(base_hash, 32)
        message = codec.decode(as_bytes(proof)) if proof else None
        state.new_view = message if isinstance(message, NewView) else None
    elif key == VIEW_CHANGE:
        message = codec.decode(value)
        state.view_change = message if isinstance(message, ViewChange) else None
    elif key == PREPARED:
        state.prepared = codec.decode_certificate(rlp.decode(value))
    elif key == CHECKPOINT:
        state.checkpoint = codec.decode_certificate(rlp.decode(value))
    elif key.startswith(VOTE):
        view, height, block_hash = rlp.decode_list(value, 3)
        state.votes[bytes_to_int(height, size_max=8)] = (bytes_to_int(view, size_max=8), as_bytes(block_hash, 32))
    elif key.startswith(BODY):
        state.blocks.append(Block.decode(value))
    else:
        raise DecodeError("record-key", "not a record of pbft")
