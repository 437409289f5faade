"""Planted bugs are found, and the schedules that find them are harmless to the engine without the bug."""

from typing import Any

import pytest
from pbft_mutants import CAUGHT_BY
from pbft_schedules import SCHEDULES
from pbft_world import Violation

from raclette.primitives.errors import InvalidCertificate
from raclette.protocols.pbft import PbftEngine


@pytest.mark.parametrize("name", sorted(SCHEDULES))
def test_the_engine_survives_the_schedule(name: str) -> None:
    world = SCHEDULES[name](PbftEngine)
    assert world.events > 0


@pytest.mark.parametrize("mutant", CAUGHT_BY, ids=lambda mutant: mutant.__name__)
def test_the_mutant_is_caught(mutant: Any) -> None:
    with pytest.raises((Violation, InvalidCertificate)):
        SCHEDULES[CAUGHT_BY[mutant]](mutant)
