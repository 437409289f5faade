"""docs/mutants.md is current: each bug of the catalogue is planted or waits for a reason, and each has its row."""

from pathlib import Path

from raclette.lab.mutants.page import MEASURED, MISSING, UNKNOWN, measured_in, render, update
from raclette.lab.mutants.registry import MUTANTS
from raclette.lab.mutants.waiting import CATALOGUE, WAITING

PAGE = Path(__file__).parents[2] / "docs" / "mutants.md"


def number_of(id: str) -> str:
    """Of the catalogue: P1b is a form of P1."""
    return id.rstrip("bcd")


def test_every_published_bug_is_planted_or_waits_for_a_reason() -> None:
    planted = {number_of(mutant.id) for mutant in MUTANTS}
    waiting = {bug.id for bug in WAITING}
    assert not planted & waiting
    assert planted | waiting >= set(CATALOGUE)
    assert all(bug.reason.startswith(("waits for", "cannot be")) for bug in WAITING)


def test_the_page_is_current() -> None:
    """After a change of the registry: `raclette mutants --page docs/mutants.md`."""
    text = PAGE.read_text(encoding="utf-8")
    measured = measured_in(text)
    assert render(measured) == text
    assert set(measured) >= {(mutant.protocol, mutant.id) for mutant in MUTANTS}
    for mutant in MUTANTS:
        result = measured[mutant.protocol, mutant.id]
        if result["invariant"] not in (MISSING, UNKNOWN):
            assert result["invariant"] in mutant.invariants, (mutant.id, result["invariant"])
            assert result["seed"].isdecimal()


def test_a_page_keeps_what_was_not_measured_again(tmp_path: Path) -> None:
    page = tmp_path / "mutants.md"
    caught = {"protocol": "pbft", "caught": True, "invariant": "agreement", "seed": 7, "seeds": 8, "seconds": 1.26}
    update(page, [caught | {"id": "P1"}, caught | {"id": "P2"}])
    update(page, [{"protocol": "pbft", "id": "P2", "caught": False, "invariant": None, "seeds": 90, "seconds": 60.0}])
    measured = measured_in(page.read_text(encoding="utf-8"))
    assert [measured["pbft", "P1"][key] for key in MEASURED] == ["agreement", "7", "8", "1.3"]
    assert [measured["pbft", "P2"][key] for key in MEASURED] == ["not caught", "-", "90", "60.0"]
