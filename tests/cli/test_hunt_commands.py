"""What `raclette hunt` and `raclette mutants` print, write and exit with."""

import json
from pathlib import Path

import pytest

from cli.shell import Shell


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_hunt_that_finds_nothing_says_what_happened_and_ends_with_0(shell: Shell, here: Path) -> None:
    programs = shell("hunt", "pbft", "--seeds", "5", "--jobs", "1", "--json")
    assert programs.code == 0
    assert len(programs.out.splitlines()) == 1
    found = programs.json
    assert (found["caught"], found["invariant"], found["seed"], found["replay"]) == (False, None, None, None)
    assert found["seeds_tried"] == 5
    assert set(found["coverage"]["tactics"]) == {"nodes", "engines", "twins"}
    person = shell("hunt", "pbft", "--seeds", "5", "--jobs", "1")
    assert person.code == 0
    assert "what happened in 5 runs" in person.out
    assert list(here.iterdir()) == []


def test_a_mutant_that_is_caught_ends_with_0_and_names_its_replay(shell: Shell, here: Path) -> None:
    found = shell("hunt", "pbft", "--mutant", "P1", "--seeds", "20", "--jobs", "1", "--json")
    assert found.code == 0
    assert found.json["caught"]
    assert list(here.iterdir()) == []
    words = found.json["replay"].split()
    assert words[0] == "raclette"
    again = shell(*words[1:], "--json")
    assert again.code == 0
    assert again.json["invariant"] == found.json["invariant"]
    assert "everything held" in shell("hunt", "pbft", "--replay", str(found.json["seed"])).out


def test_a_mutant_that_gets_away_ends_with_1(shell: Shell, here: Path) -> None:
    assert shell("hunt", "pbft", "--mutant", "H2", "--seeds", "1", "--jobs", "1", "--json").code == 1


def test_a_finding_is_shrunk_written_and_replayed_from_its_file(shell: Shell, here: Path) -> None:
    words = ("hunt", "pbft", "--mutant", "P1", "--seeds", "3", "--first", "1", "--jobs", "1", "--shrink", "1")
    person = shell(*words, "--out", "found")
    assert person.code == 0
    assert "shrunk in" in person.out
    assert sorted(path.name for path in (here / "found").iterdir()) == ["diagram.svg", "replay.json", "transcript.txt"]
    replay = shell("hunt", "pbft", "--replay", "found/replay.json", "--json")
    assert replay.code == 0
    assert replay.json["caught"]
    assert replay.json["mutant"] == "P1"
    content = json.loads((here / "found" / "replay.json").read_text())
    assert replay.json["invariant"] in content["checkers"]
    del content["mutant"]
    (here / "sound.json").write_text(json.dumps(content))
    assert shell("hunt", "pbft", "--replay", "sound.json", "--out", "again").code == 0
    assert (here / "again" / "transcript.txt").is_file()


def test_the_table_of_mutants_has_a_row_for_each(shell: Shell) -> None:
    rows = shell("mutants", "pbft", "--only", "p1", "--only", "P9", "--seeds", "40", "--jobs", "1", "--json")
    assert rows.code == 0
    assert [row["id"] for row in rows.json] == ["P1", "P9"]
    assert all(row["caught"] and row["expected"] and row["replay"] for row in rows.json)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (("hunt", "paxos", "--seeds", "1"), "nakamoto, pbft"),
        (("hunt", "pbft", "--seeds", "1", "--mutant", "Q9"), "P1"),
        (("hunt", "pbft", "--replay", "nowhere.json"), "a seed and a replay file"),
        (("mutants", "pbft", "--only", "Q9"), "q9"),
    ],
)
def test_what_cannot_be_hunted_is_refused(shell: Shell, words: tuple[str, ...], names: str) -> None:
    assert names in shell.refusal(2, *words)
