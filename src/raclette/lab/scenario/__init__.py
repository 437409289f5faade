"""Scenario files: what is run, attacked, broken and asked, in TOML. See docs/scenarios.md."""

from raclette.lab.scenario.library import library, scenario_names
from raclette.lab.scenario.load import ScenarioFile, open_scenario, read_scenario, scenario_from
from raclette.lab.scenario.model import Scenario
from raclette.lab.scenario.resolve import Resolved, resolve
from raclette.lab.scenario.run import Outcome, run_scenario, run_seed, verdict
from raclette.lab.scenario.section import ScenarioError
from raclette.lab.scenario.text import with_values
from raclette.lab.scenario.translate import to_config

__all__ = [
    "Outcome",
    "Resolved",
    "Scenario",
    "ScenarioError",
    "ScenarioFile",
    "library",
    "open_scenario",
    "read_scenario",
    "resolve",
    "run_scenario",
    "run_seed",
    "scenario_from",
    "scenario_names",
    "to_config",
    "verdict",
    "with_values",
]
