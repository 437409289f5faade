"""The named scenarios of hybrid show what they say that they show, and its claim bounds liars by what work elects."""

import pytest

from raclette.lab.scenario import open_scenario, read_scenario, resolve, to_config
from raclette.lab.scenario.claims import too_many
from raclette.node.node import Node
from raclette.protocols.hybrid import HybridEngine
from raclette.protocols.hybrid.almanac import Past
from raclette.sim.simulate import Simulation


def run(name: str) -> tuple[list[Past], Simulation]:
    """The days that are over, oldest first."""
    simulation = Simulation(to_config(resolve(read_scenario(open_scenario(name)), 1)), record=True)
    report = simulation.run()
    assert report.agreed, report.violations
    node = simulation.world.hosts[-1].node
    assert isinstance(node, Node)
    assert isinstance(node.engine, HybridEngine)
    past, found = node.engine.snail.chain.almanac().past, list[Past]()
    while past is not None:
        found.append(past)
        past = past.before
    return found[::-1], simulation


def test_committees_take_turns_and_sign_their_days_off() -> None:
    days, simulation = run("hybrid-rotation")
    assert len(days) >= 3
    assert not any(past.end.forced for past in days)
    assert len({past.day.seats for past in days}) == len(days)
    waits = sorted(order.executed - order.submitted for order in simulation.record.orders)  # type: ignore[union-attr]
    assert waits[len(waits) * 9 // 10] < 20 * 10**6  # ns: no payment in ten waits for a snail block


def test_a_committee_that_vanished_is_closed_by_force() -> None:
    days, _ = run("hybrid-vanish")
    assert days[0].end.forced
    assert not any(past.end.forced for past in days[1:])
    # The miners elected it; the four that genesis named never mined.
    assert not set(days[1].day.members) & set(days[0].day.members)


def test_complaints_elect_before_the_day_is_over() -> None:
    days, simulation = run("hybrid-complaints")
    length = simulation.config.parameters["committee_size"]
    following = days[1].day if len(days) > 1 else None
    node = simulation.world.hosts[-1].node
    assert isinstance(node, Node)
    assert isinstance(node.engine, HybridEngine)
    following = following or node.engine.snail.chain.almanac().day
    assert (following.number, following.elected < length // 2) == (2, True)


@pytest.mark.parametrize(
    ("seats", "liars", "accepted"),
    [(8, 1, False), (32, 1, True), (64, 2, False), (128, 2, True), (128, 3, False)],
)
def test_more_seats_bear_more_liars_up_to_a_bound_on_their_work(seats: int, liars: int, accepted: bool) -> None:
    """Of 12 equal miners: one in 12 of the work is a third of 8 seats too often, three in 12 take a third of all."""
    found = too_many("hybrid", range(liars), 12, (1,) * 12, {"committee_size": seats})
    assert (found == "") == accepted
    assert accepted or f"a committee of {seats} seats may have a third of liars" in found


def test_fruits_bear_more_than_blocks_and_genesis_has_a_bound_of_its_own() -> None:
    blocks, fruits = ({"committee_size": 128, "fruits": fruits} for fruits in (0, 4))
    assert too_many("hybrid", range(5), 27, (), blocks)
    assert not too_many("hybrid", range(5), 27, (), fruits)
    assert "2 of 4 replicas lie" in too_many("hybrid", range(2), 40, (), {"committee_size": 128, "validators": 4})
