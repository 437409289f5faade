"""Optimal selfish mining: no strategy of withholding earns more.

Source: Sapirshtein, Sompolinsky and Zohar 2016, "Optimal selfish mining strategies in Bitcoin". The policy comes from
value iteration (`mining_policy`) with races truncated at `top` blocks, with a lower and an upper bound of what any
policy earns; then the policy is executed, block by block, and must earn what was computed. Printed figures of the
paper are compared where they are known to every digit.

The protocol keeps the first of two level branches. For the variant that breaks ties at random (Eyal and Sirer's remedy,
which makes gamma one half), the paper's point is that it lowers the threshold of the best attack below that of SM1; its
threshold is computed, too.

Deviation: the paper's figures have its own truncation. Ours are compared within the distance of our two bounds.
"""

from math import sqrt

from raclette.lab.experiments.contract import PASS, Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.mining_policy import Optimum, Tables, optimal, pays
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.published import published
from raclette.lab.experiments.selfish import EYAL_SIRER, revenue, threshold_share
from raclette.lab.experiments.statistics import BATCHES, SIGMAS, around, bound, compare, ratio_and_error
from raclette.lab.figures import Axis, Figure, Layer, Line

OPTIMAL = Paper("Sapirshtein, Sompolinsky and Zohar 2016, Optimal selfish mining strategies in Bitcoin", "table 1")
ABOVE = Paper("Sapirshtein, Sompolinsky and Zohar 2016, Optimal selfish mining strategies in Bitcoin", "section 5")
_STREAM_PLAY = 256
# A profit is called one from here on; value iteration knows it to 1e-8.
_MARGIN = 1e-7
# Width at which the search for a threshold ends: finer than the paper's last digit.
_WIDTH = 2**-15
# Races at a threshold are short: at a share of 1/3, being 40 blocks apart has a chance of 1e-12.
_THRESHOLD_TOP = 40


def execute(seed: int, alpha: float, gamma: float, optimum: Optimum, blocks: int) -> tuple[float, float]:
    """(revenue, its standard error) of the policy, played for `blocks` finds."""
    from raclette.lab.experiments.jit.draws import stream_key, threshold
    from raclette.lab.experiments.jit.selfish import play

    each = blocks // BATCHES
    runs = [
        play(stream_key(seed, _STREAM_PLAY + i), threshold(alpha), threshold(gamma), optimum.policy, each)
        for i in range(BATCHES)
    ]
    return ratio_and_error([mine for mine, _ in runs], [total for _, total in runs])


