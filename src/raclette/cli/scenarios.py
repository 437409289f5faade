"""`raclette scenarios`: the library of scenario files; and what `raclette sim FILE` does."""

import json as jsonlib
import os
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raclette.cli.app import app, examples
from raclette.cli.bars import progress_bar
from raclette.cli.output import (
    VERDICT_FAILED,
    Json,
    console,
    one_line_errors,
    print_json,
    print_pairs,
    print_table,
)
from raclette.cli.violations import show_blame, show_violations
from raclette.primitives.errors import ConfigError

if TYPE_CHECKING:
    from raclette.lab.scenario import Outcome, Scenario, ScenarioFile

SHOWN_FAILURES_MAX = 20

group = typer.Typer(help="Scenario files: the library that comes with Raclette, and a check of your own.")
app.add_typer(group, name="scenarios", rich_help_panel="Explore")

Beyond = Annotated[
    bool, typer.Option("--beyond", help="Allow more liars than the protocol claims to bear; the report says so.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Put this value at a key or variable of the file; repeatable."),
]


@group.callback(invoke_without_command=True)
@one_line_errors
def root(context: typer.Context) -> None:
    """List the scenarios of the library, or look at one."""
    if context.invoked_subcommand is None:
        _list(json=False)


@group.command("list", epilog=examples("raclette scenarios list", "raclette scenarios list --json"))
@one_line_errors
def list_(json: bool = Json) -> None:
    """List the scenarios that come with Raclette."""
    _list(json)


def _list(json: bool) -> None:
    from raclette.lab.scenario import library

    entries = library()
    if json:
        print_json([entry._asdict() for entry in entries])
        return
    columns = ("name", "what it shows", "protocol", "nodes", "expected")
    print_table("", columns, ((e.name, e.title, e.protocol, f"{e.nodes:,}", e.expect) for e in entries))
    console.print("Run one: raclette sim NAME. Read it: raclette scenarios show NAME.", markup=False)


@group.command(epilog=examples("raclette scenarios show pbft-partition", "raclette scenarios show churn --json"))
@one_line_errors
def show(
    name: Annotated[str, typer.Argument(help="Of the library, or a file.")],
    json: bool = Json,
) -> None:
    """Print a scenario file, comments and all; with --json, as it was understood."""
    from raclette.lab.scenario import open_scenario, read_scenario

    file = open_scenario(name)
    if json:
        scenario = read_scenario(file, beyond=True)
        print_json({"name": file.name, **scenario.model_dump(mode="json", by_alias=True, exclude={"variables"})})
    else:
        console.print(file.text, end="", markup=False, soft_wrap=True)


@group.command(
    epilog=examples("raclette scenarios check mine.toml", "raclette scenarios check pbft-partition --set nodes=3")
)
@one_line_errors
def check(
    file: Annotated[str, typer.Argument(help="A scenario file, or a name of the library.")],
    put: Set = None,
    beyond: Beyond = False,
    json: bool = Json,
) -> None:
    """Validate a scenario file without running it. A mistake is told with its line, its key and what is accepted."""
    from raclette.lab.scenario import open_scenario, read_scenario, resolve

    opened = open_scenario(file)
    scenario = read_scenario(opened, read_values(put or []), beyond=beyond)
    resolved = resolve(scenario, scenario.seeds[0])
    found = {
        "valid": True,
        "scenario": opened.name,
        "protocol": scenario.protocol.name,
        "nodes": len(resolved.power),
        "fidelity": scenario.fidelity,
        "seeds": len(scenario.seeds),
        "liars": {f"n{node:02d}": str(spec) for node, spec in resolved.liars.items()},
        "faults": len(resolved.faults),
        "on_processes": scenario.fidelity == "full"
        and not resolved.liars
        and all(plan.fault.on_processes for plan in resolved.faults),
        "beyond": resolved.beyond,
    }
    if json:
        print_json(found)
    else:
        print_pairs("", found)


