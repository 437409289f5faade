"""How much of the hash power may lie in hybrid consensus, with blocks as seats and with fruits as seats?

The committee bears liars on less than a third of its seats. Pass and Shi 2017 need three quarters of the power to be
honest where the seats go to the miners of Nakamoto's chain, and two thirds where they go to those of FruitChains: an
attacker with the share rho takes up to rho / (1 - rho) of the blocks by withholding its own, which is a third at
rho = 1/4, while of the fruits it gets its share whatever it withholds. They prove, too, that no responsive protocol
bears a third (abstract).

Blocks: the worst attack on a chain's quality, and committees that are cut out of the chain as the protocol does it.
Fruits: everything withheld, by blocks (SM1), by fruits, and by censorship, on the chain of the experiment `fruits`; the
seats are drawn from a segment of ten windows, and the segment that suits the attacker best is taken. A fair lottery
among the seats of that segment then makes the committee, so that its failure is summed exactly.

Whole nodes run beside the models: a first committee of four seats in which one member, and then two, tell each half of
the world another story. One is borne; two fork the log.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from raclette.lab.experiments.chain_quality import BACKBONE
from raclette.lab.experiments.committee import at_least
from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.fruits import Attack, Chain, simulate
from raclette.lab.experiments.plots import having
from raclette.lab.experiments.statistics import BATCHES, SIGMAS, around, bound, compare, mean_and_error, wilson
from raclette.lab.figures import Axis, Figure, Layer, Line, Points
from raclette.protocols.hybrid.fruits import RECENCY
from raclette.protocols.hybrid.snail_chain import SEGMENT_WINDOWS

HYBRID = Paper(
    "Pass and Shi 2017, Hybrid Consensus", "security theorem (3/4 honest with Nakamoto's chain, 2/3 with FruitChain)"
)
IMPOSSIBLE = Paper("Pass and Shi 2017, Hybrid Consensus", "abstract (a third cannot be borne responsively)")
# What the paper lets an attacker have, of the power.
BY_BLOCKS, BY_FRUITS = 1 / 4, 1 / 3
# Fruits for each block and the depth that they hang at, as in `fruits`; the window that fits into a genesis.
_FRUITS, _DEPTH = 4, 32
_WINDOW = RECENCY * _DEPTH
# A hoard is published so early that blocks have room for it.
_HOARD = _WINDOW - 2 * _DEPTH
_GAMMA = 1.0
_STREAM_BLOCKS, _STREAM_FRUITS = 11_000, 12_000
# Of the bisection.
_STEPS = 9
# Drawn committees, the skewness of a finite one, and the width of the last step.
_TOLERANCE = 0.015


class Drawn(NamedTuple):
    """Of many committees: the liars' part of all seats with its standard error, and how many have a third."""

    share: float
    error: float
    bad: int
    committees: int


def too_many(seats: int) -> int:
    """The least number of liars' seats that a committee does not bear."""
    return (seats - 1) // 3 + 1


def by_blocks(rho: float) -> float:
    """The part of the blocks that an attacker takes at most."""
    return rho / (1 - rho)


def by_fruits(rho: float) -> float:
    """The part of a segment's fruits that it takes at most: a hoard of one window in ten."""
    return rho + rho * (1 - rho) / SEGMENT_WINDOWS


def draw_blocks(seed: int, stream: int, rho: float, seats: int, committees: int) -> Drawn:
    """Committees that follow each other on a chain under the worst attack."""
    import numpy as np

    from raclette.lab.experiments.jit.draws import stream_key, threshold
    from raclette.lab.experiments.jit.seats import owners

    chain = np.zeros(seats * committees, np.int8)
    owners(stream_key(seed, _STREAM_BLOCKS + stream), threshold(rho), chain)
    held = chain.reshape(committees, seats).sum(axis=1, dtype=np.int64)
    batches = [float(part.mean()) / seats for part in np.array_split(held, BATCHES)]
    return Drawn(*mean_and_error(batches), int((held >= too_many(seats)).sum()), committees)


