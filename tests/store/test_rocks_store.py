"""The store on disk: the exam, durability across reopening, whose database it is, and what damage looks like."""

import itertools
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rocksdict import Options

from raclette.primitives.errors import Misuse, StoreDamaged, StoreRefused
from raclette.primitives.randomness import Random
from raclette.store.contract import Batch, Table
from raclette.store.database import FORMAT_KEY, FORMAT_VERSION, open_existing, open_store
from raclette.store.exam import batch_of, check_store
from raclette.store.rocks import RocksStore

GENESIS = bytes(range(32))
FLIP = 0xFF


def test_the_rocks_store_passes_the_exam(tmp_path: Path) -> None:
    count = itertools.count()
    check_store(lambda: RocksStore(tmp_path / str(next(count))))


def fill(path: Path, count: int = 3000) -> None:
    """Random values in STATE (keys are numbers), an identity in META; closed, so everything is in table files."""
    random, batch = Random(seed=5), Batch()
    for number in range(count):
        batch.put(Table.STATE, number.to_bytes(4, "big"), random.bytes(64))
    store = open_store(path, 7, GENESIS)
    store.write(batch)
    store.close()


def test_what_was_written_is_there_after_reopening(tmp_path: Path) -> None:
    fill(tmp_path / "db", 100)
    store = open_store(tmp_path / "db", 7, GENESIS)
    assert len(list(store.scan(Table.STATE))) == 100
    store.close()


def test_closing_releases_scans_and_snapshots_so_that_it_can_be_opened_again(tmp_path: Path) -> None:
    fill(tmp_path / "db", 100)
    store = RocksStore(tmp_path / "db")
    scan, snapshot = store.scan(Table.STATE), store.snapshot()
    snapshot_scan = snapshot.scan(Table.STATE)
    next(scan)
    next(snapshot_scan)
    store.close()
    RocksStore(tmp_path / "db").close()
    uses: list[Callable[[], object]] = [
        lambda: next(scan),
        lambda: next(snapshot_scan),
        lambda: snapshot.get(Table.STATE, b"k"),
        lambda: store.get(Table.STATE, b"k"),
        lambda: store.scan(Table.STATE),
        lambda: store.write(batch_of((Table.STATE, b"k", b"v"))),
        store.sync,
        store.snapshot,
    ]
    for use in uses:
        with pytest.raises(Misuse):
            use()


def test_a_database_of_another_chain_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "db", 1)
    with pytest.raises(StoreRefused, match="holds chain 7, not chain 8"):
        open_store(tmp_path / "db", 8, GENESIS)
    with pytest.raises(StoreRefused, match=f"genesis {GENESIS.hex()}, not {bytes(32).hex()}"):
        open_store(tmp_path / "db", 7, bytes(32))
    open_store(tmp_path / "db", 7, GENESIS).close()


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db", 7, GENESIS)
    store.write(batch_of((Table.META, FORMAT_KEY, (FORMAT_VERSION + 1).to_bytes(4, "big"))))
    store.close()
    with pytest.raises(StoreRefused, match="newer than this version reads"):
        open_store(tmp_path / "db", 7, GENESIS)


def test_a_database_with_unknown_tables_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db", 7, GENESIS)
    store._db.create_column_family("tomorrow", Options(raw_mode=True)).close()
    store.close()
    with pytest.raises(StoreRefused, match=r"does not know \(tomorrow\)"):
        open_store(tmp_path / "db", 7, GENESIS)


def test_records_without_an_identity_are_not_ours(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "db")
    store.write(batch_of((Table.PEERS, b"k", b"v")))
    store.close()
    with pytest.raises(StoreRefused, match="not a Raclette database"):
        open_store(tmp_path / "db", 7, GENESIS)


