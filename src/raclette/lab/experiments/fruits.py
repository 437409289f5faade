"""Fairness of FruitChains: what an attacker earns by blocks, and what by fruits, in every long segment of the chain.

Pass and Shi 2017 call a chain fair up to delta if any honest set of miners with the share phi of the power gets at
least (1 - delta) phi of the rewards in *every* segment of T0 rewards; then no coalition below a half gains more than
the factor 1 + 3 delta by deviating (both in the abstract). Their security theorem says how long a segment must be: with
fruits hanging kappa blocks deep, q fruits to a block and a window of R kappa blocks (R = 17), kappa_f = 2 q R kappa and
T0 = 5 kappa_f / delta. So delta is chosen here, T0 follows, and every segment of the simulated chain is looked at.

Three attacks: blocks withheld by SM1 and emptied of honest fruits, which takes far more than its share of the blocks
(Eyal and Sirer's equation 8); fruits withheld for as long as the window allows, and then published together; honest
fruits censored, with blocks published as they are found; and all of it at once. The worst segment is held against the
smaller of the two bounds of the paper, the whole chain against (1 + delta) alpha, which is below both.

A check that cannot fail shows nothing: three chains with one rule of the protocol broken must exceed the bound. The
rules on fruits are those of `protocols.hybrid.fruits`, its limit of fruits in a block included.
"""

from math import ceil, sqrt
from typing import TYPE_CHECKING, NamedTuple

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.selfish import EYAL_SIRER, revenue
from raclette.lab.experiments.statistics import BATCHES, SIGMAS, around, bound, compare, ratio_and_error
from raclette.lab.figures import Axis, Figure, Layer, Line
from raclette.protocols.hybrid.fruits import FRUITS_MAX, FRUITS_PER_BLOCK_MAX, RECENCY

if TYPE_CHECKING:
    import numpy as np

FAIRNESS = Paper("Pass and Shi 2017, FruitChains: A Fair Blockchain", "abstract (fairness; gain of a coalition)")
SEGMENTS = Paper("Pass and Shi 2017, FruitChains: A Fair Blockchain", "security theorem (R, kappa_f and T0)")
# Hoarded fruits are published so many times the depth before they expire: once to be sure of the block that includes
# them, once because a block holds a limited number.
_SLACK = 2
# A window that never ends, in blocks.
_ENDLESS = 2**31 - 1
_STREAM = 9_000
# Room for more blocks than expected, in standard errors of their number.
_ROOM = 10


class Chain(NamedTuple):
    """Rules of the simulated chain: fruits per block, depth that fruits hang at, window behind a block, and the
    rewards of a segment (in fruits). Depth and window in blocks."""

    fruits: int
    depth: int
    window: int
    segment: int

    @classmethod
    def of(cls, fruits: int, depth: int, recency: int, delta: float) -> "Chain":
        """The theorem's."""
        window = recency * depth
        return cls(fruits, depth, window, ceil(5 * 2 * fruits * window / delta))


class Attack(NamedTuple):
    """What the attacker does."""

    withholds_blocks: bool = False
    censors: bool = False
    hoard: int = 0


class Earned(NamedTuple):
    """The attacker's share of the blocks and of the fruits with their standard errors, and of the fruits of the worst
    segment."""

    blocks: tuple[float, float]
    fruits: tuple[float, float]
    worst: float


def segment_bound(alpha: float, delta: float) -> float:
    """The most that an attacker may earn in a segment: what the definition leaves it when the honest get (1 - delta) of
    their share, and the gain that the paper allows a coalition."""
    return min(1 - (1 - delta) * (1 - alpha), (1 + 3 * delta) * alpha)


def simulate(seed: int, stream: int, alpha: float, gamma: float, chain: Chain, attack: Attack, segments: int) -> Earned:
    """A chain of as many finds as `segments` have fruits."""
    import numpy as np

    from raclette.lab.experiments.jit.draws import stream_key, threshold
    from raclette.lab.experiments.jit.fruits import TALLY, Chances, Plan, Rules, World, grow

    finds = chain.segment * segments
    blocks = ceil(finds / chain.fruits + _ROOM * sqrt(finds / chain.fruits)) + _ROOM
    rows = [(finds + 1, 3), (finds + 1, 2), (blocks, 2), (blocks + 1, 3)]
    world = World(np.zeros(TALLY, np.int64), *(np.zeros(shape, np.int32) for shape in rows))
    harvest = chain.segment // chain.fruits if attack.hoard else 0
    height = grow(
        stream_key(seed, _STREAM + stream),
        Chances(threshold(alpha), threshold(gamma), threshold(1 / chain.fruits)),
        finds,
        Rules(chain.depth, chain.window, FRUITS_MAX),
        Plan(int(attack.withholds_blocks), int(attack.censors), attack.hoard, harvest),
        world,
    )
    # Of the last blocks' time not all fruits are in yet.
    end = height - chain.window if chain.window < _ENDLESS else height
    return measure(world.chain[1 : end + 1].astype(np.int64), chain.segment)


