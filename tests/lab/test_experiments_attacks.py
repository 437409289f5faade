"""Double spending and selfish mining: formulas against what the papers print, simulations against the formulas."""

import pytest

from raclette.lab.experiments import find, no_progress
from raclette.lab.experiments.contract import Result
from raclette.lab.experiments.double_spend import nakamoto, poisson_thresholds, rosenfeld
from raclette.lab.experiments.published import published
from raclette.lab.experiments.selfish import profitable_from, revenue, simulate, threshold_share
from raclette.primitives.randomness import Random, draw64


def quick(name: str, **chosen: str) -> Result:
    experiment = find(name)
    return experiment.run(experiment.settings(chosen, seed=1, quick=True), no_progress)


@pytest.mark.parametrize(("q", "z"), [(0.1, 5), (0.1, 10), (0.3, 5), (0.3, 25), (0.3, 50)])
def test_the_estimate_is_the_white_papers_table(q: float, z: int) -> None:
    printed = published("nakamoto-estimate", {"q": q, "z": z})
    assert printed is not None
    assert abs(nakamoto(q, z) - printed.value) <= printed.rounding


@pytest.mark.parametrize(
    ("q", "z", "chance"),
    [(0.1, 6, 0.000591), (0.3, 10, 0.065107), (0.1, 1, 0.2), (0.3, 2, 0.432), (0.3, 60, 5.00159e-06)],
)
def test_the_exact_chance_is_rosenfelds(q: float, z: int, chance: float) -> None:
    assert rosenfeld(q, z) == pytest.approx(chance, rel=1e-3)


def test_draws_inside_compiled_code_are_those_outside() -> None:
    import numpy as np

    from raclette.lab.experiments.jit.draws import below, draw, stream_key, threshold

    key = stream_key(7, 3)
    random = Random(0)
    random._key = draw64(7, 3, 0)
    for counter in range(1, 50):
        value = random.next64()
        assert int(draw(key, np.uint64(counter))) == value
        assert int(below(np.uint64(value), np.uint64(1_000))) == value * 1_000 >> 64
    assert int(threshold(0.25)) == 2**62
    assert int(threshold(1.0)) == 2**64 - 1


def test_poisson_thresholds_grow_to_all_draws() -> None:
    thresholds = poisson_thresholds(0.3, 10)
    assert thresholds == sorted(thresholds)
    assert thresholds[-1] >= 2**64 - 2
    mean = sum(1 - reached / 2**64 for reached in thresholds)
    assert mean == pytest.approx(10 * 0.3 / 0.7, rel=1e-9)


def test_races_meet_both_papers_each_on_its_own_ground() -> None:
    result = quick("double-spend")
    assert result.verdict == "pass", [row for row in result.rows if row.verdict != "pass"]
    race, estimate = (
        next(row for row in result.rows if row.quantity == quantity and row.parameters == {"q": 0.3, "z": 5})
        for quantity in ("race", "Nakamoto's estimate")
    )
    assert race.simulated - estimate.simulated > race.tolerance + estimate.tolerance, "the papers differ here"


@pytest.mark.parametrize(
    ("alpha", "gamma", "share"),
    [(0.2, 0, 0.1296703297), (0.4, 0.5, 0.5255813953), (0.3, 1.0, 0.3806215722), (0.3, 0, 0.2731261426)],
)
def test_the_revenue_formula_is_equation_8(alpha: float, gamma: float, share: float) -> None:
    assert revenue(alpha, gamma) == pytest.approx(share, abs=1e-9)


def test_at_the_threshold_selfish_mining_earns_its_share() -> None:
    for gamma in (0, 0.25, 0.5, 0.75):
        assert revenue(threshold_share(gamma), gamma) == pytest.approx(threshold_share(gamma), abs=1e-12)


def test_selfish_mining_holds_quickly_in_the_machine_and_in_the_engines_trees() -> None:
    result = quick("selfish")
    assert result.verdict == "pass", [row for row in result.rows if row.verdict != "pass"]
    worlds = {"revenue", "revenue in the engine's trees", "revenue among whole engines", "threshold"}
    assert {row.quantity for row in result.rows} == worlds


def test_another_gamma_is_told_apart() -> None:
    """A simulation with the wrong gamma would not pass."""
    share, error, _, _ = simulate(1, 0, 0.35, 0.5, 200_000)
    assert abs(share - revenue(0.35, 0.5)) < 4 * error
    assert abs(share - revenue(0.35, 0.25)) > 4 * error


def test_the_threshold_moves_with_gamma() -> None:
    assert profitable_from(2, 0.9, 200_000) == pytest.approx(threshold_share(0.9), abs=0.01)


def test_rows_are_the_same_for_the_same_seed_and_differ_for_another() -> None:
    experiment = find("selfish")
    chosen = {"alpha": "0.3", "gamma": "0.5", "blocks": "20000", "engine_blocks": "500", "world_blocks": "0"}
    first, again, other = (
        experiment.run(experiment.settings(chosen, seed=seed), no_progress).rows for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other
