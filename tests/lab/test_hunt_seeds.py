"""A seed is a run: the same everywhere, drawn from everything there is, and within what the protocol claims to bear."""

import os
import subprocess
import sys

import pytest

from raclette.lab.hunt import run_seed, tactic_of
from raclette.lab.hunt.coverage import Coverage
from raclette.lab.hunt.engines.adapter import find_adapter
from raclette.lab.hunt.engines.draw import FEATURES, draw_swarm, draw_twins
from raclette.lab.hunt.engines.phases import draw_phases
from raclette.lab.hunt.engines.steps import RoundCut
from raclette.lab.hunt.nodes.draw import MAKERS, draw_config, fitting_liars
from raclette.lab.hunt.tactics import TURNS
from raclette.sim.faults import FAULTS

PROTOCOLS = ("pbft", "nakamoto")
SEEDS = 48


@pytest.fixture(scope="module", params=PROTOCOLS)
def coverage(request: pytest.FixtureRequest) -> Coverage:
    found = Coverage(request.param)
    for seed in range(SEEDS):
        outcome = run_seed(request.param, seed)
        assert outcome.breaches == (), outcome
        found.add(outcome)
    return found


def test_a_few_dozen_seeds_hold_and_see_what_must_be_seen(coverage: Coverage) -> None:
    assert coverage.seeds == SEEDS
    assert set(coverage.tactics) == set(TURNS)
    assert coverage.missing == []


def test_a_hunt_in_which_nothing_happened_says_that_it_was_weak() -> None:
    empty = Coverage("pbft")
    empty.seeds = 1_000
    assert {"view-changes", "evidence", "crashes"} <= set(empty.missing)
    empty.seeds = 3
    assert empty.missing == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_schedule_follows_from_its_seed_alone(protocol: str) -> None:
    drawn = [tactic_of(protocol, seed).draw(protocol, seed) for seed in range(60)]
    again = [tactic_of(protocol, seed).draw(protocol, seed) for seed in range(60)]
    assert drawn == again
    assert len({repr(schedule) for schedule in drawn}) == 60


SCRIPT = """
import sys
from raclette.lab.hunt import run_seed
for seed in range(8, 16):
    outcome = run_seed(sys.argv[1], seed)
    print(outcome.tactic, outcome.digest, outcome.checkers, sorted(outcome.happened.items()))
"""


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seed_gives_the_same_run_in_two_processes_with_different_hash_seeds(protocol: str) -> None:
    answers = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT, protocol],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("0", "4711")
    }
    assert len(answers) == 1
    assert len(answers.pop().splitlines()) == 8


def test_every_kind_of_fault_and_of_liar_that_there_is_gets_drawn() -> None:
    assert set(MAKERS) == set(FAULTS)
    for protocol in PROTOCOLS:
        drawn = [draw_config(protocol, seed).config for seed in range(800)]
        assert {fault.kind for config in drawn for fault in config.faults} == set(FAULTS)
        lies = {spec.name for config in drawn for spec in config.liars.values()}
        assert lies == {kind.name for kind in fitting_liars(protocol)}


def test_liars_are_never_more_than_the_protocol_claims_to_bear() -> None:
    for protocol in PROTOCOLS:
        for seed in range(200):
            config = draw_config(protocol, seed).config
            config.validate()
            assert len(config.liars) <= (config.nodes - 1) // 3
            for schedule in (draw_swarm(find_adapter(protocol), seed), draw_phases(find_adapter(protocol), seed)):
                assert len(schedule.liars) <= (schedule.nodes - 1) // 3


def test_swarms_leave_features_out_so_that_others_show() -> None:
    """Groce et al. 2012: no feature is in every schedule, and none is in hardly any."""
    kinds = [frozenset(type(step).__name__ for step in draw_swarm(find_adapter("pbft"), s).steps) for s in range(200)]
    for kind in ("Cut", "Hush", "Rough", "Crash", "Skew", "Lie", "Single"):
        assert 20 < sum(kind in found for found in kinds) < 180, kind
    assert len(set(kinds)) > 40
    assert len(FEATURES) == len(set(FEATURES))


def test_twins_scenarios_are_partitions_per_round_around_replicas_that_run_twice() -> None:
    schedules = [draw_twins(find_adapter("pbft"), seed) for seed in range(60)]
    assert all(schedule.twins for schedule in schedules)
    cuts = [step for schedule in schedules for step in schedule.steps if isinstance(step, RoundCut)]
    assert {cut.round for cut in cuts} == set(range(6))
    assert len({cut.groups for cut in cuts}) > 60
