"""RLP, Ethereum's encoding of nested byte strings, strict and bounded.

Source: Ethereum Yellow Paper, appendix B. Decoding refuses what is not canonical (a second way to write the same
item), deeper than `RLP_DEPTH_MAX`, or followed by spare bytes; it never recurses on what a stranger sent beyond that
depth.
"""

from collections.abc import Sequence
from typing import TypeAlias

from raclette.primitives.errors import DecodeError

# Deepest nesting we ever produce is an access list inside a transaction inside a block (4); twice that is ample.
RLP_DEPTH_MAX = 8

Item: TypeAlias = bytes | list["Item"]
Encodable: TypeAlias = bytes | Sequence["Encodable"]


def encode_length(length: int, offset: int) -> bytes:
    """The prefix of a string (offset 0x80) or list (offset 0xc0) of `length` bytes."""
    if length < 56:
        return bytes((offset + length,))
    size = (length.bit_length() + 7) // 8
    return bytes((offset + 55 + size,)) + length.to_bytes(size, "big")


# Prefixes of strings and lists of fewer bytes than this, made once: a full branch of a trie has 529.
PREFIXES = 600
STRING_PREFIXES = [encode_length(length, 0x80) for length in range(PREFIXES)]
_LIST_PREFIXES = [encode_length(length, 0xC0) for length in range(PREFIXES)]


def list_prefix(length: int) -> bytes:
    """What stands before a list of `length` bytes."""
    return _LIST_PREFIXES[length] if length < PREFIXES else encode_length(length, 0xC0)


def encode_bytes(data: bytes) -> bytes:
    """One byte string."""
    length = len(data)
    if length == 1 and data[0] < 0x80:
        return data
    return (STRING_PREFIXES[length] if length < PREFIXES else encode_length(length, 0x80)) + data


def encode(item: Encodable) -> bytes:
    """A byte string or a (nested) sequence of them. Integers go through `int_to_bytes` first."""
    if isinstance(item, (bytes, bytearray)):
        return encode_bytes(bytes(item))
    return wrap_list([encode_bytes(part) if type(part) is bytes else encode(part) for part in item])


def wrap_list(encoded: Sequence[bytes]) -> bytes:
    """A list of items that are encoded already."""
    payload = b"".join(encoded)
    return list_prefix(len(payload)) + payload


def int_to_bytes(value: int) -> bytes:
    """Big-endian without leading zeros; zero is the empty string. Raises OverflowError if negative."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def bytes_to_int(data: Item, *, size_max: int = 32) -> int:
    """A canonical integer of at most `size_max` bytes. Raises DecodeError."""
    if not isinstance(data, bytes):
        raise DecodeError("rlp-type", "a list where an integer belongs")
    if len(data) > size_max:
        raise DecodeError("rlp-integer", f"{len(data)} bytes, at most {size_max}")
    if data and data[0] == 0:
        raise DecodeError("rlp-integer", "leading zero")
    return int.from_bytes(data, "big")


def decode(data: bytes) -> Item:
    """The one item that `data` holds, whole. Raises DecodeError."""
    item, end = _decode_at(data, 0, len(data), RLP_DEPTH_MAX)
    if end != len(data):
        raise DecodeError("rlp-trailing", f"{len(data) - end} spare bytes")
    return item


def decode_list(data: bytes, count: int | None = None) -> list[Item]:
    """As `decode`, and the item is a list (of `count` items, if given)."""
    item = decode(data)
    if not isinstance(item, list):
        raise DecodeError("rlp-type", "a string where a list belongs")
    if count is not None and len(item) != count:
        raise DecodeError("rlp-count", f"{len(item)} items where {count} belong")
    return item


def as_bytes(item: Item, size: int | None = None) -> bytes:
    """Assert a string (of `size` bytes, if given). Raises DecodeError."""
    if not isinstance(item, bytes):
        raise DecodeError("rlp-type", "a list where a string belongs")
    if size is not None and len(item) != size:
        raise DecodeError("rlp-size", f"{len(item)} bytes where {size} belong")
    return item


def as_list(item: Item) -> list[Item]:
    """Assert a list. Raises DecodeError."""
    if not isinstance(item, list):
        raise DecodeError("rlp-type", "a string where a list belongs")
    return item


def header_at(data: bytes, start: int, end: int) -> tuple[bool, int, int]:
    """(is a list, payload start, payload end) of the item at `start`, within `end`. Raises DecodeError."""
    if start >= end:
        raise DecodeError("rlp-truncated", f"nothing at byte {start}")
    prefix = data[start]
    if prefix < 0x80:
        return False, start, start + 1
    is_list = prefix >= 0xC0
    short = prefix - (0xC0 if is_list else 0x80)
    if short < 56:
        body, length = start + 1, short
    else:
        size = short - 55
        body = start + 1 + size
        if body > end:
            raise DecodeError("rlp-truncated", f"length at byte {start}")
        if data[start + 1] == 0:
            raise DecodeError("rlp-canonical", f"leading zero in the length at byte {start}")
        length = int.from_bytes(data[start + 1 : body], "big")
        if length < 56:
            raise DecodeError("rlp-canonical", f"long form of a short item at byte {start}")
    if body + length > end:
        raise DecodeError("rlp-truncated", f"item at byte {start} says {length} bytes")
    if not is_list and length == 1 and data[body] < 0x80:
        raise DecodeError("rlp-canonical", f"prefixed single byte at byte {start}")
    return is_list, body, body + length


def _decode_at(data: bytes, start: int, end: int, depth: int) -> tuple[Item, int]:
    is_list, body, stop = header_at(data, start, end)
    if not is_list:
        return data[body:stop], stop
    if depth == 0:
        raise DecodeError("rlp-depth", f"nested deeper than {RLP_DEPTH_MAX}")
    items: list[Item] = []
    while body < stop:
        item, body = _decode_at(data, body, stop, depth - 1)
        items.append(item)
    return items, stop
