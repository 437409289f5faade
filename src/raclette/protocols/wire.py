"""What the protocols' encodings have in common: one byte for the kind, then RLP of a fixed shape, within a size that is
known before anything is decoded."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from raclette.engine.message import Message
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import Encodable, Item, bytes_to_int, decode_list, encode

# Of each kind, by its byte: the largest payload, and what makes a message of the fields.
Kinds: TypeAlias = Mapping[int, tuple[int, Callable[[list[Item]], Message]]]


def frame(kind: int, items: Sequence[Encodable]) -> bytes:
    """One byte for the kind, then the RLP of the fields."""
    return bytes((kind,)) + encode(items)


def read(protocol: str, kinds: Kinds, payload: bytes) -> Message:
    """Inverse of `frame`. Raises DecodeError, whose reason begins with the protocol's name for an unknown kind or too
    large a payload."""
    kind = kinds.get(payload[0]) if payload else None
    if kind is None:
        raise DecodeError(f"{protocol}-kind", payload[:1].hex())
    size_max, decoder = kind
    if len(payload) > size_max:
        raise DecodeError(f"{protocol}-size", f"{len(payload)} bytes, at most {size_max}")
    return decoder(decode_list(payload[1:]))


def expect(items: list[Item], count: int) -> list[Item]:
    """Exactly `count` fields. Raises DecodeError."""
    if len(items) != count:
        raise DecodeError("rlp-count", f"{len(items)} items where {count} belong")
    return items


def u64(item: Item) -> int:
    """A canonical integer of at most eight bytes. Raises DecodeError."""
    return bytes_to_int(item, size_max=8)
