"""Scenarios at work: the library finds what its files state, runs repeat, and what they leave can be read."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from raclette.lab.scenario import (
    ScenarioFile,
    open_scenario,
    read_scenario,
    resolve,
    run_scenario,
    run_seed,
    scenario_names,
    to_config,
    verdict,
)
from raclette.lab.scenario.run import Outcome
from raclette.primitives.errors import InvariantBroken, Misuse
from raclette.primitives.units import SECOND
from raclette.sim.record import NEVER, RunRecord
from raclette.sim.simulate import Simulation, simulate

# What makes the largest scenarios of the library small enough for a test; the claim of each file still holds.
SMALLER = {
    "nakamoto-internet": {"nodes": 100, "stop.blocks": 20},
    "pbft-hundred": {"nodes": 25, "stop.blocks": 3},
    "ghost-fast-blocks": {"nodes": 60, "stop.blocks": 60},
    "nakamoto-selfish": {"stop.blocks": 30},
    "nakamoto-stubborn": {"stop.blocks": 30},
    "tx-rate": {"workload.count": 60, "stop.seconds": 4},
    "tx-rate-random": {"workload.count": 60, "stop.seconds": 4},
    "tx-n-outputs": {"workload.count": 60, "stop.seconds": 4},
}


def run(text: str, seed: int = 1) -> Outcome:
    return run_seed(read_scenario(ScenarioFile("mine", "mine.toml", text, Path())), seed, record=True)


def test_the_library_has_the_scenarios_that_one_expects() -> None:
    names = set(scenario_names())
    assert len(names) >= 14
    assert {"quiet-pbft", "pbft-partition", "pbft-twins", "nakamoto-selfish", "nakamoto-internet", "churn"} <= names


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_of_the_library_finds_what_it_states(name: str) -> None:
    file = open_scenario(name)
    scenario = read_scenario(file, SMALLER.get(name, {}))
    assert scenario.title
    assert file.text.startswith("# ")
    outcomes = run_scenario(scenario.model_copy(update={"seeds": scenario.seeds[:1]}), file.folder)
    found = verdict(name, scenario, outcomes)
    assert found["as_expected"], found["violations"][:3]
    assert found["beyond"] == scenario.beyond


MIXED = """
nodes = 7
[[liars]]
kind = "equivocate"
nodes = 1
[[faults]]
kind = "crash"
at = "1s"
for = "1s"
nodes = 2
stagger = "300ms"
[workload]
count = 30
rate = 20
arrivals = "poisson"
values = "pareto"
[stop]
seconds = 3
"""


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    here = run(MIXED, 5)
    program = (
        "import sys; from pathlib import Path; from raclette.lab.scenario import *;"
        "f = ScenarioFile('m', 'm', sys.argv[1], Path()); print(run_seed(read_scenario(f), 5).report['digest'])"
    )
    env = os.environ | {"PYTHONHASHSEED": "77"}
    there = subprocess.run([sys.executable, "-c", program, MIXED], env=env, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == here.report["digest"]
    assert run(MIXED, 6).report["digest"] != here.report["digest"]


def test_recording_changes_nothing() -> None:
    config = to_config(resolve(read_scenario(open_scenario("pbft-twins")), 2))
    plain = simulate(config)
    recorded = Simulation(config, record=True)
    assert recorded.run() == plain
    assert recorded.record is not None


def test_a_record_says_who_had_which_block_when_and_survives_json() -> None:
    outcome = run('nodes = 5\nobservers = 1\nnetwork = "internet-2019"\n[workload]\ncount = 20\n[stop]\nseconds = 4\n')
    record = outcome.record
    assert record is not None
    assert RunRecord.from_json(json.loads(json.dumps(record.to_json()))) == record
    height = outcome.report["height"]
    assert sum(block.canonical for block in record.blocks) == height + 1
    assert all(NEVER not in row for row in record.reached)
    assert all(len(record.delays(block)) == 5 for block in range(1, height + 1))
    assert all(block.born <= min(row) for block, row in zip(record.blocks, record.reached, strict=True))
    by_region = record.delays_by_region(1)
    assert sorted(delay for delays in by_region.values() for delay in delays) == record.delays(1)
    assert len(record.times_to_finality()) == 5 * height
    assert {kind: sum(counts) for kind, counts in record.sent.items()} == outcome.report["messages"]
    assert {kind: sum(counts) for kind, counts in record.sent_bytes.items()} == outcome.report["bytes"]
    assert record.heights(4)[-1][1:] == (height, height, height)
    assert len(record.orders) == 20


def test_a_record_of_forks_has_the_branch_that_lost() -> None:
    text = """
