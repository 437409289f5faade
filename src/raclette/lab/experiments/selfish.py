"""Selfish mining: what a miner with the share alpha earns who publishes its blocks only when they harm others.

Source: Eyal and Sirer 2014, "Majority is not enough". When two equally long branches are public, gamma of the honest
power mines on the attacker's. Three worlds give the revenue: the strategy as a state machine on millions of compiled
draws; the same strategy around the block trees of honest miners with the engine's own fork choice, where gamma is the
part of the honest miners who hear the attacker first; and the pool that `sim.liars` puts around a node, among a few
whole proof-of-work engines. By bisection follows the share from which the attack pays. The profit is measured against
what the same attacker found in the same run, so that the threshold does not drown in the luck of the draws.
"""

from math import sqrt

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.statistics import BATCHES, SIGMAS, around, compare, mean_and_error, ratio_and_error
from raclette.lab.figures import Axis, Figure, Layer, Line

EYAL_SIRER = Paper("Eyal and Sirer 2014, Majority is not enough", "equation 8")
THRESHOLD = Paper("Eyal and Sirer 2014, Majority is not enough", "equation 9 and observation 1")
# The bisection ends at this width.
_WIDTH = 1 / 4096
# Whole engines make two or three thousand blocks a second: they play the largest share up to this one, where races are
# short, so that the end of the run counts for little.
_ALPHA_OF_SHORT_RACES = 0.4
_STREAM_SM1, _STREAM_THRESHOLD, _STREAM_TREES = 16, 80, 144


def revenue(alpha: float, gamma: float) -> float:
    """The attacker's share of the chain under SM1."""
    a, g = alpha, gamma
    top = a * (1 - a) ** 2 * (4 * a + g * (1 - 2 * a)) - a**3
    return top / (1 - a * (1 + (2 - a) * a))


def threshold_share(gamma: float) -> float:
    """The least share with which SM1 earns more than its share."""
    return (1 - gamma) / (3 - 2 * gamma)


def simulate(seed: int, stream: int, alpha: float, gamma: float, blocks: int) -> tuple[float, float, float, float]:
    """(revenue, its standard error, profit over honest mining, its standard error) in `blocks` finds."""
    from raclette.lab.experiments.jit.draws import stream_key, threshold
    from raclette.lab.experiments.jit.selfish import sm1

    each = blocks // BATCHES
    runs = [sm1(stream_key(seed, stream + i), threshold(alpha), threshold(gamma), each) for i in range(BATCHES)]
    share, error = ratio_and_error([run[0] for run in runs], [run[1] for run in runs])
    profits = [run[0] / run[1] - run[2] / run[3] for run in runs]
    return share, error, *mean_and_error(profits)