def read_values(pairs: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE, with values as TOML has them; what is none is text. Raises ConfigError."""
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key.strip() and equals):
            raise ConfigError(f"--set {pair}: accepted is KEY=VALUE")
        try:
            values[key.strip()] = tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    return values


class Order:
    """What `raclette sim FILE` was asked for."""

    def __init__(self, source: str, *, put: Sequence[str], beyond: bool, seed: int | None, seeds: int) -> None:
        """`seeds` 0: as many as the file says, or one if `seed` is given. Raises ConfigError."""
        from raclette.lab.scenario import open_scenario, read_scenario

        self.source, self.put, self.wants_beyond = source, list(put), beyond
        values = read_values(put)
        self.file: ScenarioFile = open_scenario(source)
        self.scenario: Scenario = read_scenario(self.file, values, beyond=beyond)
        if seed is not None or seeds:
            first = self.scenario.seeds[0] if seed is None else seed
            values["seeds"] = {"first": first, "count": max(1, seeds)}
            self.scenario = read_scenario(self.file, values, beyond=beyond)

    def replay(self, seed: int) -> str:
        """The command that runs this seed alone."""
        words = ["raclette", "sim", self.source, "--seed", str(seed)]
        for pair in self.put:
            words += ["--set", pair]
        return shlex.join([*words, *(["--beyond"] if self.wants_beyond else [])])


def run_order(order: Order, *, json: bool, out: Path | None, jobs: int) -> None:
    """Run every seed, say what came out, write what was asked for. Exits with VERDICT_FAILED if anything broke."""
    from raclette.lab.scenario import run_scenario

    scenario = order.scenario
    with progress_bar(wanted=len(scenario.seeds) > 1) as progress:
        bar = progress.add_task(order.file.name, total=len(scenario.seeds))
        outcomes = run_scenario(
            scenario,
            order.file.folder,
            jobs=jobs or os.cpu_count() or 1,
            record=out is not None,
            progress=lambda _: progress.advance(bar),
        )
    found = judged(order, outcomes)
    if out is not None:
        _write(order, found, outcomes, out)
    if json:
        print_json(found)
    else:
        show_verdict(found, scenario, out)
    if not found["agreed"]:
        raise typer.Exit(VERDICT_FAILED)


def judged(order: Order, outcomes: "Sequence[Outcome]") -> dict[str, Any]:
    """The verdict, with a command for every seed that failed."""
    from raclette.lab.scenario import verdict

    found = verdict(order.file.name, order.scenario, outcomes)
    found["failures"] = [
        {
            "seed": outcome.seed,
            "violations": outcome.violations,
            "blame": outcome.report.get("verdict", ""),
            "replay": order.replay(outcome.seed),
        }
        for outcome in outcomes
        if not outcome.agreed
    ]
    return found


def show_verdict(found: Mapping[str, Any], scenario: "Scenario", out: Path | None) -> None:
    """For people."""
    shown = ("scenario", "title", "protocol", "ledger", "nodes", "network", "fidelity", "liars", "beyond", "digest")
    print_pairs("", {key: found[key] for key in shown if key in found and found[key] != ""})
    if found["beyond"]:
        console.print(f"[yellow]beyond:[/yellow] {found['beyond_why']}", soft_wrap=True)
    columns = ["metric", "mean", "± 95 %", "least", "most", "unit"]
    rows = [
        [name, *(f"{entry[key]:,.6g}" for key in ("mean", "ci95", "min", "max")), entry["unit"]]
        for name, entry in found["metrics"].items()
    ]
    if any("published" in entry for entry in found["metrics"].values()):
        columns.append("theory")
        for row, entry in zip(rows, found["metrics"].values(), strict=True):
            row.append(f"{entry['published']:,.6g}" if "published" in entry else "")
    print_table(f"{len(found['seeds'])} run(s)", columns, rows, numbers=columns[1:5])
    show_violations(found["violations"])
    for failure in found["failures"][:SHOWN_FAILURES_MAX]:
        show_blame(failure["blame"])
        console.print(f"  replay: {failure['replay']}", markup=False, soft_wrap=True)
    word = "everything held" if found["agreed"] else f"{len(found['failures'])} run(s) broke a property"
    expected = "as expected" if found["as_expected"] else f"the file expects {scenario.expect!r}"
    console.print(f"[{'green' if found['agreed'] else 'red'}]{word}[/], {expected}", soft_wrap=True)
    if out is not None:
        console.print(f"report: {out / 'report.html'}", markup=False, soft_wrap=True)


def _write(order: Order, found: Mapping[str, Any], outcomes: "Sequence[Outcome]", out: Path) -> None:
    """Report, verdict, scenario and the record of each run."""
    from raclette.lab.report.run import Run, write_run_report

    notes = [f"More liars than claimed, on purpose: {found['beyond_why']}."] if found["beyond"] else []
    if not found["agreed"] and found["as_expected"]:
        notes.append(f"The file expects this: {found['expect']}.")
    if order.put:
        notes.append("Changed: " + ", ".join(order.put) + ".")
    runs = [Run(outcome.report, outcome.record) for outcome in outcomes if outcome.record is not None]
    out.mkdir(parents=True, exist_ok=True)
    if runs:
        seeds = order.scenario.seeds
        write_run_report(
            runs,
            out,
            title=order.scenario.title or order.file.name,
            scenario=order.file.text,
            replay=order.replay(seeds[0]),
            notes=notes,
        )
    (out / "scenario.toml").write_text(order.file.text)
    (out / "verdict.json").write_text(jsonlib.dumps(found, indent=1) + "\n")
    records = out / "records"
    records.mkdir(exist_ok=True)
    for run in runs:
        (records / f"seed-{run.seed}.json").write_text(jsonlib.dumps(run.record.to_json()))
