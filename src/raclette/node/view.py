"""What RPC, CLI and checkers may ask of a node. Reads only; answers are a consistent moment of the machine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import Ledger, StateReader, Transaction
from raclette.chain.receipt import Receipt


@dataclass(frozen=True, slots=True)
class Located:
    """A transaction in a canonical block."""

    header: Header
    index: int
    transaction: Transaction


class PeerInfo(NamedTuple):
    """A linked peer. `score` starts at 0 and falls with faults; `height` is what it last said."""

    node_id: bytes
    height: int
    score: int
    is_validator: bool


class SyncProgress(NamedTuple):
    """Catching up: from where, where we are, and the highest anybody claims."""

    starting: int
    current: int
    highest: int


class NodeView(Protocol):
    """The node's read side."""

    node_id: bytes
    chain_id: int
    ledger: Ledger

    @property
    def genesis(self) -> Header: ...
    @property
    def head(self) -> Header: ...
    @property
    def safe(self) -> Header:
        """Deep or certain enough for most: final for BFT engines, a few blocks back for proof of work."""

    @property
    def finalized(self) -> Header: ...
    def header(self, block_hash: bytes) -> Header | None: ...
    def canonical(self, number: int) -> Header | None: ...
    def block(self, block_hash: bytes) -> Block | None: ...
    def receipts(self, block_hash: bytes) -> tuple[Receipt, ...] | None: ...
    def certificate(self, block_hash: bytes) -> bytes: ...
    def locate(self, transaction_hash: bytes) -> Located | None:
        """A transaction on the head's branch."""

    def pooled(self, transaction_hash: bytes) -> Transaction | None:
        """A transaction that waits."""

    def state(self, block_hash: bytes) -> StateReader | None:
        """State after a block, or None if it is no longer kept."""

    def issued(self, number: int) -> int:
        """New money that the protocol has paid for blocks 1 to `number`, in the ledger's smallest unit."""

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """Every (key, value) of the state after the head, as of this moment: to be read in another thread, if long."""

    def prove(self, block_hash: bytes, key: bytes) -> list[bytes] | None:
        """Trie nodes from the state root to `key` (present or absent), or None if no longer kept."""

    def next_nonce(self, sender: bytes) -> int:
        """First nonce after the sender's mined and pooled transactions."""

    def mempool(self) -> dict[str, Any]:
        """Counts and bytes: {"pending", "queued", "bytes", "limit"}."""

    def pooled_transactions(self, limit: int) -> Sequence[Transaction]:
        """What waits, best first."""

    def peers(self) -> Sequence[PeerInfo]: ...
    def consensus(self) -> dict[str, Any]:
        """The engine's `status()`, with protocol name, validators and head."""

    def syncing(self) -> SyncProgress | None:
        """None when not behind."""

    def evidence(self) -> Sequence[dict[str, Any]]:
        """Proofs of guilt collected so far."""
