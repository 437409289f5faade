"""Figures in print: the same layers as PNG, drawn by matplotlib without a screen."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from raclette.lab.figures.figure import Axis, Bars, Bubbles, Figure, Graph, Heatmap, Line, Number, Points, Spans
from raclette.lab.figures.style import (
    COLOUR_SCALE,
    DPI,
    GRID,
    INK,
    MARKERS,
    NUMBERED_CELLS_MAX,
    SHADE,
    SIZE,
    SIZE_WIDE,
    bubble_areas,
    cell_text,
    colour,
)


def write_png(figure: Figure, path: Path) -> None:
    """Draw the figure into `path`. Raises OSError."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=SIZE_WIDE if figure.wide else SIZE, dpi=DPI, layout="constrained")
    axes = canvas.add_subplot()
    axes.set_title(figure.title, fontsize=12, color=INK)
    numbers = count()
    bars = [layer for layer in figure.layers if isinstance(layer, Bars)]
    _prepare(axes, figure)
    for layer in figure.layers:
        if isinstance(layer, Bars):
            _bars(axes, layer, next(numbers), bars.index(layer), len(bars))
        elif isinstance(layer, Heatmap):
            _heatmap(canvas, axes, layer)
        elif isinstance(layer, Graph):
            _graph(axes, layer, numbers)
        elif isinstance(layer, Bubbles):
            _bubbles(canvas, axes, layer)
        elif isinstance(layer, Spans):
            _spans(axes, layer)
        else:
            _curve(axes, layer, layer.series if layer.series >= 0 else next(numbers))
    handles, labels = axes.get_legend_handles_labels()
    if len(labels) > 1:
        axes.legend(handles, labels, fontsize=9, frameon=True, framealpha=0.9, edgecolor=GRID)
    canvas.savefig(path, format="png", metadata={"Software": "raclette", "Title": figure.title})


def _prepare(axes: Any, figure: Figure) -> None:
    for axis, name in ((figure.x, "x"), (figure.y, "y")):
        _scale(axes, axis, name)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    if not any(isinstance(layer, Heatmap) for layer in figure.layers):
        axes.grid(visible=True, color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)


def _scale(axes: Any, axis: Axis, name: str) -> None:
    getattr(axes, f"set_{name}label")(axis.label, fontsize=10, color=INK)
    getattr(axes, f"set_{name}scale")(axis.scale)
    if axis.scale == "log":
        getattr(axes, f"{name}axis").set_major_formatter("{x:g}")
    if axis.whole:
        from matplotlib.ticker import MaxNLocator

        getattr(axes, f"{name}axis").set_major_locator(MaxNLocator(integer=True))
    if axis.limits is not None:
        getattr(axes, f"set_{name}lim")(*axis.limits)


def _curve(axes: Any, layer: Line | Points, number: int) -> None:
    hexadecimal = colour(number)
    if isinstance(layer, Points):
        errors = _errors(layer.y, layer.low, layer.high)
        marker = MARKERS[number % len(MARKERS)]
        axes.errorbar(
            layer.x, layer.y, yerr=errors, fmt=marker, color=hexadecimal, markersize=5, capsize=3, label=layer.name
        )
        return
    step = "post" if layer.steps else None
    if layer.low:
        axes.fill_between(layer.x, layer.low, layer.high, color=hexadecimal, alpha=0.18, linewidth=0, step=step)
    axes.plot(
        layer.x,
        layer.y,
        color=hexadecimal,
        linewidth=1.7,
        linestyle="--" if layer.dashed else "-",
        drawstyle="steps-post" if layer.steps else "default",
        label=layer.name,
    )


def _errors(middle: Sequence[Number], low: Sequence[Number], high: Sequence[Number]) -> list[list[Number]] | None:
    if not low:
        return None
    below = [value - bottom for value, bottom in zip(middle, low, strict=True)]
    return [below, [top - value for top, value in zip(high, middle, strict=True)]]


def _bars(axes: Any, layer: Bars, number: int, place: int, layers: int) -> None:
    width = 0.8 / layers
    x = [i + (place - (layers - 1) / 2) * width for i in range(len(layer.labels))]
    errors = _errors(layer.values, layer.low, layer.high)
    axes.bar(x, layer.values, width, yerr=errors, capsize=3, color=colour(number), label=layer.name)
    crowded = sum(len(label) for label in layer.labels) > 60
    axes.set_xticks(
        range(len(layer.labels)), layer.labels, rotation=35 if crowded else 0, ha="right" if crowded else "center"
    )


def _heatmap(canvas: Any, axes: Any, layer: Heatmap) -> None:
    drawn = axes.imshow(layer.z, cmap=COLOUR_SCALE.lower(), aspect="auto", origin="lower")
    axes.set_xticks(range(len(layer.x)), [str(x) for x in layer.x])
    axes.set_yticks(range(len(layer.y)), [str(y) for y in layer.y])
    canvas.colorbar(drawn, ax=axes, label=layer.name)
    if len(layer.x) * len(layer.y) > NUMBERED_CELLS_MAX:
        return
    values = [value for row in layer.z for value in row]
    middle = (min(values) + max(values)) / 2
    for row, cells in enumerate(layer.z):
        for column, value in enumerate(cells):
            ink = "white" if value < middle else "black"
            axes.text(column, row, cell_text(value), ha="center", va="center", fontsize=8, color=ink)


def _bubbles(canvas: Any, axes: Any, layer: Bubbles) -> None:
    areas = bubble_areas(layer.sizes)
    discs = axes.scatter(layer.x, layer.y, s=areas, c=layer.values, cmap=COLOUR_SCALE.lower(), alpha=0.85)
    canvas.colorbar(discs, ax=axes, label=layer.name)
    for x, y, area, note in zip(layer.x, layer.y, areas, layer.notes, strict=True):
        below = -((area / 3.14) ** 0.5) - 3
        axes.annotate(
            note, (x, y), (0, below), textcoords="offset points", ha="center", va="top", fontsize=8, color=INK
        )


def _spans(axes: Any, layer: Spans) -> None:
    for start, end, note in zip(layer.starts, layer.ends, layer.notes, strict=True):
        axes.axvspan(start, end, color=SHADE, alpha=0.35, linewidth=0)
        axes.text(
            (start + end) / 2,
            0.99,
            note,
            fontsize=7,
            rotation=90,
            ha="center",
            va="top",
            transform=axes.get_xaxis_transform(),
        )


def _graph(axes: Any, layer: Graph, numbers: Iterator[int]) -> None:
    from matplotlib.collections import LineCollection

    segments = [[(layer.x[a], layer.y[a]), (layer.x[b], layer.y[b])] for a, b in layer.edges]
    axes.add_collection(LineCollection(segments, colors="#999999", linewidths=0.8, zorder=1))
    for group in list(dict.fromkeys(layer.group)) or [layer.name]:
        chosen = [i for i in range(len(layer.x)) if not layer.group or layer.group[i] == group]
        x, y = [layer.x[i] for i in chosen], [layer.y[i] for i in chosen]
        axes.scatter(x, y, s=22, marker="s", color=colour(next(numbers)), label=group, zorder=2)
    axes.autoscale_view()
