"""The ledger miscounts: money from overflows, transactions of other chains, an emptied account that forgets.

Consensus does not notice any of it: every replica makes the same mistake. What notices is an audit that knows how much
money there may be and which transactions anybody ever signed for this chain. The same bugs apply on every protocol.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from raclette.chain import compact, execution, transaction, verify
from raclette.chain.compact import Reassembly
from raclette.chain.header import EMPTY_ROOT
from raclette.chain.ledger import Standing, StateReader, Transaction
from raclette.chain.mempool import Mempool
from raclette.chain.mempool_order import Entry
from raclette.chain.receipt import Receipt
from raclette.chain.transaction import EthereumTransaction
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, SAFETY, Swap, mutant
from raclette.ledgers.bank.account import decode_account
from raclette.ledgers.bank.bank import Bank
from raclette.ledgers.bank.execution import Execute
from raclette.node.sync.machine import Sync
from raclette.primitives.hashing import sha256d

# Bitcoin's amounts had 64 bits (CVE-2010-5139); so have the sums of this mutant.
_WORD = 1 << 64

_obstacle = Execute.obstacle
_run = Execute.run
_finish = Execute.finish
_admit = Bank.admit
_check_lane = Mempool._check_lane
_reassembly_init = Reassembly.__init__
_sync_init = Sync.__init__


# N7: sums that overflow.


def _truncated(transaction: Transaction) -> Transaction:
    """As the checks see it: what it costs is computed in 64 bits."""
    detail: EthereumTransaction = transaction.detail
    fee = detail.gas * detail.max_fee
    value = (fee + detail.value) % _WORD - fee
    return replace(transaction, detail=detail._replace(value=value))


def _obstacle_in_64_bits(self: Execute, transaction: Transaction) -> str | None:
    return _obstacle(self, _truncated(transaction))


def _admit_in_64_bits(self: Bank, transaction: Transaction, state: StateReader) -> Standing:
    return _admit(self, _truncated(transaction), state)


def _run_in_64_bits(self: Execute, transaction: Transaction) -> Receipt:
    """The receiver gets all of it, the sender pays what the check saw."""
    receipt = _run(self, transaction)
    self._account(transaction.sender).balance += transaction.detail.value - _truncated(transaction).detail.value
    return receipt


# N7b: funds checked for each transaction alone.


def _obstacle_at_start(self: Execute, transaction: Transaction) -> str | None:
    """Against what the sender had before the block, whatever it has spent in it."""
    account = self._account(transaction.sender)
    balance, account.balance = account.balance, max(account.balance, decode_account(account.record)[1])
    reason = _obstacle(self, transaction)
    account.balance = balance
    return reason


def _run_saturating(self: Execute, transaction: Transaction) -> Receipt:
    receipt = _run(self, transaction)
    account = self._account(transaction.sender)
    account.balance = max(0, account.balance)
    return receipt


def _check_alone(self: Mempool, transaction: Transaction, nonce: int, standing: Standing) -> Entry | None:
    return _check_lane(self, transaction, nonce, replace(standing, funds=standing.funds + _queued(self, transaction)))


def _queued(pool: Mempool, transaction: Transaction) -> int:
    """What the sender's waiting transactions cost together."""
    lane = pool._lanes.get(transaction.sender)
    return 0 if lane is None else lane.cost


# N6, N6b, N8, N9b.


def _require_nothing(have: int, want: int) -> None:
    """Any chain id will do."""


def _tree_of_pairs(items: Sequence[bytes]) -> bytes:
    """Bitcoin's: a level with an odd number of nodes repeats its last one, so [a, b, c] and [a, b, c, c] agree."""
    level = [sha256d(item) for item in items]
    while len(level) > 1:
        level += level[-1:] if len(level) % 2 else []
        level = [sha256d(level[i] + level[i + 1]) for i in range(0, len(level), 2)]
    return level[0] if level else EMPTY_ROOT


def _reassembly_of_pairs(self: Reassembly, header: Any, ids: bytes, lookup: Any, *_: Any, **__: Any) -> None:
    _reassembly_init(self, header, ids, lookup, _tree_of_pairs)


def _sync_of_pairs(self: Sync, *arguments: Any, **keywords: Any) -> None:
    _sync_init(self, *arguments[:5], **keywords | {"root": _tree_of_pairs})


def _finish_forgetting(self: Execute) -> None:
    """An account without money is removed, its nonce with it."""
    for account in self._accounts.values():
        if not account.balance:
            account.nonce = 0
    _finish(self)


def _finish_paying_twice(self: Execute) -> None:
    if self._context.reward and self.gas_used:
        self._account(self._context.beneficiary).balance += self._context.reward
    _finish(self)


def _mutants(protocol: str) -> tuple[Mutant, ...]:
    return (
        mutant(
            "N6",
            protocol,
            "the transactions root repeats the last item of odd levels: two bodies for one block hash",
            source="CVE-2012-2459 (Bitcoin)",
            invariants=(*SAFETY, *PROGRESS),
            swaps=(
                Swap(execution, "ordered_root", _tree_of_pairs),
                Swap(verify, "ordered_root", _tree_of_pairs),
                Swap(compact, "ordered_root", _tree_of_pairs),
                Swap(Reassembly, "__init__", _reassembly_of_pairs),
                Swap(Sync, "__init__", _sync_of_pairs),
            ),
        ),
        mutant(
            "N6b",
            protocol,
            "an account that is emptied forgets its nonce: the same transaction is executed again",
            source="Bitcoin BIP 30 (a second transaction with the same id), as it would be with accounts",
            invariants=("exactly-once",),
            swaps=(Swap(Execute, "finish", _finish_forgetting),),
        ),
        mutant(
            "N7",
            protocol,
            "what a transaction costs is summed in 64 bits, what it pays is not",
            source="CVE-2010-5139 (Bitcoin, value overflow)",
            invariants=("supply",),
            swaps=(
                Swap(Execute, "obstacle", _obstacle_in_64_bits),
                Swap(Execute, "run", _run_in_64_bits),
                Swap(Bank, "admit", _admit_in_64_bits),
            ),
        ),
        mutant(
            "N7b",
            protocol,
            "funds are checked for each transaction alone: the same money is spent twice in one block",
            source="CVE-2018-17144 (Bitcoin, an input spent twice in one transaction)",
            invariants=("supply",),
            swaps=(
                Swap(Execute, "obstacle", _obstacle_at_start),
                Swap(Execute, "run", _run_saturating),
                Swap(Mempool, "_check_lane", _check_alone),
            ),
        ),
        mutant(
            "N8",
            protocol,
            "transactions signed for another chain are executed",
            source="EIP-155 (replay between Ethereum and Ethereum Classic)",
            invariants=("validity",),
            swaps=(Swap(transaction, "_require_chain", _require_nothing),),
        ),
    )


# Every replica makes these mistakes alike, so they are the same on every protocol.
_EVERYWHERE = ("pbft", "nakamoto")
_REWARDED = mutant(
    "N9b",
    "nakamoto",
    "the reward of a block with transactions is paid twice",
    source="uncle and orphan rewards in longest-chain ledgers",
    invariants=("supply",),
    swaps=(Swap(Execute, "finish", _finish_paying_twice),),
)
MUTANTS: tuple[Mutant, ...] = (*(found for name in _EVERYWHERE for found in _mutants(name)), _REWARDED)
