"""`raclette sweep`: the grid of the papers, and what is left when it is interrupted."""

import json
from pathlib import Path

import pytest

from cli.shell import Shell
from raclette.lab.experiments.selfish import revenue
from raclette.lab.sweep import read_rows

SMALL = ("--set", "attacker.blocks=200", "--workers", "0")


def test_revenue_against_share_by_gamma_beside_equation_8(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "grid"
    words = ("sweep", "selfish-race", "--over", "attacker.share=0.1:0.45:8", "--over", "gamma=0,0.5,1", "--seeds", "1")
    outcome = shell(*words, *SMALL, "--metric", "revenue", "--out", str(out), "--json")
    assert outcome.code == 0, outcome.err
    found = outcome.json
    assert (found["runs"], found["failed"], found["broken"]) == (24, 0, 0)
    rows = read_rows(out / "results.parquet")
    assert len({(row["attacker.share"], row["gamma"]) for row in rows}) == 24
    for row in rows:
        assert row["share"] == pytest.approx(row["attacker.share"])
        assert row["attack.gamma"] == row["gamma"]
        assert row["attack.published.revenue"] == pytest.approx(revenue(row["attacker.share"], row["gamma"]), abs=1e-6)
    table = (out / "figures" / "revenue.csv").read_text()
    assert "Eyal and Sirer, eq. (8), gamma = 0.5" in table
    assert "honest mining" in table


def test_what_had_finished_is_not_run_again(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "spends"
    words = ["sweep", "double-spend-race", "--over", "confirmations=1,3", "--seeds", "2", *SMALL, "--out", str(out)]
    words += ["--metric", "success-rate"]
    assert shell(*words, "--json").json["run_before"] == 0
    journal = out / "rows.jsonl"
    kept = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(kept[:3]) + kept[3][:20])  # killed while the last row was written
    again = shell(*words, "--json").json
    assert (again["runs"], again["run_before"], again["broken"]) == (4, 3, 0)
    assert [json.loads(line) for line in journal.read_text().splitlines()] == [json.loads(line) for line in kept]
    assert "Rosenfeld" in (out / "figures" / "success-rate.csv").read_text()


def test_a_value_that_cannot_be_is_refused_before_anything_runs(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "none"
    said = shell.refusal(2, "sweep", "selfish-race", "--over", "gamma=0,2", "--out", str(out))
    assert "attacker.gamma: 2; accepted is a share from 0 to 1" in said
    assert not out.exists()


def test_a_majority_is_swept_only_beyond(shell: Shell, tmp_path: Path) -> None:
    words = ("sweep", "selfish-race", "--over", "attacker.share=0.4,0.55", "--seeds", "1", *SMALL)
    assert "accepted is less than half" in shell.refusal(2, *words, "--out", str(tmp_path / "a"))
    assert shell(*words, "--out", str(tmp_path / "b"), "--beyond", "--json").json["runs"] == 2
