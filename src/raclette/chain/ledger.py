"""The contract of a ledger: the application behind consensus, a deterministic state machine (in the spirit of ABCI).

State is a map from byte keys to byte values. Its root is a secure Merkle-Patricia trie: keccak256(key) -> value, so a
ledger whose keys are addresses and whose values are Ethereum account records has Ethereum's state root and proofs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from raclette.chain.header import Header
from raclette.chain.receipt import Receipt
from raclette.primitives.errors import Refused


class StateReader(Protocol):
    """State after some block."""

    def get(self, key: bytes) -> bytes | None:
        """The value, or None."""


class StateWriter(StateReader, Protocol):
    """A journalled state in which a block is being executed."""

    def set(self, key: bytes, value: bytes | None) -> None:
        """Write (None removes)."""

    def checkpoint(self) -> int:
        """A mark to which `revert` can go back."""

    def revert(self, mark: int) -> None:
        """Undo every `set` since `mark`."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A decoded transaction whose authorship is proven. Everything here follows from `raw` alone.

    `hash` is keccak256(raw). `sender` and `nonce` order an account's transactions; a ledger without accounts leaves
    `nonce` None and names in `conflicts` the things only one transaction can consume. `fee` is the price per unit of
    `gas` by which the mempool ranks; `detail` is the ledger's own decoded form.
    """

    raw: bytes
    hash: bytes
    sender: bytes
    nonce: int | None
    fee: int
    gas: int
    conflicts: tuple[bytes, ...] = ()
    detail: Any = None

    @property
    def size(self) -> int:
        """Bytes on the wire."""
        return len(self.raw)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the state says about a transaction's sender now: `next_nonce` is the first nonce that can be executed,
    `funds` the most that all its pending transactions together may cost, `cost` the most this one can."""

    next_nonce: int | None
    funds: int
    cost: int


class Early(Refused):
    """Refused for now: it could perhaps be executed after other transactions, whose hashes are `needs`. While they wait
    in the mempool, it waits with them. For ledgers without nonces."""

    def __init__(self, reason: str, detail: str, needs: tuple[bytes, ...]) -> None:
        super().__init__(reason, detail)
        self.needs = needs


@dataclass(frozen=True, slots=True)
class BlockContext:
    """What execution may know about the block besides its transactions."""

    number: int
    timestamp: int
    beneficiary: bytes
    base_fee: int
    gas_limit: int
    # What consensus pays the beneficiary for this block, in the ledger's smallest unit. New money, counted in supply.
    reward: int = 0


@dataclass(slots=True)
class Execution:
    """What executing a list of transactions gave. `included` are those that were valid in order; when a proposer
    executes candidates, the invalid ones are left out and listed in `refused` with the reason."""

    included: list[Transaction] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    refused: list[tuple[Transaction, str]] = field(default_factory=list)
    gas_used: int = 0


class Ledger(Protocol):
    """A deterministic state machine over opaque transactions. Integers only; every collection in a defined order."""

    name: str

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        """The initial state from genesis `alloc` (JSON as in geth). Raises ConfigError with the path of the bad key."""

    def decode(self, raw: bytes) -> Transaction:
        """Decode and prove authorship. Pure, thread-safe, needs no state. Raises Refused (reason says why)."""

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        """Is it acceptable on top of `state` (now or once earlier nonces are in)? Raises Refused, or Early."""

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        """Run the transactions in order, then pay `context.reward`. `strict` (checking somebody's block): the first
        invalid one raises InvalidBlock. Not strict (proposing): invalid ones are skipped, stops at the gas limit."""

    def supply(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        """Money in existence, from every (key, value) of a state. Checked against genesis plus rewards."""

    def stake(self, account: bytes, state: StateReader) -> int:
        """What `account` weighs in protocols that weigh by money, in the ledger's smallest unit; 0 for nobody."""

    def query(self, path: str, arguments: Sequence[Any], state: StateReader) -> Any:
        """A read by name, e.g. `query("balance", [address], state)`. JSON-able answer. Raises Misuse if unknown."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A block's verified result: what the chain keeps beside header and body."""

    header: Header
    receipts: tuple[Receipt, ...]
    transactions: tuple[Transaction, ...]