def test_a_locked_database_is_refused_in_this_process_and_in_another(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db", 7, GENESIS)
    with pytest.raises(StoreRefused, match="in use by another process"):
        open_store(tmp_path / "db", 7, GENESIS)
    code = f"from raclette.store.database import open_store; open_store({str(tmp_path / 'db')!r}, 7, bytes(range(32)))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    store.close()
    assert other.returncode == 1
    assert f"StoreRefused: {tmp_path / 'db'}: in use by another process" in other.stderr


def test_a_database_can_be_read_beside_the_process_that_writes(tmp_path: Path) -> None:
    store = open_store(tmp_path / "db", 7, GENESIS)
    store.write(batch_of((Table.STATE, b"k", b"v")))
    beside, identity = open_existing(tmp_path / "db")
    assert (identity.chain_id, identity.genesis_hash) == (7, GENESIS)
    assert beside.get(Table.STATE, b"k") == b"v"
    beside.close()
    store.close()


def test_nothing_is_created_where_only_reading_was_asked(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="no database here"):
        open_existing(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("not a directory")
    with pytest.raises(StoreRefused, match="db: "):
        open_store(tmp_path / "db", 7, GENESIS)


def flip(path: Path, where: float) -> None:
    """Turn over one byte at a fraction of the file."""
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= FLIP
    path.write_bytes(data)


def state_file(db: Path) -> Path:
    return max(db.glob("*.sst"), key=lambda path: path.stat().st_size)


def test_a_damaged_table_file_is_reported_by_get_and_scan_with_table_and_key(tmp_path: Path) -> None:
    fill(tmp_path / "db")
    flip(state_file(tmp_path / "db"), 0.3)
    store = open_store(tmp_path / "db", 7, GENESIS)
    with pytest.raises(StoreDamaged, match="table state"):
        list(store.scan(Table.STATE))
    snapshot = store.snapshot()
    with pytest.raises(StoreDamaged, match="table state"):
        list(snapshot.scan(Table.STATE, reverse=True))
    keys = [number.to_bytes(4, "big") for number in range(3000)]
    with pytest.raises(StoreDamaged, match="table state"):
        store.get_many(Table.STATE, keys)
    for reader in (store, snapshot):
        with pytest.raises(StoreDamaged, match="table state, key 0000"):
            [reader.get(Table.STATE, key) for key in keys]
    store.close()


@pytest.mark.parametrize("victim", ["table", "CURRENT", "MANIFEST-*"])
def test_a_missing_or_damaged_file_is_damage_not_an_empty_database(tmp_path: Path, victim: str) -> None:
    db = tmp_path / "db"
    fill(db)
    if victim == "table":
        state_file(db).unlink()
    else:
        # An old manifest may still lie about: damage the one in use, which is the newest.
        flip(max(db.glob(victim)), 0.4)
    with pytest.raises(StoreDamaged, match=r"db: Corruption"):
        open_store(db, 7, GENESIS)


def crashed_copy(tmp_path: Path, values: int) -> tuple[Path, Path]:
    """A directory as kill -9 leaves it: records in the write-ahead log only. Returns it and its log file."""
    store = open_store(tmp_path / "db", 7, GENESIS)
    for number in range(values):
        store.write(batch_of((Table.CONSENSUS, bytes((number,)), bytes(100)), (Table.STATE, bytes((number,)), b"x")))
    shutil.copytree(tmp_path / "db", tmp_path / "copy")
    store.close()
    return tmp_path / "copy", max((tmp_path / "copy").glob("*.log"), key=lambda path: path.stat().st_size)


def test_a_torn_last_record_of_the_log_is_dropped_whole(tmp_path: Path) -> None:
    db, log = crashed_copy(tmp_path, 50)
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size - 20)
    store = open_store(db, 7, GENESIS)
    assert [key[0] for key, _ in store.scan(Table.CONSENSUS)] == list(range(49))
    assert [key[0] for key, _ in store.scan(Table.STATE)] == list(range(49))
    store.close()


def test_damage_in_the_middle_of_the_log_is_refused_because_a_vote_could_be_behind_it(tmp_path: Path) -> None:
    db, log = crashed_copy(tmp_path, 50)
    flip(log, 0.5)
    with pytest.raises(StoreDamaged, match="checksum mismatch"):
        open_store(db, 7, GENESIS)


def test_a_batch_that_is_not_bytes_is_a_misuse(tmp_path: Path) -> None:
    store = RocksStore(tmp_path / "db")
    with pytest.raises(Misuse):
        store.write(batch_of((Table.STATE, "text", b"v")))  # type: ignore[arg-type]
    store.close()
