"""Executing blocks: building one from candidates, and checking somebody else's."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from raclette.chain.block import Block
from raclette.chain.header import BLOOM_BYTES, EMPTY_UNCLES_HASH, EXTRA_DATA_BYTES_MAX, ZERO_BLOOM, Header
from raclette.chain.ledger import BlockContext, Executed, Ledger, Transaction
from raclette.chain.limits import ChainLimits
from raclette.chain.nodes import path_of
from raclette.chain.roots import ordered_root
from raclette.chain.state import Changes, StateJournal, StateLayer
from raclette.chain.trie import Trie
from raclette.primitives.errors import InvalidBlock, Refused
from raclette.primitives.hashing import keccak256

# Hashed keys remembered, about 250 bytes each: the accounts that pay today pay tomorrow.
PATHS_REMEMBERED_MAX = 100_000


class DraftLike(Protocol):
    """What the engine decides about a block (`raclette.engine.contract.Draft`)."""

    @property
    def timestamp(self) -> int: ...
    @property
    def beneficiary(self) -> bytes: ...
    @property
    def difficulty(self) -> int: ...
    @property
    def extra_data(self) -> bytes: ...
    @property
    def transactions_max(self) -> int: ...
    @property
    def sample(self) -> int: ...
    @property
    def sample_seed(self) -> int: ...
    @property
    def mix_hash(self) -> bytes: ...
    @property
    def nonce(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """A block that was executed, and the state it leaves."""

    block: Block
    executed: Executed
    changes: Changes
    trie: Trie
    reward: int


class Executor:
    """Runs the ledger over a parent's state and computes every root. Keeps nothing but a memo of hashed keys."""

    def __init__(self, ledger: Ledger, decode: Callable[[bytes], Transaction], limits: ChainLimits) -> None:
        self._ledger = ledger
        self._decode = decode
        self._limits = limits
        self._paths: dict[bytes, bytes] = {}

    def build(
        self,
        parent: Header,
        draft: DraftLike,
        reward: int,
        candidates: Iterable[Transaction],
        layer: StateLayer,
        trie: Trie,
    ) -> tuple[Outcome, list[tuple[Transaction, str]]]:
        """A block on `parent` from what is valid of the candidates, and what was refused with the reason."""
        context = BlockContext(
            parent.number + 1, draft.timestamp, draft.beneficiary, parent.base_fee, parent.gas_limit, reward
        )
        journal = StateJournal(layer)
        result = self._ledger.execute(
            context, self._within_limits(candidates, draft.transactions_max), journal, strict=False
        )
        changes = journal.changes()
        new = self.update(trie, changes)
        raws = tuple(transaction.raw for transaction in result.included)
        header = Header(
            parent_hash=parent.hash,
            number=context.number,
            timestamp=draft.timestamp,
            beneficiary=draft.beneficiary,
            state_root=new.root_hash,
            transactions_root=ordered_root(raws),
            receipts_root=ordered_root([receipt.encode() for receipt in result.receipts]),
            difficulty=draft.difficulty,
            gas_limit=parent.gas_limit,
            gas_used=result.gas_used,
            extra_data=draft.extra_data,
            mix_hash=draft.mix_hash,
            nonce=draft.nonce,
            base_fee=parent.base_fee,
        )
        executed = Executed(header, tuple(result.receipts), tuple(result.included))
        return Outcome(Block(header, raws), executed, changes, new, reward), result.refused

    def _within_limits(self, candidates: Iterable[Transaction], wanted: int) -> Iterator[Transaction]:
        """As many as the chain allows, and no more than `wanted` (0: no limit of its own)."""
        most = min(wanted or self._limits.transactions_max, self._limits.transactions_max)
        size = 0
        for count, transaction in enumerate(candidates):
            size += len(transaction.raw)
            if count == most or size > self._limits.bytes_max:
                return
            yield transaction

    def check_form(self, block: Block, parent: Header) -> None:
        """Everything that needs no execution, cheapest first. What `mix_hash` and nonce hold is the engine's business,
        as are time, difficulty and author. Raises InvalidBlock."""
        header = block.header
        count, size = len(block.transactions), sum(map(len, block.transactions))
        if header.number != parent.number + 1:
            raise InvalidBlock("number", f"{header.number} on a parent at {parent.number}")
        if header.gas_limit != parent.gas_limit:
            raise InvalidBlock("gas-limit", f"{header.gas_limit}, the chain's is {parent.gas_limit}")
        if header.base_fee != parent.base_fee:
            raise InvalidBlock("base-fee", f"{header.base_fee}, the chain's is {parent.base_fee}")
        if header.gas_used > header.gas_limit:
            raise InvalidBlock("gas-used", f"{header.gas_used} of {header.gas_limit}")
        if header.uncles_hash != EMPTY_UNCLES_HASH:
            raise InvalidBlock("uncles", "this chain has none")
        if header.logs_bloom != ZERO_BLOOM:
            raise InvalidBlock("logs-bloom", f"not {BLOOM_BYTES} zero bytes")
        if len(header.extra_data) > EXTRA_DATA_BYTES_MAX:
            raise InvalidBlock("extra-data", f"{len(header.extra_data)} bytes")
        if count > self._limits.transactions_max:
            raise InvalidBlock("transactions-count", f"{count}, at most {self._limits.transactions_max}")
        if size > self._limits.bytes_max:
            raise InvalidBlock("block-size", f"{size} bytes, at most {self._limits.bytes_max}")
        if not all(block.transactions):
            raise InvalidBlock("transaction-empty", "a transaction of no bytes")
        if ordered_root(block.transactions) != header.transactions_root:
            raise InvalidBlock("transactions-root", "the body is not the one the header names")

    def execute(self, block: Block, reward: int, layer: StateLayer, trie: Trie) -> Outcome:
        """Run a block on its parent's state and compare what the header says of it. Raises InvalidBlock."""
        header = block.header
        transactions = self.decode_all(block)
        context = BlockContext(
            header.number, header.timestamp, header.beneficiary, header.base_fee, header.gas_limit, reward
        )
        journal = StateJournal(layer)
        result = self._ledger.execute(context, transactions, journal, strict=True)
        if result.gas_used != header.gas_used:
            raise InvalidBlock("gas-used", f"{result.gas_used}, the header says {header.gas_used}")
        if ordered_root([receipt.encode() for receipt in result.receipts]) != header.receipts_root:
            raise InvalidBlock("receipts-root", "execution gives other receipts")
        changes = journal.changes()
        new = self.update(trie, changes)
        if new.root_hash != header.state_root:
            raise InvalidBlock("state-root", f"{new.root_hash.hex()}, the header says {header.state_root.hex()}")
        return Outcome(block, Executed(header, tuple(result.receipts), tuple(transactions)), changes, new, reward)

    def decode_all(self, block: Block) -> list[Transaction]:
        """The block's transactions, authorship proven. Raises InvalidBlock."""
        decode = self._decode
        try:
            return [decode(raw) for raw in block.transactions]
        except Refused as refused:
            raise InvalidBlock(f"transaction-{refused.reason}", refused.detail) from refused

    def update(self, trie: Trie, changes: Changes) -> Trie:
        """The state trie after `changes`."""
        paths = self._paths
        if len(paths) > PATHS_REMEMBERED_MAX:
            paths.clear()
        moves = []
        for key, value in changes.items():
            path = paths.get(key)
            if path is None:
                path = paths[key] = path_of(keccak256(key))
            moves.append((path, value))
        return trie.update_paths(moves)

    def is_executable(self, transaction: Transaction, layer: StateLayer) -> bool:
        """Would it be valid as the first of a block on that state?"""
        try:
            standing = self._ledger.admit(transaction, layer)
        except Refused:
            return False
        return transaction.nonce == standing.next_nonce and standing.cost <= standing.funds
