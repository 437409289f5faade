"""What became of the chain: its tree with forks, its growth, and the time until blocks and transactions were final."""

from collections.abc import Sequence

from raclette.lab.figures import Axis, Figure, Graph, Layer, Line, Spans
from raclette.lab.report.statistics import quantile
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.record import NEVER, RunRecord

# Blocks of the tree that one picture shows: more are a smear. The window with most forks is chosen.
TREE_BLOCKS_MAX = 120


def block_tree(record: RunRecord) -> Figure | None:
    """Blocks by the time of their birth; a branch beside the main one is a lane below it. None for genesis alone."""
    if len(record.blocks) < 2:
        return None
    chosen = _window(record)
    lanes = _lanes(record, chosen)
    index = {block: i for i, block in enumerate(chosen)}
    edges = [(index[record.blocks[b].parent], index[b]) for b in chosen if record.blocks[b].parent in index]
    groups, notes = [], []
    for number in chosen:
        block = record.blocks[number]
        liar = str(block.miner) in record.liars
        state = (
            "genesis" if not number else "final" if block.final else "on the main chain" if block.canonical else "stale"
        )
        groups.append(f"{state}, by a liar" if liar and number else state)
        notes.append(f"{block.hash[:12]} height {block.height} by {block.miner}, {block.transactions} transactions")
    stale = len(record.stale())
    caption = (
        f"{len(chosen)} of {len(record.blocks)} blocks of seed {record.seed}; {stale} are stale. Lane 0 is the main "
        "chain; each branch that lost has a lane of its own."
    )
    graph = Graph(
        "blocks",
        [record.blocks[b].born / SECOND for b in chosen],
        [-lanes[b] for b in chosen],
        edges,
        groups,
        notes,
    )
    lowest = -max(lanes.values()) - 0.8
    lane = Axis("lane", limits=(min(lowest, -2.2), 0.8), whole=True)
    return Figure("block-tree", "Block tree", Axis("virtual time (s)"), lane, [graph], caption, wide=True)


def _window(record: RunRecord) -> list[int]:
    """At most `TREE_BLOCKS_MAX` blocks in order of birth, around the most forks."""
    order = sorted(range(len(record.blocks)), key=lambda b: (record.blocks[b].born, b))
    if len(order) <= TREE_BLOCKS_MAX:
        return order
    forks = [not record.blocks[b].canonical for b in order]
    inside = sum(forks[:TREE_BLOCKS_MAX])
    best, start = inside, 0
    for first in range(1, len(order) - TREE_BLOCKS_MAX + 1):
        inside += forks[first + TREE_BLOCKS_MAX - 1] - forks[first - 1]
        if inside > best:
            best, start = inside, first
    return order[start : start + TREE_BLOCKS_MAX]


def _lanes(record: RunRecord, chosen: Sequence[int]) -> dict[int, int]:
    """0 for the main chain; a stale block shares its parent's lane if it is its first child there, else takes the first
    lane that is free from its parent's birth on."""
    lanes: dict[int, int] = {}
    busy_until: dict[int, int] = {}
    continued: set[int] = set()
    for number in sorted(chosen, key=lambda b: (record.blocks[b].height, record.blocks[b].born, b)):
        block = record.blocks[number]
        if block.canonical:
            lanes[number] = 0
            continue
        lane = lanes.get(block.parent, 0)
        if lane == 0 or block.parent in continued:
            begin = record.blocks[block.parent].born if block.parent >= 0 else 0
            lane = next(i for i in range(1, len(chosen) + 2) if busy_until.get(i, -1) < begin)
        continued.add(block.parent)
        lanes[number] = lane
        busy_until[lane] = max(busy_until.get(lane, -1), block.born)
    return lanes


def growth(record: RunRecord) -> Figure:
    """Heads of honest nodes and finality against virtual time, with the faults behind them."""
    curve = record.heights()
    times = [time / SECOND for time, *_ in curve]
    layers: list[Layer] = [
        Line("highest head", times, [high for _, _, high, _ in curve], steps=True),
        Line("lowest head", times, [low for _, low, _, _ in curve], steps=True, dashed=True),
        Line("final", times, [final for *_, final in curve], steps=True),
    ]
    if record.faults:
        ends = [(record.end if f.end == NEVER else f.end) / SECOND for f in record.faults]
        starts = [f.start / SECOND for f in record.faults]
        layers.insert(0, Spans("faults", starts, ends, [f.what for f in record.faults]))
    caption = "Heads of honest nodes: the highest and the lowest, and the highest block that one of them calls final."
    caption += " Shaded: faults." if record.faults else ""
    return Figure(
        "growth",
        "Growth of the chain",
        Axis("virtual time (s)"),
        Axis("height"),
        layers,
        f"{caption} Seed {record.seed}.",
        wide=True,
    )


def waiting(records: Sequence[RunRecord]) -> Figure | None:
    """How long blocks wait to be final and transactions to be executed, as cumulative shares. None if nothing was."""
    finality = sorted(time for record in records for time in record.times_to_finality())
    orders = sorted(
        order.executed - order.submitted for record in records for order in record.orders if order.executed != NEVER
    )
    layers = [
        cumulative(name, times)
        for name, times in (("blocks final", finality), ("transactions executed", orders))
        if times
    ]
    if not layers:
        return None
    caption = (
        f"Cumulative. Blocks: from birth to finality at each honest node ({len(finality)} of them). Transactions: from "
        f"their first submission to the first honest node that has them in its chain ({len(orders)} of them)."
    )
    return Figure("waiting", "Time to finality", Axis("time (ms)"), Axis("share (%)", limits=(0, 101)), layers, caption)


def cumulative(name: str, ordered: Sequence[int]) -> Line:
    """Sorted times (ns) as a curve of the share (%) that is through by then (ms)."""
    steps = range(0, 1001, 5)
    return Line(name, [quantile(ordered, s) / MILLISECOND for s in steps], [s / 10 for s in steps], steps=True)
