"""Sweeps: one scenario over a grid of values and seeds, on every core or a whole cluster, resumable at any moment."""

from raclette.lab.sweep.axes import Axis, parse_axis
from raclette.lab.sweep.plan import Cell, Plan, make_plan
from raclette.lab.sweep.results import Journal, read_rows, write_parquet
from raclette.lab.sweep.run import run_sweep

__all__ = ["Axis", "Cell", "Journal", "Plan", "make_plan", "parse_axis", "read_rows", "run_sweep", "write_parquet"]
