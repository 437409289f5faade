"""What a database holds, table by table, and whether every record of it can still be read."""

import re
from dataclasses import asdict, dataclass
from typing import Any

from raclette.primitives.errors import StoreDamaged
from raclette.store.contract import Table
from raclette.store.rocks import RocksStore
from raclette.store.tables import TABLE_OPTIONS


@dataclass(frozen=True, slots=True)
class TableStats:
    """One table. Sizes are in bytes.

    `keys` is RocksDB's estimate; `disk_bytes` what its files take, `raw_bytes` what their keys and values would take
    uncompressed; `memory_bytes` its write buffers. `reads` and `writes` are keys asked and operations written through
    this open store; `stalls` counts how often RocksDB slowed or stopped writers to catch up.
    """

    table: str
    keys: int
    disk_bytes: int
    raw_bytes: int
    memory_bytes: int
    compression: str
    reads: int
    writes: int
    stalls: int

    @property
    def compression_ratio(self) -> float:
        """Raw bytes per byte on disk (0 if nothing is on disk)."""
        return self.raw_bytes / self.disk_bytes if self.disk_bytes else 0.0

    def as_json(self) -> dict[str, Any]:
        """JSON-able, with the ratio to two decimals."""
        return asdict(self) | {"compression_ratio": round(self.compression_ratio, 2)}


@dataclass(frozen=True, slots=True)
class TableCheck:
    """Outcome of reading every record of a table: how many, their bytes, and the damage met (or None)."""

    table: str
    records: int
    bytes: int
    damage: str | None


def table_stats(store: RocksStore) -> list[TableStats]:
    """Statistics of every table, in the order of `Table`."""
    return [_stats_of(store, table) for table in Table]


def check_tables(store: RocksStore) -> list[TableCheck]:
    """Read every record of every table; damage in one table does not stop the others from being read."""
    return [check_table(store, table) for table in Table]


def check_table(store: RocksStore, table: Table) -> TableCheck:
    """Read every record of one table."""
    records = size = 0
    try:
        for key, value in store.scan(table):
            records += 1
            size += len(key) + len(value)
    except StoreDamaged as error:
        return TableCheck(table.value, records, size, str(error))
    return TableCheck(table.value, records, size, None)


def _stats_of(store: RocksStore, table: Table) -> TableStats:
    contents = store.property(table, "rocksdb.aggregated-table-properties")
    events = store.property(table, "rocksdb.cfstats-no-file-histogram")
    return TableStats(
        table=table.value,
        keys=_number(store.property(table, "rocksdb.estimate-num-keys")),
        disk_bytes=_number(store.property(table, "rocksdb.total-sst-files-size")),
        raw_bytes=_field(contents, r"raw key size=(\d+)") + _field(contents, r"raw value size=(\d+)"),
        memory_bytes=_number(store.property(table, "rocksdb.cur-size-all-mem-tables")),
        compression=TABLE_OPTIONS[table].compression.value,
        reads=store.reads[table],
        writes=store.writes[table],
        stalls=_field(events, r"total-delays: (\d+)") + _field(events, r"total-stops: (\d+)"),
    )


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _field(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    return int(found.group(1)) if found else 0
