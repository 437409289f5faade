"""Undo records: what a block overwrote, so that the base can go back through it.

A record is an RLP list: the reward that the block paid (so that it can be executed again), then key and former value
in turn. No state value is empty, so the empty string says that the key was not there.
"""

from raclette.chain.state import Changes
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import bytes_to_int, encode_bytes, header_at, int_to_bytes


def encode_undo(reward: int, before: Changes) -> bytes:
    """The record of a block that paid `reward` and found the values `before`."""
    parts = [encode_bytes(int_to_bytes(reward))]
    for key, value in before.items():
        parts.append(encode_bytes(key))
        parts.append(encode_bytes(value) if value else b"\x80")
    return rlp.wrap_list(parts)


def decode_undo(data: bytes) -> tuple[int, Changes]:
    """(reward, former values). Raises DecodeError."""
    items = _strings(data)
    if len(items) % 2 == 0:
        raise DecodeError("undo", "a key without its value")
    values = iter(items[1:])
    return bytes_to_int(items[0]), {key: value or None for key, value in zip(values, values, strict=True)}


def _strings(data: bytes) -> list[bytes]:
    """The items of a flat list. As `rlp.decode_list`, but faster: a state a thousand blocks back takes a thousand
    records."""
    is_list, position, end = header_at(data, 0, len(data))
    if not is_list or end != len(data):
        raise DecodeError("undo", "not one list")
    found: list[bytes] = []
    while position < end:
        prefix = data[position]
        # Keys and account records, in their only form; anything else, right or wrong, goes the long way.
        if 0x82 <= prefix <= 0xB7 and position + prefix - 0x7F <= end:
            start, position = position + 1, position + prefix - 0x7F
        elif prefix == 0xB8 and position + 2 < end and 56 <= data[position + 1] <= end - position - 2:
            start, position = position + 2, position + 2 + data[position + 1]
        else:
            nested, start, position = header_at(data, position, end)
            if nested:
                raise DecodeError("undo", "a list where a string belongs")
        found.append(data[start:position])
    return found
