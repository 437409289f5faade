"""Seats follow stake, exactly; tickets too; nothing rounds."""

from collections import Counter
from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.chain.roll import Member
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.protocols.senate.lottery import DRAW_BYTES, FRACTION_BITS, make_ticket, surprisal
from raclette.protocols.senate.seats import Senate, draw_points, walk_seats


def holders(*stakes: int) -> tuple[Member, ...]:
    return tuple(Member(bytes((number,)) * 32, bytes((number,)) * 20, stake) for number, stake in enumerate(stakes))


@settings(max_examples=100, deadline=None)
@given(total=st.integers(1, 2**200), count=st.integers(1, 30))
def test_points_are_in_the_stake(total: int, count: int) -> None:
    points = draw_points(b"seed", total, count)
    assert len(points) == count
    assert all(0 <= point < total for point in points)
    assert points == draw_points(b"seed", total, count)


def test_a_hash_beyond_the_last_whole_multiple_is_skipped() -> None:
    """With a total just above half of the space half of all hashes would favour the first holders."""
    total = (1 << 255) + 1
    hashes = [sha256(b"seed")]
    for _ in range(60):
        hashes.append(sha256(hashes[-1]))
    kept = [int.from_bytes(q, "big") for q in hashes if int.from_bytes(q, "big") < total]
    assert draw_points(b"seed", total, 10) == tuple(kept[:10])
    assert len(kept) < 50


def test_whoever_stands_on_the_point_owns_the_seat() -> None:
    members = holders(3, 0, 1, 2)
    owners = [members.index(next(m for m in members if m.node_id == node)) for node in walk_seats(members, range(6))]
    assert owners == [0, 0, 0, 2, 3, 3]


def test_stakes_beyond_the_precision_of_floats_are_kept_apart() -> None:
    """2**80 and 2**80 + 1 are one number to a float: the last point would round to the wrong holder."""
    members = holders(2**80, 1, 2**80)
    points = (2**80 - 1, 2**80, 2**80 + 1, 2**81)
    owners = [node[0] for node in walk_seats(members, points)]
    assert owners == [0, 1, 2, 2]


def test_seats_of_one_holder_are_one_voice_of_their_number() -> None:
    senate = Senate(holders(1, 2, 3), b"seed", 10)
    assert sum(senate.weights.values()) == len(senate.seats) == 10
    assert senate.owners == tuple(sorted(Counter(senate.seats).items()))
    assert senate.weight(list(senate.weights)) == 10
    assert senate.weight([b"stranger"]) == 0
    assert [senate.leader(number) for number in range(12)] == [*senate.seats, *senate.seats[:2]]


def test_nobody_sits_without_a_stake() -> None:
    empty = Senate(holders(0, 0), b"seed", 10)
    assert empty.seats == ()
    assert empty.leader(3) == b""
    assert empty.owners == ()
    assert set(Senate(holders(0, 5, 0), b"seed", 10).seats) == {bytes((1,)) * 32}


@pytest.mark.parametrize(("seats", "quorum"), [(1, 1), (2, 2), (3, 3), (4, 3), (7, 5), (21, 15), (100, 67)])
def test_two_quorums_share_an_honest_seat_and_honest_seats_suffice(seats: int, quorum: int) -> None:
    senate = Senate(holders(1), b"seed", seats)
    faults = (seats - 1) // 3
    assert senate.quorum == quorum
    assert 2 * quorum - seats > faults
    assert seats - faults >= quorum


def test_seats_follow_stake_over_many_heights() -> None:
    """Chi-square over 1,000 heights of 21 seats, 7 degrees of freedom: 0.1 % point 24.3. The seeds are a chain, as
    those of heights are."""
    stakes = (1, 2, 3, 5, 8, 13, 21, 47)
    members, total, seats, heights = holders(*stakes), sum(stakes), 21, 1_000
    counts: Counter[int] = Counter()
    seed = b"first"
    for _ in range(heights):
        seed = sha256(b"director" + seed)
        counts.update(node[0] for node in Senate(members, seed, seats).seats)
    expected = [seats * heights * stake / total for stake in stakes]
    assert sum((counts[i] - expected[i]) ** 2 / expected[i] for i in range(len(stakes))) < 24.3


def test_the_best_ticket_follows_stake_over_many_draws() -> None:
    """Chi-square over 4,000 draws, 3 degrees of freedom: 0.1 % point 16.3. The same bound fails for hash times stake,
    which gives the holder of half of everything far more than half."""
    stakes = (1, 2, 5, 8)
    random, fair, naive, draws = Random(7), [0] * 4, [0] * 4, 4_000
    for _ in range(draws):
        outputs = [random.bytes(DRAW_BYTES) for _ in stakes]
        tickets = [make_ticket(bytes((i,)), stakes[i], outputs[i]) for i in range(4)]
        best = next(t for t in tickets if not any(other.beats(t) for other in tickets))
        fair[best.director[0]] += 1
        naive[min(range(4), key=lambda i: int.from_bytes(outputs[i], "big") * prod(stakes) // stakes[i])] += 1

    def chi_square(counts: list[int]) -> float:
        expected = [draws * stake / sum(stakes) for stake in stakes]
        return sum((counts[i] - expected[i]) ** 2 / expected[i] for i in range(4))

    assert chi_square(fair) < 16.3 < chi_square(naive)


def test_who_splits_a_holding_wins_as_often() -> None:
    """The least of two tickets of stake 1 is distributed as one of stake 2: 6,000 duels, 4 standard deviations."""
    random, wins, duels = Random(3), 0, 6_000
    for _ in range(duels):
        whole = make_ticket(b"w", 2, random.bytes(DRAW_BYTES))
        parts = [make_ticket(bytes((i,)), 1, random.bytes(DRAW_BYTES)) for i in range(2)]
        wins += any(part.beats(whole) for part in parts)
    assert abs(wins - duels / 2) < 4 * (duels / 4) ** 0.5


def test_a_surprisal_is_the_logarithm() -> None:
    one = 1 << FRACTION_BITS
    assert surprisal(2**256 - 1) == 0
    assert surprisal(2**255 - 1) == one
    assert surprisal(0) == 256 * one
    # -log2(3/4), known to 50 digits: 0.41503749927884381854626105605218114044...
    expected = 41503749927884381854626105605218114044 * one // 10**38
    assert 0 <= surprisal(3 * 2**254 - 1) - expected <= one >> 100


@settings(max_examples=60, deadline=None)
@given(draw=st.integers(0, 2**256 - 2), step=st.integers(1, 2**200))
def test_a_lower_draw_is_never_less_surprising(draw: int, step: int) -> None:
    assert surprisal(draw) >= surprisal(min(2**256 - 1, draw + step))


def test_of_two_tickets_exactly_one_is_better() -> None:
    random = Random(1)
    tickets = [make_ticket(random.bytes(32), 1 + random.below(3), random.bytes(DRAW_BYTES)) for _ in range(30)]
    twins = [make_ticket(bytes((i,)) * 32, 2, b"same" * 8) for i in range(2)]
    for a in (*tickets, *twins):
        assert not a.beats(a)
        assert all(a.beats(b) != b.beats(a) for b in (*tickets, *twins) if b is not a)


def test_better_tickets_expect_fewer_above_them() -> None:
    rare, common = make_ticket(b"a", 1, b"\xff" * 32), make_ticket(b"b", 1, b"\x01" * 32)
    assert rare.expected_better(100, 1_000) < 1_000 < common.expected_better(100, 1_000)
