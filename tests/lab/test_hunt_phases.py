"""Phases of rounds withheld: the step does what it says, and the schedules are small and about two of the replicas."""

from collections import Counter
from typing import Any

import pytest

from raclette.lab.hunt.engines.adapter import find_adapter
from raclette.lab.hunt.engines.phases import CAST, draw_phases
from raclette.lab.hunt.engines.play import make_world
from raclette.lab.hunt.engines.schedule import EngineSchedule
from raclette.lab.hunt.engines.steps import RETORTS_MAX, Lie, PhaseCut, RoundCut, Stage, Step, Submit
from raclette.lab.hunt.engines.world import EngineWorld
from raclette.lab.hunt.tactics import TACTICS
from raclette.lab.hunt.trial import run_schedule
from raclette.protocols.pbft.quorum import Certificate

PARAMETERS: dict[str, Any] = {
    "view_timeout_ms": 400,
    "view_timeout_cap_ms": 1_600,
    "checkpoint_interval": 4,
    "window": 8,
    "pipeline": 3,
    "batch_delay_ms": 5,
}
EVERYBODY = (0, 1, 2, 3)


def schedule(*steps: Step, blocks: int = 4, liars: tuple[int, ...] = (), duration: int = 900) -> EngineSchedule:
    """Four replicas of PBFT and a transaction for each of so many blocks, 20 ms apart."""
    load = tuple(Submit(20 * number, number, EVERYBODY) for number in range(blocks))
    return EngineSchedule("pbft", 5, 4, duration, PARAMETERS, liars, silent_end=True, steps=(*load, *steps))


def played(plan: EngineSchedule, ms: int) -> EngineWorld:
    """The world of this schedule, so many milliseconds after it began, with its trouble still on."""
    adapter = find_adapter("pbft")
    world = make_world(plan, adapter)
    Stage(world, adapter, plan.steps)
    world.start()
    world.run_for(ms)
    return world


def prepared(world: EngineWorld) -> list[tuple[int, int]]:
    """(view, height) of what each replica holds prepared."""
    held: list[Certificate | None] = [replica.engine.core.prepared for replica in world.instances]
    return [(0, 0) if certificate is None else (certificate.view, certificate.height) for certificate in held]


def test_a_withheld_phase_stops_a_round_above_its_height_and_not_below() -> None:
    world = played(schedule(PhaseCut(0, ("commit",), EVERYBODY, above=1)), 300)
    assert [replica.height for replica in world.instances] == [1] * 4
    assert all(height > 1 for _, height in prepared(world))


def test_who_alone_hears_a_phase_holds_a_certificate_that_nobody_else_has() -> None:
    world = played(schedule(PhaseCut(0, ("prepare",), (0, 1, 3), above=1)), 300)
    held = prepared(world)
    assert held[2][1] > 1
    assert [held[place] for place in (0, 1, 3)] == [(0, 1)] * 3


def test_another_round_is_another_matter() -> None:
    world = played(schedule(PhaseCut(0, ("pre-prepare",), EVERYBODY)), 1_000)
    assert {replica.view for replica in world.instances} == {1}
    assert all(replica.height > 0 for replica in world.instances)


def lonely_and_away(*more: Step, blocks: int = 4, duration: int = 1_000) -> EngineSchedule:
    """Replica 2 alone holds its last block prepared in view 0 and is away in view 1, where the others go on with
    theirs. Replica 0 is a deserter."""
    return schedule(
        PhaseCut(0, ("prepare",), (0, 1, 3), above=1),
        RoundCut(1, (0, 0, 1, 0)),
        *more,
        blocks=blocks,
        liars=(0,),
        duration=duration,
    )


