"""The report of a scenario: what ran, what came out, and every figure that its records allow."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raclette.lab.report.chain_figures import block_tree, growth, waiting
from raclette.lab.report.document import Document
from raclette.lab.report.race_figures import depths, earnings, race_table, successes
from raclette.lab.report.spread_figures import propagation, region_map
from raclette.lab.report.statistics import mean
from raclette.lab.report.traffic_figures import messages, node_map, revenue, volume
from raclette.lab.report.violations import first_of_each
from raclette.sim.record import RunRecord

# Runs listed one by one; the JSON beside the page holds all.
RUNS_SHOWN = 50
_METRICS = ("height", "transactions", "p50_ms", "p99_ms", "events", "virtual_ms", "evidence", "crashes")


@dataclass(frozen=True)
class Run:
    """What one run said of itself (`SimReport.to_json()`), and its record."""

    report: Mapping[str, Any]
    record: RunRecord

    @property
    def seed(self) -> int:
        """Of the run."""
        return self.record.seed


def write_run_report(
    runs: Sequence[Run], directory: Path, *, title: str, scenario: str = "", replay: str = "", notes: Sequence[str] = ()
) -> Path:
    """Write `report.html`, `figures/` and `runs.json` into `directory` and return the page's path. `scenario` is the
    file as it was run, `replay` the command that runs it again. Raises OSError, and ValueError without runs."""
    if not runs:
        raise ValueError("a report needs at least one run")
    first = runs[0].report
    race = runs[0].record.fidelity == "instant"
    where = (
        f"{first['protocol']} as a race without a network, {first['liars']['n00']} against the honest"
        if race
        else f"{first['protocol']} on {first['network']}, {first['nodes']} nodes"
    )
    document = Document(title, f"{where}, {len(runs)} run(s)")
    _verdicts(document, runs, notes)
    if race:
        _race(document, runs)
    else:
        _figures(document, [run.record for run in runs])
    document.section("What ran")
    if replay:
        document.text("Run again with:")
        document.code(replay)
    if scenario:
        document.code(scenario)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "runs.json").write_text(json.dumps([dict(run.report) for run in runs], indent=1) + "\n")
    return document.write(directory)


def _race(document: Document, runs: Sequence[Run]) -> None:
    """At instant fidelity: what the attack earned, and what it did to the chain."""
    records = [run.record for run in runs]
    document.section("What the attack earned")
    document.table(("quantity", "mean", "95 % from", "to", "theory"), race_table([run.report for run in runs]))
    for figure in (earnings(runs), successes([run.report for run in runs])):
        if figure is not None:
            document.figure(figure)
    document.section("The chain")
    shown = min(records, key=lambda record: (-len(record.stale()), record.seed))
    for figure in (block_tree(shown), depths([run.report for run in runs])):
        if figure is not None:
            document.figure(figure)


def _verdicts(document: Document, runs: Sequence[Run], notes: Sequence[str]) -> None:
    document.section("Verdict")
    broken = [run for run in runs if not run.report["agreed"]]
    if broken:
        seeds = ", ".join(str(run.seed) for run in broken[:RUNS_SHOWN])
        document.verdict(False, f"{len(broken)} of {len(runs)} run(s) broke a property: seed {seeds}.")
        rows = [
            (run.seed, found["checker"], found["time_ms"], found["node"], found["detail"])
            for run in broken[:RUNS_SHOWN]
            for found in first_of_each(run.report["violations"])[0]
        ]
        document.table(("seed", "checker", "at (ms)", "node", "what"), rows)
        for run in broken[:RUNS_SHOWN]:
            if verdict := run.report.get("verdict"):
                document.text(f"Seed {run.seed}, who is to blame: {verdict}")
    else:
        document.verdict(True, f"All {len(runs)} run(s) kept every property.")
    for note in notes:
        document.text(note)
    document.section("Figures of the run" if len(runs) == 1 else "Means over the runs")
    usual = ("height", "virtual_ms") if runs[0].record.fidelity == "instant" else _METRICS
    metrics = [name for name in usual if name in runs[0].report]
    if len(runs) == 1:
        document.pairs({name: runs[0].report[name] for name in metrics} | {"digest": runs[0].report["digest"]})
        return
    estimates = {name: mean([float(run.report[name]) for run in runs]) for name in metrics}
    document.table(("quantity", "mean", "95 % from", "to"), [(name, *estimate) for name, estimate in estimates.items()])


def _figures(document: Document, records: Sequence[RunRecord]) -> None:
    shown = min(records, key=lambda record: (-len(record.stale()), record.seed))
    sections = {
        "How blocks spread": (propagation(records), region_map(records)),
        "The chain": (block_tree(shown), growth(shown), waiting(records)),
        "Messages": (messages(records), volume(records), node_map(shown)),
        "Attackers": (revenue(records),),
    }
    for title, figures in sections.items():
        drawn = [figure for figure in figures if figure is not None]
        if drawn:
            document.section(title)
        for figure in drawn:
            document.figure(figure)
