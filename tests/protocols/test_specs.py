"""The pages under spec/ and the code hold each other: every rule is cited, every citation is a rule."""

import re
from functools import cache
from pathlib import Path

import pytest

from raclette.protocols import PROTOCOLS

ROOT = Path(__file__).parents[2]
# What a protocol's rules begin with, and how many there are at the least: a page that cannot be read has none.
PAGES = {
    "pbft": ("PBFT", 40),
    "simplex": ("SIM", 30),
    "nakamoto": ("NAK", 30),
    "ballot": ("BAL", 40),
    "senate": ("SENATE", 40),
    "hybrid": ("HYB", 30),
}
each_page = pytest.mark.parametrize("name", PAGES)


@cache
def page(name: str) -> str:
    return (ROOT / "spec" / f"{name}.md").read_text()


def rules(name: str) -> list[str]:
    """The numbers of the page's rules, in its order."""
    return re.findall(rf"^- \*\*({PAGES[name][0]}-\d+)\*\*", page(name), re.MULTILINE)


@cache
def cited(folder: str, suffix: str = "py") -> frozenset[str]:
    """The numbers, of any protocol, that stand in files below the folder."""
    number = re.compile(rf"\b(?:{'|'.join(prefix for prefix, _ in PAGES.values())})-\d+")
    files = (ROOT / folder).rglob(f"*.{suffix}")
    return frozenset(found for path in files for found in number.findall(path.read_text()))


def cited_by(name: str) -> set[str]:
    """The protocol's numbers that its own folder cites."""
    return {number for number in cited(f"src/raclette/protocols/{name}") if number.startswith(f"{PAGES[name][0]}-")}


def test_every_protocol_has_a_page() -> None:
    pages = {path.stem for path in (ROOT / "spec").glob("*.md")} - {"README"}
    assert set(PAGES) == set(PROTOCOLS) == pages


@each_page
def test_every_rule_is_cited_by_the_code_and_every_citation_is_a_rule(name: str) -> None:
    assert cited_by(name) == set(rules(name)) != set()


def test_whatever_is_cited_elsewhere_is_a_rule_too() -> None:
    """In a checker, a test, a page, a decision."""
    everywhere = cited("src") | cited("tests") | cited("examples") | cited("spec", "md") | cited("docs", "md")
    assert everywhere == {rule for name in PAGES for rule in rules(name)}


@each_page
def test_no_rule_is_numbered_twice(name: str) -> None:
    assert len(rules(name)) == len(set(rules(name))) >= PAGES[name][1]


def test_no_number_of_the_page_on_proof_of_work_is_skipped() -> None:
    numbers = sorted(int(rule.removeprefix("NAK-")) for rule in rules("nakamoto"))
    assert numbers == list(range(1, len(numbers) + 1))


@each_page
def test_the_page_names_the_defaults_of_the_code(name: str) -> None:
    for key, field in PROTOCOLS[name].parameters.model_fields.items():
        assert (f"`{key}`" if field.is_required() else f"`{key}` ({field.default})") in page(name)


@each_page
def test_the_contents_of_spec_say_how_far_the_numbers_go(name: str) -> None:
    prefix = PAGES[name][0]
    last = max(int(rule.removeprefix(f"{prefix}-")) for rule in rules(name))
    assert f"| {prefix}-1 to {prefix}-{last} | `src/raclette/protocols/{name}/` |" in page("README")
