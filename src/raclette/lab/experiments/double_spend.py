"""Double spending by a private branch: how likely it is, after how many confirmations.

A merchant waits for z blocks. Meanwhile an attacker with the share q of the hash power mines a branch without the
payment, one block ahead from the start, and publishes it when it is longer. Nakamoto estimated the chance with a
Poisson distribution for what the attacker finds while the honest find z; Rosenfeld computed it exactly (negative
binomial). Here the race is run: by compiled draws for millions of trials, block by block through the fork choice of the
proof-of-work engine for some thousands, and by the pool that `sim.liars` puts around a node, among whole engines, for
some hundreds. Nakamoto's simplification is run too, so that both papers are met on their own ground, and the two differ
where they should.

Deviation: an attacker who is so far behind that the chance of ever winning is under 1e-9 gives up; the tolerance is
wider by that chance.
"""

from collections.abc import Mapping
from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, comb, log

from raclette.lab.experiments.contract import Experiment, Number, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.published import published
from raclette.lab.experiments.statistics import binomial_tolerance, compare, wilson
from raclette.lab.figures import Axis, Figure, Layer, Line

_GIVE_UP_CHANCE = 1e-9
_POISSON_TERMS = 2_000
# Whole engines make two or three thousand blocks a second, and races against a larger attacker take hundreds each.
_WORLD_SHARE_MAX = 0.35
# Blocks that the engine's trees are given for a point (20 us each): long races are run less often.
_TREE_BLOCKS_MAX = 200_000
# With fewer races than this nothing can be told.
_ATTEMPTS_MIN = 50
_STREAM_RACE, _STREAM_ESTIMATE, _STREAM_ENGINE = 0, 1, 2
NAKAMOTO = Paper("Nakamoto 2008", "section 11")
ROSENFELD = Paper("Rosenfeld 2014, Analysis of hashrate-based double-spending", "section 4, equation 1")


def rosenfeld(q: float, z: int) -> float:
    """The exact chance of the race. `q` < 1/2 is the attacker's share, `z` the confirmations."""
    share = Fraction(q)
    if share >= Fraction(1, 2) or z == 0:
        return 1.0
    honest = 1 - share
    lost = sum(
        comb(z + found - 1, found) * (honest**z * share**found - honest**found * share**z) for found in range(z + 1)
    )
    return float(1 - lost)


def nakamoto(q: float, z: int) -> float:
    """The estimate of the white paper. Computed with 60 digits, because it is a difference of near-equals."""
    if q >= 0.5 or z == 0:
        return 1.0
    with localcontext() as context:
        context.prec = 60
        share = Decimal(q)
        ratio = share / (1 - share)
        mean = z * ratio
        term = (-mean).exp()
        total = Decimal(1)
        for found in range(z + 1):
            total -= term * (1 - ratio ** (z - found))
            term = term * mean / (found + 1)
        return float(total)


def poisson_thresholds(q: float, z: int) -> list[int]:
    """64-bit thresholds of drawing at most k = 0, 1, 2... blocks while the honest find z."""
    with localcontext() as context:
        context.prec = 60
        share = Decimal(q)
        mean = z * share / (1 - share)
        term, reached, thresholds = (-mean).exp(), Decimal(0), []
        for found in range(_POISSON_TERMS):
            reached += term
            thresholds.append(min(int(reached * 2**64), 2**64 - 1))
            term = term * mean / (found + 1)
            if thresholds[-1] >= 2**64 - 2:
                break
        return thresholds


def deficit_to_give_up(q: float) -> int:
    """Blocks behind from which the chance (q/p)**n of ever catching up is negligible."""
    return 10**9 if q >= 0.5 else max(2, ceil(log(_GIVE_UP_CHANCE) / log(q / (1 - q))))


