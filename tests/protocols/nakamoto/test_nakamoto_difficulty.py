"""Difficulty: the published vectors, stability under changing power, and clocks that lie."""

from dataclasses import replace
from typing import Any

import pytest
from asert_vectors import HALF_LIFE, INTERVAL, LIMIT_BITS, RUNS, Run, bits_from_target, target_from_bits
from hypothesis import given, settings
from hypothesis import strategies as st
from pow_world import GENESIS

from raclette.chain.header import Header
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.protocols.nakamoto.difficulty import (
    Asert,
    DifficultyRule,
    Fixed,
    Rising,
    aserti3_2d,
    cube_root,
    make_rule,
)
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.nakamoto.seal import DIFFICULTY_MAX, difficulty_of, target_of


def rule_of(**values: Any) -> DifficultyRule:
    return make_rule(Parameters(**values), GENESIS)


def after(parent: Header, seconds: int, difficulty: int) -> Header:
    """A header `seconds` after its parent."""
    return replace(
        parent,
        parent_hash=parent.hash,
        number=parent.number + 1,
        timestamp=parent.timestamp + seconds,
        difficulty=difficulty,
    )


@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_asert_gives_bitcoin_cash_s_published_vectors(run: Run) -> None:
    anchor, limit = target_from_bits(run.anchor_bits), target_from_bits(LIMIT_BITS)
    for height, time, bits in run.lines:
        behind = time - run.anchor_parent_time - INTERVAL * (height - run.anchor_height + 1)
        assert f"{bits_from_target(aserti3_2d(anchor, behind, HALF_LIFE, limit)):#010x}" == f"{bits:#010x}", height


