"""Figures: data drawn twice, as an interactive page and as a picture for print, with the numbers beside them."""

from pathlib import Path

from raclette.lab.figures.figure import Axis, Bars, Bubbles, Figure, Graph, Heatmap, Layer, Line, Points, Spans
from raclette.lab.figures.table import to_csv


def write_figure(figure: Figure, directory: Path) -> tuple[Path, Path, Path]:
    """Write NAME.html (works offline), NAME.png and NAME.csv into `directory`, which is made if missing.

    Raises OSError.
    """
    from raclette.lab.figures.page import page
    from raclette.lab.figures.picture import write_png

    directory.mkdir(parents=True, exist_ok=True)
    html, png, table = (directory / f"{figure.name}.{ending}" for ending in ("html", "png", "csv"))
    html.write_text(page(figure), encoding="utf-8")
    write_png(figure, png)
    table.write_text(to_csv(figure), encoding="utf-8")
    return html, png, table


__all__ = [
    "Axis",
    "Bars",
    "Bubbles",
    "Figure",
    "Graph",
    "Heatmap",
    "Layer",
    "Line",
    "Points",
    "Spans",
    "to_csv",
    "write_figure",
]
