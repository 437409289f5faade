"""The report of a sweep: each quantity against the first axis, one curve for every value of the others."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from raclette.lab.figures import Axis, Bars, Figure, Heatmap, Layer, Line
from raclette.lab.report.document import Document
from raclette.lab.report.race_figures import THEORY, honest_line, theory_curve
from raclette.lab.report.statistics import Estimate, mean, share
from raclette.lab.sweep.axes import Axis as SweepAxis
from raclette.lab.sweep.axes import Value
from raclette.lab.sweep.results import Row

# Curves in one figure: more cannot be told apart.
CURVES_MAX = 8
ERRORS_SHOWN = 20
# What is drawn when nothing else is asked for, as far as the rows have it.
METRICS = ("agreed", "height", "stale_percent", "relative_revenue", "transactions", "p50_ms", "p99_ms", "events")
# The same for races at instant fidelity.
RACE_METRICS = ("revenue", "gain", "success-rate", "stale-rate", "deepest-reorg", "agreed")

# Metrics that are shares of counted trials: the columns that count hits and misses, which are added up over seeds.
TRIALS = {"success-rate": ("attack.groups.attacker.successes", "attack.groups.attacker.failures")}

Place = tuple[Value, ...]


def write_sweep_report(
    rows: Sequence[Row],
    axes: Sequence[SweepAxis],
    directory: Path,
    *,
    title: str,
    metrics: Sequence[str] = (),
    scenario: str = "",
    replay: str = "",
) -> Path:
    """Write `report.html` and `figures/` into `directory`; the page's path. `metrics` are columns of the rows; if
    none, those of `METRICS` (or `RACE_METRICS`) that the rows have. Raises OSError."""
    document = Document(title, f"{len(rows)} runs over {', '.join(axis.key for axis in axes) or 'seeds'}")
    failed = [row for row in rows if row.get("error")]
    objected = [row for row in rows if not row.get("agreed") and not row.get("error")]
    broken = [row for row in objected if not row.get("as_expected")]
    document.section("Verdict")
    text = f"{len(rows)} runs: {len(failed)} failed with an error, {len(broken)} broke a property."
    if len(objected) > len(broken):
        text += f" {len(objected) - len(broken)} more broke one that the scenario expects to break."
    document.verdict(not failed and not broken, text)
    if failed:
        shown = [(row["cell"], row["seed"], row["error"].strip().splitlines()[-1]) for row in failed[:ERRORS_SHOWN]]
        document.table(("cell", "seed", "error"), shown)
    good = [row for row in rows if not row.get("error")]
    usual = RACE_METRICS if any(row.get("fidelity") == "instant" for row in good) else METRICS
    for metric in metrics or [name for name in usual if any(name in row for row in good)]:
        document.section(metric)
        for figure in metric_figures(good, axes, metric):
            document.figure(figure)
        document.table((*(axis.key for axis in axes), "runs", "mean", "95 % from", "to"), _table(good, axes, metric))
    document.section("What ran")
    for text in (replay, scenario):
        if text:
            document.code(text)
    return document.write(directory)


def metric_figures(rows: Sequence[Row], axes: Sequence[SweepAxis], metric: str) -> list[Figure]:
    """A curve for each value of the other axes, and a heat map for two axes. Empty if no row has the metric."""
    found = estimates(rows, axes, metric)
    if not found or not axes:
        return []
    name = "".join(letter if letter.isalnum() else "-" for letter in metric)
    first, others = axes[0], axes[1:]
    caption = "Means over seeds; bands and bars are 95 % confidence intervals."
    curves = [
        layer for number, rest in enumerate(_rests(found)) for layer in _curve(found, first, others, rest, number)
    ]
    theory = [
        line
        for number, rest in enumerate(_rests(found))
        if (line := theory_curve(rows, metric, first, others, rest, number)) is not None
    ]
    if theory and metric in THEORY:
        caption += f" {THEORY[metric][1]}"
    honest = honest_line(rows, metric, first)
    curves += [*theory, *([honest] if honest is not None else [])]
    figures = [Figure(name, f"{metric} against {first.key}", Axis(first.key), Axis(metric), curves, caption)]
    if len(axes) == 2 and all(len(axis.values) > 1 for axis in axes):
        cells = [[found[x, y].value if (x, y) in found else 0.0 for x in first.values] for y in axes[1].values]
        heat = Heatmap(metric, list(first.values), list(axes[1].values), cells)
        figures.append(
            Figure(f"{name}-map", f"Mean {metric}", Axis(first.key), Axis(axes[1].key), [heat], "Means over seeds.")
        )
    return figures


def estimates(rows: Iterable[Row], axes: Sequence[SweepAxis], metric: str) -> dict[Place, Estimate]:
    """The metric at each combination of values: a share (Wilson) if it is yes or no or counts trials, else a mean
    (Student)."""
    if metric in TRIALS:
        return _shares(rows, axes, *TRIALS[metric])
    gathered: dict[Place, list[Any]] = {}
    for row in rows:
        value = row.get(metric)
        if isinstance(value, (bool, int, float)):
            gathered.setdefault(tuple(row[axis.key] for axis in axes), []).append(value)
    return {
        place: share(sum(values), len(values)) if isinstance(values[0], bool) else mean([float(v) for v in values])
        for place, values in gathered.items()
    }


def _shares(rows: Iterable[Row], axes: Sequence[SweepAxis], hits: str, misses: str) -> dict[Place, Estimate]:
    counts: dict[Place, tuple[int, int]] = {}
    for row in rows:
        if hits in row and misses in row:
            place = tuple(row[axis.key] for axis in axes)
            won, ended = counts.get(place, (0, 0))
            counts[place] = (won + row[hits], ended + row[hits] + row[misses])
    return {place: share(won, ended) for place, (won, ended) in counts.items() if ended}


def _rests(found: dict[Place, Estimate]) -> list[Place]:
    return list(dict.fromkeys(place[1:] for place in found))[:CURVES_MAX]


def _curve(
    found: dict[Place, Estimate], first: SweepAxis, others: Sequence[SweepAxis], rest: Place, number: int
) -> list[Layer]:
    """Numbers on the first axis make a curve with a band, texts make bars."""
    x = [value for value in first.values if (value, *rest) in found]
    values = [found[(value, *rest)] for value in x]
    y, low, high = ([e[i] for e in values] for i in range(3))
    name = ", ".join(f"{axis.key} = {value}" for axis, value in zip(others, rest, strict=True)) or "mean"
    numbers = [value for value in x if isinstance(value, (int, float))]
    if len(numbers) < len(x):
        return [Bars(name, [str(value) for value in x], y, low, high)]
    return [Line(name, numbers, y, low, high, series=number)]


def _table(rows: Sequence[Row], axes: Sequence[SweepAxis], metric: str) -> list[tuple[Any, ...]]:
    counts: dict[Place, int] = {}
    for row in rows:
        place = tuple(row[axis.key] for axis in axes)
        counts[place] = counts.get(place, 0) + (metric in row)
    return [(*place, counts[place], *estimate) for place, estimate in estimates(rows, axes, metric).items()]
