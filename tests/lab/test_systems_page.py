"""What docs/systems.md promises of the five designs is there by that name."""

import re
from pathlib import Path

import pytest

from raclette.lab.experiments.registry import find
from raclette.lab.scenario.library import library

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "systems.md").read_text()


def named(pattern: str) -> list[str]:
    """What the page's commands name, in order."""
    found = re.findall(pattern, PAGE)
    assert found
    return found


@pytest.mark.parametrize("name", sorted(set(named(r"`raclette lab run ([a-z-]+)"))))
def test_its_experiments_exist(name: str) -> None:
    assert find(name).id == name


def test_its_scenarios_exist() -> None:
    known = {entry.name for entry in library()}
    assert set(named(r"`raclette (?:sim|testbed) ([a-z-]+)")) <= known
    also = {name for names in named(r", also ([^;|]+)") for name in re.findall(r"`([a-z-]+)`", names)}
    assert also - {"100_rich_man", "genic"} <= known


def test_its_examples_and_pages_exist() -> None:
    for path in named(r"`python ([a-z_/.]+)`"):
        assert (ROOT / path).is_file()
    for path in named(r"\]\(([a-z./]+)\)"):
        assert (ROOT / "docs" / path).is_file()
