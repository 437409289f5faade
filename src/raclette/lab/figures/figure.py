"""What a figure is: axes and layers of plain numbers, which two renderers draw and a table keeps.

A figure is data first. The page (plotly) and the picture (matplotlib) are two views of the same layers, and the CSV
file beside them holds every number that either shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from raclette.primitives.errors import Misuse

Scale = Literal["linear", "log"]
Number: TypeAlias = int | float
Numbers: TypeAlias = Sequence[Number]


@dataclass(frozen=True)
class Axis:
    """`label` with its unit, as a reader sees it: "block interval (s)". `limits` fix the range, else it fits;
    `whole` axes have ticks at integers only."""

    label: str
    scale: Scale = "linear"
    limits: tuple[Number, Number] | None = None
    whole: bool = False


@dataclass(frozen=True)
class Line:
    """Connected points; `low` and `high` (if given) are drawn as a band around them. `dashed` is for what theory says,
    `steps` for what stays the same until it changes. Layers with the same `series` have the same colour; -1 takes the
    next one."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    dashed: bool = False
    steps: bool = False
    series: int = -1


@dataclass(frozen=True)
class Points:
    """Single points; `low` and `high` (if given) are drawn as error bars. `notes` are shown under the pointer.
    `series` as in `Line`."""

    name: str
    x: Numbers
    y: Numbers
    low: Numbers = ()
    high: Numbers = ()
    notes: Sequence[str] = ()
    series: int = -1


@dataclass(frozen=True)
class Bars:
    """One bar a label, with error bars if `low` and `high` are given. Several layers stand side by side."""

    name: str
    labels: Sequence[str]
    values: Numbers
    low: Numbers = ()
    high: Numbers = ()


@dataclass(frozen=True)
class Heatmap:
    """`z[row][column]` over `y[row]` and `x[column]`; `name` is what the colour means. Each cell shows its number if
    there are few."""

    name: str
    x: Sequence[Number | str]
    y: Sequence[Number | str]
    z: Sequence[Numbers]


@dataclass(frozen=True)
class Graph:
    """Vertices at (x, y) joined by `edges` (pairs of vertex numbers); `group` colours them, `notes` name them."""

    name: str
    x: Numbers
    y: Numbers
    edges: Sequence[tuple[int, int]]
    group: Sequence[str] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Bubbles:
    """Discs at (x, y), as large as `sizes` (their areas) and coloured by `values`; `name` is what the colour means and
    `notes` stand beside them."""

    name: str
    x: Numbers
    y: Numbers
    sizes: Numbers
    values: Numbers
    notes: Sequence[str]


@dataclass(frozen=True)
class Spans:
    """Stretches of the x axis, shaded from top to bottom: when a fault lasted."""

    name: str
    starts: Numbers
    ends: Numbers
    notes: Sequence[str]


Layer: TypeAlias = Line | Points | Bars | Heatmap | Graph | Bubbles | Spans


@dataclass(frozen=True)
class Figure:
    """`name` is the stem of its files; `caption` says what is seen and how it was measured.

    Raises Misuse if two sequences of a layer that belong together differ in length.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    layers: Sequence[Layer]
    caption: str = ""
    wide: bool = False
    footnotes: Sequence[str] = field(default_factory=tuple)

    def __post_init__(self) -> None:
        for layer in self.layers:
            lengths = {len(column) for _, column in columns(layer)}
            if len(lengths) > 1:
                raise Misuse(f"figure {self.name}: the columns of {layer.name!r} have lengths {sorted(lengths)}")


def columns(layer: Layer) -> list[tuple[str, Sequence[Number | str]]]:
    """The layer as named columns of equal length, as its table holds it. A graph's are those of its vertices."""
    found: list[tuple[str, Sequence[Number | str]]]
    if isinstance(layer, Bars):
        found = [("label", layer.labels), ("value", layer.values), ("low", layer.low), ("high", layer.high)]
    elif isinstance(layer, Heatmap):
        found = [
            ("x", [x for _ in layer.y for x in layer.x]),
            ("y", [y for y in layer.y for _ in layer.x]),
            ("value", [value for row in layer.z for value in row]),
        ]
    elif isinstance(layer, Graph):
        parent = [-1] * len(layer.x)
        for a, b in layer.edges:
            parent[b] = a
        found = [("x", layer.x), ("y", layer.y), ("from", parent), ("group", layer.group), ("note", layer.notes)]
    elif isinstance(layer, Bubbles):
        found = [("x", layer.x), ("y", layer.y), ("size", layer.sizes), ("value", layer.values), ("note", layer.notes)]
    elif isinstance(layer, Spans):
        found = [("low", layer.starts), ("high", layer.ends), ("note", layer.notes)]
    else:
        found = [("x", layer.x), ("y", layer.y), ("low", layer.low), ("high", layer.high)]
        if isinstance(layer, Points):
            found.append(("note", layer.notes))
    optional = {"low", "high", "note", "group"}
    return [(name, column) for name, column in found if len(column) or name not in optional]
