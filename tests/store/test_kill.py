"""kill -9 at random moments: nothing acknowledged is lost, nothing is half applied."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import kill_writer as writer

from raclette.primitives.randomness import Random
from raclette.store.contract import Table
from raclette.store.database import open_store
from raclette.store.rocks import RocksStore
from raclette.store.stats import check_tables

KILLS = 30
# Latest moment of a kill after the first acknowledgement, in milliseconds.
KILL_WITHIN_MS = 120


def run_and_kill(directory: Path, random: Random) -> dict[str, int]:
    """Start the writer, kill it at a random moment (sometimes before it opened). Returns the last acknowledgements."""
    child = subprocess.Popen(
        [sys.executable, writer.__file__, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stderr is not None
    acknowledged: dict[str, int] = {}
    first = "" if random.chance(1, 8) else child.stdout.readline()
    assert first in ("", "open\n"), child.stderr.read()
    timer = Timer(random.below(KILL_WITHIN_MS * 1000) / 1e6, child.kill)
    timer.start()
    for line in child.stdout:
        name, _, number = line.strip().partition(" ")
        if number and line.endswith("\n"):  # a line cut off by the kill was not acknowledged
            acknowledged[name] = int(number)
    timer.join()
    assert child.wait() == -signal.SIGKILL, child.stderr.read()
    child.stdout.close()
    child.stderr.close()
    return acknowledged


def head_of(store: RocksStore) -> int:
    head = store.get(Table.META, b"head")
    return -1 if head is None else int.from_bytes(head, "big")


def assert_whole(store: RocksStore) -> None:
    """Every block up to the head is complete, and not a record of a later one exists."""
    head = head_of(store)
    assert [key for key, _ in store.scan(Table.CANONICAL)] == [writer.number_key(n) for n in range(head + 1)]
    for position, table in enumerate(writer.BLOCK_TABLES):
        places = range(position, writer.PUTS_PER_BLOCK, len(writer.BLOCK_TABLES))
        expected = [(writer.record_key(n, i), writer.value_of(n, i)) for n in range(head + 1) for i in places]
        assert list(store.scan(table)) == expected
    pending = [key for key, _ in store.scan(Table.OUTBOX)]
    assert pending == ([writer.record_key(head, i) for i in range(writer.PUTS_PER_BLOCK)] if head >= 0 else [])


def assert_votes_whole(store: RocksStore, view: int) -> None:
    """A view is stored with its vote and all before it."""
    votes = [key for key, _ in store.scan(Table.CONSENSUS, b"vote", b"votf")]
    assert votes == [b"vote" + writer.number_key(n) for n in range(view + 1)]


def test_after_every_kill_all_that_was_acknowledged_is_there_and_nothing_is_half_applied(tmp_path: Path) -> None:
    random = Random(seed=2024)
    safe = {"vote": -1, "block": -1}
    cut_short = 0
    for _ in range(KILLS):
        safe |= run_and_kill(tmp_path / "db", random)
        store = open_store(tmp_path / "db", writer.CHAIN_ID, writer.GENESIS)
        stored = store.get(Table.CONSENSUS, b"view")
        view = -1 if stored is None else int.from_bytes(stored, "big")
        head = head_of(store)
        assert head >= safe["block"]
        assert view >= safe["vote"]
        assert head <= view <= head + 1  # a block is written after its vote
        cut_short += view != head or head != safe["block"]
        assert_votes_whole(store, view)
        assert_whole(store)
        store.close()
    store = open_store(tmp_path / "db", writer.CHAIN_ID, writer.GENESIS)
    assert all(check.damage is None for check in check_tables(store))
    store.close()
    assert safe["block"] > KILLS  # it got somewhere between the kills
    assert cut_short > 0  # and some kills fell between a write and its acknowledgement
