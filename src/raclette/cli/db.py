"""`raclette db`: look into a node's database, and examine all of it."""

import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from raclette.chain.archive import GENESIS_KEY
from raclette.chain.chain import Chain
from raclette.chain.genesis import Genesis, make_genesis_block
from raclette.chain.trie import root_of_mapping
from raclette.cli.app import app, examples
from raclette.cli.bars import progress_bar
from raclette.cli.output import STORE, Json, console, one_line_errors, print_json, print_table
from raclette.ledgers import ledger_of
from raclette.live.process import read_genesis
from raclette.primitives.errors import ConfigError, StoreDamaged
from raclette.store.contract import Table
from raclette.store.database import Identity, open_existing
from raclette.store.rocks import RocksStore
from raclette.store.stats import TableCheck, check_table, table_stats

group = typer.Typer(help="Look into a node's database, and examine it.", no_args_is_help=True)
app.add_typer(group, name="db", rich_help_panel="Operate")

# Problems printed or returned; one damaged file can make a problem of every record in it.
PROBLEMS_MAX = 100
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")

Database = Annotated[Path, typer.Argument(help="A database, or the data_dir of a node, which has it in `db`.")]
GenesisFile = Annotated[
    Path | None,
    typer.Option("--genesis", help="The chain's genesis file (default: as node.toml says, or genesis.json, nearby)."),
]


@group.command(
    epilog=examples("raclette db stats ~/.raclette/alice", "raclette db stats ~/.raclette/alice/db --json"),
)
@one_line_errors
def stats(path: Database, json: bool = Json) -> None:
    """Keys, bytes and compression of each table. The node may be running."""
    store, identity = open_existing(database_folder(path))
    try:
        rows = table_stats(store)
    finally:
        store.close()
    if json:
        print_json(_whose(identity) | {"tables": [row.as_json() for row in rows]})
        return
    console.print(f"chain {identity.chain_id}, genesis 0x{identity.genesis_hash.hex()}", soft_wrap=True)
    columns = ("table", "keys", "on disk", "raw", "compression", "ratio")
    print_table(
        "",
        columns,
        (
            (
                row.table,
                f"{row.keys:,}",
                in_bytes(row.disk_bytes),
                in_bytes(row.raw_bytes),
                row.compression,
                f"{row.compression_ratio:.1f}" if row.disk_bytes else "",
            )
            for row in rows
        ),
        numbers=("keys", "on disk", "raw", "ratio"),
    )


@group.command(
    epilog=examples(
        "raclette db check ~/.raclette/alice",
        "raclette db check copy-of-db --genesis genesis.json --json",
        "raclette db check copy-of-db --records-only",
    ),
)
@one_line_errors
def check(
    path: Database,
    genesis: GenesisFile = None,
    records_only: Annotated[
        bool, typer.Option("--records-only", help="Only read every record; no genesis file needed.")
    ] = False,
    json: bool = Json,
) -> None:
    """Read every record, then verify the chain: bodies, receipts, index, undo records, state root and trie made anew.

    Changes nothing. Stop the node first. Exit code 3 if anything is damaged; every problem names table and key.
    """
    folder = database_folder(path)
    store, identity = open_existing(folder)
    try:
        chosen = None if records_only else matching_genesis(folder, genesis, identity)
        if chosen is not None and _has_no_chain(store):
            chosen = None  # a tracker's: it has an identity and peers, but no blocks
        tables = _read_everything(store)
        problems = [table.damage for table in tables if table.damage is not None]
        verified = chosen is not None and not problems
        if chosen is not None and verified:
            problems += _first(_verify(store, chosen))
    finally:
        store.close()
    if json:
        rows = [asdict(row) for row in tables]
        print_json(
            _whose(identity) | {"ok": not problems, "chain_verified": verified, "problems": problems} | {"tables": rows}
        )
    else:
        _show(tables, problems, verified)
    if problems:
        raise typer.Exit(STORE)


def database_folder(path: Path) -> Path:
    """`path`, or `path/db` where that is the database."""
    return path / "db" if (path / "db" / "CURRENT").exists() else path


