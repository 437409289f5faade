"""A figure shows the same numbers on the page, in the picture and in the table."""

import csv
import json
import re
from pathlib import Path

import pytest

from raclette.lab.figures import (
    Axis,
    Bars,
    Bubbles,
    Figure,
    Graph,
    Heatmap,
    Layer,
    Line,
    Points,
    Spans,
    to_csv,
    write_figure,
)
from raclette.lab.figures.page import div, script
from raclette.primitives.errors import Misuse

LINE = Line("theory", [1, 10, 100], [0.5, 0.25, 0.125], low=[0.4, 0.2, 0.1], high=[0.6, 0.3, 0.2], dashed=True)
POINTS = Points("simulated <b>", [1, 10], [0.51, 0.24], low=[0.5, 0.2], high=[0.52, 0.3], notes=["a", "b"])
BARS = (Bars("sent", ["vote", "block"], [3, 1]), Bars("lost", ["vote", "block"], [1, 0], low=[0, 0], high=[2, 1]))
HEAT = Heatmap("revenue", [0.1, 0.2], [0, 1], [[0.1, 0.2], [0.3, 0.4]])
TREE = Graph("blocks", [0, 1, 1], [0, 0, 1], [(0, 1), (0, 2)], group=["main", "main", "stale"], notes=["g", "a", "b"])

MAP = Bubbles("median (ms)", [-95, 10], [45, 50], [300, 500], [2900, 2500], ["North America", "Europe"])
FAULTS = Spans("faults", [2, 20], [5, 60], ["crash", "partition"])


def figure(*layers: Layer, scale: bool = False) -> Figure:
    axis = Axis("interval (s)", "log", (0.5, 200)) if scale else Axis("interval (s)")
    return Figure("stale-rate", "Stale blocks", axis, Axis("share"), layers, caption="What <is> seen")


@pytest.mark.parametrize("layers", [(LINE, POINTS), BARS, (HEAT,), (TREE,), (MAP,), (FAULTS, LINE)])
def test_every_kind_of_layer_becomes_a_page_a_picture_and_a_table(tmp_path: Path, layers: tuple[Layer, ...]) -> None:
    html, png, table = write_figure(figure(*layers, scale=layers[0] is LINE), tmp_path / "new")
    assert png.read_bytes().startswith(b"\x89PNG")
    assert png.stat().st_size > 10_000
    page = html.read_text()
    assert "What &lt;is&gt; seen" in page
    assert not re.search(r"<(script|link)[^>]+(src|href)=", page), "the page must need no network"
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["layer"] for row in rows} == {layer.name for layer in layers}


def test_the_table_holds_every_number() -> None:
    rows = list(csv.DictReader(to_csv(figure(LINE, POINTS)).splitlines()))
    assert [(row["x"], row["y"], row["low"], row["note"]) for row in rows] == [
        ("1", "0.5", "0.4", ""),
        ("10", "0.25", "0.2", ""),
        ("100", "0.125", "0.1", ""),
        ("1", "0.51", "0.5", "a"),
        ("10", "0.24", "0.2", "b"),
    ]


def test_the_page_holds_the_same_numbers() -> None:
    found = re.search(r'Plotly\.newPlot\(\s*"stale-rate",\s*(\[.*?\]),\s*\{', div(figure(LINE, POINTS)), re.S)
    assert found
    drawn = {trace["name"]: trace for trace in json.loads(found[1]) if trace.get("showlegend", True)}
    assert drawn["theory"]["y"] == [0.5, 0.25, 0.125]
    assert drawn["simulated <b>"]["error_y"]["array"] == pytest.approx([0.01, 0.06])


def test_the_script_is_whole() -> None:
    assert len(script()) > 1_000_000


def test_columns_of_different_lengths_are_refused_by_name() -> None:
    with pytest.raises(Misuse, match=r"figure stale-rate: the columns of 'bad' have lengths \[1, 2\]"):
        figure(Line("bad", [1, 2], [1]))
