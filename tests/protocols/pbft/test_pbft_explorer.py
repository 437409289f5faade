"""Random schedules. A failure prints its seed; `explore(seed)` replays it."""

import pytest
from pbft_explorer import Outcome, explore
from pbft_world import Violation

from raclette.lab.mutants import find_mutant
from raclette.primitives.errors import InvalidCertificate

SCHEDULES = 240


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return [explore(seed, phases=3) for seed in range(SCHEDULES)]


def test_replicas_agree_and_recover_in_every_schedule(outcomes: list[Outcome]) -> None:
    """`explore` raises where agreement, validity, certificates or progress fail."""
    assert len(outcomes) == SCHEDULES
    assert all(outcome.height > 0 for outcome in outcomes)


def test_the_schedules_are_not_vacuous(outcomes: list[Outcome]) -> None:
    """What must happen sometimes did."""
    assert {outcome.replicas for outcome in outcomes} == {4, 5, 6, 7, 10}
    assert sum(outcome.view > 2 for outcome in outcomes) > SCHEDULES // 10
    assert sum(outcome.crashes > 0 for outcome in outcomes) > SCHEDULES // 10
    assert sum(outcome.mid_event_crashes > 0 for outcome in outcomes) > SCHEDULES // 20
    assert sum(outcome.equivocations > 0 for outcome in outcomes) > SCHEDULES // 10
    assert sum(outcome.state_transfers > 0 for outcome in outcomes) > SCHEDULES // 2


def test_progress_resumes_within_a_few_view_changes(outcomes: list[Outcome]) -> None:
    """After the network settles: nobody waits longer than the capped timeouts of f bad primaries in a row."""
    times = sorted(outcome.recovered_ms for outcome in outcomes)
    assert times[len(times) // 2] < 1_000
    assert times[-1] < 60_000


def test_the_same_seed_gives_the_same_run() -> None:
    assert explore(5) == explore(5)


@pytest.mark.parametrize("mutant", ["P1", "P3"])
def test_the_explorer_finds_the_mutant_by_itself(mutant: str) -> None:
    with find_mutant("pbft", mutant).plant():
        assert any(is_broken(seed) for seed in range(40))


def is_broken(seed: int) -> bool:
    try:
        explore(seed, sizes=(4,))
    except (Violation, InvalidCertificate):
        return True
    return False
