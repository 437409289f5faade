"""Scenarios at instant fidelity: an attacker of a given share and gamma, and what the papers say of it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from raclette.lab.experiments.double_spend import rosenfeld
from raclette.lab.experiments.selfish import revenue
from raclette.lab.report.run import Run, write_run_report
from raclette.lab.scenario import Scenario, ScenarioError, ScenarioFile, read_scenario, run_scenario, run_seed, verdict
from raclette.lab.scenario.reference import RACE
from raclette.lab.scenario.run import Outcome
from raclette.sim.attacks import Selfish, run_attack
from raclette.sim.record import NEVER, RunRecord

SIGMAS = 4


def read(text: str, values: Mapping[str, Any] | None = None, *, beyond: bool = False) -> Scenario:
    return read_scenario(ScenarioFile("mine", "mine.toml", text, Path()), values, beyond=beyond)


def race(attacker: str = "", more: str = "") -> str:
    return f'fidelity = "instant"\nprotocol = "nakamoto"\n{more}\n[attacker]\n{attacker}'


def run(attacker: str, seed: int = 1, more: str = "", *, beyond: bool = False) -> Outcome:
    return run_seed(read(race(attacker, more), beyond=beyond), seed, record=True)


def attack_of(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = outcome.report["attack"]
    return found


# What it is


def test_it_is_the_attack_of_the_lab_block_for_block() -> None:
    there = run_attack(Selfish(), 0.38, 0.25, 1_500, seed=7)
    found = attack_of(run("share = 0.38\ngamma = 0.25\nblocks = 1500", 7))
    pool = found["groups"]["attacker"]
    assert (pool["found"], pool["main"], found["height"], found["stale"]) == (
        there.pool_blocks,
        there.pool_main,
        there.height,
        there.stale,
    )
    assert found["reorganisations"] == {str(depth): count for depth, count in there.reorganisations.items()}


def test_selfish_mining_earns_equation_8_with_an_interval_over_seeds() -> None:
    scenario = read(race("share = 0.4\ngamma = 0.5\nblocks = 1000", "seeds = { first = 1, count = 8 }"))
    found = verdict("race", scenario, run_scenario(scenario))
    earned = found["metrics"]["revenue"]
    assert earned["published"] == pytest.approx(revenue(0.4, 0.5), abs=1e-6)
    assert 0 < earned["ci95"] < 0.1
    error = earned["ci95"] / 2.365  # Student's t for seven degrees of freedom
    assert abs(earned["mean"] - earned["published"]) < SIGMAS * error
    assert found["metrics"]["gain"]["mean"] == pytest.approx(100 * (earned["mean"] / 0.4 - 1), abs=0.01)
    assert found["agreed"], found["violations"]


def test_double_spends_succeed_as_rosenfeld_says() -> None:
    attacker = 'strategy = "private-chain"\nshare = 0.25\nconfirmations = 2\ngive_up = 15\nblocks = 4000'
    outcome = run(attacker)
    pool, expected = attack_of(outcome)["groups"]["attacker"], rosenfeld(0.25, 2)
    ended = pool["successes"] + pool["failures"]
    assert ended > 100
    assert outcome.metrics["success-rate"] == pytest.approx(pool["successes"] / ended, abs=1e-6)
    assert abs(outcome.metrics["success-rate"] - expected) < SIGMAS * sqrt(expected * (1 - expected) / ended)
    assert attack_of(outcome)["published"] == {"success-rate": pytest.approx(expected, abs=1e-6)}
    assert "revenue" not in attack_of(outcome)["published"]


def test_an_honest_pool_earns_its_share_and_breaks_nothing() -> None:
    outcome = run(
        'strategy = "honest"\nshare = 0.3\nblocks = 2000', more='checkers = ["fair-share", "attack-happened"]'
    )
    assert outcome.agreed
    assert attack_of(outcome)["stale"] == 0
    assert outcome.report["liars"] == {"n00": "honest pool"}
    assert abs(outcome.metrics["revenue"] - 0.3) < SIGMAS * sqrt(0.3 * 0.7 / 2_000)


@pytest.mark.parametrize("strategy", ["stubborn", "withhold"])
def test_the_other_strategies_run_with_what_belongs_to_them(strategy: str) -> None:
    more = "\ntrail = 1\nequal_fork = true" if strategy == "stubborn" else ""
    outcome = run(f'strategy = "{strategy}"\nshare = 0.3\nblocks = 600{more}')
    assert outcome.agreed, outcome.violations
    assert outcome.report["sometimes"] == {"attack-happened": True}
    assert outcome.report["liars"]["n00"].startswith(strategy)
    assert attack_of(outcome)["published"] == {}


def test_the_engines_own_rules_apply() -> None:
    text = race("share = 0.3\nblocks = 300").replace(
        'protocol = "nakamoto"', 'protocol = { name = "nakamoto", fork_choice = "ghost", block_interval_s = 30 }'
    )
    ghost = run_seed(read(text), 1)
    assert ghost.agreed
    assert 20_000 < ghost.report["virtual_ms"] / 300 < 40_000


def test_a_difficulty_that_follows_the_branch_slows_the_one_who_leads() -> None:
    """docs/attacks.md: with asert a hidden block makes the next one harder for the pool, and for nobody else."""
    asert = '[protocol]\nname = "nakamoto"\ndifficulty_rule = "asert"\nhalf_life_s = 3600\n'  # six blocks
    attacker = "[attacker]\nshare = 0.42\nblocks = 1500\n"
    same, slowed = (
        [run_seed(read(f'fidelity = "instant"\n{rule}{attacker}'), seed) for seed in range(1, 7)]
        for rule in ('[protocol]\nname = "nakamoto"\n', asert)
    )
    losses = [a.metrics["revenue"] - b.metrics["revenue"] for a, b in zip(same, slowed, strict=True)]
    assert fmean(losses) > SIGMAS * stdev(losses) / sqrt(len(losses)) > 0
    found = [sum(attack_of(o)["groups"]["attacker"]["found"] for o in outcomes) for outcomes in (same, slowed)]
    assert found[1] < found[0]


# Verdicts


def test_fair_share_says_whether_the_attack_paid() -> None:
    asked = 'checkers = ["fair-share"]'
    (violation,) = run("share = 0.42\ngamma = 0.5\nblocks = 2500", more=asked).violations
    assert violation["checker"] == "fair-share"
    assert "% of the chain for 42% of the hash power" in violation["detail"]
    assert run("share = 0.2\ngamma = 0\nblocks = 1000", more=asked).agreed


def test_a_payment_taken_back_is_a_violation_only_where_it_is_asked_about() -> None:
    attacker = 'strategy = "private-chain"\nshare = 0.3\nconfirmations = 1\nblocks = 400'
    assert run(attacker).agreed
    (violation,) = run(attacker, more='checkers = ["double-spend"]').violations
    assert "payments were taken back after 1 confirmations" in violation["detail"]


def test_a_majority_breaks_the_common_prefix() -> None:
    """Nakamoto 2008, section 11: with more than half it always catches up, from however far behind."""
    attacker = 'strategy = "private-chain"\nshare = 0.6\nconfirmations = 40\ngive_up = 200\nblocks = 1000'
    (violation,) = run(attacker, beyond=True).violations
    assert violation["checker"] == "common-prefix"
    assert run(attacker, beyond=True).report["beyond"]


# What a run leaves


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    here = run("share = 0.4\ngamma = 0.5\nblocks = 300", 5)
    program = (
        "import sys; from pathlib import Path; from raclette.lab.scenario import *;"
        "f = ScenarioFile('m', 'm', sys.argv[1], Path()); print(run_seed(read_scenario(f), 5).report['digest'])"
    )
    text = race("share = 0.4\ngamma = 0.5\nblocks = 300")
    env = os.environ | {"PYTHONHASHSEED": "77"}
    there = subprocess.run([sys.executable, "-c", program, text], env=env, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here.report["digest"]
    assert run("share = 0.4\ngamma = 0.5\nblocks = 300", 6).report["digest"] != here.report["digest"]


def test_the_record_is_the_tree_with_who_found_what_and_when_it_was_shown() -> None:
    outcome = run("share = 0.4\ngamma = 0.5\nblocks = 400")
    record, found = outcome.record, attack_of(outcome)
    assert record is not None
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    assert len(record.blocks) == 401
    assert len(record.stale()) == found["stale"]
    assert sum(block.canonical for block in record.blocks) == found["height"] + 1
    arrivals = [[time for time in row[1:] if time != NEVER] for row in record.reached]
    hidden = [b for b, times in zip(record.blocks, arrivals, strict=True) if times and min(times) > b.born]
    assert {block.miner for block in hidden} == {0}, "selfish mining hides blocks, and nobody else does"


def test_groups_without_power_are_no_nodes() -> None:
    assert [run(f"share = 0.3\ngamma = {gamma}\nblocks = 50").report["nodes"] for gamma in (0, 0.5, 1)] == [2, 3, 2]


def test_the_report_has_a_picture_of_what_was_earned_with_theory_beside_it(tmp_path: Path) -> None:
    outcomes = [run("share = 0.4\ngamma = 0.5\nblocks = 300", seed) for seed in (1, 2)]
    runs = [Run(outcome.report, outcome.record) for outcome in outcomes if outcome.record is not None]
    page = write_run_report(runs, tmp_path, title="Race").read_text()
    assert "selfish against the honest, 2 run(s)" in page
    assert "How blocks spread" not in page
    table = (tmp_path / "figures" / "race-revenue.csv").read_text()
    assert "seed 2" in table
    assert "Eyal and Sirer, eq. (8)" in table
    for name in ("race-revenue", "race-depths", "block-tree"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 5_000


def test_the_report_of_double_spends_has_rosenfelds_figure(tmp_path: Path) -> None:
    attacker = 'strategy = "private-chain"\nshare = 0.3\nconfirmations = 2\nblocks = 600'
    runs = [Run(o.report, o.record) for o in (run(attacker, seed) for seed in (1, 2)) if o.record is not None]
    write_run_report(runs, tmp_path, title="Double spends")
    table = (tmp_path / "figures" / "race-success.csv").read_text()
    assert "all runs" in table
    assert "0.432" in table


def test_the_example_of_the_page_is_as_it_expects() -> None:
    scenario = read(RACE)
    assert verdict("page", scenario, run_scenario(scenario))["as_expected"]


# Mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (race("share = 1"), "mine.toml:5: attacker.share: 1; accepted is a share of at least 0 and less than 1"),
        (race('share = "130%"'), "attacker.share: '130%'; accepted is a share of at least 0 and less than 1"),
        (race("share = -0.1"), "attacker.share: -0.1; accepted is a share of at least 0 and less than 1"),
        (race("gamma = 1.5"), "mine.toml:5: attacker.gamma: 1.5; accepted is a share from 0 to 1"),
        (race("gamma = -0.5"), "attacker.gamma: -0.5; accepted is a share from 0 to 1"),
        (race("share = 0.55"), "mine.toml:5: attacker.share: 55% of the hash power lies; accepted is less than half"),
        (race("blocks = 0"), "mine.toml:5: attacker.blocks: 0; accepted is 1 and more"),
        (race('strategy = "bribe"'), "attacker.strategy: 'bribe'; accepted are 'honest', 'selfish'"),
        (race("confirmations = 3"), "mine.toml:5: attacker.confirmations: means nothing with strategy = 'selfish'"),
        (race("speed = 3"), "mine.toml:5: attacker.speed: unknown key; accepted are strategy, share, gamma, blocks"),
        (race() + '[network]\nmodel = "wan"', "mine.toml:5: network: means nothing at instant fidelity"),
        (race() + "[stop]\nblocks = 9", "the number of blocks is attacker.blocks"),
        (race(more="nodes = 9"), "mine.toml:3: nodes: means nothing at instant fidelity, where miners race without"),
        (race() + '[[liars]]\nkind = "selfish"', "liars: means nothing at instant fidelity"),
        ('fidelity = "instant"', "protocol.name: 'pbft' has no miners; accepted at instant fidelity is 'nakamoto'"),
        (
            'fidelity = "instant"\n[protocol]\nname = "nakamoto"\nreward = 3',
            "mine.toml:4: protocol.reward: means nothing at instant fidelity; accepted are name, fork_choice",
        ),
        (
            'fidelity = "instant"\n[protocol]\nname = "nakamoto"\nfork_choice = "longest"',
            "mine.toml:4: protocol.fork_choice: 'longest' cannot be used; accepted: heaviest, ghost",
        ),
        (race(more='checkers = ["liveness"]'), "checkers[0]: 'liveness' does not apply at instant fidelity"),
        (race(more='checkers = ["double-spend"]'), 'accepted with it is attacker.strategy = "private-chain"'),
        (race(more='metrics = ["propagation-p50"]'), "metrics[0]: 'propagation-p50' means nothing at instant fidelity"),
        ('metrics = ["revenue"]', "metrics[0]: 'revenue' means nothing without fidelity = \"instant\""),
        ("[attacker]\nshare = 0.3", "mine.toml:1: attacker: means nothing at full fidelity; accepted with it is fid"),
        (race(more="[variables]\nattacker = 3"), "variables.attacker: is a key of the file"),
    ],
)
def test_every_mistake_is_told_with_its_place_and_what_is_accepted(text: str, said: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        read(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_elsewhere_a_variable_may_still_be_called_attacker() -> None:
    text = 'protocol = "nakamoto"\n[variables.attacker]\nshare = 0.2\n[[liars]]\nkind = "selfish"\nnodes = [0]\n'
    text += 'power = "$attacker.share"\n'
    assert read(text, {"attacker.share": 0.3}).liars[0].power == 300_000
    assert read(race("share = 0.2"), {"attacker.share": 0.3}).attacker.share == 300_000
