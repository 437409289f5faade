"""A report says what ran and what came out; its figures hold the numbers of the record."""

import json
import re
from pathlib import Path

import pytest

from raclette.lab.figures import Bars, Graph, Line, Spans
from raclette.lab.report import Document, Run, write_run_report
from raclette.lab.report.chain_figures import TREE_BLOCKS_MAX, block_tree, growth, waiting
from raclette.lab.report.spread_figures import propagation, region_map
from raclette.lab.report.statistics import mean, quantile, share
from raclette.lab.report.traffic_figures import messages, node_map, revenue
from raclette.primitives.units import SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash
from raclette.sim.liars import LiarSpec
from raclette.sim.record import BlockRecord, Finality, HeadChange, Order, RunRecord
from raclette.sim.simulate import Simulation


def block(parent: int, height: int, born_s: float, *, miner: int = 0, canonical: bool = True) -> BlockRecord:
    return BlockRecord(f"0x{parent}{height}{born_s}", parent, height, miner, int(born_s * SECOND), 500, 1, 1, canonical)


def forked() -> RunRecord:
    """Genesis, 1, a fork at height 2 (block 3 lost), and 4 on block 2. Node 1 lies and made the block that lost."""
    blocks = [
        block(-1, 0, 0),
        block(0, 1, 1),
        block(1, 2, 2),
        block(1, 2, 2.1, miner=1, canonical=False),
        block(2, 3, 3),
    ]
    times: list[list[float]] = [[0, 0, 0], [1.0, 1.1, 1.2], [2.0, 2.2, 2.4], [-1e-9, 2.1, -1e-9], [3.0, 3.1, 3.5]]
    return RunRecord(
        protocol="nakamoto",
        seed=7,
        nodes=3,
        end=4 * SECOND,
        regions=["europe", "japan", "europe"],
        honest=[True, False, True],
        power=[1, 1, 2],
        liars={"1": "selfish"},
        blocks=blocks,
        reached=[[round(t * SECOND) for t in row] for row in times],
        heads=[HeadChange(b.born, b.miner, i, 0) for i, b in enumerate(blocks)],
        finals=[Finality(3 * SECOND, 0, 1)],
        orders=[Order(0, SECOND), Order(0, -1)],
        sent={"vote": [3, 1, 0], "block": [1, 0, 9]},
        sent_bytes={"vote": [300, 100, 0], "block": [100, 0, 900]},
    )


def test_the_propagation_curve_is_the_mean_over_blocks_that_reached_every_honest_node() -> None:
    figure = propagation([forked()])
    assert figure is not None
    whole = figure.layers[0]
    assert isinstance(whole, Line)
    assert whole.x[0] == 0
    assert whole.x[-1] == pytest.approx((200 + 400 + 500) / 3, abs=1)
    assert "3 blocks" in figure.caption


def test_the_map_places_regions_and_leaves_out_what_it_cannot_place() -> None:
    assert region_map([forked()]) is None  # the only node in Japan lies
    honest = forked()
    honest.honest = [True] * 3
    figure = region_map([honest])
    assert figure is not None
    assert "Japan: 1 nodes" in "".join(figure.layers[0].notes)  # type: ignore[union-attr]


def test_the_tree_puts_the_losing_branch_into_a_lane_of_its_own() -> None:
    figure = block_tree(forked())
    assert figure is not None
    graph = figure.layers[0]
    assert isinstance(graph, Graph)
    assert list(graph.y) == [0, 0, 0, -1, 0]
    assert sorted(graph.edges) == [(0, 1), (1, 2), (1, 3), (2, 4)]
    assert graph.group[3] == "stale, by a liar"


def test_a_long_tree_is_shown_where_it_forks_most() -> None:
    record = forked()
    record.blocks = [block(i - 1, i, i) for i in range(500)]
    record.blocks += [block(400, 401, 401.5, canonical=False), block(410, 411, 411.5, canonical=False)]
    figure = block_tree(record)
    assert figure is not None
    graph = figure.layers[0]
    assert isinstance(graph, Graph)
    assert len(graph.x) == TREE_BLOCKS_MAX
    assert list(graph.group).count("stale") == 2


