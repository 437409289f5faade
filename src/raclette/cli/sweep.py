"""`raclette sweep`: one scenario over a grid of values and seeds."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.bars import progress_bar
from raclette.cli.output import VERDICT_FAILED, Json, console, one_line_errors, print_json, print_pairs
from raclette.cli.scenarios import Beyond, Set, read_values
from raclette.primitives.errors import ConfigError

SHOWN_ERRORS_MAX = 5


@app.command(
    epilog=examples(
        "raclette sweep nakamoto-selfish --over attacker.share=0.1:0.45:8 --over nodes=6,10 --seeds 50",
        "raclette sweep selfish-race --over attacker.share=0.1:0.45:8 --over gamma=0,0.5,1 --seeds 50",
        "raclette sweep quiet-pbft --over nodes=4,7,10 --over network.model=lan,wan --seeds 20 --out latency",
        "raclette sweep mine.toml --over workload.rate=1:1000:4:log --scheduler tcp://head:8786",
    ),
    rich_help_panel="Explore",
)
@one_line_errors
def sweep(
    file: Annotated[str, typer.Argument(help="A scenario file, or the name of one: see `raclette scenarios`.")],
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUES", help="first:last:count, first:last:count:log, or a,b,c; repeatable."),
    ] = None,
    put: Set = None,
    seeds: Annotated[int, typer.Option(min=1, help="So many, from --first on, for each combination.")] = 10,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    beyond: Beyond = False,
    out: Annotated[
        Path | None, typer.Option(help="Rows, table and report; default: sweep-NAME. Runs in it are not run again.")
    ] = None,
    metric: Annotated[
        list[str] | None, typer.Option(help="Column of the results to draw; default: the usual ones. Repeatable.")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A dask scheduler that runs already: tcp://host:port.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Local processes; default: one a core; 0: this process alone.")
    ] = None,
    json: bool = Json,
) -> None:
    """Run a scenario over every combination of values, many seeds each, on all cores or on a cluster.

    Interrupt it as you like: the same command goes on where it was. The results are one Parquet table with a row for
    each run, and a report. Exit code 1 if a run failed or broke a property that the scenario does not expect to break.
    """
    from raclette.cli.version import version_text
    from raclette.lab.report.sweep import write_sweep_report
    from raclette.lab.scenario import open_scenario, scenario_from, with_values
    from raclette.lab.sweep import Journal, make_plan, parse_axis, run_sweep, write_parquet
    from raclette.lab.sweep.results import TABLE
    from raclette.lab.sweep.scenario import run_scenario_cell

    opened = open_scenario(file)
    base = with_values(opened.raw, read_values(put or []))
    axes = [parse_axis(text) for text in over or []]
    given = {"scenario": base, "folder": str(opened.folder.resolve()), "beyond": beyond}
    plan = make_plan(given, axes, range(first, first + seeds), version_text())
    for values in {cell.values: None for cell in plan.cells}:
        scenario_from(with_values(base, dict(values)), beyond=beyond, folder=opened.folder)
    directory = out or Path(f"sweep-{opened.name}")
    words = _words(file, over or [], put or [], seeds, first, beyond)
    with Journal(directory, {"plan": plan.name, "command": words, "cells": len(plan.cells)}) as journal:
        before = len(journal.rows)
        _run(run_sweep, plan, journal, run_scenario_cell, scheduler, workers)
        rows = [journal.rows[cell.name] for cell in plan.cells]
    write_parquet(rows, directory / TABLE)
    title = str(base.get("title") or opened.name)
    report = write_sweep_report(
        rows, axes, directory, title=title, metrics=metric or (), scenario=opened.text, replay=words
    )
    found = _result(rows, before, directory / TABLE, report)
    if json:
        print_json(found)
    else:
        _show(found)
    if found["failed"] or found["broken"]:
        raise typer.Exit(VERDICT_FAILED)


def _run(run_sweep: Any, plan: Any, journal: Any, run: Any, scheduler: str | None, workers: int | None) -> None:
    with progress_bar() as progress:
        bar = progress.add_task("runs", total=len(plan.cells), completed=len(journal.rows))
        run_sweep(plan, journal, run, scheduler=scheduler, workers=workers, progress=lambda _: progress.advance(bar))


def _words(file: str, over: Sequence[str], put: Sequence[str], seeds: int, first: int, beyond: bool) -> str:
    """The command that gives the same rows."""
    words = ["raclette", "sweep", file]
    for axis in over:
        words += ["--over", axis]
    for pair in put:
        words += ["--set", pair]
    words += ["--seeds", str(seeds), "--first", str(first)]
    return shlex.join([*words, *(["--beyond"] if beyond else [])])


def _result(rows: Sequence[Mapping[str, Any]], before: int, table: Path, report: Path) -> dict[str, Any]:
    failed = [row for row in rows if row["error"]]
    return {
        "runs": len(rows),
        "run_before": before,
        "failed": len(failed),
        "broken": sum(1 for row in rows if not row["error"] and not row["as_expected"]),
        "broken_as_expected": sum(1 for row in rows if not row["agreed"] and row.get("as_expected")),
        "agreed": sum(1 for row in rows if row["agreed"]),
        "table": str(table),
        "report": str(report),
        "errors": [row["error"].strip().splitlines()[-1] for row in failed[:SHOWN_ERRORS_MAX]],
    }


def _show(found: Mapping[str, Any]) -> None:
    print_pairs("", {key: value for key, value in found.items() if key != "errors"})
    for error in found["errors"]:
        console.print(f"[red]failed[/red] {error}")


__all__ = ["ConfigError", "sweep"]
