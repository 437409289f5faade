"""Committees drawn by lot: how often does the adversary get a third, or two thirds, of the seats?

A committee whose members are drawn independently has a binomial number of bad members; drawn from a finite population
without replacement it is hypergeometric. Below a third a Byzantine protocol among the members is safe and live; with
two thirds the adversary decides alone. Probabilities are summed exactly, in rational numbers, and committees are drawn
by the million. What is too rare to be drawn is counted a second way instead: seat by seat, over all ways to fill them.
"""

from fractions import Fraction
from functools import lru_cache
from math import comb

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import points
from raclette.lab.experiments.statistics import binomial_tolerance, compare, wilson
from raclette.lab.figures import Axis, Figure, Layer, Line
from raclette.primitives.errors import ConfigError

RAPIDCHAIN = Paper(
    "Zamani, Movahedi and Raykova 2018, RapidChain", "section 5 (cumulative hypergeometric distribution)"
)
OMNILEDGER = Paper("Kokoris-Kogias et al. 2018, OmniLedger", "section 6 (binomial distribution of shard failure)")
_STREAM = 400
# Events with fewer expected hits than this are counted, not drawn; in larger committees than this that takes too long.
_HITS_MIN, _COUNTED_MAX = 10, 300
SHARES = {"P(at least 1/3)": Fraction(1, 3), "P(at least 2/3)": Fraction(2, 3)}


def seats(share: Fraction, members: int) -> int:
    """The least whole number that is at least `share` of `members`."""
    return -(-share.numerator * members // share.denominator)


@lru_cache(maxsize=1024)
def at_least(p: float, members: int, bad: int, population: int = 0) -> Fraction:
    """The exact chance of `bad` or more bad members."""
    if population:
        adversaries = bad_of(p, population)
        ways = sum(
            comb(adversaries, k) * comb(population - adversaries, members - k)
            for k in range(bad, min(members, adversaries) + 1)
        )
        return Fraction(ways, comb(population, members))
    share = Fraction(p)
    evil, good = share.numerator, share.denominator - share.numerator
    ways = sum(comb(members, k) * evil**k * good ** (members - k) for k in range(bad, members + 1))
    return Fraction(ways, share.denominator**members)


def bad_of(p: float, population: int) -> int:
    """Adversaries in a finite population: the share, rounded to whole ones."""
    return round(Fraction(p) * population)


def counted(p: float, members: int, bad: int, population: int = 0) -> Fraction:
    """The same, seat by seat: in how many ways there are so many bad members, moved on by each draw."""
    share = Fraction(p)
    adversaries = bad_of(p, population)
    ways, total = [1], 1
    for seat in range(members):
        fresh = [0] * (len(ways) + 1)
        for have, count in enumerate(ways):
            evil = max(adversaries - have, 0) if population else share.numerator
            pool = population - seat if population else share.denominator
            fresh[have + 1] += count * evil
            fresh[have] += count * max(pool - evil, 0)
        ways = fresh
        total *= population - seat if population else share.denominator
    return Fraction(sum(ways[bad:]), total)


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every p and n."""
    population = settings.whole("population")
    grid = [(p, n) for p in settings.numbers("p") for n in settings.wholes("n")]
    rows: list[Row] = []
    for number, (p, n) in enumerate(grid):
        if population and n > population:
            raise ConfigError(f"n: {n} members of {population}; accepted are at most as many as the population")
        progress(number / len(grid), f"p = {p:g}, n = {n}")
        rows += _point(settings, p, n, population)
    return Result(tuple(rows), (_figure(settings, rows),))


def _point(settings: Settings, p: float, n: int, population: int) -> list[Row]:
    import numpy as np

    from raclette.lab.experiments.jit.counting import committees
    from raclette.lab.experiments.jit.draws import stream_key, threshold

    trials = settings.whole("trials")
    needed = np.array([seats(share, n) for share in SHARES.values()], dtype=np.int64)
    key, adversaries = stream_key(settings.seed, _STREAM), bad_of(p, population)
    hits = committees(key, threshold(p), adversaries, population, n, needed, trials)
    at = {"p": p, "n": n} | ({"population": population} if population else {})
    return [
        _row(settings, quantity, at, int(hit), at_least(p, n, int(bad), population), int(bad), population)
        for quantity, hit, bad in zip(SHARES, hits, needed, strict=True)
    ]


def _row(
    settings: Settings, quantity: str, at: dict[str, float], hits: int, exact: Fraction, bad: int, population: int
) -> Row:
    trials, theory = settings.whole("trials"), float(exact)
    drawn = theory * trials >= _HITS_MIN or at["n"] > _COUNTED_MAX
    value = hits / trials if drawn else float(counted(at["p"], int(at["n"]), bad, population))
    return compare(
        quantity if drawn else f"{quantity}, counted",
        at,
        value,
        wilson(hits, trials) if drawn else (value, value),
        published=theory,
        closed_form=theory,
        tolerance=binomial_tolerance(theory, trials) if drawn else 1e-12 * theory,
        grounds="4 sigma of the trials" if drawn else "exact but for the last digits; too rare to be drawn",
        trials=trials if drawn else 0,
        seed=settings.seed,
        source=str(RAPIDCHAIN if population else OMNILEDGER),
    )


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    layers: list[Layer] = []
    population = settings.whole("population")
    sizes = sorted(set(settings.wholes("n")))
    for series, p in enumerate(settings.numbers("p")):
        for dashed, (quantity, share) in enumerate(SHARES.items()):
            exact = [float(at_least(p, n, seats(share, n), population)) for n in sizes]
            layers.append(Line(f"{quantity}, p = {p:g}", sizes, exact, dashed=bool(dashed), series=series))
        drawn = [row for row in rows if row.parameters["p"] == p and row.trials and row.low > 0]
        layers.append(points(f"drawn, p = {p:g}", drawn, "n", series=series))
    return Figure(
        "committee",
        "Committees that fail",
        Axis("members of the committee", scale="log"),
        Axis("probability", scale="log"),
        layers,
        caption="Lines: exact probabilities; points: committees drawn, with 95 % intervals.",
    )


EXPERIMENT = Experiment(
    id="committee",
    title="Committees drawn by lot: chance of a bad one",
    claim="The chance of a third or two thirds of the seats falls exponentially with the size of the committee.",
    papers=(OMNILEDGER, RAPIDCHAIN),
    parameters=(
        Parameter("p", "adversary's share", (0.2, 0.25, 1 / 3), 0.001, 0.999, quick=(0.25,)),
        Parameter("n", "members of the committee", (16, 32, 64, 128, 256), 1, 2_000, quick=(32, 64), whole=True),
        Parameter("population", "people to draw from; 0: without end", 0, 0, 1_000_000, whole=True),
        Parameter("trials", "committees drawn", 1_000_000, 1_000, 100_000_000, quick=100_000, whole=True),
    ),
    run=run,
)
