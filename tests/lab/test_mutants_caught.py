"""A handful of mutants, each caught by the hunt within its first seeds; `make mutants` hunts all of them."""

import pytest

from raclette.lab.hunt import trial
from raclette.lab.hunt.outcome import Breach, Outcome
from raclette.lab.hunt.trial import run_seed
from raclette.lab.mutants import find_mutant

# Mutants that show within a few seeds, of different families; the hunt may take this many.
QUICK = (
    "pbft-P1",
    "pbft-P2",
    "pbft-P9",
    "pbft-P15",
    "pbft-T4",
    "pbft-N7",
    "pbft-C1",
    "nakamoto-N5",
    "nakamoto-N8",
    "nakamoto-N9b",
    "nakamoto-C2",
    "nakamoto-C3",
)
SEEDS_MAX = 40


@pytest.mark.parametrize("name", QUICK)
def test_the_hunt_catches_the_mutant_within_a_few_seeds(name: str) -> None:
    protocol, _, id = name.partition("-")
    outcomes = (run_seed(protocol, seed, id) for seed in range(SEEDS_MAX))
    caught = next((outcome for outcome in outcomes if outcome.failed), None)
    assert caught is not None
    assert caught.checkers[0] in find_mutant(protocol, id).invariants
    assert not run_seed(protocol, caught.seed).failed


def test_a_seed_that_fails_without_the_bug_is_no_catch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a weakness of the hunt, or of the engine, would count for every mutant."""
    broken = Outcome(0, "nodes", (Breach("liveness", "whatever is planted"),))
    monkeypatch.setattr(trial, "_guarded", lambda seed, tactic, run: broken)
    assert run_seed("pbft", 0).failed
    outcome = run_seed("pbft", 0, "P1")
    assert not outcome.failed
    assert outcome.happened[trial.UNSOUND] == 1
