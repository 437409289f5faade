"""A small bank for the tests: Alice, Bob and Carol, and a state in a dictionary."""

from typing import Any

from raclette.chain.ledger import BlockContext, Execution, Transaction
from raclette.chain.ledger_exam import ExamState
from raclette.chain.transaction import sign_transaction
from raclette.ledgers.bank import Bank, gas_for
from raclette.primitives.keys import AccountKey, checksum_address

CHAIN = 21057
ALICE, BOB, CAROL = (AccountKey(bytes((number,)) * 32) for number in (1, 2, 3))
MINER = b"\x99" * 20
TRANSFER = 21_000


class World:
    """A bank, its state, and verbs to move it."""

    def __init__(self, alloc: dict[AccountKey, int] | None = None, *, base_fee: int = 0, **bank: Any) -> None:
        self.bank = Bank(CHAIN, base_fee=base_fee, **bank)
        funds = {ALICE: 1_000_000, BOB: 500_000} if alloc is None else alloc
        entries = {checksum_address(key.address): {"balance": wei} for key, wei in funds.items()}
        self.state = ExamState(self.bank.genesis(entries))
        self.base_fee = base_fee

    def pay(self, sender: AccountKey, to: AccountKey | bytes | None, value: int, **fields: Any) -> Transaction:
        """A decoded transaction at the sender's next nonce."""
        receiver = to.address if isinstance(to, AccountKey) else to
        wanted: dict[str, Any] = {"chain_id": CHAIN, "nonce": self.nonce(sender), "to": receiver, "value": value}
        wanted |= fields
        wanted.setdefault("gas", gas_for(receiver, wanted.get("data", b""), wanted.get("access_list", ())))
        return self.bank.decode(sign_transaction(sender, **wanted))

    def block(self, *transactions: Transaction, strict: bool = True, **context: Any) -> Execution:
        """Execute a block of them."""
        wanted: dict[str, Any] = {
            "number": 1,
            "timestamp": 1,
            "beneficiary": MINER,
            "base_fee": self.base_fee,
            "gas_limit": 30_000_000,
        }
        return self.bank.execute(BlockContext(**(wanted | context)), transactions, self.state, strict=strict)

    def balance(self, who: AccountKey | bytes) -> int:
        address = who.address if isinstance(who, AccountKey) else who
        balance: int = self.bank.query("balance", [address], self.state)
        return balance

    def nonce(self, who: AccountKey) -> int:
        nonce: int = self.bank.query("nonce", [who.address], self.state)
        return nonce

    def supply(self) -> int:
        return self.bank.supply(self.state.entries.items())
