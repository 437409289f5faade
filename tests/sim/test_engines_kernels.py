"""The fast kernel of engine fidelity does what the reference does, event by event."""

import os
import subprocess
import sys
from typing import Any

import pytest

from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.engines import run_engines
from raclette.sim.faults import Crash, CutLink, Impair, Partition
from raclette.sim.models import Regions, assign_regions, internet_2019

QUICK = {"view_timeout_ms": 400, "checkpoint_interval": 4, "window": 16}
NOISE = {"loss_ppm": 100_000, "duplicate_ppm": 100_000}
RUNS: dict[str, dict[str, Any]] = {
    "quiet": {"nodes": 10, "blocks": 20},
    "lossy": {"nodes": 7, "blocks": 12, **NOISE},
    "crashed-primary": {"nodes": 7, "blocks": 15, "pace": 3 * MILLISECOND, "faults": (Crash(SECOND + 2_000_000, 0),)},
    "restarts": {
        "nodes": 7,
        "blocks": 20,
        "pace": 50 * MILLISECOND,
        "network": "internet-2019",
        "faults": (Crash(SECOND + 5_000_000, 0, lasting=SECOND), Crash(2 * SECOND, 3, lasting=SECOND, wipe=True)),
        **NOISE,
    },
    "partition": {
        "nodes": 10,
        "blocks": 15,
        "pace": 50 * MILLISECOND,
        "network": "wan",
        "faults": (Partition(SECOND + 100_000_000, ((0, 1, 2, 3), (4, 5, 6, 7, 8, 9)), lasting=SECOND),),
    },
    "reordered": {
        "nodes": 9,
        "observers": 2,
        "blocks": 15,
        "pace": 50 * MILLISECOND,
        "network": "wan",
        "faults": (
            Impair(SECOND, lasting=SECOND, loss_ppm=200_000, duplicate_ppm=100_000, reorder_ppm=300_000),
            CutLink(SECOND, 0, 1, lasting=SECOND),
        ),
    },
}


@pytest.mark.parametrize("policy", ["every", "quorum"])
@pytest.mark.parametrize("name", sorted(RUNS))
@pytest.mark.parametrize("seed", [1, 2])
def test_both_kernels_leave_the_same_trace(name: str, policy: str, seed: int) -> None:
    arguments: dict[str, Any] = {"parameters": QUICK, "policy": policy, "seed": seed} | RUNS[name]
    reference = run_engines(kernel="reference", **arguments)
    fast = run_engines(kernel="fast", **arguments)
    assert reference.complete
    assert reference.digest == fast.digest
    assert reference.decisions == fast.decisions
    for counts in ("sent", "bytes", "delivered", "lost", "told", "accusations"):
        assert getattr(reference, counts) == getattr(fast, counts)


def test_the_trace_shows_a_single_different_draw() -> None:
    """Else equal digests would say nothing."""
    one, other = (run_engines(nodes=4, blocks=3, network="wan", seed=seed).digest for seed in (1, 2))
    assert one != other


@pytest.mark.parametrize("policy", ["every", "quorum"])
def test_kernels_agree_on_a_model_that_the_fast_one_must_ask(policy: str) -> None:
    class Slower(Regions):
        def delay(self, sender: int, receiver: int, draw: int) -> int:
            return super().delay(sender, receiver, draw) + receiver

    table = internet_2019()
    model = Slower(assign_regions(5, table.share, 1), table)
    arguments: dict[str, Any] = {"nodes": 5, "blocks": 3, "network": model, "policy": policy}
    assert run_engines(kernel="reference", **arguments).digest == run_engines(kernel="fast", **arguments).digest


def test_kernels_agree_on_proof_of_work() -> None:
    arguments: dict[str, Any] = {"protocol": "nakamoto", "nodes": 12, "blocks": 5, "degree": 4, "network": "wan"}
    assert run_engines(kernel="reference", **arguments).digest == run_engines(kernel="fast", **arguments).digest


def test_counts_go_on_when_there_are_more_places_than_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest row goes on in the tallies, and nothing changes."""
    monkeypatch.setattr("raclette.sim.engines.rows.ROWS_MAX", 2)
    monkeypatch.setattr("raclette.sim.engines.rows.ROWS_MIN", 2)
    arguments: dict[str, Any] = {"nodes": 7, "blocks": 12, "parameters": QUICK, "policy": "quorum", **NOISE}
    assert run_engines(kernel="reference", **arguments).digest == run_engines(kernel="fast", **arguments).digest


_PROGRAM = """
from raclette.sim.engines import run_engines
parameters = {"view_timeout_ms": 400, "checkpoint_interval": 4, "window": 16}
for kernel in ("reference", "fast"):
    arguments = dict(nodes=7, blocks=8, policy="quorum", kernel=kernel, parameters=parameters)
    print(run_engines(loss_ppm=100_000, duplicate_ppm=50_000, **arguments).digest)
"""


def test_two_processes_with_different_hash_seeds_and_two_kernels_make_one_trace() -> None:
    digests = set()
    for hash_seed in ("1", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        found = subprocess.run(
            [sys.executable, "-c", _PROGRAM], env=environment, capture_output=True, text=True, check=True
        )
        digests.update(found.stdout.split())
    assert len(digests) == 1
