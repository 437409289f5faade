"""GHOST against the longest chain under load: both waste blocks, but only one of them loses security by it.

Sompolinsky and Zohar 2015: under load the longest chain grows slower than blocks are found, and an attacker who mines
in private needs only outgrow it: the share 1 / (2 + lambda_h D) instead of one half. GHOST weighs subtrees, in which
stale blocks count, so that its attacker needs half of the power whatever the load; its main chain still grows by at
least lambda / (1 + 2 lambda D). Both rules are the engine's own. How long the private branch must be is found by
publishing it block by block until the fork choice follows; the share is taken between two lengths of the race, so that
the first blocks, among which the honest were not yet settled, count for neither side.

With one delay for all, honest miners share one view and both rules give the same chain; so growth is also measured
among whole engines in a network of several hops, where views differ. There D is the longest delay of any block to any
node, and the formulas are lower bounds.
"""

from math import sqrt

from raclette.lab.experiments.chain_growth import growth, growth_error
from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.statistics import SIGMAS, around, bound, compare, mean_and_error, wilson
from raclette.lab.experiments.tree_delay import grow
from raclette.lab.figures import Axis, Figure, Line
from raclette.primitives.units import MILLISECOND

SECURITY = Paper("Sompolinsky and Zohar 2015, Secure high-rate transaction processing in Bitcoin", "sections 4 and 5")
_STREAM = 1_000
# Nothing may be forgotten during a race that starts at genesis.
_WINDOW = 1 << 30
# One way between neighbours in the network of engines, and an interval (in hops) at which blocks do not meet.
_HOP_MS = 1_000
_ALONE = 10_000


def longest_chain_share(load: float) -> float:
    """The attacker's share of all power from which it outgrows honest miners with `load` = lambda_h D."""
    return 1 / (2 + load)


