"""The hunt of the hybrid: schedules that see committees change, within what the protocol assumes, and catch mutants."""

import pytest

from raclette.lab.hunt.engines.adapter import find_adapter
from raclette.lab.hunt.engines.draw import draw_swarm
from raclette.lab.hunt.engines.hybrid import PARTED_MS_MAX
from raclette.lab.hunt.engines.schedule import EngineSchedule, fitted
from raclette.lab.hunt.engines.steps import Cut
from raclette.lab.hunt.tactics import TACTICS
from raclette.lab.hunt.trial import run_seed
from raclette.lab.mutants import find_mutant

SEEDS = range(1, 40, 10)
# Mutants that show within a few seeds of engines.
QUICK = {"S1": 1, "P1": 1, "N10b": 1}


def test_a_few_schedules_of_engines_are_clean_and_see_days_end() -> None:
    outcomes = [run_seed("hybrid", seed) for seed in SEEDS]
    assert [outcome.breaches for outcome in outcomes] == [()] * len(SEEDS)
    assert sum(outcome.happened.get("rotations", 0) for outcome in outcomes) >= len(SEEDS)


def test_a_seed_gives_the_same_digest_twice() -> None:
    assert run_seed("hybrid", 1).digest == run_seed("hybrid", 1).digest


def test_whole_nodes_meet_a_rotation_in_their_storm() -> None:
    outcome = run_seed("hybrid", 0)
    assert outcome.tactic == "nodes"
    assert outcome.breaches == ()


def test_partitions_are_shorter_than_what_is_stable_and_patient() -> None:
    adapter = find_adapter("hybrid")
    for seed in range(40):
        schedule = fitted(adapter, draw_swarm(adapter, seed))
        assert isinstance(schedule, EngineSchedule)
        longest = max((step.lasting for step in schedule.steps if isinstance(step, Cut)), default=0)
        assert longest <= max(PARTED_MS_MAX)
        assert all(step.lasting for step in schedule.steps if isinstance(step, Cut))
        assert min(schedule.parameters["stable_depth"], schedule.parameters["patience"]) * 1_000 > longest


def test_a_schedule_is_read_again_as_it_was_written() -> None:
    schedule = TACTICS["engines"].draw("hybrid", 3)
    assert TACTICS["engines"].read("hybrid", schedule.to_json(), "schedule") == schedule


@pytest.mark.parametrize("id", QUICK)
def test_the_hunt_catches_the_mutant(id: str) -> None:
    outcome = run_seed("hybrid", QUICK[id], id)
    assert outcome.failed
    assert outcome.checkers[0] in find_mutant("hybrid", id).invariants
