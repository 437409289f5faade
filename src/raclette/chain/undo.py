"""Undo records: what a block overwrote, so that the base can go back through it.

A record is an RLP list: the reward that the block paid (so that it can be executed again), then key and former value
in turn. No state value is empty, so the empty string says that the key was not there.
"""

from raclette.chain.state import Changes
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, encode_bytes, int_to_bytes


def encode_undo(reward: int, before: Changes) -> bytes:
    """The record of a block that paid `reward` and found the values `before`."""
    parts = [encode_bytes(int_to_bytes(reward))]
    for key, value in before.items():
        parts.append(encode_bytes(key))
        parts.append(encode_bytes(value) if value else b"\x80")
    return rlp.wrap_list(parts)


def decode_undo(data: bytes) -> tuple[int, Changes]:
    """(reward, former values). Raises DecodeError."""
    items = rlp.decode_list(data)
    if len(items) % 2 == 0:
        raise DecodeError("undo", "a key without its value")
    before: Changes = {}
    for index in range(1, len(items), 2):
        before[as_bytes(items[index])] = as_bytes(items[index + 1]) or None
    return bytes_to_int(items[0]), before
