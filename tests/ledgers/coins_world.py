"""A small world of coins for the tests: Alice, Bob and Carol, and a state in a dictionary."""

from collections.abc import Sequence
from typing import Any

from raclette.chain.ledger import BlockContext, Execution, Transaction
from raclette.chain.ledger_exam import ExamState
from raclette.ledgers.coins import Coin, Coins, Output, lock_to, sign_spend
from raclette.ledgers.coins.samples import genesis_coin
from raclette.ledgers.coins.transaction import coins_made
from raclette.primitives.errors import Refused
from raclette.primitives.keys import AccountKey, checksum_address

CHAIN = 21057
ALICE, BOB, CAROL = (AccountKey(bytes((number,)) * 32) for number in (1, 2, 3))
MINER = b"\x99" * 20
FUNDS = {ALICE: 1_000_000, BOB: 500_000}


def alloc_of(funds: dict[AccountKey, int]) -> dict[str, Any]:
    return {checksum_address(key.address): {"balance": amount} for key, amount in funds.items()}


def to(key: AccountKey, amount: int) -> Output:
    """An output for one address."""
    return Output(amount, lock_to(key.address))


def first_coin(key: AccountKey) -> Coin:
    """What genesis gives."""
    coin = genesis_coin(key.address, alloc_of(FUNDS))
    assert coin is not None
    return coin


def made(transaction: Transaction, index: int = 0) -> Coin:
    """A coin that the transaction makes."""
    return coins_made(transaction.hash, transaction.detail.outputs)[index]


class World:
    """Coins, their state, and verbs to move them."""

    def __init__(self, *, base_fee: int = 0) -> None:
        self.coins = Coins(CHAIN, base_fee=base_fee)
        self.state = ExamState(self.coins.genesis(alloc_of(FUNDS)))
        self.base_fee = base_fee

    def spend(
        self, coins: Sequence[Coin], outputs: Sequence[Output], keys: Sequence[Sequence[AccountKey]], chain: int = CHAIN
    ) -> Transaction:
        """Signed and decoded."""
        return self.coins.decode(sign_spend(chain, coins, outputs, keys))

    def reason(self, raw: bytes) -> str:
        """Why `decode` refuses; empty if it does not."""
        try:
            self.coins.decode(raw)
        except Refused as refused:
            return refused.reason
        return ""

    def block(self, *transactions: Transaction, strict: bool = True, **context: Any) -> Execution:
        """Execute a block of them."""
        wanted: dict[str, Any] = {
            "number": 1,
            "timestamp": 1,
            "beneficiary": MINER,
            "base_fee": self.base_fee,
            "gas_limit": 30_000_000,
        }
        return self.coins.execute(BlockContext(**(wanted | context)), transactions, self.state, strict=strict)

    def balance(self, who: AccountKey | bytes) -> int:
        address = who.address if isinstance(who, AccountKey) else who
        balance: int = self.coins.query("balance", [address], self.state)
        return balance

    def supply(self) -> int:
        return self.coins.supply(self.state.entries.items())
