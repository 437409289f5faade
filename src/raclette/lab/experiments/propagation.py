"""How long a block takes to reach the network.

Blocks of 535,000 bytes spread over 1,000 nodes in six regions with the tables of 2019; the times after which a tenth,
half and nine tenths of all deliveries were made are compared with SimBlock's (Aoki et al. 2019), over several random
networks. SimBlock lets a node send its next block only when the one before has arrived; that discipline is used for
the comparison. The same network with an uplink that is busy only while it sends is shown beside it, without a
verdict: its median is a little shorter, its tail much.

Deviation: our nodes relay blocks of lost branches too, SimBlock's do not; with a block every ten seconds that makes
the tail longer, which is why such short intervals have a wider tolerance.
"""

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Progress, Result, Row, Settings
from raclette.lab.experiments.published import published
from raclette.lab.experiments.spreading import Spread, spread
from raclette.lab.experiments.statistics import around, compare, mean_and_error
from raclette.lab.figures import Axis, Figure, Layer, Line, Points

SIMBLOCK = Paper("Aoki et al. 2019, SimBlock", "section IV (propagation of blocks)")
PERCENTS = (10, 50, 90)
# What SimBlock's own figures differ by from seed to seed (a median from 2,930 to 3,077 ms for three seeds).
_TOLERANCE = 0.05
# Below this interval several blocks are under way at once, and relaying lost branches begins to count.
_CROWDED_S, _TOLERANCE_CROWDED = 60, 0.1


def run(settings: Settings, progress: Progress) -> Result:
    """Rows for every interval, percentile and discipline."""
    nodes, blocks = settings.whole("nodes"), settings.whole("blocks")
    networks, intervals = settings.whole("networks"), settings.numbers("interval_s")
    rows: list[Row] = []
    layers: list[Layer] = []
    steps = len(intervals) * networks
    for number, interval in enumerate(intervals):
        runs: dict[bool, list[Spread]] = {True: [], False: []}
        for network in range(networks):
            progress((number * networks + network) / steps, f"{interval:g} s, network {network + 1}")
            for stop_and_wait, found in runs.items():
                seed = settings.seed + network
                found.append(spread(nodes, interval, blocks, seed, stop_and_wait=stop_and_wait))
        for stop_and_wait, found in runs.items():
            rows += _rows(settings, interval, found, stop_and_wait)
            layers.append(_curve(interval, found, stop_and_wait))
        layers += _reference(nodes, interval)
    return Result(tuple(rows), (_figure(nodes, layers),))


def _rows(settings: Settings, interval: float, runs: list[Spread], stop_and_wait: bool) -> list[Row]:
    at = {"nodes": settings.whole("nodes"), "interval_s": interval}
    rows = []
    for name, values in (
        *((f"p{percent}", [run.quantile(percent) for run in runs]) for percent in PERCENTS),
        ("mean", [run.mean_ms for run in runs]),
    ):
        value, error = mean_and_error(values)
        reference = published(f"simblock-{name}-ms", at) if stop_and_wait else None
        share = _TOLERANCE if interval >= _CROWDED_S else _TOLERANCE_CROWDED
        rows.append(
            compare(
                f"{name} (ms), {'SimBlock' if stop_and_wait else 'own'} uplink",
                at,
                value,
                around(value, error),
                published=reference,
                tolerance=share * reference.value if reference else 0.0,
                grounds=f"{share:.0%}: SimBlock's own spread over seeds" if reference else "nothing published",
                trials=sum(len(run.delays) for run in runs),
                seed=settings.seed,
            )
        )
    return rows


def _curve(interval: float, runs: list[Spread], stop_and_wait: bool) -> Line:
    shares = range(1, 100)
    times = [sum(run.quantile(share) for run in runs) / len(runs) / 1000 for share in shares]
    name = f"every {interval:g} s, {'SimBlock' if stop_and_wait else 'own'} uplink"
    return Line(name, times, [share / 100 for share in shares], dashed=not stop_and_wait)


def _reference(nodes: int, interval: float) -> list[Layer]:
    """SimBlock's own percentiles, where they are known."""
    figures = [(published(f"simblock-p{p}-ms", {"nodes": nodes, "interval_s": interval}), p) for p in PERCENTS]
    times = [figure.value / 1000 for figure, _ in figures if figure is not None]
    shares = [percent / 100 for figure, percent in figures if figure is not None]
    return [Points(f"SimBlock, every {interval:g} s", times, shares)] if times else []


def _figure(nodes: int, layers: list[Layer]) -> Figure:
    return Figure(
        "propagation",
        f"A block of 535,000 bytes reaches {nodes:,} nodes",
        Axis("time since it was mined (s)"),
        Axis("part of the nodes that have it", limits=(0, 1)),
        layers,
        caption="Percentiles over all blocks and nodes, mean over the networks. Points: SimBlock's own run.",
    )


EXPERIMENT = Experiment(
    id="propagation",
    title="Propagation of blocks over the Internet of 2019",
    claim="Half of the network has a full block after three seconds.",
    papers=(SIMBLOCK,),
    parameters=(
        Parameter("nodes", "nodes in six regions", 1_000, 10, 20_000, whole=True),
        Parameter("interval_s", "seconds between blocks", (600,), 1, 100_000),
        Parameter("blocks", "blocks of a run", 100, 2, 10_000, quick=20, whole=True),
        Parameter("networks", "random networks", 4, 1, 100, quick=2, whole=True),
    ),
    run=run,
)