def profitable_from(gamma: float, *, random_ties: bool = False) -> float:
    """The least share with which any policy beats honest mining, by bisection over [0, 1/2]."""
    tables = Tables(_THRESHOLD_TOP, random_ties=random_ties)
    low, high = 0.0, 0.5
    while high - low > _WIDTH:
        middle = (low + high) / 2
        if pays(middle, gamma, tables, _MARGIN):
            high = middle
        else:
            low = middle
    return (low + high) / 2


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every alpha and gamma, and a threshold for every gamma."""
    alphas, gammas = settings.numbers("alpha"), settings.numbers("gamma")
    steps = len(alphas) * len(gammas) + len(gammas)
    rows: list[Row] = []
    done = 0
    for gamma in gammas:
        for alpha in alphas:
            progress(done / steps, f"alpha = {alpha:g}, gamma = {gamma:g}")
            rows += _revenue_rows(settings, alpha, gamma)
            done += 1
        progress(done / steps, f"threshold for gamma = {gamma:g}")
        rows.append(_threshold_row(settings, gamma, random_ties=False))
        done += 1
    if 0.5 in gammas:
        rows.append(_threshold_row(settings, 0.5, random_ties=True))
    notes = (f"Races are truncated at {settings.whole('top')} blocks; intervals of computed rows are proven bounds.",)
    return Result(tuple(rows), (_figure(settings, rows),), notes)


def _revenue_rows(settings: Settings, alpha: float, gamma: float) -> list[Row]:
    best = optimal(alpha, gamma, settings.whole("top"))
    at, seed, blocks = {"alpha": alpha, "gamma": gamma}, settings.seed, settings.whole("blocks")
    gap = best.upper - best.revenue
    share, error = execute(seed, alpha, gamma, best, blocks)
    executed = compare(
        "revenue, policy executed",
        at,
        share,
        around(share, error),
        published=published("optimal-revenue", at),
        closed_form=best.revenue,
        tolerance=SIGMAS * error + gap + 1 / blocks,
        grounds=f"4 standard errors of {BATCHES} batches + distance of the bounds",
        trials=blocks,
        seed=seed,
    )
    computed = compare(
        "revenue, computed",
        at,
        best.revenue,
        (best.revenue, best.upper),
        published=published("optimal-revenue", at) or (alpha / (1 - alpha) if gamma == 1 else None),
        tolerance=gap,
        grounds="distance of the bounds",
        trials=0,
        seed=seed,
        source=str(ABOVE),
    )
    gain = bound(
        "revenue above SM1's",
        at,
        best.revenue - revenue(alpha, gamma),
        (best.revenue - revenue(alpha, gamma), best.upper - revenue(alpha, gamma)),
        at_least=0.0,
        tolerance=gap,
        grounds="distance of the bounds",
        trials=0,
        seed=seed,
        source=str(EYAL_SIRER),
    )
    return (
        [executed, computed, gain] if computed.verdict == PASS or computed.published is not None else [executed, gain]
    )


def _threshold_row(settings: Settings, gamma: float, *, random_ties: bool) -> Row:
    """Compared with the printed figure, else with SM1's threshold, which the optimum cannot exceed."""
    found = profitable_from(gamma, random_ties=random_ties)
    printed = published("optimal-threshold", {"gamma": gamma, "random_ties": random_ties})
    at, interval = {"gamma": gamma}, (found - _WIDTH, found + _WIDTH)
    quantity = "threshold, ties at random" if random_ties else "threshold"
    if printed is not None:
        return compare(
            quantity,
            at,
            found,
            interval,
            published=printed,
            tolerance=_WIDTH,
            grounds="width of the bisection",
            trials=0,
            seed=settings.seed,
        )
    return bound(
        quantity,
        at,
        found,
        interval,
        at_most=threshold_share(gamma),
        tolerance=_WIDTH + sqrt(_MARGIN),
        grounds="SM1's threshold; width of the bisection + root of the least profit told from none",
        trials=0,
        seed=settings.seed,
        source=str(EYAL_SIRER),
    )


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    curve = [i / 200 for i in range(1, 100)]
    layers: list[Layer] = [Line("honest", (0, 0.5), (0, 0.5), dashed=True)]
    for series, gamma in enumerate(settings.numbers("gamma"), start=1):
        sm1 = [revenue(alpha, gamma) for alpha in curve]
        layers.append(Line(f"SM1, gamma = {gamma:g}", curve, sm1, dashed=True, series=series))
        seen = having(rows, "revenue, policy executed", gamma=gamma)
        layers.append(points(f"optimal, gamma = {gamma:g}", seen, "alpha", series=series))
    return Figure(
        "optimal-selfish-mining",
        "What the best selfish miner earns",
        Axis("attacker's share of the hash power"),
        Axis("attacker's share of the chain"),
        layers,
        caption="Points: the optimal policy executed, with 95 % intervals. Lines: the strategy SM1 (equation 8).",
    )


EXPERIMENT = Experiment(
    id="optimal-selfish",
    title="Optimal selfish mining, by value iteration",
    claim="Better policies than SM1 exist, and pay from a smaller share of the hash power.",
    papers=(OPTIMAL, ABOVE, EYAL_SIRER),
    parameters=(
        Parameter(
            "alpha", "attacker's share", (0.25, 0.3, 1 / 3, 0.35, 0.375, 0.4, 0.45), 0.01, 0.475, quick=(0.25, 0.35)
        ),
        Parameter("gamma", "part of the honest who side with the attacker", (0, 0.5, 1), 0, 1, quick=(0,)),
        Parameter("top", "blocks after which a race is cut off", 80, 10, 200, quick=50, whole=True),
        Parameter("blocks", "blocks found when the policy is executed", 4_000_000, 10_000, 10**9, 200_000, whole=True),
    ),
    run=run,
)
