"""One scenario twice, in the simulator and on real processes, in one report."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raclette.lab.figures import Axis, Bars, Figure, Layer, Line, Spans
from raclette.lab.report.chain_figures import cumulative
from raclette.lab.report.document import Document
from raclette.lab.report.run import Run
from raclette.primitives.units import SECOND
from raclette.sim.record import NEVER, RunRecord

# Kinds of messages that one picture shows, the most frequent first.
KINDS_MAX = 16
SIMULATED, REAL = "simulator", "processes"
_METRICS = ("agreed", "height", "transactions", "submitted", "p50_ms", "p99_ms", "crashes", "virtual_ms")


def compare(simulated: Mapping[str, Any], real: Mapping[str, Any]) -> list[tuple[str, Any, Any, float | str]]:
    """Each quantity that both have: simulated, real, and the real one over the simulated one where that means
    something."""
    rows: list[tuple[str, Any, Any, float | str]] = []
    for name in _METRICS:
        if name in simulated and name in real:
            left, right = simulated[name], real[name]
            rows.append((name, left, right, "" if isinstance(left, bool) or not left else right / left))
    return rows


def write_side_by_side(
    simulated: Run | None,
    real: Run,
    directory: Path,
    *,
    title: str,
    scenario: str = "",
    replay: str = "",
    notes: Sequence[str] = (),
) -> Path:
    """Write `report.html`, `figures/` and `runs.json` into `directory`; the page's path. Raises OSError."""
    report = real.report
    document = Document(title, f"{report['protocol']}, {report['nodes']} processes, wires: {report['wires']}")
    runs = [run for run in (simulated, real) if run is not None]
    document.section("Verdict")
    for run, where in zip(reversed(runs), (REAL, SIMULATED), strict=False):
        found = run.report["violations"]
        said = "kept every property" if run.report["agreed"] else f"broke {found[0]['checker']}: {found[0]['detail']}"
        document.verdict(bool(run.report["agreed"]), f"{where}: {said}.")
    if report["skipped"]:
        document.text("Not done on processes:")
        document.table(("what", "why"), [(each["what"], each["why"]) for each in report["skipped"]])
    for note in notes:
        document.text(note)
    if simulated is not None:
        document.section("Side by side")
        document.table(("quantity", SIMULATED, REAL, "ratio"), compare(simulated.report, report))
    document.section("Figures")
    for figure in figures(simulated.record if simulated is not None else None, real.record):
        document.figure(figure)
    document.section("What ran")
    for text in (replay, scenario):
        if text:
            document.code(text)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "runs.json").write_text(json.dumps([dict(run.report) for run in runs], indent=1) + "\n")
    return document.write(directory)


def figures(simulated: RunRecord | None, real: RunRecord) -> list[Figure]:
    """Growth, waiting times and messages, both in each."""
    pairs = [(SIMULATED, simulated)] if simulated is not None else []
    both = [*pairs, (REAL, real)]
    found = [_growth(both, real), *_waiting(both), _messages(both)]
    return [figure for figure in found if figure is not None]


def _growth(both: Sequence[tuple[str, RunRecord]], real: RunRecord) -> Figure:
    layers: list[Layer] = []
    if real.faults:
        ends = [(real.end if f.end == NEVER else f.end) / SECOND for f in real.faults]
        layers.append(Spans("faults", [f.start / SECOND for f in real.faults], ends, [f.what for f in real.faults]))
    for series, (name, record) in enumerate(both):
        curve = record.heights()
        times = [time / SECOND for time, *_ in curve]
        layers.append(
            Line(f"{name}: highest head", times, [high for _, _, high, _ in curve], steps=True, series=series)
        )
        lowest = [low for _, low, _, _ in curve]
        layers.append(Line(f"{name}: lowest head", times, lowest, steps=True, dashed=True, series=series))
    caption = "Heads of the nodes since the first moment of the scenario. Shaded: faults."
    return Figure("growth", "Growth of the chain", Axis("time (s)"), Axis("height"), layers, caption, wide=True)


def _waiting(both: Sequence[tuple[str, RunRecord]]) -> list[Figure | None]:
    orders = {
        name: sorted(o.executed - o.submitted for o in record.orders if o.executed != NEVER) for name, record in both
    }
    finality = {name: record.times_to_finality() for name, record in both}
    return [
        _curves("latency", "Transactions: from submission to execution", orders),
        _curves("finality", "Blocks: from birth to finality at each node", finality),
    ]


def _curves(name: str, title: str, times: Mapping[str, Sequence[int]]) -> Figure | None:
    layers = [cumulative(who, ordered) for who, ordered in times.items() if ordered]
    counts = ", ".join(f"{who}: {len(ordered)}" for who, ordered in times.items())
    y = Axis("share (%)", limits=(0, 101))
    return Figure(name, title, Axis("time (ms)"), y, layers, f"Cumulative; {counts}.") if layers else None


def _messages(both: Sequence[tuple[str, RunRecord]]) -> Figure | None:
    totals = [(name, {kind: sum(row) for kind, row in record.sent.items()}) for name, record in both]
    kinds = sorted(
        {kind for _, total in totals for kind in total}, key=lambda k: (-max(t.get(k, 0) for _, t in totals), k)
    )
    if not kinds:
        return None
    bars = [Bars(name, kinds[:KINDS_MAX], [total.get(kind, 0) for kind in kinds[:KINDS_MAX]]) for name, total in totals]
    caption = "Frames that all nodes put on the wire; those of a process that was killed count from its restart."
    return Figure("messages", "Messages by kind", Axis("kind"), Axis("messages"), bars, caption, wide=True)
