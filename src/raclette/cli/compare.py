"""`raclette compare`: all protocols on one workload and network, calm and in trouble."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.bars import progress_bar
from raclette.cli.output import Json, console, one_line_errors, print_json, print_table
from raclette.primitives.errors import ConfigError

if TYPE_CHECKING:
    from raclette.lab.compare import Comparison, Row


@app.command(
    rich_help_panel="Explore",
    epilog=examples(
        "raclette compare",
        "raclette compare --protocols pbft,simplex --nodes 7 --network internet-2019 --seeds 10",
        "raclette compare --protocols pbft,simplex,nakamoto --set pbft.view_timeout_ms=500 --out compared",
    ),
)
@one_line_errors
def compare(
    protocols: Annotated[str, typer.Option(help="Names, parted by commas; all that there are if empty.")] = "",
    nodes: Annotated[int, typer.Option("--nodes", "-n", min=4, help="Number of nodes.")] = 10,
    network: Annotated[str, typer.Option(help="Network model: lan, wan, internet-2019.")] = "wan",
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each protocol in each case.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    seconds: Annotated[int, typer.Option(min=3, help="Virtual seconds of load; trouble fills the middle third.")] = 60,
    rate: Annotated[int, typer.Option(min=1, help="Transfers per virtual second.")] = 2,
    depth: Annotated[
        int, typer.Option(min=1, help="Blocks below the head at which proof of work counts as final.")
    ] = 6,
    put: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PROTOCOL.KEY=VALUE", help="A parameter of one protocol; repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write report, figures and numbers into this folder.")] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Processes; 0: one for each core.")] = 0,
    json: bool = Json,
) -> None:
    """Compare protocols on one workload and network: latency to finality, throughput, messages and bytes, and what a
    crashed leader, an equivocator and a partition do to each. It measures; it fails no run for what it finds."""
    from raclette.lab.compare import Comparison, run_comparison
    from raclette.lab.compare.page import to_json, write_page
    from raclette.protocols import PROTOCOLS

    comparison = Comparison(
        protocols=tuple(name.strip() for name in protocols.split(",")) if protocols else tuple(PROTOCOLS),
        nodes=nodes,
        network=network,
        seeds=seeds,
        first_seed=seed,
        seconds=seconds,
        rate=rate,
        depth=depth,
        parameters=_parameters(put or []),
    )
    rows = _run(comparison, run_comparison, jobs or os.cpu_count() or 1)
    if out is not None:
        path = write_page(comparison, rows, out, command=_command(comparison, put or []))
        if not json:
            console.print(f"report: {path}")
    if json:
        print_json(to_json(comparison, rows))
    else:
        _show(rows)


def _run(comparison: "Comparison", carry_out: Any, jobs: int) -> list["Row"]:
    from raclette.lab.compare import jobs_of

    total = len(list(jobs_of(comparison)))
    with progress_bar() as progress:
        bar = progress.add_task("runs", total=total)
        rows: list[Row] = carry_out(comparison, jobs=jobs, progress=lambda _: progress.advance(bar))
    return rows


def _show(rows: Sequence["Row"]) -> None:
    from raclette.lab.compare import summarise
    from raclette.lab.compare.page import COSTS_HEAD, TROUBLE_HEAD, costs, trouble

    found = summarise(rows)
    print_table("while nothing goes wrong", COSTS_HEAD, costs(found), numbers=COSTS_HEAD[2:])
    print_table("in trouble", TROUBLE_HEAD, trouble(found), numbers=TROUBLE_HEAD[3:8])


def _parameters(put: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`PROTOCOL.KEY=VALUE`, the value as TOML or, failing that, as text. Raises ConfigError."""
    found: dict[str, dict[str, Any]] = {}
    for text in put:
        path, equals, value = text.partition("=")
        protocol, dot, key = path.partition(".")
        if not equals or not dot or not key:
            raise ConfigError(f"--set {text!r}: accepted is PROTOCOL.KEY=VALUE, as pbft.view_timeout_ms=500")
        found.setdefault(protocol, {})[key] = _value(value)
    return found


def _value(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _command(comparison: "Comparison", put: Sequence[str]) -> str:
    """That gives the same rows."""
    words = ["raclette", "compare", "--protocols", ",".join(comparison.protocols), "--nodes", str(comparison.nodes)]
    words += ["--network", comparison.network, "--seeds", str(comparison.seeds), "--seed", str(comparison.first_seed)]
    words += ["--seconds", str(comparison.seconds), "--rate", str(comparison.rate), "--depth", str(comparison.depth)]
    for text in put:
        words += ["--set", text]
    return shlex.join(words)
