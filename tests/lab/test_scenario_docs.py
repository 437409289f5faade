"""The page about scenario files is what the code says, and its example runs."""

import os
from pathlib import Path

from raclette.lab.scenario import ScenarioFile, read_scenario, run_seed
from raclette.lab.scenario.reference import EXAMPLE, reference

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"


def test_the_page_is_current() -> None:
    if os.environ.get("RACLETTE_WRITE_DOCS"):
        PAGE.write_text(reference())
    assert PAGE.read_text() == reference(), "run `make docs`"


def test_the_example_of_the_page_holds() -> None:
    file = ScenarioFile("mine", "mine.toml", EXAMPLE, Path())
    scenario = read_scenario(file)
    assert scenario.seeds == (1, 2, 3)
    assert run_seed(scenario, 1).agreed
