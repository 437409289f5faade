"""Executing a block of transfers: every account is decoded once, changed in memory, and written once at the end.

Nothing reaches the state before `finish`, so a block that turns out invalid leaves no trace. This is a hot path of each
replica: a few microseconds for each transfer.
"""

from raclette.chain.ledger import BlockContext, StateWriter, Transaction
from raclette.chain.receipt import Receipt
from raclette.chain.roll import ROLL_ADDRESS, ROLL_KEY, change_roll, encode_roll, parse_entry, read_roll
from raclette.chain.transaction import EthereumTransaction
from raclette.ledgers.bank import directory
from raclette.ledgers.bank.account import decode_account, encode_account


class _Account:
    """A working copy. `record` is what the state held when it was read."""

    __slots__ = ("balance", "nonce", "record")

    def __init__(self, record: bytes | None) -> None:
        self.record = record
        self.nonce, self.balance = decode_account(record)


class Execute:
    """One block's working set. For each transaction ask `obstacle`, then `run` it; `finish` writes."""

    __slots__ = ("_accounts", "_chain_id", "_context", "_records", "_roll", "_state", "gas_used")

    def __init__(self, context: BlockContext, state: StateWriter, chain_id: int) -> None:
        self._context = context
        self._chain_id = chain_id
        self._roll: tuple[tuple[bytes, bytes], ...] | None = None
        self._state = state
        # Touched accounts in order of first use, which is the order of writing.
        self._accounts: dict[bytes, _Account] = {}
        self._records: dict[bytes, bytes] = {}
        self.gas_used = 0

    def _account(self, address: bytes) -> _Account:
        account = self._accounts.get(address)
        if account is None:
            account = self._accounts[address] = _Account(self._state.get(address))
        return account

    def obstacle(self, transaction: Transaction) -> str | None:
        """Why it cannot be executed now (a slug), or None. Changes nothing."""
        detail: EthereumTransaction = transaction.detail
        account = self._account(transaction.sender)
        if detail.nonce != account.nonce:
            return "nonce-too-low" if detail.nonce < account.nonce else "nonce-too-high"
        if detail.max_fee < self._context.base_fee:
            return "fee-below-base"
        # EIP-1559: the balance must cover the most it may cost, though less is charged.
        if detail.gas * detail.max_fee + detail.value > account.balance:
            return "insufficient-funds"
        return None

    def run(self, transaction: Transaction) -> Receipt:
        """Execute one without obstacle: fee to the beneficiary at once, so that it can be spent in this very block."""
        detail: EthereumTransaction = transaction.detail
        gas, to, value = transaction.gas, detail.to, detail.value
        sender = self._account(transaction.sender)
        sender.nonce += 1
        fee = gas * detail.price(self._context.base_fee)
        if fee:
            sender.balance -= fee
            self._account(self._context.beneficiary).balance += fee
        self.gas_used += gas
        succeeded = True
        if to == directory.DIRECTORY_ADDRESS:
            succeeded = self._register(transaction.sender, detail.data)
        elif to == ROLL_ADDRESS:
            succeeded = self._enroll(transaction.sender, detail.data)
        elif value and to is not None:
            sender.balance -= value
            self._account(to).balance += value
        return Receipt(succeeded, self.gas_used, detail.type)

    def _register(self, sender: bytes, data: bytes) -> bool:
        """Publish key and name, unless one of them is taken. The fee is due either way."""
        entry = directory.parse_registration(data, sender)
        record_key, name_key = directory.record_key(sender), directory.name_key(entry.name)
        for key in (record_key, name_key):
            if key in self._records or self._state.get(key) is not None:
                return False
        self._records[record_key] = directory.encode_entry(entry)
        self._records[name_key] = sender
        return True

    def _enroll(self, sender: bytes, data: bytes) -> bool:
        """Enter the sender's node, or let it leave. The fee is due either way."""
        before = self._roll if self._roll is not None else read_roll(self._state)
        after = change_roll(before, sender, parse_entry(data, self._chain_id, sender))
        if after is None:
            return False
        self._roll = after
        return True

    def finish(self) -> None:
        """Pay the reward and write what changed; an account with nothing left is removed (EIP-161)."""
        if self._context.reward:
            self._account(self._context.beneficiary).balance += self._context.reward
        write = self._state.set
        for address, account in self._accounts.items():
            record = encode_account(account.nonce, account.balance) if account.nonce or account.balance else None
            if record != account.record:
                write(address, record)
        for key, value in self._records.items():
            write(key, value)
        if self._roll is not None:
            write(ROLL_KEY, encode_roll(self._roll))