def matching_genesis(database: Path, given: Path | None, identity: Identity) -> Genesis:
    """The genesis that the database began with: the file given, or the first nearby that fits. Raises ConfigError."""
    if given is not None:
        genesis = read_genesis(given)
        if (genesis.chain_id, _hash(genesis)) != (identity.chain_id, identity.genesis_hash):
            raise ConfigError(f"{given} is not the genesis of this database, 0x{identity.genesis_hash.hex()}")
        return genesis
    for file in _nearby(database.resolve()):
        try:
            genesis = read_genesis(file)
            if (genesis.chain_id, _hash(genesis)) == (identity.chain_id, identity.genesis_hash):
                return genesis
        except ConfigError:
            continue  # somebody else's file of that name
    raise ConfigError(
        f"no genesis file of this chain beside {database}: say where with --genesis FILE, or use --records-only"
    )


def _nearby(database: Path) -> Iterator[Path]:
    folders = (database, database.parent, database.parent.parent)
    for folder in folders:
        try:
            named = tomllib.loads((folder / "node.toml").read_text())["node"]["genesis"]
            yield folder / str(named)
        except (OSError, ValueError, KeyError, TypeError):
            continue  # no node lives here, or its file does not say
    yield from (folder / "genesis.json" for folder in folders)


def _hash(genesis: Genesis) -> bytes:
    return make_genesis_block(genesis, ledger_of(genesis), root_of_mapping)[0].hash


def _read_everything(store: RocksStore) -> list[TableCheck]:
    found = []
    with progress_bar() as progress:
        bar = progress.add_task("reading", total=len(Table))
        for table in Table:
            progress.update(bar, description=f"reading {table.value}")
            found.append(check_table(store, table))
            progress.advance(bar)
    return found


def _has_no_chain(store: RocksStore) -> bool:
    return store.get(Table.META, GENESIS_KEY) is None and next(iter(store.scan(Table.HEADERS)), None) is None


def _verify(store: RocksStore, genesis: Genesis) -> Iterator[str]:
    """Problems of the chain, as they are found."""
    ledger = ledger_of(genesis)
    block, state = make_genesis_block(genesis, ledger, root_of_mapping)
    with progress_bar() as progress:
        bar = progress.add_task("opening the chain", total=None)
        try:
            chain = Chain.open(store, block, state, ledger, chain_id=genesis.chain_id)
            progress.update(bar, description=f"verifying {chain.head.number + 1:,} blocks and their state")
            yield from chain.verify()
        except StoreDamaged as damage:
            yield str(damage)


def _first(problems: Iterator[str]) -> list[str]:
    found: list[str] = []
    for problem in problems:
        if len(found) == PROBLEMS_MAX:
            found.append(f"more than {PROBLEMS_MAX} problems: stopped counting")
            break
        found.append(problem)
    return found


def _show(tables: list[TableCheck], problems: list[str], verified: bool) -> None:
    print_table(
        "",
        ("table", "records", "bytes", "readable"),
        ((row.table, f"{row.records:,}", in_bytes(row.bytes), "yes" if row.damage is None else "NO") for row in tables),
        numbers=("records", "bytes"),
    )
    for problem in problems:
        console.print("[red]damaged[/red]", problem, soft_wrap=True)
    if problems:
        return
    whole = "every record can be read"
    console.print(
        f"[green]{whole}, and the chain is whole[/green]"
        if verified
        else f"[green]{whole}[/green]; the chain was not verified"
    )


def _whose(identity: Identity) -> dict[str, Any]:
    return {"chain_id": identity.chain_id, "genesis": identity.genesis_hash}


def in_bytes(size: int) -> str:
    """With a binary unit: 1536 is "1.5 KiB"."""
    value, index = float(size), 0
    while value >= 1024 and index < len(_UNITS) - 1:
        value, index = value / 1024, index + 1
    return f"{size} B" if index == 0 else f"{value:.1f} {_UNITS[index]}"
