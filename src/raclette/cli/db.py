"""`raclette db`: look into a node's database, and check it."""

from pathlib import Path
from typing import Annotated

import typer

from raclette.cli.app import app, examples
from raclette.cli.output import Json, console, one_line_errors, print_json, print_table
from raclette.store.database import open_existing
from raclette.store.stats import table_stats

group = typer.Typer(help="Look into a node's database, and check it.", no_args_is_help=True)
app.add_typer(group, name="db", rich_help_panel="Operate")

Path_ = Annotated[Path, typer.Argument(help="The database folder of a stopped node (data_dir/db).")]


@group.command(epilog=examples("raclette db stats ~/.raclette/alice/db"))
@one_line_errors
def stats(path: Path_, json: bool = Json) -> None:
    """Keys, bytes, compression, reads, writes and stalls of each table."""
    store, identity = open_existing(path)
    try:
        rows = table_stats(store)
    finally:
        store.close()
    if json:
        print_json(
            {"chain_id": identity.chain_id, "genesis": identity.genesis_hash, "tables": [r.to_json() for r in rows]}
        )
        return
    console.print(f"chain {identity.chain_id}, genesis 0x{identity.genesis_hash.hex()}")
    columns = list(rows[0].to_json()) if rows else []
    print_table("", columns, (row.to_json().values() for row in rows))
