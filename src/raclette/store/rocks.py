"""The store on disk: RocksDB through rocksdict, one column family a table.

`write` goes to the operating system (a killed process loses nothing), `sync` makes the disk keep it: RocksDB's
write-ahead log without and with fsync. Three habits of rocksdict (0.3.29) shape the rest: its `items()` ends quietly at
a damaged block, so scans here drive the bare iterator and ask it for its status; iterators of its snapshots show later
writes, so a snapshot here keeps iterators made at its moment; and whatever still refers to the database keeps it
locked, so `close` releases every scan and snapshot.
"""

import errno
import os
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

from rocksdict import AccessType, DbClosedError, Rdict, WriteBatch

from raclette.primitives.errors import Misuse, RacletteError, StoreDamaged, StoreRefused
from raclette.store.contract import Batch, Reader, Table
from raclette.store.tables import column_families, database_options


class RocksStore:
    """One database directory. Used from one thread, but `sync` may run in another.

    `read_only` opens it beside a process that writes, and sees what was written before.
    Raises StoreRefused if it is locked, newer, or not there to read; StoreDamaged if it is not whole.
    """

    def __init__(self, path: str | Path, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.reads = dict.fromkeys(Table, 0)
        self.writes = dict.fromkeys(Table, 0)
        self._db = _open(self.path, read_only)
        self._tables = {table: self._db.get_column_family(table.value) for table in Table}
        self._handles = {table: self._db.get_column_family_handle(table.value) for table in Table}
        self._held: WeakSet[_Cursor | _Snapshot] = WeakSet()
        self._closed = False

    def get(self, table: Table, key: bytes) -> bytes | None:
        self.reads[table] += 1
        try:
            value: bytes | None = self._tables[table].get(key)
        except Exception as error:
            raise self.wrong(error, table, key) from error
        return value

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        self.reads[table] += len(keys)
        try:
            values: list[bytes | None] = self._tables[table].get(keys)
        except Exception as error:
            raise self.wrong(error, table) from error
        return values

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return _Scan(self.cursor(table), start, stop, reverse)

    def cursor(self, table: Table) -> "_Cursor":
        """An iterator over this moment of `table`, released when the store closes."""
        try:
            cursor = _Cursor(self, table, self._tables[table].iter())
        except Exception as error:
            raise self.wrong(error, table) from error
        self._held.add(cursor)
        return cursor

    def write(self, batch: Batch) -> None:
        native = WriteBatch(raw_mode=True)
        current = None
        try:
            for table, key, value in batch.operations:
                if table is not current:
                    native.set_default_column_family(self._handles[table])
                    current = table
                if value is None:
                    del native[key]
                else:
                    native[key] = value
        except KeyError as error:
            raise Misuse(f"no such table, or not bytes, in a batch: {error}") from error
        try:
            self._db.write(native)
        except Exception as error:
            raise self.wrong(error) from error
        for table, count in Counter(map(itemgetter(0), batch.operations)).items():
            self.writes[table] += count

    def sync(self) -> None:
        try:
            self._db.flush_wal(True)
        except Exception as error:
            raise self.wrong(error) from error

    def snapshot(self) -> Reader:
        try:
            sources = {table: source.snapshot() for table, source in self._tables.items()}
        except Exception as error:
            raise self.wrong(error) from error
        snapshot = _Snapshot(self, sources, {table: self.cursor(table) for table in Table})
        self._held.add(snapshot)
        return snapshot

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for held in list(self._held):
            held.release()
        for table in self._tables.values():
            table.close()
        self._handles.clear()
        self._db.close()

    def property(self, table: Table, name: str) -> str:
        """RocksDB's text for property `name` of a table, or empty."""
        return self._tables[table].property_value(name) or ""

    def wrong(self, error: Exception, table: Table | None = None, key: bytes | None = None) -> RacletteError:
        """What an exception of rocksdict's means for us; it says where."""
        where = str(self.path) if table is None else f"{self.path}, table {table.value}"
        if key is not None:
            where += f", key {key.hex() or '(empty)'}"
        if isinstance(error, DbClosedError) or self._closed:
            return Misuse(f"{where}: the store is closed")
        if isinstance(error, (KeyError, TypeError)):
            return Misuse(f"{where}: {error}")
        if "No space left" in str(error):
            return StoreRefused(f"{where}: the disk is full")
        return StoreDamaged(f"{where}: {error}")


def _open(path: Path, read_only: bool) -> Rdict:
    """Open or create. Raises StoreRefused, StoreDamaged."""
    if read_only and not (path / "CURRENT").exists():
        raise StoreRefused(f"{path}: no database here")
    access = AccessType.read_only(False) if read_only else AccessType.read_write()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Rdict(str(path), database_options(), column_families(), access)
    except OSError as error:
        raise StoreRefused(f"{path}: {error.strerror or error}") from error
    except Exception as error:
        raise _refusal(path, str(error)) from error


def _refusal(path: Path, text: str) -> RacletteError:
    """Why RocksDB would not open: it has no error codes, so its wording decides."""
    if "LOCK" in text and ("lock hold by current process" in text or os.strerror(errno.EAGAIN) in text):
        return StoreRefused(f"{path}: in use by another process (or twice by this one)")
    if "Column families not opened" in text:
        unknown = text.partition("Column families not opened:")[2].strip()
        return StoreRefused(f"{path}: has tables that this version does not know ({unknown})")
    if text.startswith("Corruption"):
        return StoreDamaged(f"{path}: {text}")
    return StoreRefused(f"{path}: cannot be opened: {text}")


class _Cursor:
    """rocksdict's iterator over one moment of a table. Several scans may share it: `user` is who placed it last."""

    def __init__(self, store: RocksStore, table: Table, native: Any) -> None:
        self.store, self.table, self.native = store, table, native
        self.user: object = None

    def release(self) -> None:
        """Let go of the database."""
        self.native = None


class _Scan:
    """Pairs in order; asks the iterator for its status when it ends, so damage is never taken for the end."""

    def __init__(self, cursor: _Cursor, start: bytes, stop: bytes | None, reverse: bool) -> None:
        self._cursor, self._start, self._stop, self._reverse = cursor, start, stop, reverse
        self._done = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[bytes, bytes]:
        native = self._cursor.native
        if native is None:
            raise Misuse(f"scan of {self._cursor.table.value} after the store was closed")
        if self._done:
            raise StopIteration
        if self._cursor.user is not self:
            self._cursor.user = self
            self._place(native)
        if not native.valid():
            self._check_status(native)
            self._done = True
            raise StopIteration
        key: bytes = native.key()
        if key < self._start if self._reverse else self._stop is not None and key >= self._stop:
            self._done = True
            raise StopIteration
        value: bytes = native.value()
        if self._reverse:
            self._stop = key
            native.prev()
        else:
            self._start = key + b"\0"
            native.next()
        return key, value

    def _place(self, native: Any) -> None:
        """Go to the first pair of what is left to give."""
        if not self._reverse:
            native.seek(self._start)
        elif self._stop is None:
            native.seek_to_last()
        else:
            native.seek_for_prev(self._stop)
            if native.valid() and native.key() == self._stop:
                native.prev()

    def _check_status(self, native: Any) -> None:
        try:
            native.status()
        except Exception as error:
            raise self._cursor.store.wrong(error, self._cursor.table) from error


class _Snapshot:
    """One moment of every table: rocksdict's snapshots for reading keys, iterators of that moment for scans."""

    def __init__(self, store: RocksStore, sources: dict[Table, Any], cursors: dict[Table, _Cursor]) -> None:
        self._store, self._sources, self._cursors = store, sources, cursors

    def get(self, table: Table, key: bytes) -> bytes | None:
        if not self._sources:
            raise Misuse("snapshot used after its store was closed")
        try:
            value: bytes = self._sources[table][key]
        except Exception as error:
            if str(error) == "key not found":
                return None
            raise self._store.wrong(error, table, key) from error
        return value

    def get_many(self, table: Table, keys: list[bytes]) -> list[bytes | None]:
        return [self.get(table, key) for key in keys]

    def scan(
        self, table: Table, start: bytes = b"", stop: bytes | None = None, *, reverse: bool = False
    ) -> Iterator[tuple[bytes, bytes]]:
        return _Scan(self._cursors[table], start, stop, reverse)

    def release(self) -> None:
        """Let go of the database."""
        self._sources = {}
