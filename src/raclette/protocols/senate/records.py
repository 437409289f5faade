"""What must survive a crash, and how a restarted node reads it back.

One record holds all that a senator must not contradict at the height it works on, written whole before each statement;
the bodies of the block it is locked on and of its own candidate are beside it, for the chain keeps only what is final.
And one holds why its round began: perhaps nobody else has heard of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from raclette.chain.block import Block
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.protocols.records import BODY, read_records
from raclette.protocols.senate.codec import Codec, lock_items
from raclette.protocols.senate.messages import Lock, RoundChange

WORD = b"word"
ROUND = b"round"


@dataclass
class Word:
    """SENATE-31: our word at `height`. `prepared` and `proposed` are the hashes that we voted for and put to the vote
    in `round` (empty: none yet), `wrote` that of our own candidate; `is_over` once we sent TIMEOUT for the round."""

    height: int
    round: int = 0
    is_over: bool = False
    prepared: bytes = b""
    proposed: bytes = b""
    wrote: bytes = b""
    lock: Lock | None = None


@dataclass
class Restored:
    """Everything that was kept."""

    word: Word | None = None
    round: RoundChange | None = None
    blocks: list[Block] = field(default_factory=list)


def encode_word(word: Word) -> bytes:
    """RLP."""
    numbers = [int_to_bytes(number) for number in (word.height, word.round, int(word.is_over))]
    return rlp.encode([*numbers, word.prepared, word.proposed, word.wrote, lock_items(word.lock)])


def restore(codec: Codec, records: Mapping[bytes, bytes]) -> Restored:
    """Read everything back. Raises StoreDamaged naming the record."""
    state = Restored()
    read_records(records, partial(_read, codec, state))
    return state


def _read(codec: Codec, state: Restored, key: bytes, value: bytes) -> None:
    if key == WORD:
        height, round_number, is_over, prepared, proposed, wrote, lock = rlp.decode_list(value, 7)
        state.word = Word(
            bytes_to_int(height, size_max=8),
            bytes_to_int(round_number, size_max=8),
            bool(bytes_to_int(is_over, size_max=1)),
            as_bytes(prepared),
            as_bytes(proposed),
            as_bytes(wrote),
            codec.decode_lock(lock),
        )
    elif key == ROUND:
        message = codec.decode(value)
        if not isinstance(message, RoundChange):
            raise DecodeError("record-round", f"{message.kind} is no justification of a round")
        state.round = message
    elif key.startswith(BODY):
        state.blocks.append(Block.decode(value))
    else:
        raise DecodeError("record-key", "not a record of senate")
