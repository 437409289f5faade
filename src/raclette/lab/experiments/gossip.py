"""Rumours and floods: how many rounds until everybody knows.

Pushing: in each round everybody who knows tells one other, chosen uniformly. Pittel 1987: log2(n) + ln(n) + O(1)
rounds. Flooding: everybody tells all neighbours at once; in a graph where each opens k links, distances grow like the
logarithm of n. The tolerances are the theory's: its O(1) term, which Doerr and Kuennemann 2014 put between -1.1 and
+2.8, and for flooding one and a half hops.

Deviation: links carry both ways, as they do in our networks, while the bound is for digraphs.
"""

from math import log, log2

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.statistics import around, compare, mean_and_error
from raclette.lab.figures import Axis, Figure, Line

PITTEL = Paper("Pittel 1987, On spreading a rumor", "theorem 1")
DOERR = Paper("Doerr and Kuennemann 2014, Tight analysis of randomized rumor spreading", "theorem 1")
_STREAM_PUSH, _STREAM_FLOOD = 500, 5_000
# Rounds and hops by which the mean may differ from the leading terms.
PUSH_TOLERANCE = 2.0
FLOOD_TOLERANCE = 1.5


def push_theory(n: int) -> float:
    """Rounds of pushing, without the O(1) term."""
    return log2(n) + log(n)


def flood_theory(n: int, k: int) -> float:
    """Hops of a flood."""
    return log(n) / log(k)


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every n."""
    sizes, runs = settings.wholes("n"), settings.whole("runs")
    rows: list[Row] = []
    for number, n in enumerate(sizes):
        progress(number / len(sizes), f"n = {n}")
        rows += _point(settings, n, runs)
    return Result(tuple(rows), (_figure(settings, rows),))


def _point(settings: Settings, n: int, runs: int) -> list[Row]:
    from raclette.lab.experiments.jit.counting import flood_depth, push_rounds
    from raclette.lab.experiments.jit.draws import stream_key

    seed, degree = settings.seed, settings.whole("degree")
    rounds = [float(push_rounds(stream_key(seed, _STREAM_PUSH + i), n)) for i in range(runs)]
    floods = [flood_depth(stream_key(seed, _STREAM_FLOOD + i), n, degree) for i in range(runs)]
    reached = [float(depth) for depth, count in floods if count == n]
    rows = [_row(settings, "rounds of pushing", {"n": n}, rounds, push_theory(n), PUSH_TOLERANCE, str(PITTEL))]
    if reached:
        theory = flood_theory(n, degree)
        at = {"n": n, "degree": degree}
        rows.append(_row(settings, "hops of a flood", at, reached, theory, FLOOD_TOLERANCE, "logarithm to the base k"))
    return rows


def _row(
    settings: Settings,
    quantity: str,
    at: dict[str, int],
    values: list[float],
    theory: float,
    tolerance: float,
    source: str,
) -> Row:
    mean, error = mean_and_error(values)
    return compare(
        quantity,
        at,
        mean,
        around(mean, error),
        published=theory,
        closed_form=theory,
        tolerance=tolerance,
        grounds="the O(1) term of the theory",
        trials=len(values),
        seed=settings.seed,
        source=source,
    )


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    sizes = sorted(settings.wholes("n"))
    degree = settings.whole("degree")
    return Figure(
        "gossip",
        "How long until everybody knows",
        Axis("nodes", scale="log"),
        Axis("rounds or hops"),
        [
            Line("log2 n + ln n", sizes, [push_theory(n) for n in sizes], series=0),
            points("pushing, simulated", having(rows, "rounds of pushing"), "n", series=0),
            Line(f"ln n / ln {degree}", sizes, [flood_theory(n, degree) for n in sizes], series=1),
            points("flooding, simulated", having(rows, "hops of a flood"), "n", series=1),
        ],
        caption="Means over the runs with 95 % intervals. Lines: the leading terms of the theory.",
    )


EXPERIMENT = Experiment(
    id="gossip",
    title="Pushing rumours and flooding",
    claim="Pushing takes log2(n) + ln(n) rounds and a few; a flood takes a logarithm of hops.",
    papers=(PITTEL, DOERR),
    parameters=(
        Parameter("n", "nodes", (100, 1_000, 10_000, 100_000), 2, 1_000_000, quick=(100, 1_000), whole=True),
        Parameter("degree", "links that each node opens", 8, 2, 64, whole=True),
        Parameter("runs", "runs of each", 50, 2, 1_000, quick=20, whole=True),
    ),
    run=run,
)
