"""What a worker does: one cell of a scenario's sweep."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from raclette.lab.scenario import run_seed, scenario_from, with_values
from raclette.lab.sweep.results import Row, flat


def run_scenario_cell(given: Mapping[str, Any], values: tuple[tuple[str, Any], ...], seed: int) -> Row:
    """Run the scenario `given["scenario"]` with `values` at their paths under `seed`: its metrics by name, then what
    else the report says, nested names with dots. `as_expected`: no checker objected that is not expected to.

    Raises ScenarioError.
    """
    folder = Path(given["folder"])
    scenario = scenario_from(with_values(given["scenario"], dict(values)), beyond=given["beyond"], folder=folder)
    outcome = run_seed(scenario, seed, folder)
    objections = {violation["checker"] for violation in outcome.violations}
    row = {"agreed": outcome.agreed, "as_expected": objections <= set(scenario.expected_violations)}
    report = flat(outcome.report)
    return row | outcome.metrics | {key: value for key, value in report.items() if key not in ("seed", "agreed")}
