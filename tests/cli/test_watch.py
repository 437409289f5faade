"""The live view shows the run as it is, obeys its keys, and changes nothing."""

import asyncio

import pytest
from textual.widgets import DataTable, Static

from raclette.cli.watch import WatchApp, drawing
from raclette.primitives.errors import Misuse
from raclette.primitives.units import SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash
from raclette.sim.liars import LiarSpec
from raclette.sim.record import BlockRecord, HeadChange, RunRecord
from raclette.sim.simulate import Simulation, simulate

CONFIG = SimConfig(
    workload=Workload(count=20),
    duration=4 * SECOND,
    faults=(Crash(SECOND, 1, "lose", SECOND),),
    liars={3: LiarSpec("silent")},
)


def forked() -> RunRecord:
    blocks = [(-1, 0), (0, 1), (1, 2), (1, 2), (2, 3)]
    return RunRecord(
        "nakamoto",
        1,
        2,
        honest=[True, True],
        blocks=[BlockRecord(str(i), parent, height, 0, i, 1, 0, 1) for i, (parent, height) in enumerate(blocks)],
        heads=[HeadChange(1, 0, 4, 0), HeadChange(2, 1, 3, 0), HeadChange(3, 1, 4, 1)],
    )


def test_the_tree_shows_a_fork_below_the_branch_of_most_heads() -> None:
    lines = drawing.tree(forked(), 60).plain.splitlines()
    assert lines[0].split() == ["0", "1", "2", "3"]
    assert lines[1].count("■") == 4
    assert lines[2].split() == ["└──□"]
    assert lines[2].index("□") == lines[1].index("■", lines[1].index("■", lines[1].index("■") + 1) + 1)
    assert lines[3].split() == ["2"]


def test_a_reorganisation_is_news_once() -> None:
    record = forked()
    assert [line.split("  ")[-1] for line in drawing.news(record, 10, 2)] == ["node 1 gave up 1 block(s) for height 3"]
    assert drawing.news(record, 10, 3) == []


def test_watching_runs_to_the_end_and_gives_the_same_report() -> None:
    async def look_on() -> None:
        app = WatchApp(Simulation(CONFIG, record=True), "silence")
        async with app.run_test(size=(140, 45)) as pilot:
            await pilot.press("space")
            assert app.paused
            before = app.simulation.world.kernel.now
            await pilot.press("n")
            assert app.simulation.world.kernel.now > before
            for _ in range(8):
                await pilot.press("plus")
            assert app.speed == 8
            while app.report is None:
                await pilot.press("n")
            table = app.query_one("#nodes", DataTable)
            assert table.get_row("3")[1] == "silent"
            assert "every property held" in str(app.query_one("#status", Static).render())
            await pilot.press("q")
        assert app.return_value == simulate(CONFIG)

    asyncio.run(look_on())


def test_time_flows_by_itself_until_it_is_stopped() -> None:
    async def look_on() -> None:
        app = WatchApp(Simulation(CONFIG, record=True), "silence")
        async with app.run_test(size=(100, 30)) as pilot:
            for _ in range(200):
                await pilot.pause(0.02)
                if app.simulation.world.kernel.now:
                    break
            assert app.simulation.world.kernel.now > 0
            await pilot.press("minus")
            assert app.speed == 2
            await pilot.press("q")
        assert app.return_value is None

    asyncio.run(look_on())


def test_a_simulation_that_does_not_record_cannot_be_watched() -> None:
    with pytest.raises(Misuse, match="records"):
        WatchApp(Simulation(CONFIG), "x")
