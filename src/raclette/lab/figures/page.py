"""Figures on a page: plotly, whose script is inlined once so that the page works without a network."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import count
from math import log10, pi
from typing import Any

from raclette.lab.figures.figure import Axis, Bars, Bubbles, Figure, Graph, Heatmap, Layer, Line, Number, Points, Spans
from raclette.lab.figures.style import (
    COLOUR_SCALE,
    FONT,
    GRID,
    INK,
    NUMBERED_CELLS_MAX,
    PAGE_MARKERS,
    SHADE,
    bubble_areas,
    colour,
    faint,
)

# A whole axis as long as this at most has a tick at every integer.
WHOLE_TICKS_MAX = 16


def script() -> str:
    """Plotly's own script (about 5 MB), to be put into the page once."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def div(figure: Figure) -> str:
    """The figure with its caption, for a page that holds `script()`."""
    import plotly.graph_objects as go
    from plotly.io import to_html

    drawn = go.Figure(data=traces(figure), layout=layout(figure))
    body = to_html(drawn, include_plotlyjs=False, full_html=False, div_id=figure.name, config=_config(figure))
    notes = "".join(f"<li>{escape(note)}</li>" for note in figure.footnotes)
    caption = f"<figcaption>{escape(figure.caption)}{f'<ul>{notes}</ul>' if notes else ''}</figcaption>"
    return f"<figure>{body}{caption}</figure>"


def page(figure: Figure) -> str:
    """The figure as a page of its own that needs nothing else."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(figure.title)}</title>'
        f"<script>{script()}</script><style>body{{font-family:{FONT};color:{INK};max-width:1100px;margin:2em auto}}"
        f"figure{{margin:0}}figcaption{{padding:0 4em}}</style></head><body>{div(figure)}</body></html>"
    )


def _config(figure: Figure) -> dict[str, Any]:
    return {"displaylogo": False, "responsive": True, "toImageButtonOptions": {"filename": figure.name, "scale": 3}}


def layout(figure: Figure) -> dict[str, Any]:
    """Plotly's layout of the figure."""
    spans = [layer for layer in figure.layers if isinstance(layer, Spans)]
    categorical = any(isinstance(layer, Bars) for layer in figure.layers)
    return {
        "title": {"text": escape(figure.title), "x": 0.5},
        "font": {"family": FONT, "color": INK, "size": 14},
        "plot_bgcolor": "white",
        "paper_bgcolor": "white",
        "xaxis": _axis(figure.x) | ({"type": "category"} if categorical else {}),
        "yaxis": _axis(figure.y),
        "barmode": "group",
        "hovermode": "closest",
        "height": 520,
        "shapes": [shape for layer in spans for shape in _shapes(layer)],
        "margin": {"l": 70, "r": 30, "t": 60, "b": 60},
    }


def _axis(axis: Axis) -> dict[str, Any]:
    found: dict[str, Any] = {
        "title": {"text": escape(axis.label)},
        "gridcolor": GRID,
        "linecolor": INK,
        "zeroline": False,
        "ticks": "outside",
        "automargin": True,
    }
    if axis.scale == "log":
        found["type"] = "log"
    if axis.whole:
        span = axis.limits[1] - axis.limits[0] if axis.limits is not None else WHOLE_TICKS_MAX + 1
        found |= {"tickformat": "d", **({"dtick": 1} if span <= WHOLE_TICKS_MAX else {})}
    if axis.limits is not None:
        found["range"] = [log10(limit) if axis.scale == "log" else limit for limit in axis.limits]
    return found


def traces(figure: Figure) -> list[dict[str, Any]]:
    """Plotly's traces, layer by layer."""
    numbers = count()
    return [trace for layer in figure.layers for trace in _traces(layer, numbers)]


def _traces(layer: Layer, numbers: Iterator[int]) -> list[dict[str, Any]]:
    match layer:
        case Line():
            return _line(layer, colour(_number(layer, numbers)))
        case Points():
            number = _number(layer, numbers)
            marker = {"color": colour(number), "size": 9, "symbol": PAGE_MARKERS[number % len(PAGE_MARKERS)]}
            return [_scatter(layer.name, layer.x, layer.y, "markers") | {
                "marker": marker, "error_y": _errors(layer.y, layer.low, layer.high), "text": list(layer.notes)
            }]  # fmt: skip
        case Bars():
            return [{
                "type": "bar", "name": layer.name, "x": list(layer.labels), "y": list(layer.values),
                "marker": {"color": colour(next(numbers))}, "error_y": _errors(layer.values, layer.low, layer.high),
            }]  # fmt: skip
        case Heatmap():
            return [_heatmap(layer)]
        case Graph():
            return _graph(layer, numbers)
        case Bubbles():
            return [_bubbles(layer)]
        case Spans():
            return []  # part of the layout


