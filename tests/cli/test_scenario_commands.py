"""`raclette sim FILE` and `raclette scenarios`: what they print, write and end with."""

import json
from html import unescape
from pathlib import Path

import pytest

from cli.shell import Shell
from raclette.lab.experiments.selfish import revenue

FAST = 'title = "Small"\n[variables]\ncount = 4\n[workload]\ncount = "$count"\n[stop]\nseconds = 1.5\n'
LIARS = '[[liars]]\nkind = "silent"\nnodes = 2\n[workload]\ncount = 2\n[stop]\nseconds = 1\nsettle = "1s"\n'


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "small.toml").write_text(FAST)
    return str(tmp_path / "small.toml")


def test_a_scenario_of_one_seed_is_its_report_and_more(shell: Shell, file: str) -> None:
    outcome = shell("sim", file, "--seed", "3", "--json")
    assert outcome.code == 0
    found = outcome.json
    assert (found["scenario"], found["seeds"], found["agreed"], found["beyond"]) == ("small", [3], True, False)
    assert found["digest"] == found["runs"][0]["digest"] == shell("sim", file, "--seed", "3", "--json").json["digest"]
    assert found["metrics"]["transactions"]["mean"] == 4
    assert {"violations", "failures", "height", "messages", "expect", "as_expected"} <= found.keys()


def test_several_seeds_and_values_from_the_command_line(shell: Shell, file: str) -> None:
    found = shell("sim", file, "--seeds", "3", "--jobs", "1", "--set", "count=6", "--set", "network=wan", "--json").json
    assert found["seeds"] == [1, 2, 3]
    assert [run["submitted"] for run in found["runs"]] == [6, 6, 6]
    assert found["network"] == "wan"
    assert found["metrics"]["transactions"] == {
        "unit": "transactions", "mean": 6.0, "ci95": 0.0, "min": 6, "max": 6, "runs": 3
    }  # fmt: skip


def test_a_report_is_written_with_the_scenario_and_the_records(shell: Shell, file: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = shell("sim", file, "--out", str(out))
    assert outcome.code == 0, outcome.err
    assert "everything held, as expected" in outcome.out
    assert (out / "scenario.toml").read_text() == FAST
    assert json.loads((out / "verdict.json").read_text())["agreed"]
    assert json.loads((out / "records" / "seed-1.json").read_text())["nodes"] == 4
    assert (out / "report.html").stat().st_size > 10_000


def test_a_log_and_a_picture_of_one_seed(shell: Shell, file: str, tmp_path: Path) -> None:
    log, diagram = tmp_path / "run.log", tmp_path / "run.svg"
    assert shell("sim", file, "--log", str(log), "--diagram", str(diagram)).code == 0
    assert "receive" in log.read_text()
    assert diagram.read_text().startswith("<svg")
    assert "one (--seed)" in shell.refusal(2, "sim", file, "--seeds", "2", "--log", str(log))


def test_more_liars_than_claimed_need_beyond_and_the_report_says_so(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "liars.toml"
    path.write_text(LIARS)
    said = shell.refusal(2, "sim", str(path))
    assert f"{path}:1: liars: 2 of 4 replicas lie; accepted are at most f = 1" in said
    outcome = shell("sim", str(path), "--beyond", "--json")
    assert outcome.code == 1
    assert outcome.json["beyond"] is True
    (failure,) = outcome.json["failures"]
    assert failure["replay"] == f"raclette sim {path} --seed 1 --beyond"
    text = shell("sim", str(path), "--beyond").out
    assert "beyond: 2 of 4 replicas lie" in text
    assert "1 run(s) broke a property, the file expects 'holds'" in text


def test_a_fork_is_shown_with_who_made_it_and_no_checker_drowns_the_others(shell: Shell, tmp_path: Path) -> None:
    liars = 'liars=[{kind="equivocate", nodes=[0,3,4], lie_percent=100, open_percent=0}]'
    words = ("sim", "pbft-equivocate", "--beyond", "--seed", "1", "--set", liars, "--out", str(tmp_path))
    text = shell(*words).out
    found = json.loads((tmp_path / "verdict.json").read_text())
    (failure,) = found["failures"]
    assert failure["blame"].startswith("the fork at height 1 is proved against n00 (two prepares for view 0, height 1)")
    assert f"blame {failure['blame']}" in text
    assert failure["blame"] in unescape((tmp_path / "report.html").read_text())
    assert text.count("1   agreement ") == 3
    more = sum(each["checker"] == "agreement" for each in found["violations"]) - 3
    assert f"and {more} more of agreement (--json has all)" in text
    assert "messages-per-block" in text


def test_mistakes_have_exit_code_2_and_one_line(shell: Shell, file: str) -> None:
    assert "no such file, and no scenario of the library" in shell.refusal(2, "sim", "nowhere.toml")
    assert "is no key and no variable" in shell.refusal(2, "sim", file, "--set", "cuont=3")
    assert "accepted is KEY=VALUE" in shell.refusal(2, "sim", file, "--set", "count")
    assert "accepted is --set" in shell.refusal(2, "sim", file, "--nodes", "5")
    assert "needs a scenario file" in shell.refusal(2, "sim", "--seeds", "3")
    assert f"{file}:3: variables.count" in shell.refusal(2, "sim", file, "--set", "workload.count=1")


def test_the_library_is_listed_shown_and_checked(shell: Shell) -> None:
    entries = shell("scenarios", "list", "--json").json
    assert {"name", "title", "protocol", "nodes", "fidelity", "expect"} == entries[0].keys()
    assert "pbft-partition" in shell("scenarios").out
    assert shell("scenarios", "show", "quiet-pbft").out.startswith("# Four replicas on one switch")
    assert shell("scenarios", "show", "pbft-slow-disk", "--json").json["faults"][0]["for"] == "3s"
    found = shell("scenarios", "check", "pbft-partition", "--json").json
    assert (found["valid"], found["faults"], found["on_processes"]) == (True, 2, True)
    assert "degree" in shell.refusal(
        2, "scenarios", "check", "quiet-pbft", "--set", "topology.kind=regular", "--set", "topology.degree=4"
    )


RACE = ("selfish-race", "--set", "attacker.blocks=300")


def test_a_race_shows_theory_beside_what_was_measured(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "race"
    words = ("sim", *RACE, "--set", "checkers=[]", "--set", "expect=holds", "--seeds", "2", "--jobs", "1")
    outcome = shell(*words, "--out", str(out))
    assert outcome.code == 0, outcome.out
    assert "theory" in outcome.out
    assert (out / "figures" / "race-revenue.png").exists()
    found = shell(*words, "--json").json
    assert (found["fidelity"], found["network"], found["nodes"], found["ledger"]) == ("instant", "none", 3, "none")
    assert found["metrics"]["revenue"]["published"] == pytest.approx(revenue(0.42, 0.5), abs=1e-6)
    assert found["runs"][0]["attack"]["groups"]["attacker"]["hash_share"] == 0.42


def test_a_race_is_nothing_for_processes_or_the_screen(shell: Shell) -> None:
    said = shell.refusal(2, "testbed", *RACE)
    assert said == 'fidelity: "instant" has no nodes that could be processes; accepted on a testbed is "full"'
    assert 'fidelity: "instant"; accepted with --log' in shell.refusal(2, "sim", *RACE, "--seed", "1", "--watch")
    assert shell("scenarios", "check", *RACE, "--json").json["on_processes"] is False
