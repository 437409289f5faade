"""Reference figures that sources print or that were measured elsewhere, as data with their origin.

What a source gives as a formula is evaluated where it is used; here stand only numbers that cannot be derived: tables
in papers, observations, and runs of other simulators. Nothing simulated reads them; they are compared with afterwards.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal, cast

from raclette.lab.experiments.contract import Number


@dataclass(frozen=True, slots=True)
class Printed:
    """A figure, half a unit of its last printed digit, and where it stands. `origin`: printed or measured."""

    value: float
    rounding: float
    origin: Literal["printed", "measured"]
    source: str


@lru_cache(maxsize=1)
def _figures() -> dict[tuple[str, tuple[tuple[str, float], ...]], Printed]:
    raw = json.loads((files("raclette.lab.experiments") / "data" / "published.json").read_text())
    found: dict[tuple[str, tuple[tuple[str, float], ...]], Printed] = {}
    for table in raw["tables"]:
        names = table["parameters"]
        for *point, value in table["rows"]:
            key = table["quantity"], tuple(sorted(zip(names, map(float, point), strict=True)))
            origin = cast(Literal["printed", "measured"], table["origin"])
            found[key] = Printed(value, table["unit_of_last_digit"] / 2, origin, table["source"])
    return found


def published(quantity: str, parameters: Mapping[str, Number]) -> Printed | None:
    """The figure for this point, if a source has one."""
    return _figures().get((quantity, tuple(sorted((name, float(value)) for name, value in parameters.items()))))


def require(quantity: str, parameters: Mapping[str, Number]) -> Printed:
    """The same, for points that are known to be there. Raises LookupError."""
    found = published(quantity, parameters)
    if found is None:
        raise LookupError(f"no published figure of {quantity} at {dict(parameters)}")
    return found
