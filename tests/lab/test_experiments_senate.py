"""The senate's experiments hold in their quick form, and can fail."""

from raclette.lab.experiments import find, no_progress
from raclette.lab.experiments.contract import PASS
from raclette.lab.experiments.grinding import abstaining, leading
from raclette.lab.experiments.senate_seats import chi_square_point
from raclette.lab.experiments.statistics import binomial_tolerance


def test_seats_and_blocks_follow_the_stake() -> None:
    experiment = find("senate-seats")
    result = experiment.run(experiment.settings({}, quick=True), no_progress)
    assert result.verdict == PASS
    assert len(result.rows) == 2 * (8 + 1)


def test_grinding_contents_gains_nothing_and_grinding_hashes_does() -> None:
    experiment = find("grinding")
    result = experiment.run(experiment.settings({"heights": "250"}, quick=True), no_progress)
    assert result.verdict == PASS
    found = {row.quantity: row for row in result.rows}
    still = found["share of seats, contents"]
    assert still.low < 0.3 < still.high
    assert abs(still.simulated - 0.3) <= binomial_tolerance(0.3, 250 * 21)
    assert found["share of blocks, parent ticket"].low > 0.5
    assert found["share of seats, block hash"].low > 0.3


def test_the_points_of_chi_square_are_those_of_the_tables() -> None:
    """0.1 % points: 10.83 for 1 degree of freedom (the approximation is coarse there), 24.32 for 7, 59.70 for 30."""
    assert abs(chi_square_point(1) - 10.83) < 0.5
    assert abs(chi_square_point(7) - 24.32) < 0.3
    assert abs(chi_square_point(30) - 59.70) < 0.3


def test_who_holds_nothing_gains_nothing_by_silence() -> None:
    assert abstaining(0.01, 21)["seats"][0] < 0.001 < abstaining(0.3, 21)["seats"][0] < 0.06
    assert leading(0.01, 21)["seats"][0] < 0.005 < abstaining(0.3, 21)["seats"][0] < leading(0.3, 21)["seats"][0] < 0.1