def measure(blocks: "np.ndarray", segment: int) -> Earned:
    """From rows of (attacker's block?, honest fruits, attacker's fruits), a row for each block.

    A segment begins with any block, and ends with the block that completes it.
    """
    import numpy as np

    batches = np.array_split(blocks, BATCHES)
    share = ratio_and_error([int(part[:, 0].sum()) for part in batches], [len(part) for part in batches])
    own, everybodys = [int(part[:, 2].sum()) for part in batches], [int(part[:, 1:].sum()) for part in batches]
    mine = np.concatenate((np.zeros(1, np.int64), np.cumsum(blocks[:, 2])))
    fruits = np.concatenate((np.zeros(1, np.int64), np.cumsum(blocks[:, 1] + blocks[:, 2])))
    ends = np.searchsorted(fruits, fruits + segment)
    whole = ends < len(fruits)
    starts, ends = np.nonzero(whole)[0], ends[whole]
    worst = ((mine[ends] - mine[starts]) / (fruits[ends] - fruits[starts])).max()
    return Earned(share, ratio_and_error(own, everybodys), float(worst))


class _Grid:
    """The rows of a run, in order; each simulation has a stream of its own."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        self.alphas, self.gammas = settings.numbers("alpha"), settings.numbers("gamma")
        self.delta, self.segments, self.seed = settings.number("delta"), settings.whole("segments"), settings.seed
        depth, recency = settings.whole("depth"), settings.whole("recency")
        self.chain = Chain.of(settings.whole("fruits"), depth, recency, self.delta)
        self.hoard = self.chain.window - _SLACK * depth
        self.rows: list[Row] = []
        self._progress = progress
        self._runs, self._expected = 0, len(self.alphas) * (2 * len(self.gammas) + 2) + 3

    def earned(self, alpha: float, gamma: float, attack: Attack, chain: Chain | None = None) -> Earned:
        """The next run."""
        self._progress(self._runs / self._expected, f"alpha = {alpha:g}, gamma = {gamma:g}")
        self._runs += 1
        return simulate(self.seed, self._runs, alpha, gamma, chain or self.chain, attack, self.segments)

    def blocks(self, at: dict[str, float], earned: Earned) -> None:
        """By blocks it earns what Eyal and Sirer say."""
        share, error = earned.blocks
        theory = revenue(at["alpha"], at["gamma"])
        trials = self.chain.segment * self.segments // self.chain.fruits
        self.rows.append(
            compare(
                "share of blocks, blocks withheld",
                at,
                share,
                around(share, error),
                published=theory,
                closed_form=theory,
                tolerance=SIGMAS * error + 1 / trials,
                grounds=f"4 standard errors of {BATCHES} batches",
                trials=trials,
                seed=self.seed,
                source=str(EYAL_SIRER),
            )
        )

    def fruits(self, attack: str, at: dict[str, float], earned: Earned, *, whole: bool = True) -> None:
        """By fruits it earns its share, over all and in the worst segment."""
        alpha = at["alpha"]
        if whole:
            self._bounded(f"share of fruits, {attack}", at, *earned.fruits, at_most=(1 + self.delta) * alpha)
        limit = segment_bound(alpha, self.delta)
        self._bounded(f"worst segment, {attack}", at, earned.worst, self._error(earned), at_most=limit)

    def unfair(self, broken: str, at: dict[str, float], earned: Earned) -> None:
        """Without that rule the worst segment is beyond the bound, or the check is worth nothing."""
        limit = segment_bound(at["alpha"], self.delta)
        self._bounded(f"must be unfair: {broken}", at, earned.worst, self._error(earned), at_least=limit)

    def _error(self, earned: Earned) -> float:
        """Standard error of the share of one segment."""
        return sqrt(earned.worst * (1 - earned.worst) / self.chain.segment)

    def _bounded(
        self,
        quantity: str,
        at: dict[str, float],
        share: float,
        error: float,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """A share that must not exceed `at_most`; or, of a broken chain, that must reach `at_least`. Delta is all the
        room there is."""
        fair = at_least is None
        self.rows.append(
            bound(
                quantity,
                at,
                share,
                around(share, error),
                at_most=at_most,
                at_least=at_least,
                tolerance=0.0,
                grounds="none: delta is the room" if fair else "a chain without this rule must break the bound",
                trials=self.chain.segment * self.segments,
                seed=self.seed,
                source=str(FAIRNESS if fair else SEGMENTS),
            )
        )


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every alpha and gamma, and for the broken chains at the last alpha and gamma."""
    grid = _Grid(settings, progress)
    for alpha in grid.alphas:
        for gamma in grid.gammas:
            at = {"alpha": alpha, "gamma": gamma}
            earned = grid.earned(alpha, gamma, Attack(withholds_blocks=True, censors=True))
            grid.blocks(at, earned)
            grid.fruits("blocks withheld", at, earned)
            earned = grid.earned(alpha, gamma, Attack(withholds_blocks=True, censors=True, hoard=grid.hoard))
            grid.fruits("all withheld", at, earned, whole=False)
        at = {"alpha": alpha}
        grid.fruits("fruits withheld", at, grid.earned(alpha, 0.0, Attack(hoard=grid.hoard)))
        grid.fruits("fruits censored", at, grid.earned(alpha, 0.0, Attack(censors=True)))
    _broken_chains(grid, settings.number("broken_alpha"))
    chain = grid.chain
    note = f"A segment is {chain.segment} fruits: {chain.segment // chain.fruits} blocks, of which the window is "
    note += f"{chain.window}. Bound of a segment: the smaller of 1 - (1 - delta) (1 - alpha) and (1 + 3 delta) alpha."
    return Result(tuple(grid.rows), (_figure(grid),), (note,))


