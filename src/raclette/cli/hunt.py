"""`raclette hunt`: seeds, schedules, liars and faults until something breaks."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.bars import progress_bar
from raclette.cli.output import (
    VERDICT_FAILED,
    Json,
    console,
    fail,
    one_line_errors,
    print_json,
    print_pairs,
    print_table,
)
from raclette.primitives.errors import ConfigError
from raclette.protocols import PROTOCOLS

if TYPE_CHECKING:
    from raclette.lab.hunt import HuntConfig, HuntReport, Outcome
    from raclette.lab.hunt.coverage import Coverage

SHOWN_FINDINGS_MAX = 10
SHOWN_LINES_MAX = 20
# What the table of coverage shows first; the rest follows by frequency.
COVERAGE_ROWS_MAX = 24

Protocol = Annotated[str, typer.Argument(help="Consensus protocol: see `raclette protocols`.")]
Mutant = Annotated[str, typer.Option("--mutant", help="Plant this known bug first: see `raclette mutants`.")]
Jobs = Annotated[int, typer.Option(min=0, help="Processes (0: one for each core).")]


@app.command(
    epilog=examples(
        "raclette hunt pbft --seeds 1000",
        "raclette hunt nakamoto --minutes 10 --json",
        "raclette hunt pbft --replay 4711",
        "raclette hunt pbft --replay hunt-pbft-4711/replay.json",
        "raclette hunt pbft --mutant P5",
    ),
    rich_help_panel="Explore",
)
@one_line_errors
def hunt(
    protocol: Protocol,
    minutes: Annotated[float, typer.Option(min=0, help="Hunt this long.")] = 0.0,
    seeds: Annotated[int, typer.Option(min=0, help="Hunt this many seeds. Without either: one minute.")] = 0,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    mutant: Mutant = "",
    jobs: Jobs = 0,
    replay: Annotated[
        str, typer.Option(help="Run exactly this seed, or this replay file, and say what came of it.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Folder for replay, transcript and diagram of what is found or replayed.")
    ] = None,
    shrink: Annotated[float, typer.Option(min=0, help="Seconds to spend on making a failing schedule small.")] = 30.0,
    json: bool = Json,
) -> None:
    """Explore seeds, schedules, topologies, liars and faults until something breaks; shrink and draw what breaks.

    Exit code 0 if nothing was found, 1 if something was. With a mutant planted: 0 if it was caught, 1 if not.
    """
    from raclette.lab.hunt import HuntConfig

    config = HuntConfig(
        protocol=protocol,
        seeds=seeds,
        seconds=60 * minutes if minutes or seeds else 60.0,
        first=first,
        mutant=mutant,
        jobs=jobs,
        out=out,
        dissect=out is not None or not mutant,
        shrink_seconds=shrink,
    )
    config.validate()
    if replay:
        _replay(config, replay, json)
    else:
        _hunt(config, json)


def _hunt(config: "HuntConfig", json: bool) -> None:
    from raclette.lab.hunt.hunter import hunt as run_hunt

    with progress_bar(elapsed=True) as progress:
        bar = progress.add_task(config.protocol, total=config.seeds or None)

        def heard(outcome: "Outcome", coverage: "Coverage") -> None:
            seconds = max(progress.tasks[0].elapsed or 0.0, 1e-3)
            progress.update(bar, advance=1, description=_caption(config, coverage, coverage.seeds / seconds))
            if outcome.failed and not json:
                console.print(f"[red]seed {outcome.seed}[/red] ({outcome.tactic})", str(outcome.breaches[0]))

        report = run_hunt(config, heard)
    if json:
        print_json(report.to_json())
    else:
        _show(report)
    if report.caught != bool(config.mutant) or report.interrupted:
        raise typer.Exit(VERDICT_FAILED)


def _caption(config: "HuntConfig", coverage: "Coverage", rate: float) -> str:
    seen = coverage.runs
    words = [f"{config.protocol}{' ' + config.mutant if config.mutant else ''}: {rate:.1f} seeds/s"]
    for name, label in (
        ("view-changes", "view changes"),
        ("forks", "forks"),
        ("evidence", "evidence"),
        ("crashes", "crashes"),
    ):
        if seen[name]:
            words.append(f"{label} {seen[name]:,}")
    return ", ".join((*words, f"liars {seen['liars']:,}"))


def _show(report: "HuntReport") -> None:
    found, coverage = report.to_json(), report.coverage
    shown = (
        "protocol",
        "mutant",
        "caught",
        "invariant",
        "seed",
        "replay",
        "seeds_tried",
        "seconds",
        "seeds_per_s",
        "failures",
    )
    print_pairs("", {key: found[key] for key in shown})
    rows = [(what, count, coverage.totals[what]) for what, count in coverage.runs.most_common(COVERAGE_ROWS_MAX)]
    print_table(
        f"what happened in {coverage.seeds:,} runs", ("what", "runs", "in all"), rows, numbers=("runs", "in all")
    )
    if coverage.missing:
        console.print(f"[yellow]a weak hunt[/yellow]: this never happened: {', '.join(coverage.missing)}")
    for finding in report.findings[:SHOWN_FINDINGS_MAX]:
        console.print(f"[red]seed {finding.seed}[/red] ({finding.tactic})", str(finding.breach))
        console.print(f"  replay: {finding.replay}")
        if finding.folder:
            console.print(
                f"  shrunk in {finding.tries} runs, in {finding.folder}: replay.json, transcript.txt, diagram.svg"
            )
            for line in finding.shrunk[:SHOWN_LINES_MAX]:
                console.print(f"    {line}", markup=False)


def _replay(config: "HuntConfig", replay: str, json: bool) -> None:
    from raclette.lab.hunt import Replay, read_replay, run_schedule, tactic_of, write_finding

    if replay.isdecimal():
        tactic = tactic_of(config.protocol, int(replay))
        content = Replay(tactic, tactic.draw(config.protocol, int(replay)), config.mutant)
    elif Path(replay).is_file():
        content = read_replay(Path(replay), config.protocol)
        if config.mutant and config.mutant != content.mutant:
            raise ConfigError(f"mutant: the file is about {content.mutant or 'none'}; leave the option out")
    else:
        raise ConfigError(f"replay: {replay!r}; accepted are a seed and a replay file")
    if config.out is not None:
        outcome = write_finding(config.out, content, [f"{config.protocol}, seed {content.schedule.seed}"])
    else:
        outcome = run_schedule(content.tactic, content.schedule, content.mutant)
    _show_replay(config, content, outcome, json)
    if outcome.failed != bool(content.mutant):
        raise typer.Exit(VERDICT_FAILED)


def _show_replay(config: "HuntConfig", content: Any, outcome: "Outcome", json: bool) -> None:
    if json:
        first = outcome.breaches[0] if outcome.breaches else None
        print_json(
            {
                "protocol": config.protocol,
                "mutant": content.mutant or None,
                "seed": outcome.seed,
                "tactic": outcome.tactic,
                "caught": outcome.failed,
                "invariant": first.checker if first else None,
                "breaches": [breach.to_json() for breach in outcome.breaches],
                "happened": dict(outcome.happened),
                "digest": outcome.digest,
                "schedule": content.schedule.to_json(),
            }
        )
        return
    for line in content.schedule.describe():
        console.print(line, markup=False)
    print_pairs("what happened", dict(outcome.happened) | {"digest": outcome.digest})
    for breach in outcome.breaches:
        console.print(f"[red]broken[/red] {breach}")
        if breach.traceback:
            console.print(breach.traceback, markup=False)
    if not outcome.breaches:
        console.print("[green]everything held[/green]")


@app.command(
    epilog=examples(
        "raclette mutants pbft", "raclette mutants --seeds 400 --json", "raclette mutants --page docs/mutants.md"
    ),
    rich_help_panel="Explore",
)
@one_line_errors
def mutants(
    protocol: Annotated[str, typer.Argument(help="Only those of this protocol.")] = "",
    seeds: Annotated[int, typer.Option(min=1, help="Seeds to try for each.")] = 2_000,
    minutes: Annotated[float, typer.Option(min=0.01, help="Time for each; most need seconds.")] = 5.0,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 0,
    jobs: Jobs = 0,
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this mutant (may be repeated).")] = None,
    page: Annotated[
        Path | None, typer.Option(help="Write the results into this page (docs/mutants.md); others in it stay.")
    ] = None,
    json: bool = Json,
) -> None:
    """Plant every known published bug in turn and hunt for it: which invariant fires, after how many seeds.

    Exit code 0 if all were caught, 1 if one was not.
    """
    from raclette.lab.hunt.mutants import hunt_all
    from raclette.lab.mutants.page import update as update_page

    names = [protocol] if protocol else list(PROTOCOLS)
    wanted = [name.lower() for name in only or ()]
    rows = []
    for row in hunt_all(names, wanted, seeds=seeds, seconds=60 * minutes, first=first, jobs=jobs):
        rows.append(row)
        if not json:
            verdict = "[green]caught[/green]" if row["caught"] else "[red]not caught[/red]"
            console.print(f"{row['protocol']} {row['id']}: {verdict} {row['invariant'] or ''} in {row['seeds']} seeds")
    if not rows:
        fail(f"no mutant called {', '.join(wanted) or protocol}", 2)
    if page is not None:
        update_page(page, rows)
    if json:
        print_json(rows)
    else:
        columns = ("protocol", "id", "title", "source", "invariant", "seeds", "seconds")
        print_table("", columns, ([row[key] for key in columns] for row in rows), numbers=("seeds", "seconds"))
    if not all(row["caught"] for row in rows):
        raise typer.Exit(VERDICT_FAILED)
