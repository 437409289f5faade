"""The specification page and the code cite each other."""

import re
from pathlib import Path

from raclette.protocols.ballot import Parameters

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "spec" / "ballot.md").read_text()
SOURCES = sorted((ROOT / "src" / "raclette" / "protocols" / "ballot").glob("*.py"))


def rules() -> list[str]:
    return re.findall(r"^- \*\*(BAL-\d+)\*\*", PAGE, re.MULTILINE)


def cited() -> set[str]:
    return {number for path in SOURCES for number in re.findall(r"BAL-\d+", path.read_text())}


def test_every_cited_rule_exists() -> None:
    assert cited() - set(rules()) == set()


def test_every_rule_is_cited_by_the_code() -> None:
    assert set(rules()) - cited() == set()


def test_no_rule_is_numbered_twice() -> None:
    assert len(rules()) == len(set(rules())) >= 40


def test_the_page_names_the_defaults_of_the_code() -> None:
    for name, field in Parameters.model_fields.items():
        assert f"`{name}` ({field.default})" in PAGE
