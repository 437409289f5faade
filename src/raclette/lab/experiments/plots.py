"""Rows of experiments as layers of figures."""

from collections.abc import Callable, Sequence

from raclette.lab.experiments.contract import Row
from raclette.lab.figures import Points


def points(name: str, rows: Sequence[Row], x: str | Callable[[Row], float], *, series: int = -1) -> Points:
    """What was simulated, with its intervals, over a parameter (by name) or over what `x` gives for a row."""
    place = x if callable(x) else lambda row: float(row.parameters[x])
    return Points(
        name,
        tuple(place(row) for row in rows),
        tuple(row.simulated for row in rows),
        tuple(row.low for row in rows),
        tuple(row.high for row in rows),
        series=series,
    )


def having(rows: Sequence[Row], quantity: str, **parameters: float) -> list[Row]:
    """The rows of that quantity at that part of the grid."""
    return [
        row
        for row in rows
        if row.quantity == quantity and all(row.parameters.get(name) == value for name, value in parameters.items())
    ]
