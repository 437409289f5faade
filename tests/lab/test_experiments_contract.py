"""Experiments as a whole: settings, verdicts that can fail, and rows that programs can read."""

import json

import pytest
from typer.testing import CliRunner

from raclette.cli import commands
from raclette.cli.app import app
from raclette.lab.experiments import experiments, find
from raclette.lab.experiments.contract import FAIL, PASS, UNJUDGED, Parameter, Result
from raclette.lab.experiments.published import Printed, published
from raclette.lab.experiments.statistics import (
    binomial_tolerance,
    bound,
    compare,
    kolmogorov_smirnov,
    ratio_and_error,
    slope,
    wilson,
)
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random

commands.load()


def row_at(simulated: float, published_value: float | Printed | None, tolerance: float = 0.01) -> str:
    return compare(
        "x", {}, simulated, (0, 1), published=published_value, tolerance=tolerance, grounds="", trials=1, seed=1
    ).verdict


def test_a_value_beyond_its_tolerance_fails_and_one_within_passes() -> None:
    assert row_at(0.509, 0.5) == PASS
    assert row_at(0.511, 0.5) == FAIL
    assert row_at(0.5, None) == UNJUDGED


def test_a_closed_form_that_does_not_round_to_the_printed_figure_fails() -> None:
    printed = Printed(0.2046, 0.00005, "printed", "table")
    for closed_form, verdict in ((0.20458727, PASS), (0.2050, FAIL)):
        row = compare(
            "x",
            {},
            0.2046,
            (0, 1),
            published=printed,
            closed_form=closed_form,
            tolerance=0.01,
            grounds="",
            trials=1,
            seed=1,
        )
        assert row.verdict == verdict


def test_a_bound_holds_on_one_side_only() -> None:
    for value, verdict in ((0.9, PASS), (0.49, PASS), (0.4, FAIL)):
        assert (
            bound("x", {}, value, (0, 1), at_least=0.5, tolerance=0.02, grounds="", trials=1, seed=1).verdict == verdict
        )


def test_a_result_without_anything_to_compare_with_is_unjudged() -> None:
    assert Result(()).verdict == UNJUDGED


def test_chance_stays_within_the_binomial_tolerance_and_a_wrong_probability_does_not() -> None:
    random = Random(5)
    hits = sum(random.chance(3, 10) for _ in range(20_000))
    assert abs(hits / 20_000 - 0.3) <= binomial_tolerance(0.3, 20_000) < 0.014
    assert abs(hits / 20_000 - 0.32) > binomial_tolerance(0.32, 20_000)


def test_wilson_knows_the_interval_of_no_hit_and_of_half() -> None:
    low, high = wilson(0, 100)
    assert low == 0
    assert 0.03 < high < 0.04
    low, high = wilson(50, 100)
    assert 0.40 < low < 0.41
    assert 0.59 < high < 0.60


def test_kolmogorov_smirnov_accepts_its_own_distribution_and_refuses_another() -> None:
    random = Random(3)
    sample = [random.next64() / 2**64 for _ in range(2_000)]
    assert kolmogorov_smirnov(sample, lambda x: x)[1] > 0.01
    assert kolmogorov_smirnov(sample, lambda x: x * x)[1] < 1e-9


def test_ratio_and_slope_of_exact_lines() -> None:
    ratio, error = ratio_and_error([1, 2, 3], [2, 4, 6])
    assert ratio == 0.5
    assert error < 1e-12
    assert slope([0, 1, 2], [1, 3, 5]) == pytest.approx(2)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("x", "numbers from 0 to 1"), ("2", "numbers from 0 to 1"), ("1/0", "numbers from 0 to 1"), ("", "numbers")],
)
def test_a_value_out_of_bounds_is_refused_with_what_is_accepted(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Parameter("p", "a share", (0.5,), 0, 1).parse(text)


def test_numbers_are_read_as_people_write_them() -> None:
    assert Parameter("p", "", (0.5,), 0, 1).parse("1/4, 0.5,1e-1") == (0.25, 0.5, 0.1)
    assert Parameter("n", "", 5, 0, 10**9, whole=True).parse("1e6") == 1_000_000
    with pytest.raises(ConfigError, match="whole numbers"):
        Parameter("n", "", 5, 0, 10, whole=True).parse("2.5")


def test_an_unknown_parameter_or_experiment_is_named() -> None:
    with pytest.raises(ConfigError, match=r"double-spend\.share: unknown; accepted are q, z"):
        find("double-spend").settings({"share": "0.1"})
    with pytest.raises(ConfigError, match=r"accepted are .*double-spend"):
        find("nonsense")


def test_every_experiment_names_its_papers_and_accepts_its_own_defaults() -> None:
    ids = [experiment.id for experiment in experiments()]
    assert len(ids) == len(set(ids))
    for experiment in experiments():
        assert experiment.papers
        assert experiment.claim
        assert experiment.title
        for parameter in experiment.parameters:
            for value in (parameter.default, parameter.quick):
                if value is not None:
                    assert parameter.check(value if isinstance(value, tuple) else (value,)) == value


def test_figures_in_the_data_file_carry_their_source() -> None:
    found = published("nakamoto-estimate", {"q": 0.1, "z": 5})
    assert found is not None
    assert found.value == 0.0009137
    assert "Nakamoto 2008" in found.source
    assert published("nakamoto-estimate", {"q": 0.11, "z": 5}) is None


def test_the_command_prints_rows_for_programs_and_fails_on_nonsense() -> None:
    run = CliRunner().invoke(
        app, ["lab", "run", "double-spend", "--quick", "--set", "q=0.2", "--set", "z=5", "--seed", "9", "--json"]
    )
    assert run.exit_code == 0, run.output
    document = json.loads(run.stdout)
    assert document["verdict"] == "pass"
    assert document["seed"] == 9
    for row in document["rows"]:
        assert {"simulated", "published", "tolerance", "verdict", "trials", "seed"} <= row.keys()
    refused = CliRunner().invoke(app, ["lab", "run", "double-spend", "--set", "q"])
    assert refused.exit_code == 2


def test_a_shifted_reference_turns_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    import raclette.lab.experiments.double_spend as module

    monkeypatch.setattr(module, "rosenfeld", lambda q, z: 0.25)
    run = CliRunner().invoke(app, ["lab", "run", "double-spend", "--quick", "--set", "q=0.1", "--set", "z=1", "--json"])
    assert run.exit_code == 1
    assert json.loads(run.stdout)["verdict"] == "fail"


def test_the_list_shows_every_experiment() -> None:
    listed = json.loads(CliRunner().invoke(app, ["lab", "list", "--json"]).stdout)
    assert [entry["id"] for entry in listed] == [experiment.id for experiment in experiments()]
    assert "double-spend" in CliRunner().invoke(app, ["lab"]).stdout
