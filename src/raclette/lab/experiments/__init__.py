"""Experiments that reproduce papers: what was published, what our own code gives, and whether the two agree."""

from raclette.lab.experiments.contract import Experiment, Paper, Parameter, Result, Row, Settings, no_progress
from raclette.lab.experiments.registry import experiments, find

__all__ = ["Experiment", "Paper", "Parameter", "Result", "Row", "Settings", "experiments", "find", "no_progress"]