def profitable_from(seed: int, gamma: float, blocks: int) -> float:
    """The share at which the simulated profit changes sign, by bisection over [0, 1/2]."""
    low, high = 0.0, 0.5
    while high - low > _WIDTH:
        middle = (low + high) / 2
        if simulate(seed, _STREAM_THRESHOLD, middle, gamma, blocks)[2] > 0:
            high = middle
        else:
            low = middle
    return (low + high) / 2


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every alpha and gamma, and a threshold for every gamma."""
    alphas, gammas = settings.numbers("alpha"), settings.numbers("gamma")
    steps = len(alphas) * len(gammas) + len(gammas)
    rows: list[Row] = []
    for gamma in gammas:
        for alpha in alphas:
            progress(len(rows) / (2 * steps), f"alpha = {alpha:g}, gamma = {gamma:g}")
            rows += _revenue_rows(settings, alpha, gamma)
    for number, gamma in enumerate(gammas):
        progress(1 - (len(gammas) - number) / steps, f"threshold for gamma = {gamma:g}")
        rows.append(_threshold_row(settings, gamma))
    return Result(tuple(rows), (_figure(settings, rows),))


def _revenue_rows(settings: Settings, alpha: float, gamma: float) -> list[Row]:
    from raclette.lab.experiments.tree_selfish import selfish_share
    from raclette.sim.attacks import Selfish, run_attack

    theory, at, seed = revenue(alpha, gamma), {"alpha": alpha, "gamma": gamma}, settings.seed
    blocks, real = settings.whole("blocks"), settings.whole("engine_blocks")
    share, unit, _, _ = simulate(seed, _STREAM_SM1, alpha, gamma, blocks)
    rows = [_row("revenue", at, share, unit, theory, blocks, seed)]
    if real:
        share, error = selfish_share(seed, _STREAM_TREES, alpha, gamma, real)
        rows.append(_row("revenue in the engine's trees", at, share, error, theory, real, seed))
    whole = settings.whole("world_blocks")
    if whole and alpha == max((a for a in settings.numbers("alpha") if a <= _ALPHA_OF_SHORT_RACES), default=0):
        share = run_attack(Selfish(), alpha, gamma, whole, seed).revenue
        rows.append(_row("revenue among whole engines", at, share, unit * sqrt(blocks / whole), theory, whole, seed))
    return rows


def _row(quantity: str, at: dict[str, float], share: float, error: float, theory: float, blocks: int, seed: int) -> Row:
    return compare(
        quantity,
        at,
        share,
        around(share, error),
        published=theory,
        closed_form=theory,
        tolerance=SIGMAS * error + 1 / blocks,
        grounds=f"4 standard errors of {BATCHES} batches",
        trials=blocks,
        seed=seed,
        source=str(EYAL_SIRER),
    )


def _threshold_row(settings: Settings, gamma: float) -> Row:
    """The error of the profit becomes one of the threshold through the slope of the profit."""
    blocks, theory = settings.whole("blocks"), threshold_share(gamma)
    found = profitable_from(settings.seed, gamma, blocks)
    error = simulate(settings.seed, _STREAM_THRESHOLD, max(found, _WIDTH), gamma, blocks)[3]
    tolerance = _WIDTH + _share_error(theory, gamma, SIGMAS * error)
    return compare(
        "threshold",
        {"gamma": gamma},
        found,
        (max(0.0, found - tolerance / 2), found + tolerance / 2),
        published=theory,
        closed_form=theory,
        tolerance=tolerance,
        grounds="width of the bisection + 4 standard errors of the profit over its slope",
        trials=blocks,
        seed=settings.seed,
        source=str(THRESHOLD),
    )


def _share_error(share: float, gamma: float, profit_error: float) -> float:
    """How far from the threshold the profit is still within `profit_error` of zero, by the profit's two derivatives
    (at gamma = 1 the first is zero)."""
    step = 1e-4
    profits = [revenue(share + i * step, gamma) - (share + i * step) for i in (0, 1, 2)]
    first = (profits[1] - profits[0]) / step
    second = (profits[2] - 2 * profits[1] + profits[0]) / step**2
    linear = profit_error / first if first > 0 else 1.0
    return min(linear, sqrt(2 * profit_error / second)) if second > 0 else linear


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    curve = [i / 200 for i in range(1, 100)]
    layers: list[Layer] = [Line("honest", (0, 0.5), (0, 0.5), dashed=True)]
    for series, gamma in enumerate(settings.numbers("gamma"), start=1):
        shares = [revenue(alpha, gamma) for alpha in curve]
        layers.append(Line(f"equation 8, gamma = {gamma:g}", curve, shares, series=series))
        seen = having(rows, "revenue", gamma=gamma)
        layers.append(points(f"simulated, gamma = {gamma:g}", seen, "alpha", series=series))
    return Figure(
        "selfish-mining",
        "What selfish mining earns",
        Axis("attacker's share of the hash power"),
        Axis("attacker's share of the chain"),
        layers,
        caption="Points: SM1 simulated, with 95 % intervals. Lines: Eyal and Sirer 2014, equation 8.",
    )


EXPERIMENT = Experiment(
    id="selfish",
    title="Selfish mining with the strategy SM1",
    claim="Withholding blocks earns more than its share above (1 - gamma) / (3 - 2 gamma) of the hash power.",
    papers=(EYAL_SIRER, THRESHOLD),
    parameters=(
        Parameter("alpha", "attacker's share", (0.1, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45), 0.01, 0.495, quick=(0.2, 0.35)),
        Parameter("gamma", "part of the honest who side with the attacker", (0, 0.25, 0.5, 0.75, 1), 0, 1, (0.5,)),
        Parameter("blocks", "blocks found in a run", 4_000_000, 10_000, 1_000_000_000, quick=200_000, whole=True),
        Parameter(
            "engine_blocks", "blocks found around the engine's block trees", 20_000, 0, 10_000_000, 2_000, whole=True
        ),
        Parameter("world_blocks", "blocks found among whole engines", 5_000, 0, 10_000_000, quick=800, whole=True),
    ),
    run=run,
)
