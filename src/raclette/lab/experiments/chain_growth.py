"""Growth of the longest chain under load: the more blocks are found while one travels, the fewer of them count.

Sompolinsky and Zohar 2015: with blocks at rate lambda and delay D between many small miners, the chain grows by
lambda / (1 + lambda D): a height is followed by the next one D and a mining time later. What is not in the chain is
stale. Decker and Wattenhofer 2013: the chance that a block is found while another travels is 1 - exp(-lambda D). The
chain is that of the engine's own block tree.
"""

from math import exp, sqrt

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.statistics import SIGMAS, around, binomial_tolerance, compare, wilson
from raclette.lab.experiments.tree_delay import grow
from raclette.lab.figures import Axis, Figure, Line

GROWTH = Paper("Sompolinsky and Zohar 2015, Secure high-rate transaction processing in Bitcoin", "section 4")
FORKS = Paper("Decker and Wattenhofer 2013, Information propagation in the Bitcoin network", "section V")
_STREAM = 900
# Blocks by which the two ends of a run may differ from its middle.
_END_BLOCKS = 2


def growth(load: float) -> float:
    """Main chain blocks a block found; `load` is lambda times D."""
    return 1 / (1 + load)


def growth_error(load: float, blocks: int) -> float:
    """Its standard error in a run: each height takes one block and a Poisson number more within D."""
    return sqrt(load / (1 + load) ** 3 / blocks)


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every load."""
    loads = settings.numbers("load")
    rows: list[Row] = []
    for number, load in enumerate(loads):
        progress(number / len(loads), f"lambda D = {load:g}")
        rows += _point(settings, load)
    return Result(tuple(rows), (_figure(rows),))


def _point(settings: Settings, load: float) -> list[Row]:
    blocks, seed, at = settings.whole("blocks"), settings.seed, {"load": load}
    grown = grow(seed, _STREAM, load, blocks, ghost=False)
    share, theory, error = grown.height / blocks, growth(load), growth_error(load, blocks)
    shared = 1 - exp(-load)
    rows = []
    for quantity, value, reference in (("growth", share, theory), ("stale", 1 - share, 1 - theory)):
        rows.append(
            compare(
                quantity,
                at,
                value,
                around(value, error),
                published=reference,
                closed_form=reference,
                tolerance=SIGMAS * error + _END_BLOCKS / blocks,
                grounds="4 standard errors of the theory + both ends of the run",
                trials=blocks,
                seed=seed,
                source=str(GROWTH),
            )
        )
    rows.append(
        compare(
            "next block within D",
            at,
            grown.soon / (blocks - 1),
            wilson(grown.soon, blocks - 1),
            published=shared,
            closed_form=shared,
            tolerance=binomial_tolerance(shared, blocks - 1),
            grounds="4 sigma of the blocks",
            trials=blocks - 1,
            seed=seed,
            source=str(FORKS),
        )
    )
    return rows


def _figure(rows: list[Row]) -> Figure:
    curve = [10 ** (i / 20) for i in range(-60, 21)]
    return Figure(
        "chain-growth",
        "The longest chain under load",
        Axis("blocks found while one travels (lambda D)", scale="log"),
        Axis("part of the blocks found"),
        [
            Line("1 / (1 + lambda D)", curve, [growth(load) for load in curve], series=0),
            points("in the chain", having(rows, "growth"), "load", series=0),
            Line("lambda D / (1 + lambda D)", curve, [1 - growth(load) for load in curve], series=1),
            points("stale", having(rows, "stale"), "load", series=1),
            Line("1 - exp(-lambda D)", curve, [1 - exp(-load) for load in curve], dashed=True, series=2),
            points("followed within D", having(rows, "next block within D"), "load", series=2),
        ],
        caption="Points: blocks through the engine's block tree, with 95 % intervals. Lines: the formulas.",
    )


EXPERIMENT = Experiment(
    id="chain-growth",
    title="Growth of the longest chain under load",
    claim="Of the blocks found, 1 / (1 + lambda D) are in the chain; the rest is stale.",
    papers=(GROWTH, FORKS),
    parameters=(
        Parameter(
            "load",
            "blocks found while one travels: lambda D",
            (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
            1e-6,
            100,
            quick=(0.1, 1, 5),
        ),
        Parameter("blocks", "blocks found", 100_000, 1_000, 10_000_000, quick=10_000, whole=True),
    ),
    run=run,
)
