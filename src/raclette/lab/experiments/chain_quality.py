"""Chain quality: the part of the chain that honest miners made, under the worst attack.

Garay, Kiayias and Leonardos 2015: at least 1 - alpha / (1 - alpha) of a long stretch is honest. The bound is met by an
attacker that hears every honest block at once, keeps its own until one appears, and has its block heard first
everywhere: each of its blocks then costs one honest block. The attack is run on compiled draws, and block by block on
an honest miner's block tree with the engine's fork choice; SM1 with gamma = 1 does it less harm.
"""

from collections.abc import Mapping

from raclette.lab.experiments.contract import Experiment, Number, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.plots import having, points
from raclette.lab.experiments.selfish import simulate as selfish_mining
from raclette.lab.experiments.statistics import BATCHES, SIGMAS, around, bound, compare, ratio_and_error
from raclette.lab.experiments.tree_race import Blocks
from raclette.lab.figures import Axis, Figure, Line
from raclette.primitives.randomness import Random

BACKBONE = Paper("Garay, Kiayias and Leonardos 2015, The Bitcoin backbone protocol", "theorem 3 (chain quality)")
_STREAM_WORST, _STREAM_TREE, _STREAM_SELFISH = 600, 700, 800


def worst(alpha: float) -> float:
    """The least honest part of the chain."""
    return (1 - 2 * alpha) / (1 - alpha)


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every alpha."""
    alphas = settings.numbers("alpha")
    rows: list[Row] = []
    for number, alpha in enumerate(alphas):
        progress(number / len(alphas), f"alpha = {alpha:g}")
        rows += _point(settings, alpha)
    return Result(tuple(rows), (_figure(settings, rows),))


def _point(settings: Settings, alpha: float) -> list[Row]:
    blocks, real, seed = settings.whole("blocks"), settings.whole("engine_blocks"), settings.seed
    at = {"alpha": alpha}
    part, error = worst_attack(seed, alpha, blocks)
    rows = [_row("worst attack", at, part, error, blocks, seed)]
    if real:
        part, error = attack_on_trees(seed, alpha, real)
        rows.append(_row("worst attack on the engine's tree", at, part, error, real, seed))
    share, error, _, _ = selfish_mining(seed, _STREAM_SELFISH, alpha, 1.0, blocks)
    rows.append(
        bound(
            "SM1, gamma = 1",
            at,
            1 - share,
            around(1 - share, error),
            at_least=worst(alpha),
            tolerance=SIGMAS * error,
            grounds="4 standard errors",
            trials=blocks,
            seed=seed,
            source=str(BACKBONE),
        )
    )
    return rows


def worst_attack(seed: int, alpha: float, blocks: int) -> tuple[float, float]:
    """(honest part of the chain, its standard error) under the worst attack, in `blocks` finds."""
    from raclette.lab.experiments.jit.draws import stream_key, threshold
    from raclette.lab.experiments.jit.races import displaced

    each = blocks // BATCHES
    runs = [displaced(stream_key(seed, _STREAM_WORST + i), threshold(alpha), each) for i in range(BATCHES)]
    return ratio_and_error([length - taken for length, taken in runs], [length for length, _ in runs])


def attack_on_trees(seed: int, alpha: float, blocks: int) -> tuple[float, float]:
    """The same, with the chain decided by an honest miner's block tree."""
    runs = [_attack_on_tree(Random(seed, _STREAM_TREE + i), alpha, blocks // BATCHES) for i in range(BATCHES)]
    return ratio_and_error([honest for honest, _ in runs], [length for _, length in runs])


def _attack_on_tree(random: Random, alpha: float, finds: int) -> tuple[int, int]:
    """(honest blocks, all blocks) in the chain, once the attacker has nothing left to publish after `finds`."""
    blocks = Blocks()
    tree = blocks.tree()
    power = int(alpha * 2**53) << 11
    kept, mine = 0, set()
    found = 0
    while found < finds or kept:
        found += 1
        if random.next64() < power:
            kept += 1
            continue
        honest = blocks.on(tree.head)
        if kept:
            kept -= 1
            rival = blocks.on(tree.head)
            mine.add(rival.hash)
            tree.add(rival)
        tree.add(honest)
    length = blocks.known[tree.head].number
    cursor, taken = blocks.known[tree.head], 0
    while cursor.number:
        taken += cursor.hash in mine
        cursor = blocks.known[cursor.parent_hash]
    return length - taken, length


def _row(quantity: str, at: Mapping[str, Number], part: float, error: float, blocks: int, seed: int) -> Row:
    theory = worst(at["alpha"])
    return compare(
        quantity,
        at,
        part,
        around(part, error),
        published=theory,
        closed_form=theory,
        tolerance=SIGMAS * error + 1 / blocks,
        grounds=f"4 standard errors of {BATCHES} batches",
        trials=blocks,
        seed=seed,
        source=str(BACKBONE),
    )


def _figure(settings: Settings, rows: list[Row]) -> Figure:
    curve = [i / 200 for i in range(101)]
    return Figure(
        "chain-quality",
        "What an attacker leaves to the honest",
        Axis("attacker's share of the hash power"),
        Axis("honest part of the chain"),
        [
            Line("honest share of the power", curve, [1 - alpha for alpha in curve], dashed=True, series=0),
            Line("lower bound", curve, [worst(alpha) for alpha in curve], series=1),
            points("worst attack", having(rows, "worst attack"), "alpha", series=1),
            points("SM1, gamma = 1", having(rows, "SM1, gamma = 1"), "alpha", series=2),
        ],
        caption="Points: simulated, with 95 % intervals. Line: the bound of the backbone paper.",
    )


EXPERIMENT = Experiment(
    id="chain-quality",
    title="Chain quality under the worst attack",
    claim="An attacker with the share alpha takes at most alpha / (1 - alpha) of the chain.",
    papers=(BACKBONE,),
    parameters=(
        Parameter("alpha", "attacker's share", (0.1, 0.2, 0.25, 0.3, 1 / 3, 0.4, 0.45), 0.01, 0.49, quick=(0.25, 0.4)),
        Parameter("blocks", "blocks found in a run", 4_000_000, 10_000, 10**9, quick=200_000, whole=True),
        Parameter(
            "engine_blocks", "blocks found around the engine's tree", 50_000, 0, 10_000_000, quick=5_000, whole=True
        ),
    ),
    run=run,
)
