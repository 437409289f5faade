"""Engine fidelity counts every message: PBFT's normal case costs what Castro and Liskov say it costs."""

import pytest

from raclette.sim.engines import EnginesReport, run_engines

BLOCKS = 5
# One decision at a time, no checkpoint and no greeting within the run.
SINGLE = {
    "pipeline": 1,
    "batch_delay_ms": 0,
    "checkpoint_interval": 4096,
    "window": 8192,
    "view_timeout_ms": 600_000,
    "view_timeout_cap_ms": 600_000,
}


def decide(nodes: int, policy: str = "every") -> EnginesReport:
    return run_engines(nodes=nodes, blocks=BLOCKS, parameters=SINGLE, policy=policy)


@pytest.mark.parametrize("nodes", [4, 7, 31])
def test_a_decision_of_n_replicas_costs_what_the_paper_says(nodes: int) -> None:
    """Castro & Liskov 1999, 4.2: the primary tells n-1; each backup tells n-1; each replica tells n-1."""
    report = decide(nodes)
    assert report.complete
    assert len(report.decisions) == BLOCKS
    assert report.sent["pre-prepare"] == BLOCKS * (nodes - 1)
    assert report.sent["prepare"] == BLOCKS * (nodes - 1) ** 2
    assert report.sent["commit"] == BLOCKS * nodes * (nodes - 1)
    assert report.delivered == report.sent
    assert set(report.sent) == {"pre-prepare", "prepare", "commit", "committed", "status"}


def test_every_replica_settles_on_every_block_three_message_delays_after_it_was_made() -> None:
    """Pre-prepare, prepare, commit: half a millisecond each on this network, and microseconds at the uplinks."""
    report = decide(7)
    for decision in report.decisions:
        assert len(decision.settled) == 7
        assert 1_500_000 < decision.settled[0] - decision.made < 1_700_000
