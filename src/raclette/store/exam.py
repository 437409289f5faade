"""The exam of a store. Any implementation, ours or yours, must pass `check_store`; a failure names the broken claim."""

from collections.abc import Callable

from raclette.primitives.errors import InvariantBroken
from raclette.primitives.randomness import Random
from raclette.store.contract import Batch, Reader, Store, Table

MakeStore = Callable[[], Store]


def check_store(make_store: MakeStore) -> None:
    """Run every check on fresh, empty stores from `make_store`. Raises InvariantBroken at the first broken claim."""
    for check in _CHECKS:
        store = make_store()
        try:
            check(store)
        finally:
            store.close()
            store.close()  # idempotent


def batch_of(*operations: tuple[Table, bytes, bytes | None]) -> Batch:
    """A batch from (table, key, value) in order; value None deletes."""
    batch = Batch()
    batch.operations.extend(operations)
    return batch


def _claim(holds: bool, claim: str) -> None:
    if not holds:
        raise InvariantBroken(f"store exam: {claim}")


def _a_fresh_store_is_empty(store: Store) -> None:
    for table in Table:
        _claim(list(store.scan(table)) == [], f"a fresh store has nothing in {table}")
        _claim(store.get(table, b"absent") is None, "an absent key reads as None")


def _a_write_is_visible_at_once(store: Store) -> None:
    store.write(batch_of((Table.META, b"k", b"v"), (Table.META, b"", b"empty key"), (Table.META, b"e", b"")))
    _claim(store.get(Table.META, b"k") == b"v", "a written value reads back")
    _claim(store.get(Table.META, b"") == b"empty key", "the empty key is a key")
    _claim(store.get(Table.META, b"e") == b"", "an empty value is not an absent one")
    _claim(store.get_many(Table.META, [b"x", b"e", b"k", b"k"]) == [None, b"", b"v", b"v"], "get_many keeps the order")
    _claim(store.get_many(Table.META, []) == [], "get_many of nothing is nothing")
    store.sync()
    _claim(store.get(Table.META, b"k") == b"v", "sync changes nothing that is read")


def _tables_are_separate(store: Store) -> None:
    store.write(batch_of(*((table, b"key", table.value.encode()) for table in Table)))
    for table in Table:
        _claim(store.get(table, b"key") == table.value.encode(), "the same key in two tables is two records")
    store.write(batch_of((Table.STATE, b"key", None)))
    _claim(store.get(Table.STATE, b"key") is None, "a deleted key reads as None")
    _claim(store.get(Table.TRIE, b"key") == b"trie", "a delete touches its own table only")


def _operations_apply_in_order(store: Store) -> None:
    key = b"k"
    store.write(batch_of((Table.STATE, key, b"1"), (Table.STATE, key, None), (Table.STATE, key, b"2")))
    _claim(store.get(Table.STATE, key) == b"2", "the last operation of a batch on a key wins")
    store.write(batch_of((Table.STATE, key, b"3"), (Table.STATE, key, None), (Table.STATE, b"never", None)))
    _claim(store.get(Table.STATE, key) is None, "put then delete in one batch leaves nothing")
    store.write(Batch())


def _a_batch_is_all_or_nothing(store: Store) -> None:
    bad = batch_of((Table.STATE, b"good", b"1"), ("no such table", b"k", b"v"))  # type: ignore[arg-type]
    try:
        store.write(bad)
    except Exception:
        _claim(store.get(Table.STATE, b"good") is None, "a batch that fails leaves nothing behind")
    else:
        _claim(False, "a batch with an unknown table is refused")


def _scans_are_ordered_and_half_open(store: Store) -> None:
    keys = [b"", b"\x00", b"\x00\x01", b"a", b"a\x00", b"a\xff", b"b", b"\xff", b"\xff\xff"]
    store.write(batch_of(*((Table.STATE, key, b"v" + key) for key in reversed(keys))))
    pairs = [(key, b"v" + key) for key in keys]
    _claim(list(store.scan(Table.STATE)) == pairs, "a full scan gives every pair in byte order")
    _claim(list(store.scan(Table.STATE, reverse=True)) == pairs[::-1], "a reverse scan gives them backwards")
    bounds: list[bytes | None] = [*keys, b"\x00\x00", b"a\x01", b"zz", b"\xff\xff\xff", None]
    for start in bounds:
        for stop in bounds:
            low = b"" if start is None else start
            expected = [pair for pair in pairs if low <= pair[0] and (stop is None or pair[0] < stop)]
            where = f"[{low!r}, {stop!r})"
            _claim(list(store.scan(Table.STATE, low, stop)) == expected, f"scan of {where} is half open")
            backwards = list(store.scan(Table.STATE, low, stop, reverse=True))
            _claim(backwards == expected[::-1], f"reverse scan of {where} has the same pairs")


