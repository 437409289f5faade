"""`raclette lab`: experiments that reproduce papers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.bars import progress_bar
from raclette.cli.output import VERDICT_FAILED, Json, console, fail, one_line_errors, print_json, print_table
from raclette.primitives.errors import ConfigError

if TYPE_CHECKING:
    from raclette.lab.experiments import Experiment, Result, Row

group = typer.Typer(help="Experiments that reproduce papers: simulated against published, with verdicts.")
app.add_typer(group, name="lab", rich_help_panel="Explore")

Quick = Annotated[bool, typer.Option("--quick", help="Fewer points and draws: seconds instead of a minute.")]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same rows, on any machine.")]
Out = Annotated[Path | None, typer.Option(help="Write each figure there: HTML, PNG and CSV.")]

_COLUMNS = ("quantity", "at", "simulated", "published", "tolerance", "verdict")


@group.callback(invoke_without_command=True)
@one_line_errors
def root(context: typer.Context) -> None:
    """List the experiments, or run them."""
    if context.invoked_subcommand is None:
        _list(json=False)


@group.command("list", epilog=examples("raclette lab list", "raclette lab list selfish", "raclette lab list --json"))
@one_line_errors
def list_(
    experiment: Annotated[str | None, typer.Argument(help="Show this one with its parameters.")] = None,
    json: bool = Json,
) -> None:
    """List the experiments with the papers they reproduce, or one of them with the parameters it takes."""
    if experiment is None:
        _list(json)
    else:
        _describe(experiment, json)


@group.command(
    epilog=examples(
        "raclette lab run double-spend",
        "raclette lab run double-spend --set q=0.2 --set z=5 --json",
        "raclette lab run selfish --set alpha=0.35 --set gamma=0.25 --out figures",
    )
)
@one_line_errors
def run(
    experiment: Annotated[str, typer.Argument(help="Which: see `raclette lab`.")],
    chosen: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A parameter; lists are parted by commas.")
    ] = None,
    quick: Quick = False,
    seed: Seed = 1,
    out: Out = None,
    json: bool = Json,
) -> None:
    """Run one experiment. Exit code 1 if a simulated value is further from its reference than the stated tolerance."""
    from raclette.lab.experiments import find

    found = find(experiment)
    settings = _chosen(chosen or [])
    document = _carry_out(found, settings, quick=quick, seed=seed, out=out, json=json)
    if json:
        print_json(document)
    if document["verdict"] == "fail":
        raise typer.Exit(VERDICT_FAILED)


@group.command("all", epilog=examples("raclette lab all --quick", "raclette lab all --out figures --json"))
@one_line_errors
def all_(quick: Quick = False, seed: Seed = 1, out: Out = None, json: bool = Json) -> None:
    """Run every experiment with its defaults. Exit code 1 if any fails."""
    from raclette.lab.experiments import experiments

    documents = [_carry_out(e, {}, quick=quick, seed=seed, out=out, json=json) for e in experiments()]
    failed = [document["id"] for document in documents if document["verdict"] == "fail"]
    if json:
        print_json({"verdict": "fail" if failed else "pass", "experiments": documents})
    else:
        print_table("", ("experiment", "rows", "verdict"), ((d["id"], len(d["rows"]), d["verdict"]) for d in documents))
    if failed:
        fail(f"does not hold: {', '.join(failed)}")


def _list(json: bool) -> None:
    from raclette.lab.experiments import experiments

    if json:
        print_json([describe(experiment) for experiment in experiments()])
        return
    rows = [(e.id, e.title, ", ".join(p.name for p in e.parameters)) for e in experiments()]
    print_table("", ("experiment", "title", "parameters"), rows)
    console.print("Parameters, papers and bounds of one: raclette lab list NAME. Run it: raclette lab run NAME.")


def _describe(name: str, json: bool) -> None:
    from raclette.lab.experiments import find
    from raclette.lab.experiments.reference import text_of

    experiment = find(name)
    if json:
        print_json(describe(experiment))
        return
    _headline(experiment)
    rows = [(p.name, text_of(p.default), p.meaning, p.accepted) for p in experiment.parameters]
    print_table("", ("parameter", "default", "meaning", "accepted"), rows)


def _headline(experiment: "Experiment") -> None:
    console.print(f"[bold]{experiment.id}[/bold]  {experiment.title}")
    console.print(f"{experiment.claim}\n[dim]{'; '.join(map(str, experiment.papers))}[/dim]")


def describe(experiment: "Experiment") -> dict[str, Any]:
    """JSON-able."""
    return {
        "id": experiment.id,
        "title": experiment.title,
        "claim": experiment.claim,
        "papers": [{"source": paper.source, "section": paper.section} for paper in experiment.papers],
        "parameters": [
            {"name": p.name, "meaning": p.meaning, "default": p.default, "low": p.low, "high": p.high, "list": p.many}
            for p in experiment.parameters
        ],
    }


def _chosen(pairs: Sequence[str]) -> dict[str, str]:
    chosen: dict[str, str] = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found or not name or not value:
            raise ConfigError(f"--set {pair}: NAME=VALUE is accepted")
        chosen[name.strip()] = value
    return chosen


def _carry_out(
    experiment: "Experiment", chosen: Mapping[str, str], *, quick: bool, seed: int, out: Path | None, json: bool
) -> dict[str, Any]:
    """Run it, show it unless a program reads, write its figures; the document for programs."""
    from raclette.lab.figures import write_figure

    settings = experiment.settings(chosen, seed=seed, quick=quick)
    with progress_bar() as bars:
        bar = bars.add_task(experiment.id, total=1.0)
        result = experiment.run(
            settings, lambda done, what: bars.update(bar, completed=done, description=f"{experiment.id}: {what}")
        )
    files = [path for figure in result.figures for path in write_figure(figure, out)] if out is not None else []
    if not json:
        _show(experiment, result, files)
    return {
        "id": experiment.id,
        "title": experiment.title,
        "papers": [str(paper) for paper in experiment.papers],
        "parameters": dict(settings.values),
        "seed": seed,
        "quick": quick,
        "verdict": result.verdict,
        "rows": [row.to_json() for row in result.rows],
        "notes": list(result.notes),
        "figures": [str(path) for path in files],
    }


def _show(experiment: "Experiment", result: "Result", files: Sequence[Path]) -> None:
    _headline(experiment)
    print_table("", _COLUMNS, map(_cells, result.rows), numbers=_COLUMNS[2:5])
    for note in result.notes:
        console.print(f"[dim]{note}[/dim]")
    for path in files:
        console.print(f"wrote {path}", soft_wrap=True)
    passed, failed = (sum(row.verdict == verdict for row in result.rows) for verdict in ("pass", "fail"))
    colour = "red" if failed else "green"
    console.print(f"[{colour}]{passed} hold, {failed} fail[/{colour}], of {len(result.rows)} rows\n")


def _cells(row: "Row") -> tuple[str, ...]:
    at = ", ".join(f"{name} {value:g}" for name, value in row.parameters.items())
    published = "-" if row.published is None else f"{row.published:.6g}"
    return row.quantity, at, f"{row.simulated:.6g}", published, f"{row.tolerance:.2g}", row.verdict
