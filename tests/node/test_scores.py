"""What faults cost, how they are forgiven, and when a peer is banned."""

import pytest

from raclette.node.scores import DEFAULT_POINTS, PENALTIES, ScoreLimits, Scores
from raclette.primitives.errors import StoreDamaged
from raclette.primitives.randomness import Random
from raclette.primitives.units import HOUR, MINUTE
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

ANN, BOB = b"a" * 32, b"b" * 32


def test_a_provable_lie_bans_at_once_and_slowness_does_not() -> None:
    scores = Scores(MemoryStore())
    assert scores.penalise(0, ANN, "bad-signature").ban == 5 * MINUTE
    assert scores.banned_for(1 * MINUTE, ANN) == 4 * MINUTE
    assert scores.banned_for(5 * MINUTE, ANN) == 0
    for _ in range(19):
        assert scores.penalise(0, BOB, "stalled").ban == 0
    assert scores.penalise(0, BOB, "stalled").ban > 0


def test_faults_are_forgiven_point_by_point() -> None:
    scores = Scores(MemoryStore())
    scores.penalise(0, ANN, "stalled")
    assert [scores.score(minute * MINUTE, ANN) for minute in range(7)] == [-5, -4, -3, -2, -1, 0, 0]
    # Half a minute's patience is not lost by a further fault.
    scores.penalise(MINUTE // 2, BOB, "stalled")
    scores.penalise(2 * MINUTE, BOB, "stalled")
    assert scores.score(2 * MINUTE, BOB) == -9
    assert scores.score(2 * MINUTE + MINUTE // 2, BOB) == -8


def test_each_further_ban_is_twice_as_long_until_a_clean_week() -> None:
    scores = Scores(MemoryStore())
    bans, now = [], 0
    for _ in range(12):
        ban = scores.penalise(now, ANN, "equivocation").ban
        bans.append(ban)
        now += ban
    assert bans[:3] == [5 * MINUTE, 10 * MINUTE, 20 * MINUTE]
    assert bans[-1] == 24 * HOUR
    assert scores.penalise(now + 8 * 24 * HOUR, ANN, "equivocation").ban == 5 * MINUTE


def test_a_contradiction_is_never_cheap_whatever_it_is_about() -> None:
    """Engines say in the reason what was contradicted; nobody honest does it, so once is enough."""
    for number, reason in enumerate(("equivocation", "equivocation-prepare", "equivocation-commit")):
        assert Scores(MemoryStore()).penalise(0, bytes([number]), reason).ban == 5 * MINUTE


def test_a_banned_peers_further_faults_do_not_prolong_the_ban() -> None:
    scores = Scores(MemoryStore())
    scores.penalise(0, ANN, "bad-signature")
    assert scores.penalise(1, ANN, "bad-signature").ban == 0
    assert scores.banned_for(5 * MINUTE, ANN) == 0


def test_a_restart_is_no_amnesty() -> None:
    store = MemoryStore()
    scores = Scores(store)
    scores.penalise(0, ANN, "bad-signature")
    scores.penalise(0, BOB, "stalled")
    store.write(scores.take_batch())
    again = Scores(store)
    assert again.banned_for(1, ANN) > 0
    assert again.score(1, BOB) == -5
    again.pardon(ANN)
    store.write(again.take_batch())
    assert Scores(store).banned_for(1, ANN) == 0


def test_unlisted_reasons_have_a_price_and_innocent_ones_have_none() -> None:
    scores = Scores(MemoryStore())
    assert scores.penalise(0, ANN, "rlp-depth").score == -DEFAULT_POINTS
    assert scores.penalise(0, BOB, "not-yet") == (0, 0)
    assert scores.counts() == {"not-yet": 1, "rlp-depth": 1}
    assert all(0 <= points <= 100 for points in PENALTIES.values())


def test_memory_and_table_are_bounded() -> None:
    store = MemoryStore()
    scores = Scores(store, ScoreLimits(peers_max=10))
    random = Random(1)
    for now in range(500):
        scores.penalise(now, b"%032d" % random.below(100), "stalled")
        store.write(scores.take_batch())
    assert len(list(store.scan(Table.PEERS))) == 10
    assert scores.score(499, b"%032d" % 1_000) == 0


def test_a_damaged_record_is_named() -> None:
    store = MemoryStore()
    batch = Batch()
    batch.put(Table.PEERS, b"score/" + ANN, b"\xc1")
    store.write(batch)
    with pytest.raises(StoreDamaged, match="peers"):
        Scores(store)
