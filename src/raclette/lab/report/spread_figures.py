"""How blocks spread: curves of arrival, and where on the map they arrive when."""

from collections.abc import Sequence

from raclette.lab.figures import Axis, Bubbles, Figure, Layer, Line
from raclette.lab.report.statistics import quantile
from raclette.primitives.units import MILLISECOND
from raclette.sim.record import RunRecord

# Points of a propagation curve, in per mille of the nodes.
_STEPS = range(0, 1001, 10)
# Where the regions of the network models lie: degrees east and north of a point in the middle of their nodes.
_PLACES = {
    "north-america": (-95, 40),
    "europe": (10, 50),
    "south-america": (-58, -15),
    "asia-pacific": (108, 22),
    "japan": (142, 40),
    "australia": (135, -27),
}


def propagation(records: Sequence[RunRecord]) -> Figure | None:
    """The share of nodes that have a block against the time since its birth: the mean over blocks, with the tenth and
    ninetieth percentile as a band, and the mean of each region. None if no block reached a second node."""
    whole = [delays for record in records for delays in _full(record)]
    if not whole:
        return None
    shares = [step / 10 for step in _STEPS]
    columns = [sorted(quantile(delays, step) for delays in whole) for step in _STEPS]
    middle = [_ms(sum(column) // len(column)) for column in columns]
    low = [_ms(quantile(column, 100)) for column in columns]
    high = [_ms(quantile(column, 900)) for column in columns]
    layers: list[Layer] = [
        Line("all nodes", middle, shares, steps=True, series=0),
        Line("tenth percentile of blocks", low, shares, dashed=True, series=0),
        Line("ninetieth percentile of blocks", high, shares, dashed=True, series=0),
    ]
    layers += _regions(records)
    caption = (
        f"Mean over {len(whole)} blocks of honest nodes that reached all of them, from a block's birth to its arrival "
        "at each node; dashed: the tenth and ninetieth percentile of blocks."
    )
    return Figure(
        "propagation",
        "Propagation of blocks",
        Axis("time since birth (ms)"),
        Axis("nodes (%)", limits=(0, 101)),
        layers,
        caption,
    )


def _ms(nanoseconds: float) -> float:
    return nanoseconds / MILLISECOND


def _full(record: RunRecord) -> list[list[int]]:
    """Delays of the blocks that every honest node had in the end. A liar's are left out: who withholds a block decides
    himself how fast it spreads."""
    honest = sum(record.honest) if record.by_node else record.nodes
    found = [record.delays(block) for block in _honest_blocks(record)]
    return [delays for delays in found if len(delays) == honest > 1]


def _honest_blocks(record: RunRecord) -> list[int]:
    return [n for n, block in enumerate(record.blocks) if n and str(block.miner) not in record.liars]


def _by_region(records: Sequence[RunRecord]) -> dict[str, list[list[int]]]:
    """For each region, one sorted list of delays a block."""
    found: dict[str, list[list[int]]] = {}
    for record in records:
        for block in _honest_blocks(record):
            for region, delays in record.delays_by_region(block).items():
                if delays:
                    found.setdefault(region, []).append(delays)
    return found


def _regions(records: Sequence[RunRecord]) -> list[Line]:
    regions = _by_region(records)
    if len(regions) < 2:
        return []
    shares = [step / 10 for step in _STEPS]
    lines = []
    for number, (region, blocks) in enumerate(regions.items(), 1):
        curve = [_ms(sum(quantile(delays, step) for delays in blocks) / len(blocks)) for step in _STEPS]
        lines.append(Line(_title(region), curve, shares, steps=True, series=number))
    return lines


def region_map(records: Sequence[RunRecord]) -> Figure | None:
    """Where nodes are, how many, and how long the median node there waits for a block. None with less than two
    regions."""
    regions = {name: blocks for name, blocks in _by_region(records).items() if name in _PLACES}
    if len(regions) < 2:
        return None
    names = sorted(regions)
    medians = [_ms(sum(quantile(d, 500) for d in regions[name]) / len(regions[name])) for name in names]
    sizes = [sum(record.regions.count(name) for record in records) // len(records) for name in names]
    notes = [
        f"{_title(name)}: {size} nodes, {median:,.0f} ms"
        for name, size, median in zip(names, sizes, medians, strict=True)
    ]
    discs = Bubbles(
        "median delay (ms)", [_PLACES[n][0] for n in names], [_PLACES[n][1] for n in names], sizes, medians, notes
    )
    caption = (
        "Area: number of nodes. Colour: time from a block's birth to its arrival at the median node of the region."
    )
    return Figure(
        "region-map",
        "Arrival of blocks by region",
        Axis("degrees east", limits=(-150, 180)),
        Axis("degrees north", limits=(-60, 75)),
        [discs],
        caption,
        wide=True,
    )


def _title(region: str) -> str:
    return region.replace("-", " ").title()