def ghost_growth_bound(load: float) -> float:
    """The least growth of GHOST's main chain a block found."""
    return 1 / (1 + 2 * load)


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every load and both rules."""
    loads = settings.numbers("load")
    rows: list[Row] = []
    for number, load in enumerate(loads):
        for ghost in (False, True):
            progress((number + ghost / 2) / len(loads), f"lambda D = {load:g}, {'GHOST' if ghost else 'longest chain'}")
            rows += _point(settings, load, ghost)
        if settings.whole("nodes"):
            rows += _network(settings, load)
    return Result(tuple(rows), _figures(settings, rows))


def measure(seed: int, load: float, blocks: int, runs: int, *, ghost: bool) -> tuple[list[float], list[float]]:
    """For each run: (growth of the main chain, share of the power that a private branch needs)."""
    heights, shares = [], []
    for run_number in range(runs):
        short, long = (
            grow(seed, _STREAM + run_number, load, found, ghost=ghost, window=_WINDOW)
            for found in (blocks // 2, blocks)
        )
        heights.append((long.height - short.height) / (long.found - short.found))
        needed, honest = long.attacker_needs() - short.attacker_needs(), long.found - short.found
        shares.append(needed / (needed + honest))
    return heights, shares


def _point(settings: Settings, load: float, ghost: bool) -> list[Row]:
    blocks, runs, seed = settings.whole("blocks"), settings.whole("runs"), settings.seed
    heights, shares = measure(seed, load, blocks, runs, ghost=ghost)
    at, rule = {"load": load}, "GHOST" if ghost else "longest chain"
    slack = 2 / (blocks // 2)  # what lies on one side of the cut between the two lengths or on the other
    grown, grown_error = mean_and_error(heights)
    share, share_error = mean_and_error(shares)
    if ghost:
        return [
            bound(
                f"growth, {rule}",
                at,
                grown,
                around(grown, grown_error),
                at_least=ghost_growth_bound(load),
                at_most=growth(load),
                tolerance=SIGMAS * grown_error + slack,
                grounds="4 standard errors of the runs + their ends",
                trials=blocks * runs,
                seed=seed,
                source=str(SECURITY),
            ),
            _compared(settings, f"share needed, {rule}", at, share, share_error, 0.5, slack),
        ]
    error = max(grown_error, sqrt(load / (1 + load) ** 3 / (blocks // 2 * runs)))
    return [
        _compared(settings, f"growth, {rule}", at, grown, error, growth(load), slack),
        _compared(
            settings, f"share needed, {rule}", at, share, max(share_error, error), longest_chain_share(load), slack
        ),
    ]


def _network(settings: Settings, load: float) -> list[Row]:
    """Growth among whole engines, several hops apart."""
    nodes, blocks, seed = settings.whole("nodes"), settings.whole("network_blocks"), settings.seed
    rows = []
    for rule, least in (("heaviest", growth), ("ghost", ghost_growth_bound)):
        share, carried = network_growth(seed, nodes, blocks, load, rule)
        rows.append(
            bound(
                f"growth among engines, {rule}",
                {"load": carried},
                share,
                wilson(round(share * blocks), blocks),
                at_least=least(carried),
                tolerance=SIGMAS * growth_error(carried, blocks) + 2 / blocks,
                grounds="4 standard errors of the blocks",
                trials=blocks,
                seed=seed,
                source=str(SECURITY),
            )
        )
    return rows


def network_growth(seed: int, nodes: int, blocks: int, load: float, rule: str) -> tuple[float, float]:
    """(main chain blocks a block found, lambda D) of `nodes` engines with that fork choice; D is the longest delay."""
    from raclette.sim.pow import make_wiring, run_pow

    wiring = make_wiring(nodes, seed=seed, topology="regular", degree=min(4, nodes - 1), delay_ms=_HOP_MS)
    parameters = {"fork_choice": rule}
    alone = run_pow(wiring=wiring, interval_ms=_ALONE * _HOP_MS, blocks=10, seed=seed, parameters=parameters)
    longest = max(alone.delays(block)[-1] for block in range(1, alone.blocks + 1)) / MILLISECOND
    interval_ms = max(1, round(longest / load))
    crowd = run_pow(wiring=wiring, interval_ms=interval_ms, blocks=blocks, seed=seed, parameters=parameters)
    return crowd.heights[crowd.head] / blocks, longest / interval_ms


def _compared(
    settings: Settings, quantity: str, at: dict[str, float], value: float, error: float, theory: float, slack: float
) -> Row:
    return compare(
        quantity,
        at,
        value,
        around(value, error),
        published=theory,
        closed_form=theory,
        tolerance=SIGMAS * error + slack,
        grounds="4 standard errors of the runs + their ends",
        trials=settings.whole("blocks") * settings.whole("runs"),
        seed=settings.seed,
        source=str(SECURITY),
    )


def _figures(settings: Settings, rows: list[Row]) -> tuple[Figure, ...]:
    curve = [10 ** (i / 20) for i in range(-40, 21)]
    load = Axis("blocks found while one travels (lambda D)", scale="log")
    return (
        Figure(
            "ghost-security",
            "Power that a private attack needs",
            load,
            Axis("attacker's share of all power"),
            [
                Line("longest chain: 1 / (2 + lambda D)", curve, [longest_chain_share(x) for x in curve], series=0),
                points("longest chain, simulated", having(rows, "share needed, longest chain"), "load", series=0),
                Line("GHOST: 1/2", curve, [0.5 for _ in curve], series=1),
                points("GHOST, simulated", having(rows, "share needed, GHOST"), "load", series=1),
            ],
            caption="Points: private branches published block by block into the engine's tree, with 95 % intervals.",
        ),
        Figure(
            "ghost-growth",
            "Growth of the main chain",
            load,
            Axis("main chain blocks a block found"),
            [
                Line("longest chain: 1 / (1 + lambda D)", curve, [growth(x) for x in curve], series=0),
                points("longest chain, simulated", having(rows, "growth, longest chain"), "load", series=0),
                Line("GHOST, at least", curve, [ghost_growth_bound(x) for x in curve], dashed=True, series=1),
                points("GHOST, simulated", having(rows, "growth, GHOST"), "load", series=1),
                points("longest chain among engines", having(rows, "growth among engines, heaviest"), "load", series=2),
                points("GHOST among engines", having(rows, "growth among engines, ghost"), "load", series=3),
            ],
            caption="Points: honest miners only, with 95 % intervals over the runs.",
        ),
    )


EXPERIMENT = Experiment(
    id="ghost",
    title="GHOST against the longest chain under load",
    claim="Load makes the longest chain easier to outgrow; against GHOST an attacker needs half of the power.",
    papers=(SECURITY,),
    parameters=(
        Parameter("load", "blocks found while one travels: lambda D", (0.1, 0.5, 1, 2, 5), 0.001, 20, quick=(0.5, 2)),
        Parameter("blocks", "honest blocks of a race", 2_000, 200, 20_000, quick=600, whole=True),
        Parameter("nodes", "engines in the network; 0: none", 60, 0, 1_000, quick=20, whole=True),
        Parameter("network_blocks", "blocks that they find", 500, 50, 100_000, quick=150, whole=True),
        Parameter("runs", "races", 8, 2, 1_000, quick=4, whole=True),
    ),
    run=run,
)
