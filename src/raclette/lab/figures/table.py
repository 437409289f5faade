"""Figures as tables: every number that is drawn, one row a point, so that anybody can draw it again."""

import csv
from io import StringIO

from raclette.lab.figures.figure import Figure, columns

_COLUMNS = ("x", "y", "label", "size", "value", "low", "high", "from", "group", "note")


def to_csv(figure: Figure) -> str:
    """A header, then one row a point; the first column names the layer. Columns that no layer has are left out."""
    tables = [(layer.name, dict(columns(layer))) for layer in figure.layers]
    used = [name for name in _COLUMNS if any(name in table for _, table in tables)]
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["layer", *used])
    for layer, table in tables:
        length = len(next(iter(table.values()), ()))
        for row in range(length):
            writer.writerow([layer, *(table[name][row] if name in table else "" for name in used)])
    return out.getvalue()
