"""All protocols are asked the same questions, and the answers are the same on any machine."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raclette.cli.app import app
from raclette.cli.commands import load
from raclette.lab.compare import CASES, Comparison, FinalWatch, Row, run_comparison, summarise
from raclette.lab.compare.page import costs, figures, trouble, write_page
from raclette.lab.compare.plan import Job, aftermath, case_of, lie_in, parameters_of
from raclette.lab.compare.run import longest_pause, world_of
from raclette.lab.figures import Bars
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Partition
from raclette.sim.liars import LIARS
from raclette.sim.simulate import Simulation, view_of

SMALL = Comparison(protocols=("pbft", "simplex"), nodes=4, network="wan", seeds=1, seconds=6, rate=4)


def test_two_protocols_are_compared_in_every_case(tmp_path: Path) -> None:
    heard: list[Row] = []
    rows = run_comparison(SMALL, progress=heard.append)
    assert heard == rows
    assert [(row.protocol, row.case) for row in rows] == [(p, c) for p in ("pbft", "simplex") for c in CASES]
    assert all(row.held and row.recovered and row.finality == "certificate" for row in rows)
    found = {(row.protocol, row.case): row for row in rows}
    for protocol in SMALL.protocols:
        calm = found[protocol, "calm"]
        # Three hops of 20 to 25 ms, and the transaction's own way to the leader.
        assert 60 < calm.latency_p50_ms < 120
        assert found[protocol, "partition"].pause_s > SMALL.seconds / 3 - 0.5 > calm.pause_s
        assert found[protocol, "crash"].pause_s > calm.pause_s
        assert found[protocol, "liar"].lie == "equivocate"
    summaries = summarise(rows)
    assert len(costs(summaries)) == 2
    assert len(trouble(summaries)) == 8
    drawn = figures(summaries, 1)
    assert {figure.name for figure in drawn} == {"latency", "pause", "messages", "bytes"}
    bars = drawn[0].layers[0]
    assert isinstance(bars, Bars)
    assert bars.labels == ["pbft", "simplex"]
    page = write_page(SMALL, rows, tmp_path, command="raclette compare")
    assert page.stat().st_size > 1_000_000
    assert (tmp_path / "figures" / "latency.png").exists()
    kept = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["digest"] for row in kept["runs"]] == [row.digest for row in rows]


def test_every_protocol_has_a_lie_that_its_simulation_accepts() -> None:
    for protocol in PROTOCOLS:
        kind = LIARS[lie_in(protocol)]
        assert not kind.protocols or protocol in kind.protocols


@pytest.mark.parametrize(
    ("nodes", "put", "expected"),
    [
        (10, {}, {"committee_size": 25}),
        (10, {"fruits": 4}, {"committee_size": 25, "fruits": 4}),
        (40, {}, {"committee_size": 8}),
        (10, {"committee_size": 12}, {"committee_size": 12}),
        (4, {}, {}),
    ],
)
def test_as_many_seats_are_elected_as_bear_a_liar_among_so_many_nodes(
    nodes: int, put: dict[str, int], expected: dict[str, int]
) -> None:
    """Unless the user chose, or no number of seats does: of four equal miners one that withholds takes a third."""
    comparison = Comparison(protocols=("hybrid",), nodes=nodes, parameters={"hybrid": put})
    assert parameters_of(comparison, "hybrid") == expected
    beyond = case_of(comparison, Job("hybrid", "liar", 1)).beyond
    assert bool(beyond) == (nodes == 4 or "committee_size" in put)


def test_every_protocol_bears_the_liar_of_the_default_comparison() -> None:
    comparison = Comparison()
    assert [case_of(comparison, Job(protocol, "liar", 1)).beyond for protocol in PROTOCOLS] == [""] * len(PROTOCOLS)
    assert all(not parameters_of(comparison, protocol) for protocol in PROTOCOLS if protocol != "hybrid")


def test_a_comparison_runs_on_for_depth_only_where_depth_makes_final() -> None:
    """Hybrid mines all the time, and its blocks have certificates."""
    comparison = Comparison(protocols=("hybrid", "nakamoto"), nodes=6, seconds=3, depth=2)
    found = {}
    for protocol in comparison.protocols:
        config = case_of(comparison, Job(protocol, "calm", 1)).config
        simulation, depth = world_of(comparison, config)
        found[protocol] = depth, simulation.config.duration - config.duration
    assert found == {"hybrid": (0, 0), "nakamoto": (2, aftermath(comparison))}
    assert aftermath(comparison) == 30 * SECOND


def test_what_is_final_by_depth_may_be_reverted_and_is_counted() -> None:
    """Two halves of a network, each with a branch of its own: one of them was wrong about what is final."""
    config = SimConfig(
        protocol="nakamoto",
        nodes=4,
        seed=3,
        parameters={"difficulty_rule": "fixed"},
        workload=Workload(count=4, interval=SECOND, start=SECOND),
        faults=(Partition(10 * SECOND, ((0, 1), (2, 3)), 80 * SECOND),),
        duration=110 * SECOND,
    )
    reverted = []
    for depth in (1, 1_000):
        simulation = Simulation(config)
        watch = FinalWatch(view_of, depth)
        simulation.world.observers.append(watch)
        simulation.run()
        reverted.append((watch.reverted > 0, bool(watch.final_at), watch.said))
    assert reverted == [(True, True, 0), (False, False, 0)]


@pytest.mark.parametrize(
    ("spans", "end", "longest"),
    [
        ([(0, 5)], 5, 5),
        ([(0, 5), (10, 12)], 12, 5),
        ([(0, 5), (1, 6), (2, 20)], 20, 14),
        ([(0, 5), (7, -1)], 30, 23),
        ([(0, -1)], 30, 30),
        ([(-1, -1)], 30, 0),
    ],
)
def test_a_pause_is_a_time_in_which_something_waits_and_nothing_becomes_final(
    spans: list[tuple[int, int]], end: int, longest: int
) -> None:
    assert longest_pause(spans, end) == longest


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--protocols", "pbft,raft"], "raft"),
        (["--protocols", "pbft,pbft"], "different names"),
        (["--set", "pbft=1"], "PROTOCOL.KEY=VALUE"),
        (["--set", "raft.x=1"], "raft"),
        (["--protocols", "pbft", "--set", "pbft.windw=1"], "config.protocol.windw"),
        (["--protocols", "pbft", "--network", "moon"], "moon"),
    ],
)
def test_bad_options_are_refused_with_what_is_accepted(arguments: list[str], named: str) -> None:
    load()
    result = CliRunner().invoke(app, ["compare", "--seconds", "3", "--seeds", "1", "--jobs", "1", *arguments])
    assert result.exit_code == 2
    assert named in result.output


def test_a_comparison_without_protocols_is_refused() -> None:
    with pytest.raises(ConfigError, match="one at least"):
        run_comparison(Comparison(protocols=()))
