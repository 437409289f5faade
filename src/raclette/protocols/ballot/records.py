"""What must survive a crash: our own votes, each written before it is sent (BAL-16)."""

from collections.abc import Mapping

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, StoreDamaged
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes

VOTE = b"vote/"
# Votes live in a ring. A branch that forks deeper than this below our highest vote is followed, but not voted on.
RING = 64

# height -> (round, candidate)
OwnVotes = dict[int, tuple[int, bytes]]


def vote_key(height: int) -> bytes:
    """Of the vote at this height."""
    return VOTE + bytes((height % RING,))


def encode_vote(height: int, round_number: int, block_hash: bytes) -> bytes:
    """A vote without its signature, which we can make again."""
    return rlp.encode([int_to_bytes(height), int_to_bytes(round_number), block_hash])


def restore(records: Mapping[bytes, bytes]) -> OwnVotes:
    """Read everything back. Raises StoreDamaged naming the record."""
    own: OwnVotes = {}
    for key in sorted(records):
        try:
            if not key.startswith(VOTE):
                raise DecodeError("record-key", "not a record of ballot")
            height_item, round_item, block_hash = rlp.decode_list(records[key], 3)
            height = bytes_to_int(height_item, size_max=8)
            own[height] = (bytes_to_int(round_item, size_max=8), as_bytes(block_hash, 32))
        except DecodeError as error:
            raise StoreDamaged(f"table consensus, key {key!r}: {error}") from error
    return own


def may_vote(own: OwnVotes, height: int, round_number: int) -> bool:
    """BAL-16: never twice at a place, never in an earlier round, never where the ring may have forgotten a vote."""
    if height <= max(own, default=0) - RING:
        return False
    said = own.get(height)
    return said is None or said[0] < round_number


def remember(own: OwnVotes, height: int, round_number: int, block_hash: bytes) -> None:
    """As the ring does."""
    own[height] = (round_number, block_hash)
    for old in [known for known in own if known <= height - RING]:
        del own[old]