def test_waiting_times_are_cumulative_and_leave_out_what_never_came() -> None:
    figure = waiting([forked()])
    assert figure is not None
    finality, orders = figure.layers
    assert isinstance(finality, Line)
    assert isinstance(orders, Line)
    assert set(finality.x) == {2000.0}
    assert set(orders.x) == {1000.0}
    assert "(1 of them)" in figure.caption


def test_revenue_compares_power_with_blocks_of_the_main_chain() -> None:
    figure = revenue([forked()])
    assert figure is not None
    power, gain = figure.layers
    assert isinstance(power, Bars)
    assert isinstance(gain, Bars)
    assert list(power.labels) == ["selfish", "honest"]
    assert list(power.values) == [25, 75]
    assert list(gain.values) == [0, 100]
    assert all(low <= value <= high for low, value, high in zip(gain.low, gain.values, gain.high, strict=True))


def test_messages_are_ordered_by_how_many_there_were() -> None:
    figure, cells = messages([forked()]), node_map(forked())
    assert figure is not None
    assert cells is not None
    bars = figure.layers[0]
    assert isinstance(bars, Bars)
    assert list(zip(bars.labels, bars.values, strict=True)) == [("block", 10), ("vote", 4)]
    assert "1 (liar)" in cells.layers[0].x  # type: ignore[union-attr]


def test_the_report_of_a_run_is_one_page_with_pictures_and_tables(tmp_path: Path) -> None:
    config = SimConfig(
        workload=Workload(count=20),
        duration=4 * SECOND,
        faults=(Crash(SECOND, 1, "lose", SECOND),),
        liars={3: LiarSpec("silent")},
    )
    runs = []
    for seed in (1, 2):
        simulation = Simulation(SimConfig(**{**vars(config), "seed": seed}), record=True)
        report = simulation.run()
        assert simulation.record is not None
        runs.append(Run(report.to_json(), simulation.record))
    page = write_run_report(runs, tmp_path, title="Crash <and> silence", scenario="nodes = 4", replay="raclette sim x")
    text = page.read_text()
    assert "All 2 run(s) kept every property." in text
    assert "Crash &lt;and&gt; silence" in text
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=\"http", text)
    for name in re.findall(r'href="(figures/[^"]+)"', text):
        assert (tmp_path / name).stat().st_size > 0
    assert [run["seed"] for run in json.loads((tmp_path / "runs.json").read_text())] == [1, 2]
    assert any(isinstance(layer, Spans) for layer in growth(runs[0].record).layers)


def test_a_broken_run_is_named_first(tmp_path: Path) -> None:
    report = {"protocol": "pbft", "network": "lan", "nodes": 3, "agreed": False, "digest": "d"}
    report["violations"] = [{"checker": "agreement", "time_ms": 5, "node": 1, "detail": "height 2 <twice>"}]
    text = write_run_report([Run(report, forked())], tmp_path, title="t").read_text()
    assert "1 of 1 run(s) broke a property: seed 7." in text
    assert "height 2 &lt;twice&gt;" in text


def test_a_report_without_runs_or_figures_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one run"):
        write_run_report([], tmp_path, title="t")
    assert len(Document("plain").html()) < 10_000


def test_intervals_hold_what_they_should() -> None:
    assert mean([1.0]) == (1, 1, 1)
    low, high = mean([1.0, 2.0, 3.0])[1:]
    assert [low, high] == pytest.approx([2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5], abs=1e-3)
    # Wilson's interval for 0 of 10 reaches to z^2 / (n + z^2).
    assert list(share(0, 10)) == pytest.approx([0, 0, 1.96**2 / (10 + 1.96**2)], abs=1e-9)
    assert quantile([1, 2, 3, 4], 500) == 3
    for empty in (lambda: mean([]), lambda: share(0, 0), lambda: quantile([], 500)):
        with pytest.raises(ValueError):
            empty()
