"""A sweep runs every cell once, keeps what has finished, and hides nothing that failed."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from raclette.lab.sweep import Axis, Journal, Plan, make_plan, parse_axis, read_rows, run_sweep, write_parquet
from raclette.lab.sweep.results import JOURNAL, TABLE, flat
from raclette.primitives.errors import ConfigError

AXES = [Axis("attacker.share", (0.1, 0.2)), Axis("gamma", (0, 1))]


def plan(seeds: range = range(1, 4)) -> Plan:
    return make_plan({"nodes": 4}, AXES, seeds, "1.0")


def product_of(scenario: Mapping[str, Any], values: tuple[tuple[str, Any], ...], seed: int) -> dict[str, Any]:
    """Stands for a run."""
    if seed == 3:
        raise ValueError("the third seed always breaks")
    return {"agreed": True, "product": scenario["nodes"] * dict(values)["attacker.share"] * seed}


def journal(directory: Path, of: Plan) -> Journal:
    return Journal(directory, {"plan": of.name})


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("share=0.1:0.45:8", (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45)),
        ("gamma=0,0.5,1", (0, 0.5, 1)),
        ("nodes=4:16:3", (4, 10, 16)),
        ("rate=1:1000:4:log", (1, 10, 100, 1000)),
        ("network=lan,wan", ("lan", "wan")),
        ("on=true,false", (True, False)),
        ("down=1:0:3", (1, 0.5, 0)),
    ],
)
def test_an_axis_is_written_as_a_range_or_a_list(text: str, values: tuple[Any, ...]) -> None:
    axis = parse_axis(text)
    assert axis.values == values
    assert [type(value) for value in axis.values] == [type(value) for value in values]


@pytest.mark.parametrize(
    "text", ["share", "share=", "=1", "a=1:2", "a=1:2:x", "a=1:2:3:lin", "a=1:2:1", "a=0:1:3:log", "a=1,1", "a=nan:1:2"]
)
def test_an_axis_that_cannot_be_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ConfigError, match=rf"--over {text}"):
        parse_axis(text)


def test_a_plan_has_every_combination_under_every_seed_once() -> None:
    cells = plan().cells
    assert len(cells) == len({cell.name for cell in cells}) == 2 * 2 * 3
    assert [cell.seed for cell in cells[:3]] == [1, 2, 3]
    assert plan().name == plan().name
    assert make_plan({"nodes": 5}, AXES, range(1, 4), "1.0").name != plan().name


def test_an_axis_given_twice_or_a_plan_without_end_is_refused() -> None:
    with pytest.raises(ConfigError, match="gamma: stands twice"):
        make_plan({}, [AXES[1], AXES[1]], [1], "1.0")
    with pytest.raises(ConfigError, match="at most 1,000,000"):
        make_plan({}, [Axis("a", tuple(range(2_000)))], range(1_000), "1.0")


@pytest.mark.parametrize("workers", [0, 2])
def test_every_cell_becomes_one_row_and_a_failure_is_one_too(tmp_path: Path, workers: int) -> None:
    told: list[str] = []
    with journal(tmp_path, plan()) as kept:
        run_sweep(plan(), kept, product_of, workers=workers, progress=lambda row: told.append(row["cell"]))
        write_parquet(kept.rows.values(), tmp_path / TABLE)
    rows = {(row["attacker.share"], row["gamma"], row["seed"]): row for row in read_rows(tmp_path / TABLE)}
    assert len(rows) == len(told) == 12
    assert rows[0.2, 1, 2]["product"] == pytest.approx(1.6)
    assert "the third seed always breaks" in rows[0.1, 0, 3]["error"]
    assert [row["agreed"] for row in rows.values()].count(False) == 4


def die(scenario: Mapping[str, Any], values: tuple[tuple[str, Any], ...], seed: int) -> dict[str, Any]:
    """Takes the worker with it, once in three."""
    if seed % 3 == 0:
        os._exit(1)
    return {"agreed": True}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_kills_its_worker_fails_alone_and_is_not_repeated(tmp_path: Path, workers: int) -> None:
    """The row of the run before it is not lost with the worker, nor is one that would have come next."""
    small = make_plan({}, [], range(1, 8), "1.0")
    with journal(tmp_path, small) as kept:
        run_sweep(small, kept, die, workers=workers)
    rows = {row["seed"]: row for row in kept.rows.values()}
    assert {seed for seed, row in rows.items() if not row["agreed"]} == {3, 6}
    assert all("KilledWorker" in rows[seed]["error"] for seed in (3, 6))


def test_an_interrupted_sweep_goes_on_where_it_was(tmp_path: Path) -> None:
    ran: list[int] = []

    def until_interrupted(scenario: Mapping[str, Any], values: Any, seed: int) -> dict[str, Any]:
        if len(ran) == 5:
            raise KeyboardInterrupt
        ran.append(seed)
        return {"agreed": True}

    with journal(tmp_path, plan()) as kept, pytest.raises(KeyboardInterrupt):
        run_sweep(plan(), kept, until_interrupted, workers=0)
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"cell": "torn by a cra')
    again: list[int] = []

    def count(scenario: Mapping[str, Any], values: Any, seed: int) -> dict[str, Any]:
        again.append(seed)
        return {"agreed": True}

    with journal(tmp_path, plan()) as kept:
        assert len(kept.rows) == 5
        run_sweep(plan(), kept, count, workers=0)
        run_sweep(plan(), kept, count, workers=0)
    assert len(again) == 7
    with journal(tmp_path, plan()) as kept:
        assert len(kept.rows) == 12


def test_a_directory_of_another_sweep_is_refused(tmp_path: Path) -> None:
    with journal(tmp_path, plan()):
        pass
    with pytest.raises(ConfigError, match="holds another sweep"):
        journal(tmp_path, plan(range(9)))


def test_a_report_becomes_a_flat_row() -> None:
    report = {"agreed": True, "messages": {"vote": 3}, "violations": [{"checker": "x"}]}
    assert flat(report) == {"agreed": True, "messages.vote": 3, "violations": 1}


def test_columns_whose_rows_disagree_become_text(tmp_path: Path) -> None:
    write_parquet([{"a": 1, "b": 1}, {"a": "one", "b": 0.5}, {"c": None}], tmp_path / "t.parquet")
    rows = read_rows(tmp_path / "t.parquet")
    assert [row["a"] for row in rows] == ["1", "one", None]
    assert [row["b"] for row in rows] == [1.0, 0.5, None]


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raclette.lab.sweep.run.CONNECT_S", 1)
    with journal(tmp_path, plan()) as kept, pytest.raises(ConfigError, match=r"--scheduler tcp://127.0.0.1:1"):
        run_sweep(plan(), kept, product_of, scheduler="tcp://127.0.0.1:1")
