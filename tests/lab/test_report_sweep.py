"""The report of a sweep draws what the rows say, with the uncertainty of the seeds."""

from pathlib import Path

import pytest

from raclette.lab.figures import Bars, Heatmap, Line
from raclette.lab.report.sweep import estimates, metric_figures, write_sweep_report
from raclette.lab.sweep import Axis
from raclette.lab.sweep.results import Row

AXES = (Axis("attacker.share", (0.1, 0.2)), Axis("gamma", (0, 1)))


def rows() -> list[Row]:
    return [
        {"cell": f"{x}{y}{seed}", "attacker.share": x, "gamma": y, "seed": seed, "error": "", "agreed": x < 0.2}
        | {"height": 10 * x + y + seed}
        for x in (0.1, 0.2)
        for y in (0, 1)
        for seed in (1, 2, 3)
    ]


def test_a_quantity_has_a_mean_for_each_combination_and_a_verdict_has_a_share() -> None:
    heights = estimates(rows(), AXES, "height")
    assert {place: round(estimate.value, 6) for place, estimate in heights.items()} == {
        (0.1, 0): 3, (0.1, 1): 4, (0.2, 0): 4, (0.2, 1): 5
    }  # fmt: skip
    assert heights[0.1, 0].low < 3 < heights[0.1, 0].high
    agreed = estimates(rows(), AXES, "agreed")[0.2, 1]
    assert agreed.value == 0
    assert 0.5 < agreed.high < 0.6  # Wilson: none of three


def test_two_axes_are_curves_and_a_map() -> None:
    curves, heat = metric_figures(rows(), AXES, "height")
    assert [layer.name for layer in curves.layers] == ["gamma = 0", "gamma = 1"]
    assert isinstance(curves.layers[0], Line)
    assert list(curves.layers[0].y) == pytest.approx([3, 4])
    cells = heat.layers[0]
    assert isinstance(cells, Heatmap)
    assert [list(row) for row in cells.z] == [pytest.approx([3, 4]), pytest.approx([4, 5])]


def test_an_axis_of_words_becomes_bars() -> None:
    named = [row | {"network": "lan" if row["gamma"] else "wan"} for row in rows()]
    (figure,) = metric_figures(named, [Axis("network", ("lan", "wan"))], "height")
    assert isinstance(figure.layers[0], Bars)
    assert list(figure.layers[0].labels) == ["lan", "wan"]


def test_a_quantity_that_no_row_has_is_no_figure() -> None:
    assert metric_figures(rows(), AXES, "nonsense") == []


def test_errors_and_broken_properties_are_counted_apart(tmp_path: Path) -> None:
    bad = {
        "cell": "x",
        "attacker.share": 0.1,
        "gamma": 0,
        "seed": 9,
        "error": "Trace\nValueError: <no>",
        "agreed": False,
    }
    page = write_sweep_report([*rows(), bad], AXES, tmp_path, title="Sweep", replay="raclette sweep x")
    text = page.read_text()
    assert "13 runs: 1 failed with an error, 6 broke a property." in text
    assert "ValueError: &lt;no&gt;" in text
    assert (tmp_path / "figures" / "height-map.png").exists()


def test_trials_are_added_up_over_seeds_before_they_become_a_share() -> None:
    """Two runs of nothing and one of ten are ten trials, and no interval goes below zero."""
    counts = {"attack.groups.attacker.successes": 0, "attack.groups.attacker.failures": 0}
    races = [row | counts for row in rows()]
    races[0] |= {"success-rate": 0.1, "attack.groups.attacker.successes": 1, "attack.groups.attacker.failures": 9}
    found = estimates(races, AXES, "success-rate")
    assert list(found) == [(0.1, 0)]
    assert found[0.1, 0].value == 0.1
    assert 0 < found[0.1, 0].low < 0.1 < found[0.1, 0].high < 0.5
