"""Transactions that wait for others which wait themselves: payments from change that no block contains yet.

Where there are nonces, a lane keeps what comes too early. Without them, the ledger names the transactions that must be
executed first (`ledger.Early`); as long as all of those wait in the pool, this one is held. When one of them has left
the pool, in a block or not, it is looked at again. So a chain of payments goes into one block each, in order, and a
reorganisation that takes a chain of them out of the blocks loses none.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from raclette.chain.ledger import Early, Transaction
from raclette.primitives.errors import Refused


class _Waiter(NamedTuple):
    transaction: Transaction
    needs: tuple[bytes, ...]
    since: int


class Held:
    """What is held, in order of arrival. Nothing here is executable, so no block is filled from it."""

    def __init__(self, count_max: int, sender_count_max: int) -> None:
        self._count_max = count_max
        self._sender_count_max = sender_count_max
        self._waiters: dict[bytes, _Waiter] = {}
        self._senders: dict[bytes, int] = {}
        # Bytes on the wire.
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._waiters)

    def __contains__(self, transaction_hash: bytes) -> bool:
        return transaction_hash in self._waiters

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._waiters)

    def get(self, transaction_hash: bytes) -> Transaction | None:
        """The held transaction of that hash."""
        waiter = self._waiters.get(transaction_hash)
        return None if waiter is None else waiter.transaction

    def hold(self, transaction: Transaction, early: Early, waits: Callable[[bytes], bool], since: int) -> None:
        """Keep it, if all that it needs `waits`. Raises Refused: what `early` says, account-limit, pool-full."""
        if not early.needs or not all(map(waits, early.needs)):
            raise early
        if self._senders.get(transaction.sender, 0) >= self._sender_count_max:
            raise Refused("account-limit", f"account limit exceeded: {self._sender_count_max} txs wait for others")
        if len(self._waiters) >= self._count_max:
            raise Refused("pool-full", "txpool is full")
        self._waiters[transaction.hash] = _Waiter(transaction, early.needs, since)
        self._senders[transaction.sender] = self._senders.get(transaction.sender, 0) + 1
        self.bytes += transaction.size

    def take_ready(self, waits: Callable[[bytes], bool]) -> list[tuple[Transaction, int]]:
        """Take out those with a need that no longer waits, with the time since when they are held."""
        ready = [waiter for waiter in self._waiters.values() if not all(map(waits, waiter.needs))]
        self._drop(ready)
        return [(waiter.transaction, waiter.since) for waiter in ready]

    def discard(self, transaction_hash: bytes) -> Transaction | None:
        """Take one out."""
        waiter = self._waiters.get(transaction_hash)
        if waiter is None:
            return None
        self._drop([waiter])
        return waiter.transaction

    def expire(self, before: int) -> list[Transaction]:
        """Take out what has been held since before that time."""
        old = [waiter for waiter in self._waiters.values() if waiter.since < before]
        self._drop(old)
        return [waiter.transaction for waiter in old]

    def _drop(self, waiters: Iterable[_Waiter]) -> None:
        for waiter in waiters:
            transaction = waiter.transaction
            del self._waiters[transaction.hash]
            self.bytes -= transaction.size
            self._senders[transaction.sender] -= 1
            if not self._senders[transaction.sender]:
                del self._senders[transaction.sender]
