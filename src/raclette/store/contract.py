"""The contract of a store, and the names of the tables.

A store is ordered byte keys in named tables. A batch is atomic across tables. `write` returns once the batch is
applied and visible, and has survived *this process's* death (kill -9); `sync` returns once everything written has
survived *the machine's* (power loss). Persist-before-send is built on exactly this difference.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Protocol


class Table(StrEnum):
    """One per kind of record; RocksDB gives each its own column family and options."""

    META = "meta"  # format version, chain id, genesis hash, head, finalised, base of the flat state
    HEADERS = "headers"  # block hash -> header RLP
    BODIES = "bodies"  # block hash -> RLP list of raw transactions
    RECEIPTS = "receipts"  # block hash -> RLP list of receipts
    CANONICAL = "canonical"  # block number (8 bytes, big-endian) -> block hash
    CERTIFICATES = "certificates"  # block hash -> certificate bytes
    STATE = "state"  # flat finalised state: ledger key -> value
    TRIE = "trie"  # nodes of the finalised state trie
    UNDO = "undo"  # block hash -> what reverting it needs
    INDEX = "index"  # transaction hash -> block hash + position (4 bytes)
    CONSENSUS = "consensus"  # the engine's own records (votes, view, prepared certificates)
    OUTBOX = "outbox"  # what must reach somebody, until acknowledged or too old
    PEERS = "peers"  # known peers: signed records, scores, bans
    EVIDENCE = "evidence"  # proofs of guilt


class Batch:
    """Puts and deletes, in order, to be applied all or not at all."""

    __slots__ = ("operations",)

    def __init__(self) -> None:
        self.operations: list[tuple[Table, bytes, bytes | None]] = []

    def put(self, table: Table, key: bytes, value: bytes) -> None:
        """Set `key` to `value`."""
        self.operations.append((table, key, value))

    def delete(self, table: Table, key: bytes) -> None:
        """Remove `key` (no error if absent)."""
        self.operations.append((table, key, None))

    def __len__(self) -> int:
        return len(self.operations)


class Reader(Protocol):
    """What can be asked: of a store, or of a snapshot of one."""

    def get(self, table: Table, key: bytes) -> bytes | None:
        """The value, or None."""

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        """The values, in the order of the keys."""

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop in key order (or backwards)."""


class Store(Reader, Protocol):
    """Ordered byte keys in named tables. Used from one thread, but `sync` may run in another."""

    def write(self, batch: Batch) -> None:
        """Apply `batch` atomically; visible to reads at once. Raises StoreDamaged, StoreRefused."""

    def sync(self) -> None:
        """Return when every earlier write would survive a power loss. Thread-safe."""

    def snapshot(self) -> Reader:
        """A frozen view: later writes do not show in it."""

    def close(self) -> None:
        """Flush and release. Idempotent."""
