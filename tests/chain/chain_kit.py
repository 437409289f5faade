"""A tiny ledger and a chain over it, for tests of the chain."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from raclette.chain.block import Block
from raclette.chain.chain import Chain
from raclette.chain.header import Header
from raclette.chain.ledger import BlockContext, Execution, Standing, StateReader, StateWriter, Transaction
from raclette.chain.limits import ChainLimits
from raclette.chain.receipt import Receipt
from raclette.chain.trie import root_of_mapping
from raclette.engine.contract import ChainView, Draft
from raclette.primitives.errors import InvalidBlock, Misuse, Refused
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Store

NAMES = tuple(bytes((i,)) * 20 for i in range(1, 13))
EACH = 1000
MINER = b"\xee" * 20
GAS = 21_000


def pay(sender: bytes, to: bytes, amount: int, nonce: int) -> bytes:
    """A transaction of the tiny ledger: signed by nobody, since that is not what is tested here."""
    return sender + to + amount.to_bytes(4, "big") + nonce.to_bytes(4, "big")


def account(record: bytes | None) -> tuple[int, int]:
    """(nonce, balance)."""
    return (0, 0) if record is None else (int.from_bytes(record[:4], "big"), int.from_bytes(record[4:], "big"))


class TinyLedger:
    """Accounts with nonces and balances in fixed-size records; an account that sends its last coin is removed."""

    name = "tiny"

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        return {bytes.fromhex(name): bytes(4) + int(amount).to_bytes(8, "big") for name, amount in alloc.items()}

    def decode(self, raw: bytes) -> Transaction:
        if len(raw) != 48:
            raise Refused("size", f"{len(raw)} bytes")
        return Transaction(raw, keccak256(raw), raw[:20], int.from_bytes(raw[44:], "big"), 1, GAS)

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        nonce, balance = account(state.get(transaction.sender))
        return Standing(nonce, balance, int.from_bytes(transaction.raw[40:44], "big"))

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        result = Execution()
        for transaction in transactions:
            mark = state.checkpoint()
            if self._run(transaction, state):
                result.gas_used += GAS
                result.included.append(transaction)
                result.receipts.append(Receipt(True, result.gas_used))
            elif strict:
                raise InvalidBlock("invalid-transaction", transaction.hash.hex())
            else:
                state.revert(mark)
                result.refused.append((transaction, "invalid-transaction"))
        if context.reward:
            self._add(state, context.beneficiary, context.reward)
        return result

    def _run(self, transaction: Transaction, state: StateWriter) -> bool:
        sender, amount = transaction.sender, int.from_bytes(transaction.raw[40:44], "big")
        nonce, balance = account(state.get(sender))
        # Written before it is checked, so that `revert` has something to do.
        state.set(sender, (nonce + 1).to_bytes(4, "big") + max(0, balance - amount).to_bytes(8, "big"))
        self._add(state, transaction.raw[20:40], amount)
        return transaction.nonce == nonce and amount <= balance

    @staticmethod
    def _add(state: StateWriter, owner: bytes, amount: int) -> None:
        nonce, balance = account(state.get(owner))
        record = nonce.to_bytes(4, "big") + (balance + amount).to_bytes(8, "big")
        state.set(owner, record if any(record) else None)

    def stake(self, account: bytes, state: StateReader) -> int:
        return len(state.get(account) or b"")

    def supply(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        return sum(account(value)[1] for _, value in entries)

    def query(self, path: str, arguments: Sequence[Any], state: StateReader) -> Any:
        raise Misuse(path)


LEDGER = TinyLedger()


def genesis(timestamp: int = 0) -> tuple[Block, dict[bytes, bytes]]:
    state = LEDGER.genesis({name.hex(): EACH for name in NAMES})
    return Block(Header(bytes(32), 0, timestamp, state_root=root_of_mapping(state))), state


class Pool:
    """A mempool of the simplest kind: a list."""

    def __init__(self) -> None:
        self.waiting: list[Transaction] = []

    def candidates(self, skip: Container[bytes]) -> Iterator[Transaction]:
        return (transaction for transaction in self.waiting if transaction.hash not in skip)


def open_chain(
    store: Store, pool: Pool | None = None, *, reward: int = 0, limits: ChainLimits | None = None, chain_id: int = 7
) -> Chain:
    """The tiny chain in `store`, paying `reward` a block."""
    block, state = genesis()
    chain = Chain.open(
        store, block, state, LEDGER, chain_id=chain_id, candidates=(pool or Pool()).candidates, limits=limits
    )
    chain.reward_of = lambda number: reward
    view: ChainView = chain  # the type checker holds us to the contract
    assert view.chain_id == chain_id
    return chain


class Maker:
    """Makes blocks on any parent, in a chain of its own that never adopts and so has every state at hand."""

    def __init__(self, store: Store, *, reward: int = 0) -> None:
        self.pool = Pool()
        self.chain = open_chain(store, self.pool, reward=reward)

    def block(self, parent: Header, raws: Sequence[bytes] = (), *, tag: bytes = b"") -> Block:
        self.pool.waiting = [LEDGER.decode(raw) for raw in raws]
        block = self.chain.build(parent, Draft(parent.timestamp + 1, MINER, extra_data=tag))
        self.chain.check(block)
        return block
