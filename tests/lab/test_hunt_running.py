"""Workers, exceptions, endless runs: whatever happens to a seed is that seed's outcome, and is reported once."""

import os
from multiprocessing.connection import Connection
from typing import Any

import pytest

from raclette.lab.hunt import HuntConfig, hunt, run_seed
from raclette.lab.hunt.outcome import DIED, EXCEPTION, TIMEOUT, Breach, Outcome
from raclette.lab.hunt.pool import Pool
from raclette.lab.hunt.tactics import TURNS, Nodes
from raclette.lab.hunt.trial import at_most
from raclette.primitives.errors import ConfigError, InvariantBroken

# A seed whose turn is that of whole nodes.
OF_NODES = TURNS.index("nodes") + len(TURNS)


def test_an_exception_in_a_run_is_that_seeds_failure_with_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(self: Nodes, schedule: Any, sink: Any = None) -> Outcome:
        raise InvariantBroken("two heads")

    monkeypatch.setattr(Nodes, "run", break_down)
    outcome = run_seed("pbft", OF_NODES)
    assert outcome.checkers == (EXCEPTION,)
    assert "two heads" in outcome.breaches[0].detail
    assert "break_down" in outcome.breaches[0].traceback


def test_a_run_without_end_is_that_seeds_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def spin(self: Nodes, schedule: Any, sink: Any = None) -> Outcome:
        while True:
            try:
                sum(range(1_000))
            except Exception:  # what swallows everything does not swallow this
                continue

    monkeypatch.setattr(Nodes, "run", spin)
    monkeypatch.setattr("raclette.lab.hunt.trial.TRIAL_SECONDS_MAX", 0.1)
    outcome = run_seed("pbft", OF_NODES)
    assert outcome.checkers == (TIMEOUT,)
    assert "spin" in outcome.breaches[0].traceback


def test_what_ends_in_time_is_left_alone() -> None:
    with at_most(5.0):
        total = sum(range(10))
    assert total == 45


def test_two_workers_give_what_one_process_gives() -> None:
    """In another order; and a mutant is planted in the workers too."""
    here = {seed: run_seed("pbft", seed, "P1") for seed in range(6)}
    with Pool("pbft", "P1", 2) as pool:
        there = {outcome.seed: outcome for outcome in pool.run(iter(range(6)))}
    assert there == here
    assert any(outcome.failed for outcome in here.values())


def fragile(pipe: Connection, protocol: str, mutant: str) -> None:
    """A worker that dies in every seed divisible by three."""
    while True:
        try:
            seeds = pipe.recv()
        except EOFError:
            return
        for seed in seeds:
            if seed % 3 == 0:
                os._exit(9)
            pipe.send(Outcome(seed, "nodes"))


def test_a_worker_that_dies_is_its_seeds_failure_and_the_others_are_run() -> None:
    with Pool("pbft", "", 2, target=fragile) as pool:
        outcomes = {outcome.seed: outcome for outcome in pool.run(iter(range(1, 11)))}
    assert sorted(outcomes) == list(range(1, 11))
    assert [seed for seed, outcome in sorted(outcomes.items()) if outcome.checkers == (DIED,)] == [3, 6, 9]
    assert "code 9" in outcomes[3].breaches[0].detail


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Runs that cost nothing; the seeds that were asked for."""
    asked: list[int] = []

    def run(protocol: str, seed: int, mutant: str = "") -> Outcome:
        asked.append(seed)
        return Outcome(seed, "nodes")

    monkeypatch.setattr("raclette.lab.hunt.pool.run_seed", run)
    return asked


def test_a_hunt_runs_each_seed_once_from_the_first_on(calm: list[int]) -> None:
    report = hunt(HuntConfig("pbft", seeds=5, first=20, jobs=1))
    assert calm == [20, 21, 22, 23, 24]
    assert not report.caught
    assert report.to_json()["seeds_tried"] == 5


def test_an_interrupted_hunt_reports_what_it_found_until_then(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(protocol: str, seed: int, mutant: str = "") -> Outcome:
        if seed == 3:
            raise KeyboardInterrupt
        return Outcome(seed, "nodes", (Breach(DIED, "gone"),) if seed == 1 else ())

    monkeypatch.setattr("raclette.lab.hunt.pool.run_seed", run)
    report = hunt(HuntConfig("pbft", seeds=9, jobs=1))
    assert report.interrupted
    assert (report.coverage.seeds, report.findings[0].seed) == (3, 1)


def test_a_hunt_by_the_clock_ends(calm: list[int]) -> None:
    hunt(HuntConfig("pbft", seconds=0.05, jobs=1))
    assert calm == list(range(len(calm)))
    assert calm


def test_a_hunt_with_a_mutant_ends_at_the_first_seed_that_fails() -> None:
    found = hunt(HuntConfig("pbft", seeds=200, mutant="P1", jobs=1, dissect=False)).to_json()
    assert found["caught"]
    assert found["seeds_tried"] == found["seed"] + 1 < 20
    assert found["replay"] == f"raclette hunt pbft --replay {found['seed']} --mutant P1"
    assert run_seed("pbft", found["seed"], "P1").checkers[0] == found["invariant"]
    assert not run_seed("pbft", found["seed"]).failed


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"protocol": "paxos", "seeds": 1}, "nakamoto, pbft"),
        ({"protocol": "pbft"}, "seeds, minutes"),
        ({"protocol": "pbft", "seeds": -1}, "above 0"),
        ({"protocol": "pbft", "seeds": 1, "first": -1}, "first"),
        ({"protocol": "pbft", "seeds": 1, "jobs": -1}, "jobs"),
        ({"protocol": "pbft", "seeds": 1, "mutant": "Q9"}, "P1"),
    ],
)
def test_a_hunt_that_cannot_be_is_refused(values: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigError, match=names):
        hunt(HuntConfig(**values))
