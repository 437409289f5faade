"""Planted bugs are found, and the schedules that find them are harmless to the engine without the bug."""

import pytest
from pbft_schedules import SCHEDULES

from raclette.lab.hunt.engines.world import Violation
from raclette.lab.mutants import find_mutant
from raclette.primitives.errors import InvalidCertificate
from raclette.protocols.pbft import PbftEngine

# A mutant of the lab, and the schedule that shows it message by message. The hunt finds them by itself.
CAUGHT_BY = {
    "P1": "two_primaries",
    "P2": "repeated_votes",
    "P3": "votes_of_two_blocks",
    "P5": "committed_then_view_change",
    "P6": "lying_new_primary",
    "P8": "higher_block_of_a_lower_view",
    "P12": "second_proposal",
    "P13b": "vote_before_a_crash",
    "R1": "lower_block_of_a_higher_view",
}


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_engine_survives_the_schedule(name: str) -> None:
    world = SCHEDULES[name](PbftEngine)
    assert world.events > 0


@pytest.mark.parametrize("mutant", CAUGHT_BY)
def test_the_mutant_is_caught(mutant: str) -> None:
    with find_mutant("pbft", mutant).plant(), pytest.raises((Violation, InvalidCertificate)):
        SCHEDULES[CAUGHT_BY[mutant]](PbftEngine)
