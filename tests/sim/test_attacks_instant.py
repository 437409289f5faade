"""Attacks on proof of work, measured in the small instant world and held against the papers' closed forms."""

from collections.abc import Callable
from functools import lru_cache
from math import comb, log, sqrt
from statistics import fmean, stdev

import pytest

from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.sim.attacks import (
    Action,
    AttackReport,
    Honest,
    Policy,
    PrivateChain,
    Race,
    Selfish,
    Strategy,
    Stubborn,
    Withhold,
    run_attack,
)
from raclette.sim.attacks.miner import Clock, true_clock

RUNS = 8
SIGMAS = 4


def eyal_sirer(alpha: float, gamma: float) -> float:
    """Equation (8): the selfish pool's relative revenue."""
    a, g = alpha, gamma
    return (a * (1 - a) ** 2 * (4 * a + g * (1 - 2 * a)) - a**3) / (1 - a * (1 + (2 - a) * a))


def rosenfeld(q: float, z: int) -> float:
    """Success of a double spend with one block mined ahead, q < 1/2."""
    p = 1 - q
    return 1 - sum(comb(m + z - 1, m) * (p**z * q**m - p**m * q**z) for m in range(z + 1))


@lru_cache(maxsize=64)
def measured(make: Callable[[], Strategy], alpha: float, gamma: float, blocks: int = 1_200) -> tuple[float, float]:
    """Mean revenue over independent runs, and the standard error of that mean."""
    revenues = [run_attack(make(), alpha, gamma, blocks, seed).revenue for seed in range(RUNS)]
    return fmean(revenues), stdev(revenues) / sqrt(RUNS)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.4, 0.0), (0.2, 0.0), (0.3, 1.0), (0.35, 0.5)])
def test_selfish_mining_earns_what_equation_8_says(alpha: float, gamma: float) -> None:
    revenue, error = measured(Selfish, alpha, gamma)
    assert 0 < error < 0.02
    assert abs(revenue - eyal_sirer(alpha, gamma)) < SIGMAS * error


def test_selfish_mining_pays_above_the_threshold_and_costs_below_it() -> None:
    """Eyal & Sirer 2014, observation 1: (1 - gamma) / (3 - 2 gamma), a third at gamma 0 and a quarter at 1/2."""
    for alpha, gamma, pays in ((0.2, 0.0, False), (0.4, 0.0, True), (0.35, 0.5, True)):
        revenue, error = measured(Selfish, alpha, gamma)
        assert (revenue > alpha + SIGMAS * error) is pays
        assert (revenue < alpha - SIGMAS * error) is not pays


def test_an_honest_pool_earns_its_share_and_nobody_loses_a_block() -> None:
    report = run_attack(Honest(), 0.3, 0.5, 4_000)
    assert (report.stale, report.reorganisations) == (0, {})
    assert abs(report.revenue - 0.3) < SIGMAS * sqrt(0.3 * 0.7 / 4_000)


def test_lead_stubbornness_beats_selfish_mining_where_races_are_won() -> None:
    """Nayak et al. 2016, figure 5: with a high gamma."""
    selfish, error = measured(Selfish, 0.35, 0.9)
    stubborn, other = measured(lead_stubborn, 0.35, 0.9)
    assert stubborn > selfish + 2 * (error + other)


def test_lead_stubbornness_loses_where_races_are_lost() -> None:
    selfish, error = measured(Selfish, 0.4, 0.0)
    stubborn, other = measured(lead_stubborn, 0.4, 0.0)
    assert stubborn < selfish - 2 * (error + other)


def lead_stubborn() -> Strategy:
    return Stubborn(lead=True)


def test_a_policy_that_plays_selfish_mining_is_selfish_mining() -> None:
    """SM1 as a table of Sapirshtein et al.: the two ways of writing it down give the same run."""

    def sm1(ours: int, theirs: int, race: Race) -> Action:
        if ours < theirs:
            return Action.ADOPT
        if ours == theirs + 1 and theirs > 0:
            return Action.OVERRIDE
        if race is Race.RELEVANT and ours >= theirs:
            return Action.MATCH
        return Action.WAIT

    table = run_attack(Policy(sm1), 0.38, 0.4, 3_000, 5)
    paper = run_attack(Selfish(), 0.38, 0.4, 3_000, 5)
    assert (table.pool_main, table.height, table.stale) == (paper.pool_main, paper.height, paper.stale)


