"""A block: header and body. The body is a list of transactions, opaque bytes to all but the ledger."""

from dataclasses import dataclass
from functools import cached_property

from raclette.chain.header import Header
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError

# Largest body, as the sum of its transactions' bytes. A full block then crosses a 20 Mbit/s uplink in under a second.
BLOCK_BYTES_MAX = 2 * 1024 * 1024
# Most transactions in a body, whatever the chain's own smaller limit.
BLOCK_TRANSACTIONS_MAX = 20_000


@dataclass(frozen=True)
class Block:
    """`transactions` are raw bytes in order."""

    header: Header
    transactions: tuple[bytes, ...] = ()

    @property
    def hash(self) -> bytes:
        """The header's hash."""
        return self.header.hash

    @property
    def number(self) -> int:
        """The header's height: the number of blocks before this one."""
        return self.header.number

    @property
    def parent_hash(self) -> bytes:
        """The header's parent."""
        return self.header.parent_hash

    @cached_property
    def encoded_body(self) -> bytes:
        """RLP list of the raw transactions, as kept in the store."""
        return rlp.encode(self.transactions)

    @property
    def encoded(self) -> bytes:
        """RLP of header and body: a whole block as one string."""
        return rlp.encode([self.header.encoded, self.encoded_body])

    @classmethod
    def decode(cls, data: bytes) -> "Block":
        """Inverse of `encoded`. Raises DecodeError."""
        header, body = rlp.decode_list(data, 2)
        return cls(Header.decode(rlp.as_bytes(header)), cls.decode_body(rlp.as_bytes(body)))

    @staticmethod
    def decode_body(data: bytes) -> tuple[bytes, ...]:
        """The transactions of an encoded body, BLOCK_TRANSACTIONS_MAX at most. Raises DecodeError.

        Stops at the first item too many or of the wrong kind: a frame of empty items costs no more than a block."""
        is_list, place, end = rlp.header_at(data, 0, len(data))
        if not is_list or end != len(data):
            raise DecodeError("body-shape", "not one list and nothing else")
        raws: list[bytes] = []
        while place < end:
            nested, start, place = rlp.header_at(data, place, end)
            if nested:
                raise DecodeError("rlp-type", "a list where a string belongs")
            if len(raws) == BLOCK_TRANSACTIONS_MAX:
                raise DecodeError("transaction-count", f"at most {BLOCK_TRANSACTIONS_MAX}")
            raws.append(data[start:place])
        return tuple(raws)
