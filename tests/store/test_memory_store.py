"""The store in memory: passes the exam, and crashes as a log on a disk would."""

import pytest

from raclette.primitives.errors import InvariantBroken, Misuse
from raclette.primitives.randomness import Random
from raclette.store.contract import Batch, Table
from raclette.store.exam import batch_of, check_store
from raclette.store.memory import MemoryStore


def numbered(store: MemoryStore) -> list[int]:
    return [key[0] for key, _ in store.scan(Table.STATE)]


def write_number(store: MemoryStore, number: int) -> None:
    """Two records in two tables: one batch."""
    store.write(batch_of((Table.STATE, bytes((number,)), b"x"), (Table.META, b"last", bytes((number,)))))


@pytest.mark.parametrize("crash_model", [False, True])
def test_the_memory_store_passes_the_exam(crash_model: bool) -> None:
    check_store(lambda: MemoryStore(crash_model=crash_model))


class ForgetsDeletes(MemoryStore):
    def write(self, batch: Batch) -> None:
        super().write(batch_of(*(op for op in batch.operations if op[2] is not None)))


class MixesTables(MemoryStore):
    def write(self, batch: Batch) -> None:
        super().write(batch_of(*((Table.META, key, value) for _, key, value in batch.operations)))


class AppliesHalf(MemoryStore):
    def write(self, batch: Batch) -> None:
        for operation in batch.operations:
            super().write(batch_of(operation))


class LiveSnapshots(MemoryStore):
    def snapshot(self) -> MemoryStore:
        return self

    def scan(self, table, start=b"", stop=None, *, reverse=False):  # type: ignore[no-untyped-def]
        keys = sorted(k for k in self._rows[table] if start <= k and (stop is None or k < stop))
        return iter([(k, self._rows[table][k]) for k in (keys[::-1] if reverse else keys)])


@pytest.mark.parametrize("broken", [ForgetsDeletes, MixesTables, AppliesHalf, LiveSnapshots])
def test_the_exam_fails_a_broken_store(broken: type[MemoryStore]) -> None:
    with pytest.raises(InvariantBroken, match="store exam"):
        check_store(broken)


def test_a_crash_loses_whole_batches_from_the_end_only() -> None:
    for keep in range(6):
        store = MemoryStore(crash_model=True)
        for number in range(3):
            write_number(store, number)
        store.sync()
        for number in range(3, 8):
            write_number(store, number)
        assert store.unsynced == 5
        found = store.crash(keep)
        assert numbered(found) == list(range(3 + keep))
        assert found.get(Table.META, b"last") == bytes((2 + keep,))


def test_a_crash_brings_back_what_unsynced_batches_overwrote_or_deleted() -> None:
    store = MemoryStore(crash_model=True)
    store.write(batch_of((Table.STATE, b"a", b"1"), (Table.STATE, b"b", b"1")))
    store.sync()
    store.write(batch_of((Table.STATE, b"a", b"2"), (Table.STATE, b"a", b"3"), (Table.STATE, b"b", None)))
    found = store.crash(0)
    assert list(found.scan(Table.STATE)) == [(b"a", b"1"), (b"b", b"1")]


def test_seeded_crashes_lose_different_amounts_and_never_what_was_synced() -> None:
    random, kept = Random(seed=3), set()
    for _ in range(40):
        store = MemoryStore(crash_model=True)
        write_number(store, 0)
        store.sync()
        for number in range(1, 5):
            write_number(store, number)
        kept.add(tuple(numbered(store.crash(random))))
    assert kept == {tuple(range(count)) for count in range(1, 6)}


def test_a_crashed_store_is_closed_and_its_survivor_can_crash_again() -> None:
    store = MemoryStore(crash_model=True)
    write_number(store, 1)
    found = store.crash(1)
    with pytest.raises(Misuse, match="closed"):
        write_number(store, 2)
    write_number(found, 2)
    assert numbered(found.crash(0)) == [1]


def test_crashing_without_the_crash_model_is_a_misuse() -> None:
    with pytest.raises(Misuse, match="crash_model"):
        MemoryStore().crash()
    with pytest.raises(Misuse, match="at least 0"):
        MemoryStore(crash_model=True).crash(-1)
