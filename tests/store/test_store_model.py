"""Random operations against dictionaries, with reopening and crashes in between."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.store.contract import Batch, Store, Table
from raclette.store.memory import MemoryStore
from raclette.store.rocks import RocksStore

TABLES = (Table.META, Table.STATE, Table.OUTBOX)
keys = st.sampled_from([b"", b"\x00", b"a", b"a\x00", b"b", b"\xff", b"\xff\xff"])
operations = st.tuples(st.sampled_from(TABLES), keys, st.none() | st.binary(max_size=6))
batches = st.lists(operations, max_size=6)
Model = dict[tuple[Table, bytes], bytes]


def apply(store: Store, model: Model, batch: list[tuple[Table, bytes, bytes | None]]) -> None:
    native = Batch()
    native.operations.extend(batch)
    store.write(native)
    for table, key, value in batch:
        if value is None:
            model.pop((table, key), None)
        else:
            model[table, key] = value


def contents(store: Store) -> Model:
    return {(table, key): value for table in TABLES for key, value in store.scan(table)}


@settings(max_examples=25, deadline=None)
@given(st.lists(batches | st.just("reopen"), max_size=12))
def test_a_rocks_store_holds_what_a_dictionary_would_through_reopening(steps: list[object]) -> None:
    with TemporaryDirectory() as directory:
        store, model = RocksStore(Path(directory) / "db"), dict[tuple[Table, bytes], bytes]()
        for step in steps:
            if isinstance(step, list):
                apply(store, model, step)
            else:
                store.close()
                store = RocksStore(Path(directory) / "db")
            assert contents(store) == model
        store.close()


@settings(max_examples=150, deadline=None)
@given(st.lists(batches | st.just("sync"), max_size=12), st.integers(0, 12))
def test_a_crashed_memory_store_holds_some_prefix_that_includes_all_that_was_synced(
    steps: list[object], keep: int
) -> None:
    store, model = MemoryStore(crash_model=True), dict[tuple[Table, bytes], bytes]()
    unsynced = [dict(model)]
    for step in steps:
        if isinstance(step, list):
            apply(store, model, step)
            unsynced.append(dict(model))
        else:
            store.sync()
            unsynced = [dict(model)]
    assert contents(store.crash(keep)) == unsynced[min(keep, len(unsynced) - 1)]
