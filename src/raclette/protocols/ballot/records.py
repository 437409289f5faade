"""What must survive a crash: our own votes, each written before it is sent (BAL-16), and the candidates voted for.

A candidate is written too because the voters may all crash between vote and election: they may vote for nothing else
there, so what they voted for must be found again, and a chain promises to keep only what it has adopted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from raclette.chain.block import Block
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, as_list, bytes_to_int, int_to_bytes
from raclette.protocols.records import BODY, read_records

VOTE = b"vote/"
# Votes live in a ring. A branch that forks deeper than this below our highest vote is followed, but not voted on.
RING = 64

# height -> round -> candidate
OwnVotes = dict[int, dict[int, bytes]]


@dataclass
class Restored:
    """Our votes, and the candidates that they are for (of the last heights), lowest first."""

    votes: OwnVotes = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)


def body_key(block: Block) -> bytes:
    """Of a candidate voted for."""
    return BODY + block.hash


def vote_key(height: int) -> bytes:
    """Of our votes at this height."""
    return VOTE + bytes((height % RING,))


def encode_votes(height: int, said: Mapping[int, bytes]) -> bytes:
    """All our votes at a height, without their signatures, which we can make again. Those of earlier rounds are kept:
    they are part of what shows others that the next round may open."""
    rounds: list[rlp.Encodable] = [[int_to_bytes(number), block_hash] for number, block_hash in sorted(said.items())]
    return rlp.encode([int_to_bytes(height), rounds])


def restore(records: Mapping[bytes, bytes]) -> Restored:
    """Read everything back. Raises StoreDamaged naming the record."""
    restored = Restored()
    read_records(records, partial(_read, restored))
    restored.blocks.sort(key=lambda block: (block.number, block.hash))
    return restored


def _read(restored: Restored, key: bytes, value: bytes) -> None:
    if key.startswith(VOTE):
        height_item, rounds = rlp.decode_list(value, 2)
        said = restored.votes.setdefault(bytes_to_int(height_item, size_max=8), {})
        for item in as_list(rounds):
            round_item, block_hash = as_list(item)
            said[bytes_to_int(round_item, size_max=8)] = as_bytes(block_hash, 32)
    elif key.startswith(BODY):
        restored.blocks.append(Block.decode(value))
    else:
        raise DecodeError("record-key", "not a record of ballot")


def may_vote(own: OwnVotes, height: int, round_number: int) -> bool:
    """BAL-16: never twice at a place, never in an earlier round, never where the ring may have forgotten a vote."""
    if height <= max(own, default=0) - RING:
        return False
    return max(own.get(height, {}), default=-1) < round_number


def remember(own: OwnVotes, height: int, round_number: int, block_hash: bytes) -> None:
    """As the ring does."""
    own.setdefault(height, {})[round_number] = block_hash
    for old in [known for known in own if known <= height - RING]:
        del own[old]
