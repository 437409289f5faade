"""Intervals between blocks: a Poisson process, as every paper on proof of work assumes.

With a fixed difficulty the time to the next block is exponential: its deviation equals its mean, half of the
intervals are shorter than 0.693 of it, and nine in ten shorter than 2.303. Checked twice: the simulator's own draws
(integers from a fixed-point logarithm), and the blocks that real engines made with them.
"""

import itertools
from collections.abc import Sequence
from math import exp, log, sqrt

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.statistics import SIGMAS, around, bound, compare, kolmogorov_smirnov, mean_and_error
from raclette.lab.figures import Axis, Figure, Line
from raclette.primitives.units import SECOND

POISSON = Paper("Nakamoto 2008", "section 11 (block generation as a Poisson process)")
ROSENFELD = Paper("Rosenfeld 2014, Analysis of hashrate-based double-spending", "section 3")
_P_LEAST = 0.01
_MEAN_NS = 600 * SECOND
# The interval is large against the wires of the engines' world (half a millisecond), so that forks do not blur it.
_INTERVAL_S = 600
_STREAM = 1_100
# Fewer intervals than this are no sample.
_SAMPLE_MIN = 10


def drawn(seed: int, count: int) -> list[float]:
    """Intervals from the simulator's exponential draws, in units of their mean."""
    from raclette.primitives.randomness import draw64
    from raclette.sim import fixed

    return [fixed.exponential(_MEAN_NS, draw64(seed, _STREAM, i)) / _MEAN_NS for i in range(count)]


def mined(seed: int, nodes: int, blocks: int) -> list[float]:
    """Intervals between the blocks of `nodes` engines, in units of the interval they aim at."""
    from raclette.sim.engines import run_engines

    report = run_engines(
        protocol="nakamoto",
        nodes=nodes,
        blocks=blocks,
        seed=seed,
        parameters={"difficulty_rule": "fixed", "block_interval_s": _INTERVAL_S, "time_refresh_ms": 3_600_000},
        deadline=20 * blocks * _INTERVAL_S * SECOND,
    )
    times = [decision.made for decision in report.decisions]
    return [(later - earlier) / (_INTERVAL_S * SECOND) for earlier, later in itertools.pairwise(times)]


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for the draws and for the engines."""
    nodes, blocks = settings.whole("nodes"), settings.whole("engine_blocks")
    progress(0.0, "draws")
    samples = {"draws": drawn(settings.seed, settings.whole("draws"))}
    if blocks > _SAMPLE_MIN:
        progress(0.2, f"{nodes} engines, {blocks} blocks")
        samples["engines"] = mined(settings.seed, nodes, blocks)
    rows = [row for name, sample in samples.items() for row in _judge(name, sample, settings.seed)]
    return Result(tuple(rows), (_figure(samples),))


def _judge(name: str, sample: Sequence[float], seed: int) -> list[Row]:
    """Four moments of the exponential distribution, each with the standard error that theory gives it, and the test of
    the whole distribution."""
    count = len(sample)
    ordered = sorted(sample)
    mean, error = mean_and_error(sample)
    figures = (
        ("mean", mean, 1.0, 1.0),
        ("deviation over mean", error * sqrt(count) / mean, 1.0, 1.0),
        ("median", ordered[count // 2], log(2), 1.0),
        ("90th percentile", ordered[count * 9 // 10], log(10), 3.0),
    )
    rows = []
    for quantity, value, theory, spread in figures:
        sigma = spread / sqrt(count)
        rows.append(
            compare(
                f"{quantity}, {name}",
                {},
                value,
                around(value, sigma),
                published=theory,
                closed_form=theory,
                tolerance=SIGMAS * sigma,
                grounds="4 standard errors of the theory",
                trials=count,
                seed=seed,
                source=str(POISSON),
            )
        )
    _, chance = kolmogorov_smirnov(sample, lambda x: 1 - exp(-x))
    rows.append(
        bound(
            f"Kolmogorov-Smirnov p, {name}",
            {},
            chance,
            (chance, chance),
            at_least=_P_LEAST,
            tolerance=0.0,
            grounds="a sample of the distribution is below it once in a hundred",
            trials=count,
            seed=seed,
            source=str(ROSENFELD),
        )
    )
    return rows


def _figure(samples: dict[str, list[float]]) -> Figure:
    curve = [i / 50 for i in range(301)]
    layers = [Line("exp(-t)", curve, [exp(-x) for x in curve], dashed=True)]
    for name, sample in samples.items():
        ordered = sorted(sample)
        count = len(ordered)
        steps = range(0, count, max(1, count // 500))
        layers.append(Line(name, [ordered[i] for i in steps], [1 - i / count for i in steps], steps=True))
    return Figure(
        "block-interval",
        "Time between blocks",
        Axis("interval over its mean", limits=(0, 6)),
        Axis("part of the intervals that is longer", scale="log", limits=(1e-3, 1)),
        layers,
        caption="Steps: the simulator's draws, and blocks of real engines. Dashed: the exponential distribution.",
    )


EXPERIMENT = Experiment(
    id="block-interval",
    title="Intervals between blocks",
    claim="With a fixed difficulty the time between blocks is exponentially distributed.",
    papers=(POISSON, ROSENFELD),
    parameters=(
        Parameter("draws", "intervals drawn", 100_000, 100, 5_000_000, quick=20_000, whole=True),
        Parameter("nodes", "engines that mine", 8, 1, 100, quick=4, whole=True),
        Parameter(
            "engine_blocks", "blocks that they make; 10 and fewer: none", 4_000, 0, 100_000, quick=500, whole=True
        ),
    ),
    run=run,
)
