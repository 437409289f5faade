"""The chain's records in the store, read and checked. What does not decode or hash as it should is StoreDamaged."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeVar

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.receipt import Receipt
from raclette.chain.state import Changes
from raclette.chain.undo import decode_undo
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, StoreDamaged
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.store.contract import Batch, Store, Table

FORMAT = 1
FORMAT_KEY = b"chain/format"
CHAIN_ID_KEY = b"chain/id"
GENESIS_KEY = b"chain/genesis"
HEAD_KEY = b"chain/head"
FINALIZED_KEY = b"chain/finalized"
BASE_KEY = b"chain/base"
# Number of the lowest block whose undo record is kept; absent while none was dropped.
UNDO_FROM_KEY = b"chain/undo-from"
# Followed by number (8 bytes) and hash: a block of the tree. The value is the reward it paid.
TREE_PREFIX = b"tree/"
HASH_BYTES = 32
# Headers of blocks below the base kept decoded, at about 1.5 KiB each: engines walk back through recent ones.
HEADERS_CACHED_MAX = 2048

_T = TypeVar("_T")


def number_key(number: int) -> bytes:
    """Key in CANONICAL: sorts by number."""
    return number.to_bytes(8, "big")


def tree_key(header: Header) -> bytes:
    """Key in META of a block in the tree."""
    return TREE_PREFIX + number_key(header.number) + header.hash


def damaged(table: Table, key: bytes, what: str) -> StoreDamaged:
    """The error that names table and key."""
    return StoreDamaged(f"table {table.value}, key {key.hex() or 'empty'}: {what}")


class Archive:
    """Reads records and writes those of one block."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._headers: OrderedDict[bytes, Header] = OrderedDict()

    def _decoded(self, table: Table, key: bytes, decode: Callable[[bytes], _T]) -> _T | None:
        data = self.store.get(table, key)
        if data is None:
            return None
        try:
            return decode(data)
        except DecodeError as error:
            raise damaged(table, key, str(error)) from error

    def header(self, block_hash: bytes) -> Header | None:
        """A stored header, or None."""
        header = self._headers.get(block_hash)
        if header is not None:
            self._headers.move_to_end(block_hash)
            return header
        header = self._decoded(Table.HEADERS, block_hash, Header.decode)
        if header is not None:
            if header.hash != block_hash:
                raise damaged(Table.HEADERS, block_hash, f"the header there hashes to {header.hash.hex()}")
            self._headers[block_hash] = header
            if len(self._headers) > HEADERS_CACHED_MAX:
                self._headers.popitem(last=False)
        return header

    def need_header(self, block_hash: bytes) -> Header:
        """A header that must be there. Raises StoreDamaged."""
        header = self.header(block_hash)
        if header is None:
            raise damaged(Table.HEADERS, block_hash, "missing")
        return header

    def block(self, header: Header) -> Block:
        """The block of a stored header. Raises StoreDamaged."""
        body = self._decoded(Table.BODIES, header.hash, Block.decode_body)
        if body is None:
            raise damaged(Table.BODIES, header.hash, "missing")
        return Block(header, body)

    def receipts(self, block_hash: bytes) -> tuple[Receipt, ...] | None:
        """Receipts of a block that was adopted once, or None."""
        return self._decoded(Table.RECEIPTS, block_hash, decode_receipts)

    def canonical(self, number: int) -> bytes | None:
        """Hash of the block at `number` on the head's branch."""
        return self.hash_at(Table.CANONICAL, number_key(number))

    def hash_at(self, table: Table, key: bytes) -> bytes | None:
        """A value that is a block hash."""
        value = self.store.get(table, key)
        if value is not None and len(value) != HASH_BYTES:
            raise damaged(table, key, f"{len(value)} bytes where a hash belongs")
        return value

    def need_hash(self, table: Table, key: bytes) -> bytes:
        """A block hash that must be there. Raises StoreDamaged."""
        value = self.hash_at(table, key)
        if value is None:
            raise damaged(table, key, "missing")
        return value

    def certificate(self, block_hash: bytes) -> bytes:
        """The certificate kept with the block, or empty."""
        return self.store.get(Table.CERTIFICATES, block_hash) or b""

    def place(self, transaction_hash: bytes) -> tuple[bytes, int] | None:
        """(block hash, position) of a transaction on the head's branch."""
        value = self.store.get(Table.INDEX, transaction_hash)
        if value is None:
            return None
        if len(value) != HASH_BYTES + 4:
            raise damaged(Table.INDEX, transaction_hash, f"{len(value)} bytes where {HASH_BYTES + 4} belong")
        return value[:HASH_BYTES], int.from_bytes(value[HASH_BYTES:], "big")

    def undo(self, block_hash: bytes) -> tuple[int, Changes] | None:
        """(reward, former values) of a block at or below the base, or None if no longer kept."""
        return self._decoded(Table.UNDO, block_hash, decode_undo)

    def tree(self) -> list[tuple[Header, int]]:
        """(header, reward) of every block of the tree, by number."""
        found = []
        for key, value in self.store.scan(Table.META, TREE_PREFIX, TREE_PREFIX[:-1] + b"\x30"):
            block_hash = key[len(TREE_PREFIX) + 8 :]
            found.append((self.need_header(block_hash), int.from_bytes(value, "big")))
        return found

    def forget(self, batch: Batch, header: Header) -> None:
        """Delete everything about a block that lost."""
        for table in (Table.HEADERS, Table.BODIES, Table.RECEIPTS, Table.CERTIFICATES):
            batch.delete(table, header.hash)
        batch.delete(Table.META, tree_key(header))
        self._headers.pop(header.hash, None)


def put_block(batch: Batch, block: Block, reward: int) -> None:
    """Keep a checked block: header, body, and that it is in the tree."""
    batch.put(Table.HEADERS, block.hash, block.header.encoded)
    batch.put(Table.BODIES, block.hash, block.encoded_body)
    put_tree(batch, block.header, reward)


def put_tree(batch: Batch, header: Header, reward: int) -> None:
    """Note that a block is in the tree."""
    batch.put(Table.META, tree_key(header), int_to_bytes(reward))


def encode_receipts(receipts: Iterable[Receipt]) -> bytes:
    """RLP list with type, status and gas of each: the consensus encoding without its 259 constant bytes."""
    return rlp.wrap_list(
        [
            rlp.encode_bytes(bytes((receipt.type, receipt.succeeded)) + int_to_bytes(receipt.cumulative_gas))
            for receipt in receipts
        ]
    )


def decode_receipts(data: bytes) -> tuple[Receipt, ...]:
    """Inverse of `encode_receipts`. Raises DecodeError."""
    receipts = []
    for item in rlp.decode_list(data):
        record = as_bytes(item)
        if len(record) < 2 or record[1] > 1:
            raise DecodeError("receipt-record", record.hex())
        receipts.append(Receipt(record[1] == 1, bytes_to_int(record[2:], size_max=8), record[0]))
    return tuple(receipts)