def _number(layer: Line | Points, numbers: Iterator[int]) -> int:
    return layer.series if layer.series >= 0 else next(numbers)


def _scatter(name: str, x: Sequence[Any], y: Sequence[Any], mode: str) -> dict[str, Any]:
    return {"type": "scatter", "name": name, "x": list(x), "y": list(y), "mode": mode}


def _line(layer: Line, hexadecimal: str) -> list[dict[str, Any]]:
    drawn: list[dict[str, Any]] = []
    if layer.low:
        outline = _scatter(layer.name, [*layer.x, *reversed(layer.x)], [*layer.high, *reversed(layer.low)], "lines")
        shading = {"fill": "toself", "fillcolor": faint(hexadecimal, 0.18), "line": {"width": 0}, "hoverinfo": "skip"}
        drawn.append(outline | shading | {"showlegend": False, "legendgroup": layer.name})
    shape = "hv" if layer.steps else "linear"
    stroke = {"color": hexadecimal, "width": 2, "dash": "dash" if layer.dashed else "solid", "shape": shape}
    return [*drawn, _scatter(layer.name, layer.x, layer.y, "lines") | {"line": stroke, "legendgroup": layer.name}]


def _errors(middle: Sequence[Number], low: Sequence[Number], high: Sequence[Number]) -> dict[str, Any]:
    if not low:
        return {"visible": False}
    above = [top - value for top, value in zip(high, middle, strict=True)]
    below = [value - bottom for value, bottom in zip(middle, low, strict=True)]
    return {"type": "data", "symmetric": False, "array": above, "arrayminus": below, "thickness": 1.5}


def _heatmap(layer: Heatmap) -> dict[str, Any]:
    few = len(layer.x) * len(layer.y) <= NUMBERED_CELLS_MAX
    return {
        "type": "heatmap",
        "x": [str(x) for x in layer.x],
        "y": [str(y) for y in layer.y],
        "z": [list(row) for row in layer.z],
        "colorscale": COLOUR_SCALE,
        "colorbar": {"title": {"text": escape(layer.name)}},
        "texttemplate": "%{z:.3g}" if few else "",
    }


def _bubbles(layer: Bubbles) -> dict[str, Any]:
    diameters = [2 * (area / pi) ** 0.5 for area in bubble_areas(layer.sizes)]
    colours = {
        "color": list(layer.values),
        "colorscale": COLOUR_SCALE,
        "colorbar": {"title": {"text": escape(layer.name)}},
    }
    discs = _scatter(layer.name, layer.x, layer.y, "markers+text")
    text = {"text": list(layer.notes), "textposition": "bottom center", "showlegend": False}
    return discs | text | {"marker": {"size": diameters, "opacity": 0.85, **colours}}


def _shapes(layer: Spans) -> list[dict[str, Any]]:
    common = {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "line": {"width": 0}, "layer": "below"}
    return [
        common
        | {"x0": start, "x1": end, "fillcolor": faint(SHADE, 0.35), "label": {"text": note, "font": {"size": 10}}}
        for start, end, note in zip(layer.starts, layer.ends, layer.notes, strict=True)
    ]


def _graph(layer: Graph, numbers: Iterator[int]) -> list[dict[str, Any]]:
    x: list[Number | None] = []
    y: list[Number | None] = []
    for a, b in layer.edges:
        x += [layer.x[a], layer.x[b], None]
        y += [layer.y[a], layer.y[b], None]
    edges = _scatter("", x, y, "lines") | {"line": {"color": "#999999", "width": 1}, "hoverinfo": "skip"}
    drawn = [edges | {"showlegend": False}]
    groups = list(dict.fromkeys(layer.group)) or [layer.name]
    for group in groups:
        chosen = [i for i in range(len(layer.x)) if not layer.group or layer.group[i] == group]
        vertices = _scatter(group, [layer.x[i] for i in chosen], [layer.y[i] for i in chosen], "markers")
        vertices["marker"] = {"color": colour(next(numbers)), "size": 8, "symbol": "square"}
        vertices["text"] = [layer.notes[i] for i in chosen] if layer.notes else []
        drawn.append(vertices)
    return drawn
