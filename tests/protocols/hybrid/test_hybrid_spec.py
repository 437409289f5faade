"""The specification page and the code cite each other."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "spec" / "hybrid.md").read_text()
SOURCES = sorted((ROOT / "src" / "raclette" / "protocols" / "hybrid").glob("*.py"))


def rules() -> set[str]:
    return set(re.findall(r"^- \*\*(HYB-\d+)\*\*", PAGE, re.MULTILINE))


def cited() -> set[str]:
    return {number for path in SOURCES for number in re.findall(r"HYB-\d+", path.read_text())}


def test_every_cited_rule_exists() -> None:
    assert cited() - rules() == set()


def test_every_rule_is_cited_by_the_code() -> None:
    assert rules() - cited() == set()


def test_no_rule_is_numbered_twice() -> None:
    numbers = re.findall(r"^- \*\*(HYB-\d+)\*\*", PAGE, re.MULTILINE)
    assert len(numbers) == len(set(numbers)) >= 30


def test_the_page_names_the_defaults_of_the_code() -> None:
    from raclette.protocols.hybrid import Parameters

    for name, field in Parameters.model_fields.items():
        assert f"`{name}`" in PAGE
        if not field.is_required():
            assert f"`{name}` ({field.default})" in PAGE