def _a_scan_is_one_moment(store: Store) -> None:
    store.write(batch_of(*((Table.STATE, bytes((i,)), b"old") for i in range(100))))
    scan = store.scan(Table.STATE)
    first = next(scan)
    store.write(batch_of(*((Table.STATE, bytes((i,)), None if i % 2 else b"new") for i in range(150))))
    expected = [(bytes((i,)), b"old") for i in range(100)]
    _claim([first, *scan] == expected, "writes during a scan do not show in it")


def _a_snapshot_is_frozen(store: Store) -> None:
    store.write(batch_of((Table.STATE, b"a", b"1"), (Table.STATE, b"b", b"2"), (Table.META, b"m", b"1")))
    early = store.snapshot()
    store.write(batch_of((Table.STATE, b"a", b"9"), (Table.STATE, b"b", None), (Table.STATE, b"c", b"3")))
    late = store.snapshot()
    store.write(batch_of((Table.STATE, b"a", None), (Table.META, b"m", b"2")))
    _expect_state(early, [(b"a", b"1"), (b"b", b"2")])
    _expect_state(late, [(b"a", b"9"), (b"c", b"3")])
    _expect_state(store, [(b"c", b"3")])
    _claim(early.get(Table.META, b"m") == b"1", "a snapshot covers every table")


def _scans_do_not_disturb_each_other(store: Store) -> None:
    pairs = [(bytes((i,)), bytes((i, i))) for i in range(10)]
    store.write(batch_of(*((Table.STATE, key, value) for key, value in pairs)))
    for reader in (store, store.snapshot()):
        forwards, backwards = reader.scan(Table.STATE), reader.scan(Table.STATE, reverse=True)
        _claim(
            list(zip(forwards, backwards, strict=True)) == list(zip(pairs, pairs[::-1], strict=True)),
            "two scans at once",
        )
        _claim(next(forwards, None) is None and next(backwards, None) is None, "a scan that ended stays ended")


def _expect_state(reader: Reader, pairs: list[tuple[bytes, bytes]]) -> None:
    rows = dict(pairs)
    _claim(list(reader.scan(Table.STATE)) == pairs, "a snapshot scans as of its moment")
    _claim(list(reader.scan(Table.STATE, reverse=True)) == pairs[::-1], "a snapshot scans backwards, too")
    _claim(list(reader.scan(Table.STATE, b"b")) == [p for p in pairs if p[0] >= b"b"], "a snapshot scans ranges")
    for key in (b"a", b"b", b"c", b"d"):
        _claim(reader.get(Table.STATE, key) == rows.get(key), "a snapshot reads as of its moment")
    many = reader.get_many(Table.STATE, [b"d", b"c", b"b", b"a"])
    _claim(many == [rows.get(k) for k in (b"d", b"c", b"b", b"a")], "a snapshot reads many as of its moment")


def _it_behaves_as_dictionaries(store: Store) -> None:
    """300 seeded random batches against a model, with snapshots taken on the way."""
    random = Random(seed=11)
    tables = (Table.META, Table.STATE, Table.TRIE)
    model: dict[Table, dict[bytes, bytes]] = {table: {} for table in tables}
    frozen: list[tuple[Reader, dict[Table, dict[bytes, bytes]]]] = []
    for step in range(300):
        batch = Batch()
        for _ in range(random.below(12)):
            table, key = random.choice(tables), random.bytes(1 + random.below(2))[-1:]
            if random.chance(1, 3):
                batch.delete(table, key)
                model[table].pop(key, None)
            else:
                value = random.bytes(random.below(40))
                batch.put(table, key, value)
                model[table][key] = value
        store.write(batch)
        if random.chance(1, 10):
            store.sync()
        if step % 50 == 25:
            frozen.append((store.snapshot(), {table: dict(rows) for table, rows in model.items()}))
    for reader, rows in [*frozen, (store, model)]:
        for table in tables:
            _claim(dict(reader.scan(table)) == rows[table], "random operations leave what a dictionary would hold")
            _claim([k for k, _ in reader.scan(table)] == sorted(rows[table]), "and in order")
            keys = [bytes((i,)) for i in range(256)]
            _claim(reader.get_many(table, keys) == [rows[table].get(k) for k in keys], "and read as a dictionary")


_CHECKS: tuple[Callable[[Store], None], ...] = (
    _a_fresh_store_is_empty,
    _a_write_is_visible_at_once,
    _tables_are_separate,
    _operations_apply_in_order,
    _a_batch_is_all_or_nothing,
    _scans_are_ordered_and_half_open,
    _a_scan_is_one_moment,
    _a_snapshot_is_frozen,
    _scans_do_not_disturb_each_other,
    _it_behaves_as_dictionaries,
)