def test_with_phases_and_an_absent_replica_two_certificates_conflict() -> None:
    """What Castro & Liskov's choice by view (4.4) is there for."""
    world = played(lonely_and_away(PhaseCut(1, ("commit",), EVERYBODY, above=1)), 1_000)
    locks = [replica.engine.core.prepared for replica in world.instances]
    mine = locks[2]
    assert mine is not None
    assert mine.view == 0
    assert any(other.view == 1 and other.block_hash != mine.block_hash for other in locks if other is not None)


@pytest.mark.parametrize(
    ("mutant", "withheld", "blocks", "heals_at", "fires"),
    [("P8", "pre-prepare", 4, 1_500, "view-base"), ("I2", "commit", 2, 1_000, "liveness")],
)
def test_the_engine_resolves_that_and_a_wrong_choice_or_a_stubborn_lock_does_not(
    mutant: str, withheld: str, blocks: int, heals_at: int, fires: str
) -> None:
    """P8 picks by height before view; a replica of I2 never votes against its lock, and the deserter is missed."""
    tactic = TACTICS["phases"]
    plan = lonely_and_away(PhaseCut(1, (withheld,), EVERYBODY, above=1), blocks=blocks, duration=heals_at)
    assert run_schedule(tactic, plan).checkers == ()
    assert run_schedule(tactic, plan, mutant).checkers == (fires,)


@pytest.mark.parametrize("protocol", ["pbft", "simplex", "senate", "ballot", "nakamoto"])
def test_schedules_are_small_and_mostly_about_two_replicas(protocol: str) -> None:
    adapter = find_adapter(protocol)
    deserters = 0
    kinds: Counter[str] = Counter()
    for seed in range(200):
        drawn = draw_phases(adapter, seed)
        cuts = [step for step in drawn.steps if isinstance(step, RoundCut)]
        phases = [step for step in drawn.steps if isinstance(step, PhaseCut)]
        assert len({cut.groups for cut in cuts}) <= CAST
        assert min(phase.round for phase in phases) == 0
        assert all(set(phase.kinds) <= set(adapter.phases) for phase in phases)
        assert all(len(phase.deaf) in (1, drawn.nodes - 1, drawn.nodes) for phase in phases)
        kinds.update(kind for phase in phases for kind in phase.kinds)
        deserters += bool(drawn.liars) and not any(isinstance(step, Lie) for step in drawn.steps)
    assert set(kinds) == set(adapter.phases)
    assert 40 < deserters < 160 or not adapter.liars_max(4)


@pytest.mark.parametrize("alone", [1, 2, 3])
def test_a_lying_leader_starts_its_view_twice_and_only_a_bug_follows_it(alone: int) -> None:
    """One replica alone holds a block prepared; the leader of view 1 shows that to the others once, and once not. The
    leader hears far more messages before its view than it ever answers, and these do not count."""
    tactic, others = TACTICS["phases"], tuple(place for place in EVERYBODY if place != alone)
    late = (Submit(500 + 20 * number, 10 + number, EVERYBODY) for number in range(3))
    retort = Lie(0, 0, 1, "second-new-view", (0, 2, 3))
    plan = schedule(PhaseCut(0, ("prepare",), others, above=1), retort, *late, liars=(1,), duration=1_000)
    healthy = run_schedule(tactic, plan)
    assert healthy.checkers == ()
    assert healthy.happened["lie:second-new-view"] == RETORTS_MAX
    assert run_schedule(tactic, plan, "H6").checkers == ("view-base",)


def test_liars_that_speak_lead_one_of_the_next_rounds_and_say_what_nobody_asked() -> None:
    adapter = find_adapter("pbft")
    said: Counter[str] = Counter()
    for seed in range(200):
        drawn = draw_phases(adapter, seed)
        lies = [step for step in drawn.steps if isinstance(step, Lie)]
        said.update({lie.lie for lie in lies})
        rounds = range(1, 5)
        assert not lies or any(number % drawn.nodes in drawn.liars for number in rounds)
    assert all(said[name] > 20 for name in adapter.retorts)
    assert len(said) > len(adapter.lies)
