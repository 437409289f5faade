"""The other experiments: closed forms at known points, quick runs that hold, and wrong models that do not."""

from fractions import Fraction
from math import exp
from pathlib import Path

import pytest

from raclette.lab.experiments import experiments, find, no_progress
from raclette.lab.experiments.chain_growth import growth, growth_error
from raclette.lab.experiments.chain_quality import worst
from raclette.lab.experiments.committee import at_least, counted, seats
from raclette.lab.experiments.contract import FAIL, PASS, UNJUDGED, Result
from raclette.lab.experiments.ghost import longest_chain_share, measure
from raclette.lab.experiments.gossip import flood_theory, push_theory
from raclette.lab.experiments.mining_policy import optimal
from raclette.lab.experiments.optimal_selfish import execute, profitable_from
from raclette.lab.experiments.pbft_messages import messages
from raclette.lab.experiments.published import require
from raclette.lab.experiments.reference import section, table
from raclette.lab.experiments.selfish import revenue
from raclette.lab.experiments.spreading import spread
from raclette.lab.experiments.tree_delay import grow
from raclette.sim.pow import run_pow

DOCS = Path(__file__).parents[2] / "docs" / "experiments.md"


def quick(name: str, **chosen: str) -> Result:
    experiment = find(name)
    return experiment.run(experiment.settings(chosen, seed=1, quick=True), no_progress)


def failures(result: Result) -> list[str]:
    return [f"{row.quantity} {dict(row.parameters)}: {row.simulated}" for row in result.rows if row.verdict == FAIL]


# Optimal selfish mining


@pytest.mark.parametrize(("alpha", "revenue_printed"), [(1 / 3, 0.33705), (0.35, 0.37077)])
def test_the_optimal_revenue_is_the_papers_and_lies_between_its_bounds(alpha: float, revenue_printed: float) -> None:
    best = optimal(alpha, 0.0, 50)
    assert best.revenue <= best.upper
    assert best.revenue - 5e-6 <= revenue_printed <= best.upper + 5e-6
    assert best.revenue > revenue(alpha, 0.0) + 0.003


def test_who_always_wins_ties_takes_alpha_over_one_minus_alpha() -> None:
    best = optimal(0.3, 1.0, 40)
    assert best.revenue == pytest.approx(3 / 7, abs=1e-6)


def test_below_the_threshold_the_best_policy_is_honest() -> None:
    assert optimal(0.3, 0.0, 40).revenue == pytest.approx(0.3, abs=1e-8)


def test_thresholds_of_the_optimal_policy_are_the_papers() -> None:
    assert profitable_from(0.0) == pytest.approx(0.3294, abs=1e-4)
    assert profitable_from(0.5, random_ties=True) == pytest.approx(0.2321, abs=1e-4)
    assert profitable_from(0.5) == pytest.approx(0.25, abs=4e-4)


def test_a_policy_executed_earns_what_was_computed_and_not_under_another_power() -> None:
    best = optimal(0.4, 0.5, 40)
    share, error = execute(1, 0.4, 0.5, best, 400_000)
    assert abs(share - best.revenue) < 4 * error
    share, error = execute(1, 0.38, 0.5, best, 400_000)
    assert abs(share - best.revenue) > 4 * error


# Committees


@pytest.mark.parametrize(
    ("p", "n", "share", "chance"),
    [
        (0.2, 32, Fraction(1, 3), 0.04108832102354057),
        (0.25, 64, Fraction(1, 3), 0.05962269403513709),
        (1 / 3, 32, Fraction(2, 3), 4.512098229690957e-05),
        (0.2, 64, Fraction(2, 3), 3.782272214066134e-16),
    ],
)
def test_chances_of_bad_committees_are_exact(p: float, n: int, share: Fraction, chance: float) -> None:
    assert float(at_least(p, n, seats(share, n))) == pytest.approx(chance, rel=1e-9)


def test_counting_seat_by_seat_gives_the_same_with_and_without_a_population() -> None:
    for population in (0, 40):
        assert counted(0.25, 12, 4, population) == at_least(0.25, 12, 4, population)
    assert at_least(0.25, 12, 4, 40) != at_least(0.25, 12, 4)
    assert at_least(0.25, 8, 3, 8) == 0, "of two bad ones nobody draws three"


