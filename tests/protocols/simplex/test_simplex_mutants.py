"""Planted bugs are found by the hunt within its first seeds, which are harmless to the engine without them."""

import pytest

from raclette.lab.hunt.trial import run_seed
from raclette.lab.mutants import find_mutant

# The mutants that show quickly; X6 and X7 need a leader who lies while a block waits to become final.
QUICK = ("X1", "X2", "X3", "X4", "X5", "X9", "X10")
SEEDS_MAX = 20


@pytest.mark.parametrize("mutant", QUICK)
def test_the_hunt_catches_the_mutant_within_a_few_seeds(mutant: str) -> None:
    outcomes = (run_seed("simplex", seed, mutant) for seed in range(SEEDS_MAX))
    caught = next((outcome for outcome in outcomes if outcome.failed), None)
    assert caught is not None
    assert caught.checkers[0] in find_mutant("simplex", mutant).invariants
    assert not run_seed("simplex", caught.seed).failed
