"""The plan of a sweep: its cells, each with a name that depends on nothing but what it will run.

A cell's name is the hash of the scenario, the version of Raclette, the values and the seed. What was finished under
that name need never run again, in this process or in another, here or on a cluster; what was changed has another name.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from typing import Any

from raclette.lab.sweep.axes import Axis, Value
from raclette.primitives.errors import ConfigError

# Cells of one sweep. Each leaves a row of about a kilobyte, and the plan is kept in memory.
CELLS_MAX = 1_000_000


@dataclass(frozen=True)
class Cell:
    """One run: the scenario with `values` at these paths, under `seed`."""

    name: str
    values: tuple[tuple[str, Value], ...]
    seed: int


@dataclass(frozen=True)
class Plan:
    """`scenario` is the file as read, before any value was changed."""

    scenario: Mapping[str, Any]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]

    @property
    def name(self) -> str:
        """The hash of everything that is planned."""
        return sha256("".join(cell.name for cell in self.cells).encode()).hexdigest()[:16]


def make_plan(scenario: Mapping[str, Any], axes: Sequence[Axis], seeds: Sequence[int], version: str) -> Plan:
    """Every combination of values under every seed, the last axis fastest. Raises ConfigError."""
    keys = [axis.key for axis in axes]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ConfigError(f"--over {twice[0]}: stands twice")
    if not seeds:
        raise ConfigError("--seeds: accepted is at least one")
    count = len(seeds)
    for axis in axes:
        count *= len(axis.values)
    if count > CELLS_MAX:
        raise ConfigError(f"the sweep has {count:,} runs; accepted are at most {CELLS_MAX:,}")
    base = json.dumps([version, scenario], sort_keys=True, default=str)
    cells = []
    for combination in product(*(axis.values for axis in axes)):
        values = tuple(zip(keys, combination, strict=True))
        for seed in seeds:
            content = json.dumps([base, values, seed])
            cells.append(Cell(sha256(content.encode()).hexdigest()[:24], values, seed))
    return Plan(scenario, tuple(axes), tuple(seeds), tuple(cells))
