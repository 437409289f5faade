"""Responsiveness and the part that may lie: the models against whole nodes, and bounds that hold and that break."""

import pytest

from raclette.lab.experiments import find, no_progress
from raclette.lab.experiments.contract import PASS, Result
from raclette.lab.experiments.hybrid_fraction import (
    best_segment,
    by_blocks,
    by_fruits,
    crossing,
    draw_blocks,
    too_many,
)
from raclette.lab.experiments.responsiveness import FSYNC_MS, Wait, delays, measure
from raclette.lab.experiments.statistics import SIGMAS
from raclette.protocols.hybrid.almanac import Day

A, B, C, D, E = (bytes([place]) * 32 for place in range(5))


def waiting(seats: tuple[bytes, ...], leader: bytes, asked: bytes) -> int:
    day = Day(1, 0, bytes(32), seats)
    quorum = (len(seats) + (len(seats) - 1) // 3 + 2) // 2
    return delays(day.weights, quorum, day.threshold, leader, asked)


@pytest.mark.parametrize(
    ("seats", "asked", "expected"),
    [
        ((A, B, C, D), B, 5),  # to the leader, proposal, PREPARE, COMMIT, entry
        ((A, B, C, D), A, 4),  # handed in at the leader
        ((A, B, C, D), E, 5),  # at a node without a seat
        ((A, A, B, C), B, 3),  # two of four seats prove alone, and B needs no third to be prepared
        ((A, A, A, B), B, 1),  # a quorum in one hand
    ],
)
def test_delays_follow_from_the_seats(seats: tuple[bytes, ...], asked: bytes, expected: int) -> None:
    assert waiting(seats, A, asked) == expected


def off(waits: list[Wait], delay_ms: int) -> list[float]:
    return sorted(wait.ms - wait.delays * delay_ms for wait in waits)


def test_whole_nodes_take_the_delays_that_their_committee_should_take() -> None:
    """Not the interval of the snail chain: the slower one changes nothing."""
    for interval in (5, 20):
        late = off(measure("hybrid", 50, interval, 24, 3), 50)
        assert late[0] >= 0
        assert late[len(late) * 9 // 10] <= 6 * FSYNC_MS


def quick(name: str, **chosen: str) -> Result:
    experiment = find(name)
    return experiment.run(experiment.settings(chosen, seed=2, quick=True), no_progress)


def test_the_experiment_of_responsiveness_holds() -> None:
    result = quick("responsiveness", transactions="20", blocks="50", delay_ms="20", interval_s="5,10")
    assert result.verdict == PASS
    assert {row.quantity for row in result.rows} >= {"slope of nakamoto's time to finality over the interval"}
    assert [figure.name for figure in result.figures] == ["responsiveness-delay", "responsiveness-interval"]


def test_withheld_blocks_take_more_seats_than_their_share_and_fruits_do_not() -> None:
    drawn = draw_blocks(1, 0, 0.25, 64, 2_000)
    assert abs(drawn.share - by_blocks(0.25)) < SIGMAS * drawn.error < 0.02
    assert drawn.bad > 800  # half of the committees have a third, at a quarter of the power
    assert 0.25 < best_segment(1, 0, 0.25, 3) < by_fruits(0.25) + 0.01


def test_a_committee_bears_less_than_a_third() -> None:
    assert [too_many(seats) for seats in (4, 6, 7, 128)] == [2, 2, 3, 43]


def test_the_crossing_is_found() -> None:
    assert crossing(lambda _, share: share / 0.6) == pytest.approx(0.3, abs=0.001)


def test_the_experiment_of_fractions_holds() -> None:
    result = quick("hybrid-fraction", rho="0.2", runs="3", segments="3", seats="8,32")
    assert result.verdict == PASS
    found = {row.quantity: row.simulated for row in result.rows}
    assert found["blocks: breaks at"] + 0.03 < found["fruits: breaks at"]
