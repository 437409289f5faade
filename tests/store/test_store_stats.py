"""`raclette db stats` and `check`: the figures mean what they say."""

from pathlib import Path

from raclette.primitives.randomness import Random
from raclette.store.contract import Batch, Table
from raclette.store.database import open_store
from raclette.store.rocks import RocksStore
from raclette.store.stats import check_tables, table_stats


def filled(path: Path) -> RocksStore:
    """1,000 compressible bodies and 2,000 incompressible trie nodes, on disk; reopened."""
    random, batch = Random(seed=9), Batch()
    for _ in range(2000):
        batch.put(Table.TRIE, random.bytes(32), random.bytes(100))
    for number in range(1000):
        batch.put(Table.BODIES, number.to_bytes(4, "big"), b"the same transaction " * 50)
    store = open_store(path, 1, bytes(32))
    store.write(batch)
    store.close()
    return open_store(path, 1, bytes(32))


def test_stats_tell_keys_bytes_and_compression_of_each_table(tmp_path: Path) -> None:
    store = filled(tmp_path / "db")
    stats = {entry.table: entry for entry in table_stats(store)}
    assert list(stats) == [table.value for table in Table]
    trie, bodies = stats["trie"], stats["bodies"]
    assert (trie.keys, bodies.keys) == (2000, 1000)
    assert trie.disk_bytes > 2000 * 132
    assert bodies.raw_bytes > 1000 * 1050
    assert bodies.compression == "zstd"
    assert bodies.compression_ratio > 10
    assert 0.8 < trie.compression_ratio < 1.2
    assert bodies.as_json()["compression_ratio"] == round(bodies.compression_ratio, 2)
    store.close()


def test_stats_count_what_this_process_read_and_wrote(tmp_path: Path) -> None:
    store = filled(tmp_path / "db")
    before = {entry.table: entry for entry in table_stats(store)}["bodies"]
    batch = Batch()
    batch.put(Table.BODIES, b"a", b"1")
    batch.delete(Table.BODIES, b"a")
    store.write(batch)
    store.get(Table.BODIES, b"a")
    store.get_many(Table.BODIES, [b"a", b"b", b"c"])
    after = {entry.table: entry for entry in table_stats(store)}["bodies"]
    assert (after.reads - before.reads, after.writes - before.writes) == (4, 2)
    assert after.stalls == 0
    store.close()


def test_check_reads_every_record_and_names_the_damaged_table_only(tmp_path: Path) -> None:
    store = filled(tmp_path / "db")
    checks = {entry.table: entry for entry in check_tables(store)}
    assert checks["trie"].records == 2000
    assert checks["trie"].bytes == 2000 * 132
    assert all(entry.damage is None for entry in checks.values())
    store.close()
    largest = max((tmp_path / "db").glob("*.sst"), key=lambda path: path.stat().st_size)  # the trie's
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    store = open_store(tmp_path / "db", 1, bytes(32))
    checks = {entry.table: entry for entry in check_tables(store)}
    assert [entry.table for entry in checks.values() if entry.damage] == ["trie"]
    assert "table trie" in (checks["trie"].damage or "")
    assert 0 < checks["trie"].records < 2000
    assert checks["bodies"].records == 1000
    store.close()
