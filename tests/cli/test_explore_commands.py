"""Simulation, benchmarks and lists: the shape of what programs get, at tiny sizes."""

import json
from pathlib import Path

import pytest

from cli.shell import Shell
from raclette.ledgers import LEDGERS
from raclette.protocols import PROTOCOLS


def test_protocols_with_their_parameters(shell: Shell) -> None:
    found = {entry["name"]: entry for entry in shell("protocols", "--json").json}
    assert set(found) == set(PROTOCOLS)
    assert all(entry["description"] and entry["parameters"] for entry in found.values())
    assert all(row["meaning"] for entry in found.values() for row in entry["parameters"])
    shown = shell("protocols").out
    assert all(name in shown for name in PROTOCOLS)
    assert max(map(len, shown.splitlines())) <= 80


def test_ledgers(shell: Shell) -> None:
    assert {entry["name"] for entry in shell("ledgers", "--json").json} == set(LEDGERS)
    assert "bank" in shell("ledgers").out


@pytest.mark.parametrize("protocol", ["pbft", "nakamoto"])
def test_a_simulation_is_one_object_and_the_same_again(shell: Shell, protocol: str) -> None:
    words = ("sim", "--protocol", protocol, "--nodes", "4", "--seed", "3", "--seconds", "2", "--transactions", "5")
    first, second = shell(*words, "--json"), shell(*words, "--json")
    assert first.code == 0
    assert first.json["agreed"] is True
    assert first.json["violations"] == []
    assert first.json["height"] >= 1
    assert len(first.json["digest"]) >= 32
    assert second.json["digest"] == first.json["digest"]


def test_a_simulation_for_people_with_a_log_and_a_picture(shell: Shell, tmp_path: Path) -> None:
    log, diagram = tmp_path / "run.log", tmp_path / "run.svg"
    outcome = shell("sim", "--seconds", "1", "--transactions", "2", "--log", str(log), "--diagram", str(diagram))
    assert outcome.code == 0
    assert "digest" in outcome.out
    assert len(log.read_text().splitlines()) > 10
    assert diagram.read_text().startswith("<")


def test_what_cannot_be_simulated_is_one_line(shell: Shell, tmp_path: Path) -> None:
    assert "accepted are nakamoto, pbft" in shell.refusal(2, "sim", "--protocol", "frobnicate")
    assert "accepted" in shell.refusal(2, "sim", "--network", "frobnicate")
    missing = str(tmp_path / "no" / "run.log")
    said = shell.refusal(2, "sim", "--seconds", "0.1", "--transactions", "0", "--log", missing)
    assert said == f"{missing}: No such file or directory"


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (("verify", "--seconds", "0.1"), {"senders_per_s", "target", "ratio"}),
        (("trie", "--keys", "200", "--batch", "10", "--seconds", "0.1"), {"updates_per_s", "target", "ratio", "root"}),
        (("sim", "--nodes", "10", "--blocks", "1"), {"events_per_s"}),
    ],
)
def test_a_benchmark_is_one_object_with_absolute_and_ratio(
    shell: Shell, words: tuple[str, ...], keys: set[str]
) -> None:
    outcome = shell("bench", *words, "--json")
    assert outcome.code == 0
    assert keys <= set(json.loads(outcome.out))
    assert shell("bench", *words).code == 0