@pytest.mark.parametrize(("q", "z"), [(0.1, 1), (0.3, 3)])
def test_double_spends_succeed_as_often_as_rosenfeld_says(q: float, z: int) -> None:
    reports = [run_attack(PrivateChain(z, give_up=10), q, 0, 4_000, seed) for seed in (1, 2)]
    ended = sum(report.successes + report.failures for report in reports)
    rate = sum(report.successes for report in reports) / ended
    expected = rosenfeld(q, z)
    assert ended > 150
    assert abs(rate - expected) < SIGMAS * sqrt(expected * (1 - expected) / ended)


def test_a_majority_double_spends_whenever_it_likes() -> None:
    report = run_attack(PrivateChain(6, give_up=60), 0.6, 0, 2_000)
    assert report.successes > 20
    assert report.failures == 0
    assert min(report.reorganisations) >= 6


def test_who_withholds_earns_nothing_and_slows_the_chain_by_its_share() -> None:
    report = run_attack(Withhold(), 0.3, 0.5, 3_000)
    assert report.pool_main == 0
    assert report.stale == report.pool_stale == report.pool_blocks
    honest = run_attack(Honest(), 0.3, 0.5, 3_000)
    assert abs(report.height / report.seconds - 0.7 * honest.height / honest.seconds) < 0.05 * 0.7 / 600


def test_ghost_does_not_stop_selfish_mining() -> None:
    """Without delays there are few blocks beside the chain for GHOST to count: the same pool earns about the same."""
    heaviest = run_attack(Selfish(), 0.4, 0.5, 4_000, 3)
    ghost = run_attack(Selfish(), 0.4, 0.5, 4_000, 3, rule="ghost")
    assert ghost.rule == "ghost"
    assert ghost.revenue > 0.45
    assert abs(ghost.revenue - heaviest.revenue) < 0.05


def test_the_same_seed_gives_the_same_run() -> None:
    def run(seed: int) -> AttackReport:
        return run_attack(Stubborn(fork=True, trail=1), 0.4, 0.5, 500, seed)

    assert run(7) == run(7)
    assert run(7) != run(8)


@pytest.mark.parametrize(("alpha", "gamma", "key"), [(1.0, 0.5, "alpha"), (-0.1, 0.5, "alpha"), (0.3, 1.1, "gamma")])
def test_shares_beyond_reason_are_named(alpha: float, gamma: float, key: str) -> None:
    with pytest.raises(ConfigError, match=f"^{key}: "):
        run_attack(Selfish(), alpha, gamma, 1)


def latest(now: int, earliest: int) -> int:
    return now + 7_200 * SECOND


def soonest(now: int, earliest: int) -> int:
    return earliest


def test_a_false_clock_gains_what_the_limit_allows_and_no_more() -> None:
    """Under asert a lie of two hours is twelve blocks, once: the schedule is absolute, so nothing accumulates. Luck is
    small here, because the half-life is short: twelve intervals."""
    parameters = {"difficulty_rule": "asert", "half_life_s": 7_200, "future_limit_s": 7_200}

    def ahead(share: float, clock: Clock, blocks: int) -> float:
        """Blocks more than the schedule has, at the end."""
        report = run_attack(Honest(), share, 0.0, blocks, 3, parameters=parameters, clock=clock)
        return report.height - report.seconds / 600

    luck = 4 * sqrt(12 / (2 * log(2)))
    for share, clock, gain in ((0.4, true_clock, 0), (0.4, soonest, 0), (0.4, latest, 12), (0.97, latest, 12)):
        for blocks in (500, 1_500):
            assert ahead(share, clock, blocks) < gain + luck
    lies = fmean(ahead(0.97, latest, blocks) for blocks in (300, 500, 700))
    truth = fmean(ahead(0.97, true_clock, blocks) for blocks in (300, 500, 700))
    assert 6 < lies - truth < 18, "the lie works: all of it, and once"
