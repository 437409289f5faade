"""The block header: Ethereum's (London), so that every tool can re-hash it.

Source: Ethereum Yellow Paper, section 4.3 and EIP-1559. Consensus data lives in `extra_data`, as QBFT does it;
certificates travel beside the header, never in it, so that a block keeps its hash whatever view decides it.
"""

from dataclasses import dataclass, replace
from functools import cached_property

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.hashing import ZERO_HASH, keccak256
from raclette.primitives.rlp import Item, as_bytes, bytes_to_int, int_to_bytes

ADDRESS_BYTES = 20
ZERO_ADDRESS = bytes(ADDRESS_BYTES)
NONCE_BYTES = 8
ZERO_NONCE = bytes(NONCE_BYTES)
BLOOM_BYTES = 256
ZERO_BLOOM = bytes(BLOOM_BYTES)
# keccak256(rlp([])): we have no uncles, so this field never differs.
EMPTY_UNCLES_HASH = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
# keccak256(rlp(b"")): root of an empty Merkle-Patricia trie.
EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
# Engines put at most a few signatures or a ticket here; Ethereum's 32 bytes are too few, QBFT's unbounded too many.
EXTRA_DATA_BYTES_MAX = 4096
HEADER_FIELDS = 16
# Longest encoding read: all other fields together are under 1 KiB. Checked first, because decoding costs by the item.
ENCODED_BYTES_MAX = EXTRA_DATA_BYTES_MAX + 1_024


@dataclass(frozen=True)
class Header:
    """What a block commits to. `hash` names the block.

    `timestamp` is in whole seconds since 1970 (as Ethereum's); `difficulty` is the expected number of hashes for
    proof-of-work engines and 1 for the others.
    """

    parent_hash: bytes
    number: int
    timestamp: int
    beneficiary: bytes = ZERO_ADDRESS
    state_root: bytes = EMPTY_ROOT
    transactions_root: bytes = EMPTY_ROOT
    receipts_root: bytes = EMPTY_ROOT
    logs_bloom: bytes = ZERO_BLOOM
    difficulty: int = 1
    gas_limit: int = 30_000_000
    gas_used: int = 0
    extra_data: bytes = b""
    mix_hash: bytes = ZERO_HASH
    nonce: bytes = ZERO_NONCE
    base_fee: int = 0
    uncles_hash: bytes = EMPTY_UNCLES_HASH

    def _fields(self) -> list[bytes]:
        return [
            self.parent_hash,
            self.uncles_hash,
            self.beneficiary,
            self.state_root,
            self.transactions_root,
            self.receipts_root,
            self.logs_bloom,
            int_to_bytes(self.difficulty),
            int_to_bytes(self.number),
            int_to_bytes(self.gas_limit),
            int_to_bytes(self.gas_used),
            int_to_bytes(self.timestamp),
            self.extra_data,
            self.mix_hash,
            self.nonce,
            int_to_bytes(self.base_fee),
        ]

    @cached_property
    def encoded(self) -> bytes:
        """The header's RLP."""
        return rlp.encode(self._fields())

    @cached_property
    def hash(self) -> bytes:
        """keccak256 of the RLP: the block's name."""
        return keccak256(self.encoded)

    @cached_property
    def prehash(self) -> bytes:
        """keccak256 of the header without mix_hash and nonce: what proof of work seals."""
        fields = self._fields()
        return keccak256(rlp.encode(fields[:13] + fields[15:]))

    def sealed_with(self, nonce: bytes) -> "Header":
        """The same header with another nonce (8 bytes)."""
        return replace(self, nonce=nonce)

    @classmethod
    def decode(cls, data: bytes) -> "Header":
        """From RLP. Raises DecodeError."""
        if len(data) > ENCODED_BYTES_MAX:
            raise DecodeError("header-size", f"{len(data)} bytes, at most {ENCODED_BYTES_MAX}")
        return cls.from_items(rlp.decode_list(data, HEADER_FIELDS))

    @classmethod
    def from_items(cls, items: list[Item]) -> "Header":
        """From decoded RLP fields, each of its exact size. Raises DecodeError."""
        if len(items) != HEADER_FIELDS:
            raise DecodeError("header-fields", f"{len(items)} fields where {HEADER_FIELDS} belong")
        extra_data = as_bytes(items[12])
        if len(extra_data) > EXTRA_DATA_BYTES_MAX:
            raise DecodeError("header-extra", f"{len(extra_data)} bytes, at most {EXTRA_DATA_BYTES_MAX}")
        return cls(
            parent_hash=as_bytes(items[0], 32),
            uncles_hash=as_bytes(items[1], 32),
            beneficiary=as_bytes(items[2], ADDRESS_BYTES),
            state_root=as_bytes(items[3], 32),
            transactions_root=as_bytes(items[4], 32),
            receipts_root=as_bytes(items[5], 32),
            logs_bloom=as_bytes(items[6], BLOOM_BYTES),
            difficulty=bytes_to_int(items[7]),
            number=bytes_to_int(items[8], size_max=8),
            gas_limit=bytes_to_int(items[9], size_max=8),
            gas_used=bytes_to_int(items[10], size_max=8),
            timestamp=bytes_to_int(items[11], size_max=8),
            extra_data=extra_data,
            mix_hash=as_bytes(items[13], 32),
            nonce=as_bytes(items[14], NONCE_BYTES),
            base_fee=bytes_to_int(items[15]),
        )