protocol = { name = "nakamoto", block_interval_s = 2 }
nodes = 6
[workload]
count = 5
[[faults]]
kind = "partition"
at = "1s"
for = "30s"
groups = ["50%", "rest"]
[stop]
seconds = 40
settle = "600s"
"""
    record = run(text).record
    assert record is not None
    stale = record.stale()
    assert stale
    assert max(change.removed for change in record.heads) >= 1
    assert all(record.blocks[record.blocks[block].parent].height == record.blocks[block].height - 1 for block in stale)
    assert [stretch.what for stretch in record.faults] == ["partition"]


def test_a_record_of_another_version_is_refused() -> None:
    with pytest.raises(Misuse, match="version"):
        RunRecord.from_json({"version": 0})
    with pytest.raises(Misuse, match="no record"):
        RunRecord.from_json({"version": 1})


def test_a_run_goes_on_to_the_height_that_is_asked_for() -> None:
    chain = 'protocol = { name = "nakamoto", block_interval_s = 1 }\n'
    outcome = run(chain + "[workload]\ncount = 2\n[stop]\nseconds = 1\nblocks = 12\n")
    assert outcome.agreed, outcome.violations
    assert outcome.report["height"] >= 12


def test_a_height_that_is_not_reached_in_time_is_a_failure() -> None:
    text = '[workload]\ncount = 2\n[stop]\nseconds = 1\nfinal_blocks = 50\nlimit = "3s"\nsettle = "1s"\n'
    (violation,) = run(text).violations
    assert violation["checker"] == "liveness"
    assert "height 2 of 50 is final" in violation["detail"]


def test_only_the_chosen_checkers_watch() -> None:
    text = """
checkers = ["agreement"]
beyond = true
[[liars]]
kind = "silent"
nodes = 3
[workload]
count = 3
[stop]
seconds = 2
settle = "1s"
"""
    assert run(text).agreed


def test_an_exception_is_a_failed_seed_and_never_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def break_down(self: Simulation) -> None:
        calls.append(self)
        raise InvariantBroken("two heads")

    monkeypatch.setattr(Simulation, "run", break_down)
    outcome = run("")
    assert [violation["checker"] for violation in outcome.violations] == ["exception"]
    assert not outcome.agreed
    assert len(calls) == 1


ENGINE = """
fidelity = "engine"
nodes = 60
kernel = "{kernel}"
protocol = {{ name = "nakamoto", block_interval_s = 30 }}
network = "internet-2019"
hash-power = "normal"
[topology]
kind = "regular"
degree = 6
[stop]
blocks = 30
"""


def test_both_kernels_give_the_same_report_and_record() -> None:
    pytest.importorskip("numba")
    one, other = run(ENGINE.format(kernel="reference")), run(ENGINE.format(kernel="fast"))
    assert one.report == other.report
    assert one.record == other.record
    assert one.agreed
    assert one.report["height"] + len(one.record.stale() if one.record else ()) == 30


def test_engines_that_vote_agree_and_are_counted() -> None:
    outcome = run(
        'fidelity = "engine"\nnodes = 13\nkernel = "reference"\n[workload]\ncount = 10\n[stop]\nblocks = 10\n'
    )
    assert outcome.agreed, outcome.violations
    assert outcome.report["height"] == 10
    assert outcome.report["messages"]["commit"] >= 10 * 12 * 12
    assert outcome.record is not None
    assert not outcome.record.by_node
    assert outcome.metrics["finality-p50"] > 0


def test_a_workload_of_poisson_arrivals_has_its_rate() -> None:
    text = '[workload]\ncount = 2000\nrate = 50\narrivals = "poisson"\n'
    load = to_config(resolve(read_scenario(ScenarioFile("m", "m", text, Path())), 1)).workload
    times = load.times(1)
    assert times == sorted(times) != load.times(2)
    assert 37 * SECOND < times[-1] - load.start < 43 * SECOND