def best_segment(seed: int, stream: int, rho: float, segments: int) -> float:
    """The largest part of a segment's fruits that the attacker has, everything withheld."""
    chain = Chain(_FRUITS, _DEPTH, _WINDOW, SEGMENT_WINDOWS * _WINDOW * _FRUITS)
    attack = Attack(withholds_blocks=True, censors=True, hoard=_HOARD)
    return simulate(seed, _STREAM_FRUITS + stream, rho, _GAMMA, chain, attack, segments).worst


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every rho and size, where each kind of seat breaks, and whole nodes."""
    rhos, sizes = settings.numbers("rho"), settings.wholes("seats")
    rows: list[Row] = []
    steps = len(rhos) + 3
    for number, rho in enumerate(rhos):
        progress(number / steps, f"rho = {rho:g}")
        rows += _point(settings, number, rho, sizes)
    rows += _breaks(settings, lambda done: progress((len(rhos) + 2 * done) / steps, "where it breaks"))
    if settings.whole("runs"):
        progress(1 - 1 / steps, "whole nodes")
        rows += _whole_nodes(settings)
    return Result(tuple(rows), (_figure(settings, rows),))


def _point(settings: Settings, number: int, rho: float, sizes: tuple[int, ...]) -> list[Row]:
    seed, committees = settings.seed, settings.whole("committees")
    rows, place = list[Row](), number * len(sizes)
    for step, seats in enumerate(sizes):
        drawn = draw_blocks(seed, place + step, rho, seats, committees)
        if seats == max(sizes):
            rows.append(_share_of_blocks(settings, rho, seats, drawn))
        rows.append(_chance(settings, "blocks: P(a third)", rho, seats, drawn.bad / committees, drawn))
    segments = settings.whole("segments")
    best = best_segment(seed, number, rho, segments)
    rows.append(
        bound(
            "fruits: share of the best segment",
            {"rho": rho},
            best,
            (best, best),
            at_most=by_fruits(rho),
            tolerance=SIGMAS * (rho * (1 - rho) / (SEGMENT_WINDOWS * _WINDOW * _FRUITS)) ** 0.5,
            grounds="4 standard errors of a segment's fruits",
            trials=segments,
            seed=seed,
            source=str(HYBRID),
        )
    )
    rows += [
        _chance(settings, "fruits: P(a third)", rho, seats, float(at_least(best, seats, too_many(seats))))
        for seats in sizes
    ]
    return rows


def _share_of_blocks(settings: Settings, rho: float, seats: int, drawn: Drawn) -> Row:
    return compare(
        "blocks: share of the seats",
        {"rho": rho},
        drawn.share,
        around(drawn.share, drawn.error),
        published=by_blocks(rho),
        closed_form=by_blocks(rho),
        tolerance=SIGMAS * drawn.error,
        grounds=f"4 standard errors of {BATCHES} batches",
        trials=seats * drawn.committees,
        seed=settings.seed,
        source=str(BACKBONE),
    )


def _chance(
    settings: Settings, quantity: str, rho: float, seats: int, chance: float, drawn: Drawn | None = None
) -> Row:
    """Nothing to compare with: what breaks, and where, is judged below."""
    return compare(
        quantity,
        {"rho": rho, "seats": seats},
        chance,
        wilson(drawn.bad, drawn.committees) if drawn is not None else (chance, chance),
        published=None,
        tolerance=0.0,
        grounds="",
        trials=drawn.committees if drawn is not None else 0,
        seed=settings.seed,
    )


def crossing(chance: Callable[[int, float], float]) -> float:
    """The share at which `chance(step, share)` reaches a half, between 0 and 1/2."""
    low, high = 0.0, 0.5
    for step in range(_STEPS):
        middle = (low + high) / 2
        if chance(step, middle) < 0.5:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _breaks(settings: Settings, progress: Callable[[float], None]) -> list[Row]:
    """Where a large committee is as likely bad as good."""
    seats, committees, seed = settings.whole("large"), settings.whole("committees"), settings.seed
    first = len(settings.numbers("rho")) * len(settings.wholes("seats"))
    blocks = crossing(lambda step, rho: draw_blocks(seed, first + step, rho, seats, committees).bad / committees)
    progress(0.5)

    def fruity(step: int, rho: float) -> float:
        best = best_segment(seed, first + step, rho, settings.whole("segments"))
        return float(at_least(best, seats, too_many(seats)))

    fruits = crossing(fruity)
    least = crossing(lambda _, rho: float(by_fruits(rho) >= BY_FRUITS))
    common: dict[str, Any] = {"tolerance": _TOLERANCE, "trials": _STEPS * committees, "seed": seed}
    at_blocks = {"seats": seats}, blocks, (blocks - _TOLERANCE, blocks + _TOLERANCE)
    at_fruits = {"seats": seats}, fruits, (fruits - _TOLERANCE, fruits + _TOLERANCE)
    chance = "draws and skewness of finite committees"
    hoard = "segments' chance; the bound is 1/3 less a hoard in ten windows"
    return [
        compare("blocks: breaks at", *at_blocks, published=BY_BLOCKS, grounds=chance, source=str(HYBRID), **common),
        bound("fruits: breaks at", *at_fruits, at_least=least, grounds=hoard, source=str(HYBRID), **common),
        bound(
            "fruits: breaks at, at most",
            *at_fruits,
            at_most=BY_FRUITS,
            grounds="as above",
            source=str(IMPOSSIBLE),
            **common,
        ),
    ]


def _whole_nodes(settings: Settings) -> list[Row]:
    """The protocol itself, with the first committee of four seats that bear one liar: one equivocates, then two."""
    runs = settings.whole("runs")
    kept, forked = (sum(_forks(settings.seed + number, liars) for number in range(runs)) for liars in (1, 2))
    common: dict[str, Any] = {"trials": runs, "seed": settings.seed, "source": str(HYBRID), "tolerance": 0.0}
    quantity, borne = "whole nodes: runs that fork", "below a third of the seats nothing is allowed"
    one = {"seats": 4, "liars": 1}, kept / runs, wilson(kept, runs)
    two = {"seats": 4, "liars": 2}, forked / runs, wilson(forked, runs)
    return [
        bound(quantity, *one, at_most=0.0, grounds=borne, **common),
        bound(quantity, *two, at_least=1 / runs, grounds="one fork shows that the bound is met", **common),
    ]


def _forks(seed: int, liars: int) -> bool:
    """Do honest nodes disagree for good where so many of four members tell each half of the world another story?"""
    from raclette.primitives.units import SECOND
    from raclette.sim.config import SimConfig, Workload
    from raclette.sim.liars import LiarSpec
    from raclette.sim.simulate import Simulation

    config = SimConfig(
        protocol="hybrid",
        nodes=7,
        seed=seed,
        parameters={"block_interval_s": 1, "committee_size": 60, "stable_depth": 3, "validators": 4},
        workload=Workload(count=40, interval=SECOND // 5),
        liars={node: LiarSpec.of("equivocate", lie_percent=100, open_percent=0) for node in range(liars)},
        duration=9 * SECOND,
        settle=SECOND,
        beyond=True,
    )
    return any(found["checker"] == "agreement" for found in Simulation(config).run().violations)


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    layers: list[Layer] = []
    sizes = sorted(settings.wholes("seats"))
    for series, kind in enumerate(("blocks", "fruits")):
        for seats in (sizes[0], sizes[-1]):
            seen = sorted(having(rows, f"{kind}: P(a third)", seats=seats), key=lambda row: row.parameters["rho"])
            layers.append(
                Line(
                    f"{kind}, {seats} seats",
                    [float(row.parameters["rho"]) for row in seen],
                    [row.simulated for row in seen],
                    dashed=seats == sizes[0],
                    series=series,
                )
            )
    layers.append(Points("Pass and Shi's bounds", (BY_BLOCKS, BY_FRUITS), (0.5, 0.5), series=2))
    return Figure(
        "hybrid-fraction",
        "Seats by blocks break at a quarter, seats by fruits near a third",
        Axis("attacker's share of the hash power"),
        Axis("chance that it has a third of a committee"),
        layers,
        caption="Blocks: the worst attack on the chain's quality. Fruits: all withheld, the best segment for the "
        "attacker, in which a hoard counts for a tenth.",
    )


EXPERIMENT = Experiment(
    id="hybrid-fraction",
    title="What part of the power may lie in hybrid consensus",
    claim="With blocks as seats it breaks at a quarter of the power, with fruits as seats near a third.",
    papers=(HYBRID, IMPOSSIBLE, BACKBONE),
    parameters=(
        Parameter(
            "rho", "attacker's share", (0.1, 0.15, 0.2, 0.225, 0.25, 0.275, 0.3, 1 / 3, 0.35), 0.01, 0.45, (0.2, 0.3)
        ),
        Parameter("seats", "seats of a committee", (8, 32, 128), 1, 2_000, quick=(8, 64), whole=True),
        Parameter("large", "seats where it is asked what breaks", 1_000, 100, 10_000, quick=500, whole=True),
        Parameter("committees", "committees drawn", 2_000, 200, 1_000_000, quick=400, whole=True),
        Parameter("segments", "segments of a chain of fruits", 6, 3, 100, quick=3, whole=True),
        Parameter("runs", "runs of whole nodes; 0: none", 6, 0, 1_000, quick=3, whole=True),
    ),
    run=run,
)
