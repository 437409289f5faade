"""Transactions that this node has promised a client to deliver: kept on disk until a block has them.

The promise is made when the hash is returned, so the record is written before. It is fulfilled by a block that contains
the transaction; it lapses when the transaction becomes impossible or too old. Until then it is published again, each
time after twice as long.
"""

from collections.abc import Iterable

from raclette.chain.ledger import Transaction
from raclette.primitives.errors import StoreDamaged
from raclette.primitives.hashing import keccak256
from raclette.primitives.units import HOUR, SECOND
from raclette.store.contract import Batch, Store, Table

PREFIX = b"transaction/"
# First wait before a transaction is published again: longer than a healthy network needs to decide.
FIRST_WAIT = 10 * SECOND
# A promise lapses after this, like the mempool's own memory.
AGE_MAX = 3 * HOUR
TIME_BYTES = 8


class _Pledge:
    __slots__ = ("due", "since", "wait")

    def __init__(self, now: int) -> None:
        self.since = now
        self.wait = FIRST_WAIT
        self.due = now + FIRST_WAIT


class Pledges:
    """What is promised. Bounded by the mempool: only what it took is kept, and it leaves with it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._open: dict[bytes, _Pledge] = {}

    def __len__(self) -> int:
        return len(self._open)

    def recover(self, now: int) -> list[bytes]:
        """Raw transactions promised before a restart, in the order of their promises. Raises StoreDamaged."""
        kept: list[tuple[int, bytes]] = []
        for key, value in self._store.scan(Table.OUTBOX, PREFIX, PREFIX[:-1] + b"0"):
            raw = value[TIME_BYTES:]
            if keccak256(raw) != key[len(PREFIX) :]:
                raise StoreDamaged(f"table outbox, key {key.hex()}: the transaction has another hash")
            kept.append((int.from_bytes(value[:TIME_BYTES], "big"), raw))
            self._open[key[len(PREFIX) :]] = _Pledge(now)
        return [raw for _, raw in sorted(kept)]

    def keep(self, transaction: Transaction, now: int) -> None:
        """Promise it: written when this returns, durable behind the next barrier."""
        batch = Batch()
        batch.put(Table.OUTBOX, PREFIX + transaction.hash, now.to_bytes(TIME_BYTES, "big") + transaction.raw)
        self._store.write(batch)
        self._open[transaction.hash] = _Pledge(now)

    def settle(self, hashes: Iterable[bytes]) -> None:
        """These are in a block, or have become impossible."""
        batch = Batch()
        for transaction_hash in hashes:
            if self._open.pop(transaction_hash, None) is not None:
                batch.delete(Table.OUTBOX, PREFIX + transaction_hash)
        if len(batch):
            self._store.write(batch)

    def due(self, now: int) -> list[bytes]:
        """What should be published again now; lapses what is too old."""
        lapsed = [item for item, pledge in self._open.items() if now - pledge.since > AGE_MAX]
        self.settle(lapsed)
        due: list[bytes] = []
        for item, pledge in self._open.items():
            if pledge.due <= now:
                pledge.wait *= 2
                pledge.due = now + pledge.wait
                due.append(item)
        return due
