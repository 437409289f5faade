"""The page in spec/ and the code hold each other: every rule is cited, every citation is a rule."""

import re
from pathlib import Path

import raclette.protocols.nakamoto as nakamoto

ROOT = Path(__file__).parents[3]
FOLDER = Path(nakamoto.__file__).parent


def rules() -> list[str]:
    text = (ROOT / "spec" / "nakamoto.md").read_text()
    return re.findall(r"^- \*\*(NAK-\d+)\*\*", text, re.MULTILINE)


def citations() -> set[str]:
    return {name for path in FOLDER.glob("*.py") for name in re.findall(r"NAK-\d+", path.read_text())}


def test_every_rule_has_one_number_and_none_is_skipped() -> None:
    assert sorted(rules(), key=lambda name: int(name[4:])) == [f"NAK-{n}" for n in range(1, len(rules()) + 1)]


def test_every_rule_is_cited_by_the_code_and_every_citation_is_a_rule() -> None:
    # The package's docstring shows the form of a citation with NAK-1 and NAK-2, which are rules.
    assert citations() == set(rules())