def race_length(q: float, z: int) -> int:
    """Blocks that a lost race takes in the mean, and at least one: the wait, and then until the attacker gives up."""
    return 1 + ceil(z / (1 - q) + deficit_to_give_up(q) / (1 - 2 * q))


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every q and z: the race, the race through the engine's fork choice, and Nakamoto's estimate."""
    points = [(q, z) for q in settings.numbers("q") for z in settings.wholes("z")]
    rows: list[Row] = []
    for number, (q, z) in enumerate(points):
        progress(number / len(points), f"q = {q:g}, z = {z}")
        rows += _point(settings, q, z)
    return Result(tuple(rows), (_figure(settings, rows),))


def _point(settings: Settings, q: float, z: int) -> list[Row]:
    import numpy as np

    from raclette.lab.experiments.jit.draws import stream_key, threshold
    from raclette.lab.experiments.jit.races import catch_ups, double_spends
    from raclette.lab.experiments.tree_race import overtakes

    trials, real, seed = settings.whole("trials"), settings.whole("engine_trials"), settings.seed
    give_up, share, at = deficit_to_give_up(q), threshold(q), {"q": q, "z": z}
    exact, estimate = rosenfeld(q, z), nakamoto(q, z)
    won = int(double_spends(stream_key(seed, _STREAM_RACE), share, z, give_up, trials))
    rows = [_row("race", at, won, trials, exact, seed, str(ROSENFELD))]
    real = min(real, _TREE_BLOCKS_MAX // race_length(q, z))
    if real:
        won = overtakes(seed, _STREAM_ENGINE, q, z, give_up, real)
        rows.append(_row("race in the engine's tree", at, won, real, exact, seed, str(ROSENFELD)))
    rows += _whole_engines(settings, q, z, exact)
    table = np.array(poisson_thresholds(q, z), dtype=np.uint64)
    won = int(catch_ups(stream_key(seed, _STREAM_ESTIMATE), share, table, z, give_up, trials))
    rows.append(_row("Nakamoto's estimate", at, won, trials, estimate, seed, str(NAKAMOTO), printed=True))
    return rows


def _whole_engines(settings: Settings, q: float, z: int, exact: float) -> list[Row]:
    """The same race by whole engines, for the shortest wait: the others are too slow to be run often enough."""
    from raclette.sim.attacks import PrivateChain, run_attack

    blocks = settings.whole("world_blocks")
    if not blocks or q > _WORLD_SHARE_MAX or z != min((wait for wait in settings.wholes("z") if wait), default=0):
        return []
    game = PrivateChain(z, deficit_to_give_up(q), premined=True)
    report = run_attack(game, q, 0.5, blocks, settings.seed)
    ended = report.successes + report.failures
    if ended < _ATTEMPTS_MIN:
        return []
    row = _row("race of whole engines", {"q": q, "z": z}, report.successes, ended, exact, settings.seed, str(ROSENFELD))
    return [row]


def _row(
    quantity: str,
    at: Mapping[str, Number],
    won: int,
    trials: int,
    theory: float,
    seed: int,
    source: str,
    *,
    printed: bool = False,
) -> Row:
    return compare(
        quantity,
        at,
        won / trials,
        wilson(won, trials),
        published=(published("nakamoto-estimate", at) if printed else None) or theory,
        closed_form=theory,
        tolerance=binomial_tolerance(theory, trials) + _GIVE_UP_CHANCE,
        grounds="4 sigma of the trials",
        trials=trials,
        seed=seed,
        source=source,
    )


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    layers: list[Layer] = []
    steps = tuple(range(max(settings.wholes("z")) + 1))
    for series, q in enumerate(settings.numbers("q")):
        layers.append(Line(f"Rosenfeld, q = {q:g}", steps, [rosenfeld(q, z) for z in steps], series=series))
        estimates = [nakamoto(q, z) for z in steps]
        layers.append(Line(f"Nakamoto, q = {q:g}", steps, estimates, dashed=True, series=series))
        seen = [row for row in having(rows, "race", q=q) if row.low > 0]
        layers.append(points(f"simulated, q = {q:g}", seen, "z", series=series))
    return Figure(
        "double-spend",
        "A payment reversed by a private branch",
        Axis("confirmations awaited"),
        Axis("probability", scale="log"),
        layers,
        caption="Points: the race simulated, with 95 % intervals (none where no race was won). Lines: the formulas.",
    )


EXPERIMENT = Experiment(
    id="double-spend",
    title="Double spending by a private branch",
    claim="The chance falls exponentially with the confirmations, but slower than Nakamoto estimated.",
    papers=(NAKAMOTO, ROSENFELD),
    parameters=(
        Parameter("q", "attacker's share of the hash power", (0.1, 0.2, 0.3, 0.4), 0.001, 0.49, quick=(0.1, 0.3)),
        Parameter("z", "confirmations awaited", (0, 1, 2, 3, 4, 5, 6, 8, 10), 0, 200, quick=(1, 5), whole=True),
        Parameter("trials", "simulated races", 1_000_000, 100, 100_000_000, quick=100_000, whole=True),
        Parameter(
            "engine_trials",
            "races through the engine's own block tree, at most",
            2_000,
            0,
            1_000_000,
            quick=200,
            whole=True,
        ),
        Parameter("world_blocks", "blocks found among whole engines", 8_000, 0, 10_000_000, quick=3_000, whole=True),
    ),
    run=run,
)
