"""A store in memory: for tests and for the simulator, where it also plays a disk that loses power.

With `crash_model=True` the store remembers how to undo each batch since the last `sync`. `crash` then gives the store
as a restart would find it: everything synced, and some first few of the unsynced batches, each whole. That is what a
write-ahead log promises: batches vanish from the end, never from the middle and never in part.
"""

from bisect import bisect_left
from collections.abc import Iterator
from weakref import WeakSet

from raclette.primitives.errors import Misuse, StoreRefused
from raclette.primitives.randomness import Random
from raclette.store.contract import Batch, Reader, Table

_Undo = list[tuple[Table, bytes, bytes | None]]


class MemoryStore:
    """Dictionaries, sorted when somebody scans. Snapshots cost nothing until the store changes under them."""

    def __init__(self, *, crash_model: bool = False) -> None:
        self._rows: dict[Table, dict[bytes, bytes]] = {table: {} for table in Table}
        self._order: dict[Table, list[bytes]] = {}
        self._snapshots: WeakSet[_Snapshot] = WeakSet()
        self._unsynced: list[_Undo] = []
        self._crash_model = crash_model
        self._closed = False
        # Refuse every write, as a disk without room does.
        self.full = False

    def get(self, table: Table, key: bytes) -> bytes | None:
        return self._rows[table].get(key)

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        rows = self._rows[table]
        return [rows.get(key) for key in keys]

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return self.snapshot().scan(table, start, stop, reverse=reverse)

    def write(self, batch: Batch) -> None:
        if self._closed:
            raise Misuse("write to a closed store")
        if self.full:
            raise StoreRefused("the store in memory: the disk is full")
        if self._crash_model or self._snapshots:
            self._remember(batch)
        every_rows = [self._rows[table] for table, _, _ in batch.operations]  # an unknown table fails before any change
        for rows, (table, key, value) in zip(every_rows, batch.operations, strict=True):
            if value is not None:
                if key not in rows:
                    self._order.pop(table, None)
                rows[key] = value
            elif rows.pop(key, None) is not None:
                self._order.pop(table, None)

    def _remember(self, batch: Batch) -> None:
        """Keep what `batch` is about to overwrite: for a crash, and for snapshots that still show it."""
        undo: _Undo = [(table, key, self._rows[table].get(key)) for table, key, _ in batch.operations]
        for snapshot in self._snapshots:
            for table, key, before in undo:
                snapshot.before[table].setdefault(key, before)
        if self._crash_model:
            self._unsynced.append(undo)

    def sync(self) -> None:
        self._unsynced = []

    def snapshot(self) -> Reader:
        snapshot = _Snapshot(self)
        self._snapshots.add(snapshot)
        return snapshot

    def close(self) -> None:
        self._closed = True

    @property
    def unsynced(self) -> int:
        """Batches written since the last `sync` (0 without the crash model)."""
        return len(self._unsynced)

    def crash(self, keep: int | Random = 0) -> "MemoryStore":
        """The store as found after a power loss: synced batches and the first `keep` unsynced ones survive.

        With a `Random`, `keep` is drawn uniformly from 0 to all. This store is closed.
        Raises Misuse without the crash model, or if `keep` is negative.
        """
        if not self._crash_model:
            raise Misuse("crash() needs MemoryStore(crash_model=True)")
        kept = keep if isinstance(keep, int) else keep.below(len(self._unsynced) + 1)
        if kept < 0:
            raise Misuse(f"keep must be at least 0, not {kept}")
        survivor = MemoryStore(crash_model=True)
        survivor._rows = {table: dict(rows) for table, rows in self._rows.items()}
        for undo in reversed(self._unsynced[kept:]):
            for table, key, before in reversed(undo):
                if before is None:
                    survivor._rows[table].pop(key, None)
                else:
                    survivor._rows[table][key] = before
        self.close()
        return survivor

    def sorted_keys(self, table: Table) -> list[bytes]:
        """Every key of `table` in order. The list is never changed afterwards."""
        order = self._order.get(table)
        if order is None:
            order = self._order[table] = sorted(self._rows[table])
        return order


class _Snapshot:
    """The live store, seen through `before`: what each key written since then held (None: nothing)."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.before: dict[Table, dict[bytes, bytes | None]] = {table: {} for table in Table}

    def get(self, table: Table, key: bytes) -> bytes | None:
        before = self.before[table]
        return before[key] if key in before else self._store.get(table, key)

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        return [self.get(table, key) for key in keys]

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        keys = self._keys(table)
        low = bisect_left(keys, start)
        high = len(keys) if stop is None else bisect_left(keys, stop)
        return self._pairs(table, keys, range(high - 1, low - 1, -1) if reverse else range(low, high))

    def _keys(self, table: Table) -> list[bytes]:
        now = self._store.sorted_keys(table)
        before = self.before[table]
        if not before:
            return now
        return sorted(
            {key for key in now if key not in before} | {key for key, old in before.items() if old is not None}
        )

    def _pairs(self, table: Table, keys: list[bytes], positions: range) -> Iterator[tuple[bytes, bytes]]:
        for i in positions:
            value = self.get(table, keys[i])
            if value is not None:
                yield keys[i], value