def _broken_chains(grid: _Grid, alpha: float) -> None:
    """One rule at a time."""
    chain, gamma = grid.chain, max(grid.gammas)
    at, withheld = {"alpha": alpha, "gamma": gamma}, Attack(withholds_blocks=True, censors=True)
    long = Attack(hoard=chain.segment // chain.fruits)
    for broken, attack, rules in (
        ("fruits never expire", long, chain._replace(window=_ENDLESS)),
        ("fruits expire as soon as their block is deep", withheld, chain._replace(window=chain.depth + 1)),
        ("fruits hang from the head", withheld, chain._replace(depth=0)),
    ):
        grid.unfair(broken, at, grid.earned(alpha, gamma, attack, rules))


def _figure(grid: _Grid) -> Figure:
    curve = [i / 200 for i in range(1, 100)]
    layers: list[Layer] = [
        Line("its share of the power", (0, 0.5), (0, 0.5), dashed=True, series=0),
        Line("bound of a segment", curve, [segment_bound(alpha, grid.delta) for alpha in curve], series=1),
    ]
    for series, gamma in enumerate(grid.gammas, start=2):
        layers.append(
            Line(f"equation 8, gamma = {gamma:g}", curve, [revenue(alpha, gamma) for alpha in curve], series=series)
        )
        seen = having(grid.rows, "share of blocks, blocks withheld", gamma=gamma)
        layers.append(points(f"blocks, gamma = {gamma:g}", seen, "alpha", series=series))
    worst = having(grid.rows, "worst segment, all withheld", gamma=max(grid.gammas))
    layers.append(points("fruits of the worst segment, all withheld", worst, "alpha", series=1))
    fruits = having(grid.rows, "share of fruits, blocks withheld", gamma=max(grid.gammas))
    layers.append(points("fruits, blocks withheld", fruits, "alpha", series=0))
    return Figure(
        "fruits",
        "Paid by blocks, and paid by fruits",
        Axis("attacker's share of the hash power"),
        Axis("attacker's share of the rewards"),
        layers,
        caption="Points: simulated, with 95 % intervals. Lines: Eyal and Sirer 2014, equation 8; Pass and Shi 2017.",
    )


EXPERIMENT = Experiment(
    id="fruits",
    title="Fairness of FruitChains",
    claim="Paid by fruits, who withholds or censors earns its share within delta, in every long segment.",
    papers=(FAIRNESS, SEGMENTS, EYAL_SIRER),
    parameters=(
        Parameter("alpha", "attacker's share", (0.1, 0.2, 0.25, 0.3, 1 / 3, 0.4, 0.45), 0.01, 0.49, quick=(0.25, 0.4)),
        Parameter("gamma", "part of the honest who side with the attacker", (0, 0.5, 1), 0, 1, quick=(0.5,)),
        Parameter("fruits", "fruits expected for each block (q)", 4, 1, FRUITS_PER_BLOCK_MAX, whole=True),
        Parameter("depth", "blocks that fruits hang deep (kappa)", 64, 1, 2_000, quick=32, whole=True),
        Parameter("recency", "windows in depths (R)", RECENCY, 3, 100, whole=True),
        Parameter("delta", "unfairness allowed", 0.05, 0.01, 0.5),
        Parameter("segments", "segments of a run", 4, 3, 100, quick=3, whole=True),
        Parameter("broken_alpha", "attacker's share where a rule is broken", 0.4, 0.01, 0.49),
    ),
    run=run,
)
