"""Stale blocks: the faster blocks come, the more of them are found by miners who do not know the last one yet.

In a network where blocks come every T seconds and take m seconds on average (weighted by hash power) to the miners,
about m / (T + m) of them end off the chain: exactly so if all delays are equal, and at most so if they are not (the
time to the next height is the integral of exp(-informed power), which is convex in the delays). Decker and Wattenhofer
2013 give the chance that a block meets a conflicting one as 1 - exp(-m/T), with the time that the uninformed power is
summed over. Both are compared with what the miners of a simulated network of 2019 do, and so are the stale rates that
SimBlock gave. At last the paper's own figures: blocks every 633.68 s, an effective delay of 11.37 s, 1.78 % expected
and 1.69 % observed.
"""

from math import exp, sqrt

from raclette.lab.experiments.chain_growth import growth, growth_error
from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.published import published, require
from raclette.lab.experiments.spreading import Spread, spread
from raclette.lab.experiments.statistics import SIGMAS, around, binomial_tolerance, bound, compare, wilson
from raclette.lab.experiments.tree_delay import grow
from raclette.lab.figures import Axis, Figure, Line

DECKER = Paper("Decker and Wattenhofer 2013, Information propagation in the Bitcoin network", "section V")
SIMBLOCK = Paper("Aoki et al. 2019, SimBlock", "section IV")
BITCOIN_2012 = {"interval_s": 633.68, "delay_s": 11.37}
_STREAM = 1_200
# Distance from the observed rate: 169 forks in 10,000 blocks have a standard error of 0.13 points, taken 2.3 times.
_OBSERVED_TOLERANCE = 0.003
# Up to this load (mean delay over interval) the rate for equal delays holds within two points for unequal ones.
_LOAD_SMALL, _UNEQUAL = 0.5, 0.02


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every interval, and for the Bitcoin of 2012."""
    intervals = settings.numbers("interval_s")
    rows: list[Row] = []
    for number, interval in enumerate(intervals):
        progress(number / (len(intervals) + 1), f"a block every {interval:g} s")
        rows += _point(settings, interval)
    progress(len(intervals) / (len(intervals) + 1), "Bitcoin 2012")
    rows += _bitcoin_2012(settings)
    return Result(tuple(rows), (_figure(rows),))


def _point(settings: Settings, interval: float) -> list[Row]:
    nodes, blocks, seed = settings.whole("nodes"), settings.whole("blocks"), settings.seed
    found = spread(nodes, interval, blocks, seed, stop_and_wait=True)
    at = {"nodes": nodes, "interval_s": interval}
    load = found.weighted_mean_ms / (interval * 1000)
    error = growth_error(load, blocks)
    rows = [_stale_row(at, found, blocks, seed, load), _conflicts_row(at, found, blocks, seed)]
    reference = published("simblock-stale", at)
    if reference is not None:
        others = require("simblock-blocks", at).value
        spread_of_both = sqrt(error**2 + reference.value * (1 - reference.value) / others)
        rows.append(
            compare(
                "stale, as SimBlock",
                at,
                found.stale,
                wilson(len(found.run.stale), blocks),
                published=reference,
                tolerance=SIGMAS * spread_of_both,
                grounds=f"4 standard errors of our blocks and SimBlock's {others:.0f}",
                trials=blocks,
                seed=seed,
            )
        )
    return rows


def _stale_row(at: dict[str, float], found: Spread, blocks: int, seed: int, load: float) -> Row:
    """Against m / (T + m): on both sides while the load m / T is small, as an upper bound where it is not."""
    theory, chance = 1 - growth(load), SIGMAS * growth_error(load, blocks) + 2 / blocks
    source = f"m / (T + m) with the measured mean delay m = {found.weighted_mean_ms:.0f} ms"
    interval = wilson(len(found.run.stale), blocks)
    if load > _LOAD_SMALL:
        return bound(
            "stale",
            at,
            found.stale,
            interval,
            at_most=theory,
            tolerance=chance,
            grounds="an upper bound at this load; 4 standard errors of the blocks",
            trials=blocks,
            seed=seed,
            source=source,
        )
    return compare(
        "stale",
        at,
        found.stale,
        interval,
        published=theory,
        closed_form=theory,
        tolerance=chance + _UNEQUAL,
        grounds="4 standard errors of the blocks + 2 points for unequal delays",
        trials=blocks,
        seed=seed,
        source=source,
    )


def _conflicts_row(at: dict[str, float], found: Spread, blocks: int, seed: int) -> Row:
    expected = found.expected_conflicts / blocks
    return compare(
        "fork rate",
        at,
        found.conflicts / blocks,
        wilson(found.conflicts, blocks),
        published=expected,
        closed_form=expected,
        tolerance=binomial_tolerance(expected, blocks),
        grounds="4 sigma of the blocks",
        trials=blocks,
        seed=seed,
        source=str(DECKER),
    )


def _bitcoin_2012(settings: Settings) -> list[Row]:
    blocks, at = settings.whole("model_blocks"), BITCOIN_2012
    load = at["delay_s"] / at["interval_s"]
    soon = grow(settings.seed, _STREAM, load, blocks, ghost=False).soon
    rate, model = soon / (blocks - 1), 1 - exp(-load)
    chance = binomial_tolerance(model, blocks - 1)
    rows = []
    for quantity, reference, closed_form, tolerance, grounds in (
        ("fork rate, model of 2012", require("fork-rate-model", at), model, chance, "4 sigma of the blocks"),
        (
            "fork rate, observed in 2012",
            require("fork-rate-observed", {}),
            None,
            chance + _OBSERVED_TOLERANCE,
            "4 sigma of the blocks + what 10,000 observed blocks leave open",
        ),
    ):
        rows.append(
            compare(
                quantity,
                at,
                rate,
                around(rate, sqrt(model * (1 - model) / blocks)),
                published=reference,
                closed_form=closed_form,
                tolerance=tolerance,
                grounds=grounds,
                trials=blocks - 1,
                seed=settings.seed,
            )
        )
    return rows


def _figure(rows: list[Row]) -> Figure:
    stale = having(rows, "stale")
    forks = having(rows, "fork rate")
    intervals = [row.parameters["interval_s"] for row in stale]
    return Figure(
        "stale-rate",
        "Stale blocks against the block interval",
        Axis("seconds between blocks", scale="log"),
        Axis("part of the blocks", scale="log"),
        [
            Line("m / (T + m)", intervals, [row.published or 0.0 for row in stale], series=0),
            points("stale, simulated", [row for row in stale if row.low > 0], "interval_s", series=0),
            Line("1 - exp(-m / T)", intervals, [row.closed_form or 0.0 for row in forks], dashed=True, series=1),
            points("forks, simulated", [row for row in forks if row.low > 0], "interval_s", series=1),
        ],
        caption="Points: a simulated network of 2019, with 95 % intervals. Lines: theory for its measured delays.",
    )


EXPERIMENT = Experiment(
    id="stale-rate",
    title="Stale blocks and forks against the block interval",
    claim="Forks are as frequent as the time that blocks travel is long, measured in block intervals.",
    papers=(DECKER, SIMBLOCK),
    parameters=(
        Parameter("nodes", "nodes in six regions", 1_000, 10, 20_000, quick=100, whole=True),
        Parameter("interval_s", "seconds between blocks", (600, 120, 60, 30, 20, 10), 1, 100_000, quick=(60, 10)),
        Parameter("blocks", "blocks of a run", 2_000, 20, 100_000, quick=100, whole=True),
        Parameter("model_blocks", "blocks of the model of 2012", 100_000, 1_000, 10_000_000, 20_000, whole=True),
    ),
    run=run,
)