def test_the_rule_in_the_engine_is_the_vectors_function_anchored_at_genesis() -> None:
    rule = rule_of(difficulty_rule="asert", initial_difficulty=1 << 40, block_interval_s=600, half_life_s=HALF_LIFE)
    on_time = replace(GENESIS, number=100, timestamp=GENESIS.timestamp + 100 * 600)
    assert rule.after(GENESIS) == rule.after(on_time) == 1 << 40
    late = replace(on_time, timestamp=on_time.timestamp + HALF_LIFE)
    early = replace(on_time, timestamp=on_time.timestamp - HALF_LIFE // 2 - 100 * 600 + 100 * 600)
    assert rule.after(late) == 1 << 39
    assert abs(rule.after(early) / (1 << 40) / 2**0.5 - 1) < 0.001


@settings(max_examples=200, deadline=None)
@given(behind=st.integers(-(2**40), 2**40), later=st.integers(0, 2**20), half_life=st.integers(1, 10**6))
def test_asert_is_monotone_in_time_and_stays_within_its_bounds(behind: int, later: int, half_life: int) -> None:
    anchor, limit = target_of(1 << 30), target_of(1 << 10)
    first, second = (aserti3_2d(anchor, value, half_life, limit) for value in (behind, behind + later))
    assert 1 <= first <= limit
    # The cubic meets 2**x at both ends to within its last bit, so a step may dip by a 65,536th part.
    assert second * 65_537 >= first * 65_536


@settings(max_examples=200, deadline=None)
@given(root=st.integers(0, 10**12))
def test_the_integer_cube_root_is_exact(root: int) -> None:
    cube = root**3
    assert cube_root(cube) == root
    assert cube_root(cube + 1) == (1 if root == 0 else root)
    assert cube_root(cube + 3 * root**2 + 3 * root) == root
    if root:
        assert cube_root(cube - 1) == root - 1


def test_a_cube_root_of_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        cube_root(-1)


@settings(max_examples=200, deadline=None)
@given(difficulty=st.integers(1, 2**128))
def test_difficulty_and_target_are_each_other_s_inverse(difficulty: int) -> None:
    assert difficulty_of(target_of(difficulty)) == difficulty


def test_a_difficulty_outside_the_possible_is_misuse() -> None:
    for difficulty in (0, -1, DIFFICULTY_MAX + 1):
        with pytest.raises(Misuse):
            target_of(difficulty)
    assert target_of(1) == 2**256 - 1


def test_fixed_never_moves() -> None:
    rule = rule_of(difficulty_rule="fixed", initial_difficulty=777)
    assert isinstance(rule, Fixed)
    assert {rule.after(replace(GENESIS, number=n, timestamp=n * n)) for n in range(50)} == {777}


def test_rising_with_a_whole_digit_a_step_is_three_digits_and_the_cube_root_of_the_height() -> None:
    rule = rule_of(difficulty_rule="rising", initial_difficulty=64, rise_bits_per_step=4)
    assert isinstance(rule, Rising)
    for number, digits in ((1, 4), (7, 4), (8, 5), (26, 5), (27, 6), (999, 12), (1000, 13)):
        assert rule.floor(number) == 16**digits
        assert f"{target_of(rule.floor(number)):064x}".startswith("0" * digits + "f")
    assert rule.floor(10**9) == DIFFICULTY_MAX


def test_over_the_rising_floor_asert_follows_the_miners() -> None:
    rule = rule_of(difficulty_rule="rising", initial_difficulty=1 << 20, block_interval_s=5, half_life_s=60)
    on_time = replace(GENESIS, number=8, timestamp=GENESIS.timestamp + 40)
    assert rule.after(on_time) == 1 << 20
    late = replace(on_time, timestamp=on_time.timestamp + 600)
    assert rule.after(late) == 1 << 14, "3 hex digits and two steps"
    ahead = replace(on_time, number=20)
    assert rule.after(ahead) == 1 << 21, "a half-life ahead of schedule"


def mine(rule: DifficultyRule, powers: list[tuple[int, int]], seed: int) -> list[Header]:
    """A chain mined with (blocks, hashes a second) in turn; solve times are drawn, geometric by quarter seconds."""
    random, chain, quarters = Random(seed), [GENESIS], 0
    for blocks, power in powers:
        for _ in range(blocks):
            difficulty = rule.after(chain[-1])
            quarters += 1
            while not random.chance(min(power, 4 * difficulty), 4 * difficulty):
                quarters += 1
            stamp = max(GENESIS.timestamp + quarters // 4, chain[-1].timestamp)
            chain.append(after(chain[-1], stamp - chain[-1].timestamp, difficulty))
    return chain


def test_blocks_keep_their_interval_while_the_hash_power_rises_tenfold_and_falls_again() -> None:
    rule = rule_of(difficulty_rule="asert", initial_difficulty=5_000, block_interval_s=5, half_life_s=100)
    chain = mine(rule, [(300, 1_000), (300, 10_000), (300, 1_000)], seed=4)
    settled = [(100, 300), (400, 600), (720, 900)]
    for start, stop in settled:
        interval = (chain[stop].timestamp - chain[start].timestamp) / (stop - start)
        assert 4 < interval < 6, (start, interval)
    # Absolute schedule: the whole chain is on time within a few half-lives, whatever happened meanwhile.
    assert abs(chain[-1].timestamp - GENESIS.timestamp - 5 * 900) < 400
    peak = max(header.difficulty for header in chain)
    assert 25_000 < peak < 150_000


def work_per_second(chain: list[Header], real_seconds: int) -> float:
    return sum(header.difficulty for header in chain[1:]) / real_seconds


class Windowed:
    """Mutant N2: Bitcoin's window retarget with its off-by-one, the measured span leaving out one interval."""

    def __init__(self, window: int, interval: int, initial: int) -> None:
        self._window, self._interval, self._difficulty = window, interval, initial
        self._start = GENESIS.timestamp

    def after(self, parent: Header) -> int:
        if parent.number % self._window == self._window - 1:
            span = self._window * self._interval
            took = min(max(parent.timestamp - self._start, span // 4), 4 * span)
            self._difficulty = max(self._difficulty * span // took, 1)
        elif parent.number % self._window == 0 and parent.number:
            self._start = parent.timestamp
        return self._difficulty


def warp(rule: DifficultyRule, *, window: int, blocks: int, power: int, limit: int = 7_200) -> tuple[list[Header], int]:
    """All miners collude: every block carries the lowest time the median rule allows, but the last of each window the
    highest. Answers the chain and the seconds it really took, at `power` hashes a second."""
    chain, hashes = [GENESIS], 0
    for number in range(1, blocks + 1):
        difficulty = rule.after(chain[-1])
        hashes += difficulty
        recent = sorted(header.timestamp for header in chain[-11:])
        stamp = recent[len(recent) // 2] + 1
        if number % window == window - 1:
            stamp = max(GENESIS.timestamp + hashes // power + limit, stamp)
        chain.append(after(chain[-1], stamp - chain[-1].timestamp, difficulty))
    return chain, max(hashes // power, 1)


def test_a_time_warp_does_not_pay_under_asert_but_does_under_a_windowed_retarget() -> None:
    """The same false clocks: the window's ends can be stretched for ever, the absolute schedule cannot."""
    asert = rule_of(difficulty_rule="asert", initial_difficulty=6_000, block_interval_s=600, half_life_s=7_200)
    assert isinstance(asert, Asert)
    _, asert_took = warp(asert, window=144, blocks=2_000, power=10)
    _, windowed_took = warp(Windowed(144, 600, 6_000), window=144, blocks=2_000, power=10)
    schedule = 600 * 2_000
    assert asert_took > schedule * 9 // 10, "2,000 blocks still take their 2,000 intervals"
    assert windowed_took < schedule // 2, "the mutant is caught: blocks come for free"


def test_a_single_false_timestamp_is_forgotten_by_the_block_after_next() -> None:
    rule = rule_of(difficulty_rule="asert", initial_difficulty=10_000, block_interval_s=5, half_life_s=100)
    honest = after(after(GENESIS, 5, 10_000), 5, 10_000)
    liar = after(after(GENESIS, 20, 10_000), -10, 10_000)
    assert rule.after(after(GENESIS, 20, 10_000)) < 10_000
    assert rule.after(honest) == rule.after(liar) == 10_000
