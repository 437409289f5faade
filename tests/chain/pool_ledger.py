"""A ledger small enough to see through: state maps sender -> (next nonce, balance); a transaction costs its gas."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from raclette.chain.ledger import BlockContext, Execution, Standing, StateReader, StateWriter, Transaction
from raclette.primitives.errors import Refused
from raclette.primitives.hashing import sha256


def account(nonce: int, balance: int) -> bytes:
    """The state entry of a sender."""
    return nonce.to_bytes(8, "big") + balance.to_bytes(8, "big")


def make(sender: bytes, nonce: int | None, fee: int, *, gas: int = 1, size: int = 40, salt: int = 0) -> Transaction:
    """A transaction with a unique hash."""
    name = sender + repr((nonce, fee, gas, size, salt)).encode()
    raw = name + bytes(max(0, size - len(name)))
    return Transaction(raw, sha256(raw), sender, nonce, fee, gas)


class State:
    """A dictionary as a StateReader."""

    def __init__(self, entries: dict[bytes, tuple[int, int]]) -> None:
        self.entries = entries

    def get(self, key: bytes) -> bytes | None:
        found = self.entries.get(key)
        return None if found is None else account(*found)


class TinyLedger:
    """Everybody unknown starts with nonce 0 and a million."""

    name = "tiny"

    def genesis(self, alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
        return {}

    def decode(self, raw: bytes) -> Transaction:
        raise Refused("undecodable")

    def admit(self, transaction: Transaction, state: StateReader) -> Standing:
        entry = state.get(transaction.sender)
        nonce, balance = (0, 1_000_000) if entry is None else (int.from_bytes(entry[:8], "big"), _balance(entry))
        if transaction.nonce is None:
            return Standing(None, balance, transaction.gas)
        if transaction.nonce < nonce:
            raise Refused("nonce-too-low", f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
        if transaction.gas > balance:
            raise Refused("insufficient-funds", "insufficient funds for gas * price + value")
        return Standing(nonce, balance, transaction.gas)

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        return Execution()

    def stake(self, account: bytes, state: StateReader) -> int:
        return len(state.get(account) or b"")

    def supply(self, entries: Iterable[tuple[bytes, bytes]]) -> int:
        return 0

    def query(self, path: str, arguments: Sequence[Any], state: StateReader) -> Any:
        entry = state.get(arguments[0])
        return 0 if entry is None else int.from_bytes(entry[:8], "big")


def _balance(entry: bytes) -> int:
    return int.from_bytes(entry[8:], "big")
