"""Drawn schedules: members with several seats, liars who own at most f of them, a first block of any number, an engine
around; loss, partitions, crashes and restarts. Agreement is watched throughout; in the end everything is executed."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from nested_world import PROTOCOLS, Marking, World
from worlds import PARAMETERS

from raclette.engine.exam import check_engine
from raclette.engine.nesting import ALONE, Frame
from raclette.lab.hunt.engines.play import replica_id
from raclette.lab.hunt.engines.world import Violation
from raclette.lab.mutants import find_mutant
from raclette.primitives.randomness import Random
from raclette.protocols import find_protocol
from raclette.protocols.committee import Committee

STEPS = 8
PATIENCE_MS = 120_000


def drawn_world(protocol: str, random: Random) -> World:
    size = random.between(3, 7)
    weights = [random.choice((1, 1, 2, 3, 5)) for _ in range(size)]
    committee = Committee([replica_id(number) for number in range(size)], 7, weights)
    twins: list[int] = []
    for number in random.sample(range(size), size):
        if committee.weigh([*twins, number]) <= committee.faults:
            twins.append(number)
    first = random.choice((0, 5, 64, 1_000))
    frames: tuple[Frame, ...] = (ALONE, Marking(ends=first + 3))
    frame = random.choice(frames)
    return World(protocol, size, first=first, frame=frame, seed=random.below(1 << 30), weights=weights, twins=twins)


def play(protocol: str, seed: int) -> World:
    random = Random(seed, 77)
    world = drawn_world(protocol, random)
    replicas = len(world.ids)
    for step in range(STEPS):
        world.submit(b"pay %d" % step)
        trouble = random.below(5)
        if trouble == 0:
            world.isolate(*(place for place in range(len(world.instances)) if random.below(2)))
        elif trouble == 1:
            world.heal()
        elif trouble == 2:
            place = random.below(replicas)
            if world[place].up:
                world.crash(place)
            else:
                world.restart(place)
        elif trouble == 3:
            world.loss_percent, world.duplicate_percent = random.choice((0, 10, 40)), 10
        world.run_for(random.choice((50, 300, 1_500)))
    world.settle()
    return world


def play_all(protocol: str, seeds: int) -> None:
    for seed in range(seeds):
        play(protocol, seed)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_liars_with_at_most_f_seats_break_nothing(protocol: str, seed: int) -> None:
    world = play(protocol, seed)
    assert world.run_until(lambda: world.everybody_has(world.submitted), PATIENCE_MS)
    liars = {world.ids[number] for number in world.liars}
    accused = {effect.peer for place, effect in world.accusations if world[place].number not in world.liars}
    assert accused <= liars


def test_the_schedules_would_show_a_quorum_that_is_too_small() -> None:
    with find_mutant("pbft", "P1b").plant(), pytest.raises(Violation, match="agreement"):
        play_all("pbft", 12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_engines_with_seats_pass_the_exam(protocol: str) -> None:
    def parameters(ids: Sequence[bytes]) -> Mapping[str, Any]:
        validators = ["0x" + node_id.hex() for node_id in ids]
        return PARAMETERS[protocol] | {"validators": validators, "weights": [2, 1, 2, 2]}

    check_engine(find_protocol(protocol).make, parameters)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_engines_inside_another_pass_the_exam(protocol: str) -> None:
    def parameters(ids: Sequence[bytes]) -> Mapping[str, Any]:
        return PARAMETERS[protocol] | {"validators": ["0x" + node_id.hex() for node_id in ids]}

    make = find_protocol(protocol).make
    check_engine(lambda setup: make(setup._replace(frame=Marking(ends=2))), parameters)
