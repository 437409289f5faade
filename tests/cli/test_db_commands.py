"""`raclette db`: statistics and examination of real databases, whole and damaged."""

import json
from pathlib import Path

import pytest

from cli.shell import Shell
from raclette.chain.chain import Chain
from raclette.chain.genesis import Genesis, even_alloc, make_genesis_block
from raclette.chain.trie import root_of_mapping
from raclette.cli.db import in_bytes
from raclette.engine.contract import Draft
from raclette.ledgers import ledger_of
from raclette.ledgers.bank.samples import sample_transfers
from raclette.primitives.units import ETHER
from raclette.store.contract import Batch, Table
from raclette.store.database import open_existing, open_store

BLOCKS = 4
GENESIS = Genesis("pbft", "bank", alloc=even_alloc(20, 100 * ETHER))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data_dir of a node that has four blocks of five transfers, the last two not final; the genesis beside it."""
    folder = tmp_path / "network" / "node-0"
    folder.mkdir(parents=True)
    (tmp_path / "network" / "genesis.json").write_text(json.dumps(GENESIS.to_json()))
    ledger = ledger_of(GENESIS)
    block, state = make_genesis_block(GENESIS, ledger, root_of_mapping)
    waiting = [ledger.decode(raw) for raw in sample_transfers(5 * BLOCKS, 1, GENESIS.chain_id, accounts=20)]
    store = open_store(folder / "db", GENESIS.chain_id, block.hash)
    chain = Chain.open(
        store,
        block,
        state,
        ledger,
        chain_id=GENESIS.chain_id,
        candidates=lambda skip: [waiting.pop(0) for _ in range(5)],
    )
    for number in range(1, BLOCKS + 1):
        built = chain.build(chain.head, Draft(number, b"\xaa" * 20))
        chain.check(built)
        chain.adopt(built.hash)
        if number <= 2:
            chain.finalize(built.hash, b"certificate")
    chain.flush()
    assert chain.head.number == BLOCKS
    assert len(chain.executed(chain.head.hash).transactions) == 5
    store.close()
    return folder


def edit(data: Path, table: Table, change: bytes | None) -> bytes:
    """Replace the last value of a table, or delete it. Returns its key."""
    store, _ = open_existing(data / "db", read_only=False)
    key, _ = next(iter(store.scan(table, reverse=True)))
    batch = Batch()
    if change is None:
        batch.delete(table, key)
    else:
        batch.put(table, key, change)
    store.write(batch)
    store.close()
    return key


def test_statistics_have_every_table(shell: Shell, data: Path) -> None:
    found = shell("db", "stats", str(data), "--json").json
    assert found["chain_id"] == GENESIS.chain_id
    assert len(found["genesis"]) == 66
    tables = {row["table"]: row for row in found["tables"]}
    assert list(tables) == [table.value for table in Table]
    assert tables["headers"]["keys"] == BLOCKS + 1
    person = shell("db", "stats", str(data / "db")).out
    assert found["genesis"] in person
    assert max(map(len, person.splitlines()[1:])) <= 80


def test_a_whole_database_is_verified_with_the_genesis_nearby(shell: Shell, data: Path) -> None:
    outcome = shell("db", "check", str(data), "--json")
    assert outcome.code == 0
    assert outcome.json["ok"]
    assert outcome.json["chain_verified"]
    assert outcome.json["problems"] == []
    assert {row["table"]: row["records"] for row in outcome.json["tables"]}["bodies"] == BLOCKS + 1
    assert "the chain is whole" in shell("db", "check", str(data)).out


def test_the_genesis_is_where_the_nodes_configuration_says(shell: Shell, data: Path, tmp_path: Path) -> None:
    (data.parent / "genesis.json").rename(tmp_path / "elsewhere.json")
    (data / "node.toml").write_text(f'[node]\ngenesis = "{tmp_path / "elsewhere.json"}"\n')
    assert shell("db", "check", str(data), "--json").json["chain_verified"]


def test_without_a_genesis_only_the_records_can_be_read(shell: Shell, data: Path) -> None:
    (data.parent / "genesis.json").unlink()
    assert "say where with --genesis FILE, or use --records-only" in shell.refusal(2, "db", "check", str(data))
    outcome = shell("db", "check", str(data), "--records-only", "--json")
    assert (outcome.code, outcome.json["ok"], outcome.json["chain_verified"]) == (0, True, False)


def test_another_chains_genesis_is_refused(shell: Shell, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(Genesis("pbft", "bank", chain_id=7).to_json()))
    assert "is not the genesis of this database" in shell.refusal(2, "db", "check", str(data), "--genesis", str(other))


@pytest.mark.parametrize(
    ("table", "change"),
    [
        (Table.BODIES, None),
        (Table.BODIES, b"\xc0"),
        (Table.RECEIPTS, b"\xff"),
        (Table.CANONICAL, bytes(32)),
        (Table.INDEX, bytes(36)),
        (Table.INDEX, b"short"),
        (Table.TRIE, b"\x80"),
        (Table.UNDO, None),
    ],
)
def test_damage_is_found_and_named(shell: Shell, data: Path, table: Table, change: bytes | None) -> None:
    key = edit(data, table, change)
    outcome = shell("db", "check", str(data), "--json")
    assert outcome.code == 3
    assert not outcome.json["ok"]
    problems = " ".join(outcome.json["problems"])
    assert f"table {table.value}" in problems
    assert key.hex() in problems or not key
    assert "damaged" in shell("db", "check", str(data)).out


def test_a_changed_balance_is_found(shell: Shell, data: Path) -> None:
    edit(data, Table.STATE, b"\xc2\x80\x80")
    outcome = shell("db", "check", str(data), "--json")
    assert outcome.code == 3
    assert "table state: its root is" in outcome.json["problems"][0]


def test_flipped_bytes_on_disk_are_found_and_the_other_tables_still_read(shell: Shell, data: Path) -> None:
    edit(data, Table.META, b"\x01")  # opened for writing, so that RocksDB moves its log into table files
    shell("db", "stats", str(data))
    files = sorted((data / "db").glob("*.sst"), key=lambda file: file.stat().st_size)
    largest = files[-1]
    contents = bytearray(largest.read_bytes())
    contents[60:80] = bytes(byte ^ 0xFF for byte in contents[60:80])
    largest.write_bytes(contents)
    outcome = shell("db", "check", str(data), "--records-only", "--json")
    assert outcome.code == 3
    assert any(row["damage"] for row in outcome.json["tables"])
    assert sum(row["damage"] is None for row in outcome.json["tables"]) >= len(Table) - 2


def test_a_folder_without_a_database(shell: Shell, tmp_path: Path) -> None:
    assert shell.refusal(3, "db", "stats", str(tmp_path)).endswith("no database here")
    assert shell.refusal(3, "db", "check", str(tmp_path / "nothing")).endswith("no database here")


def test_a_trackers_database_has_no_chain_to_verify(shell: Shell, data: Path) -> None:
    block, _ = make_genesis_block(GENESIS, ledger_of(GENESIS), root_of_mapping)
    open_store(data.parent / "tracker" / "db", GENESIS.chain_id, block.hash).close()
    outcome = shell("db", "check", str(data.parent / "tracker"), "--json")
    assert (outcome.code, outcome.json["chain_verified"]) == (0, False)


def test_sizes_have_binary_units() -> None:
    assert [in_bytes(size) for size in (0, 1023, 1024, 1536, 5 << 30)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "1.5 KiB",
        "5.0 GiB",
    ]
