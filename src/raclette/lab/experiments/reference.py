"""`docs/experiments.md`, written from runs of the experiments themselves, so that it cannot lie.

`python -m raclette.lab.experiments.reference FILE` runs all of them with their defaults (a few minutes) and writes it.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from raclette.lab.experiments.contract import FAIL, PASS, Experiment, Result, Row, Value, no_progress
from raclette.lab.experiments.registry import experiments

SEED = 1
_HEAD = """# Experiments that reproduce papers

`raclette lab` lists them, `raclette lab run NAME` runs one; `make experiments` wrote this page by running all of them
with their defaults and seed {seed}. The same seed gives the same rows on any machine.

Each row compares what was simulated with what a source says, by a tolerance stated beforehand: four standard errors of
the draws unless the row says otherwise, so that a failure by chance is a matter of one in 16,000. What is called
published is a formula of the source evaluated at that point, a printed figure, a measurement by others, or a proven
bound (then one side only is judged). Nothing is fitted: no simulation reads a reference figure, and every parameter can
be set to another point, for example

    raclette lab run double-spend --set q=0.2 --set z=5
    raclette lab run selfish --set alpha=0.35 --set gamma=0.25 --json
    raclette lab run stale-rate --set interval_s=45 --out figures

With `--out DIR` the figures are written, too: a page that works offline, a picture, and the numbers. Exit code 1 means
that a row failed.

| experiment | claim | rows that hold |
|---|---|---|
"""


def page(results: Sequence[tuple[Experiment, Result]]) -> str:
    """The whole document."""
    lines = [_HEAD.format(seed=SEED).rstrip("\n")]
    for experiment, result in results:
        judged = [row for row in result.rows if row.verdict in (PASS, FAIL)]
        holding = sum(row.verdict == PASS for row in judged)
        lines.append(f"| [`{experiment.id}`](#{experiment.id}) | {experiment.claim} | {holding} of {len(judged)} |")
    for experiment, result in results:
        lines += ["", *section(experiment), "", *table(result.rows)]
        lines += ["", *result.notes] if result.notes else []
    return "\n".join(lines) + "\n"


def section(experiment: Experiment) -> Iterator[str]:
    """What does not depend on a run: claim, papers, parameters, how to replay."""
    yield f"## {experiment.id}"
    yield ""
    yield f"{experiment.title}. {experiment.claim}"
    yield ""
    yield from (f"- {paper}" for paper in experiment.papers)
    yield ""
    yield f"    raclette lab run {experiment.id} --seed {SEED}"
    yield ""
    yield "| parameter | default | meaning | accepted |"
    yield "|---|---|---|---|"
    for parameter in experiment.parameters:
        yield f"| `{parameter.name}` | {text_of(parameter.default)} | {parameter.meaning} | {parameter.accepted} |"


def table(rows: Sequence[Row]) -> Iterator[str]:
    """The rows."""
    yield "| quantity | at | simulated | 95 % interval | published | tolerance | verdict |"
    yield "|---|---|---:|---:|---:|---:|---|"
    for row in rows:
        at = ", ".join(f"{name} {value:g}" for name, value in row.parameters.items())
        published = "" if row.published is None else f"{row.published:.6g} ({row.origin})"
        interval = f"{row.low:.6g} to {row.high:.6g}"
        yield (
            f"| {row.quantity} | {at} | {row.simulated:.6g} | {interval} | {published} | {row.tolerance:.2g} "
            f"| {row.verdict} |"
        )


def text_of(value: Value) -> str:
    """A parameter's value as it is typed on the command line."""
    return ",".join(f"{entry:.10g}" for entry in (value if isinstance(value, tuple) else (value,)))


def run_all(say: Callable[[str], None]) -> list[tuple[Experiment, Result]]:
    """Every experiment with its defaults."""
    results = []
    for experiment in experiments():
        say(experiment.id)
        results.append((experiment, experiment.run(experiment.settings({}, seed=SEED), no_progress)))
    return results


def main() -> None:
    """Write the file named on the command line."""
    results = run_all(lambda name: print(name, file=sys.stderr))
    Path(sys.argv[1]).write_text(page(results), encoding="utf-8")


if __name__ == "__main__":
    main()