def test_committees_hold_from_a_small_population_too() -> None:
    for chosen in ({}, {"population": "100", "n": "16,40"}):
        result = quick("committee", **chosen)
        assert not failures(result)


# Gossip, growth, quality, intervals


def test_theories_of_spreading_have_their_known_values() -> None:
    assert push_theory(1_000) == pytest.approx(16.8735, abs=1e-4)
    assert flood_theory(1_000, 8) == pytest.approx(3.3219, abs=1e-4)


@pytest.mark.parametrize("name", ["gossip", "chain-growth", "chain-quality", "ghost", "block-interval", "stale-rate"])
def test_a_quick_run_holds(name: str) -> None:
    result = quick(name)
    assert result.verdict == PASS, failures(result)
    assert result.figures


def test_growth_under_load_is_told_apart_from_the_first_order() -> None:
    grown = grow(3, 1, 1.0, 5_000, ghost=False)
    assert abs(grown.height / 5_000 - growth(1.0)) < 4 * growth_error(1.0, 5_000) + 1e-3
    assert abs(grown.height / 5_000 - exp(-1.0)) > 4 * growth_error(1.0, 5_000)


def test_load_costs_the_longest_chain_security_and_ghost_none() -> None:
    _, longest = measure(2, 2.0, 400, 3, ghost=False)
    _, ghost = measure(2, 2.0, 400, 3, ghost=True)
    assert sum(longest) / 3 == pytest.approx(longest_chain_share(2.0), abs=0.05)
    assert all(share == pytest.approx(0.5, abs=0.01) for share in ghost)


def test_the_worst_attacker_with_a_third_takes_half() -> None:
    assert worst(1 / 3) == pytest.approx(0.5)


def test_intervals_of_another_mean_are_refused() -> None:
    import raclette.lab.experiments.block_interval as module

    sample = [1.2 * value for value in module.drawn(1, 2_000)]
    verdicts = {row.quantity: row.verdict for row in module._judge("draws", sample, 1)}
    assert verdicts["mean, draws"] == FAIL
    assert verdicts["Kolmogorov-Smirnov p, draws"] == FAIL


# Networks


def test_pbft_sends_two_n_times_n_minus_one_messages_and_takes_three_delays() -> None:
    result = quick("pbft-messages")
    assert result.verdict == PASS, failures(result)
    assert messages(4) == 24
    assert {row.simulated for row in result.rows if row.parameters == {"n": 16}} == {480.0, 3.0}


def test_simblocks_uplink_gives_simblocks_tail_and_ours_a_shorter_one() -> None:
    theirs, ours = (spread(1_000, 600, 12, 1, stop_and_wait=both) for both in (True, False))
    printed = require("simblock-p90-ms", {"nodes": 1_000, "interval_s": 600}).value
    assert abs(theirs.quantile(90) / printed - 1) < 0.08
    assert ours.quantile(90) < 0.9 * printed
    assert ours.quantile(10) == pytest.approx(theirs.quantile(10), rel=0.03)


def test_both_kernels_agree_on_simblocks_uplink() -> None:
    def digest(kernel: str, *, stop_and_wait: bool = True) -> str:
        return run_pow(
            nodes=40, interval_ms=5_000, blocks=12, seed=4, kernel=kernel, stop_and_wait=stop_and_wait
        ).digest

    assert digest("fast") == digest("reference")
    assert digest("fast") != digest("fast", stop_and_wait=False)


def test_a_point_that_nobody_published_is_not_judged() -> None:
    result = quick("propagation", nodes="30", blocks="4", networks="1")
    assert result.verdict == UNJUDGED


# The page


def test_the_page_describes_every_experiment_as_it_is() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for experiment in experiments():
        assert "\n".join(section(experiment)) in text, f"make experiments: {experiment.id} has changed"


def test_rows_on_the_page_are_those_of_a_run() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name in ("pbft-messages", "chain-quality"):
        experiment = find(name)
        rows = experiment.run(experiment.settings({}, seed=1), no_progress).rows
        for line in table(rows):
            assert line in text, f"make experiments: {name} gives {line}"


def test_no_row_on_the_page_fails() -> None:
    assert "| fail |" not in DOCS.read_text(encoding="utf-8")
