"""What the snail chain says about days: elections, records, complaints, closings. HYB-10 to HYB-17."""

from collections.abc import Sequence

import pytest

from raclette.primitives.errors import InvalidBlock
from raclette.protocols.hybrid.almanac import Almanac, Day, End, Entry, Past, Rules, Said, in_charge
from raclette.protocols.hybrid.parameters import Parameters
from raclette.protocols.parameters import parse_parameters

IDS = [bytes((number + 1,)) * 32 for number in range(8)]
LOG = b"\xee" * 32
PARAMETERS = parse_parameters(
    Parameters,
    {
        "validators": ["0x" + node_id.hex() for node_id in IDS[:4]],
        "committee_size": 6,
        "stable_depth": 2,
        "patience": 3,
    },
)
RULES = Rules(PARAMETERS, LOG)
FIRST = RULES.first(bytes(32))


def hash_of(number: int) -> bytes:
    return number.to_bytes(32, "big")


def seats(number: int) -> tuple[bytes, ...]:
    return tuple(IDS[(number + place) % 8] for place in range(6))


def grow(almanac: Almanac, blocks: int, said: Said = Said()) -> Almanac:  # noqa: B008  # a constant
    """`blocks` more, the first of which says `said`."""
    for _ in range(blocks):
        if said.entry is not None and not said.entry.election and (about := almanac.find(said.entry.day)) is not None:
            said = said._replace(entry=said.entry._replace(election=about.snail_hash))
        number = almanac.number + 1
        almanac = RULES.step(almanac, hash_of(number), said, lambda number=number: seats(number))  # type: ignore[misc]
        said = Said()
    return almanac


def entry(day: int, number: int, *, ends: bool = False, signers: Sequence[bytes] = IDS[:2]) -> Said:
    """`grow` fills in which election is meant."""
    return Said(Entry(day, number, b"%32d" % number, ends, b""), tuple(signers))


def test_the_first_day_is_that_of_genesis_and_the_next_one_is_elected_after_as_many_blocks_as_there_are_seats() -> None:
    assert FIRST.day.seats == tuple(IDS[:4])
    before = grow(FIRST, 5)
    assert before.day.number == 1
    after = grow(before, 1)
    assert (after.day.number, after.day.elected, after.day.snail_hash) == (2, 6, hash_of(6))
    assert after.day.seats == seats(6)
    assert after.before is not None
    assert after.before.number == 1


def test_one_node_with_several_blocks_has_several_seats() -> None:
    almanac = RULES.step(grow(FIRST, 5), hash_of(6), Said(), lambda: (IDS[7], IDS[2], IDS[7], IDS[7], IDS[1], IDS[2]))
    assert almanac.day.members == (IDS[7], IDS[2], IDS[1])
    assert almanac.day.weights == {IDS[7]: 3, IDS[2]: 2, IDS[1]: 1}
    assert almanac.day.threshold == 2
    assert almanac.day.weigh([IDS[7]]) == 3


def test_a_recorded_end_settles_the_day_before_and_only_then_is_another_elected() -> None:
    waiting = grow(FIRST, 6)
    assert grow(waiting, 6).day.number == 2
    settled = grow(waiting, 1, entry(1, 9, ends=True))
    assert settled.before is None
    end = settled.end_of(1)
    assert end is not None
    assert (end.number, end.forced, end.at) == (9, False, 7)
    assert grow(settled, 4).day.number == 2
    assert grow(settled, 5).day.number == 3


def test_a_day_whose_end_nobody_records_is_closed_behind_its_highest_record() -> None:
    almanac = grow(grow(FIRST, 2), 1, entry(1, 4))
    almanac = grow(almanac, 3)
    assert RULES.cut(almanac.day) == 6 + 2 + 3
    closing = RULES.close(almanac.day)
    assert closing == 6 + 2 + 2 * 3
    almanac = grow(almanac, closing - 6 - 1)
    assert almanac.end_of(1) is None
    almanac = grow(almanac, 1)
    end = almanac.end_of(1)
    assert end is not None
    assert (end.number, end.block_hash, end.forced) == (4, b"%32d" % 4, True)
    # The new day is as long as any, once its committee knows that it has begun.
    assert grow(almanac, 7).day.number == 2
    assert grow(almanac, 8).day.number == 3


def test_a_day_that_did_nothing_ends_where_the_one_before_it_ended() -> None:
    almanac = grow(FIRST, 14)
    end = almanac.end_of(1)
    assert end is not None
    assert (end.number, end.block_hash, end.forced) == (0, LOG, True)
    almanac = grow(almanac, 8 + 8)
    second = almanac.end_of(2)
    assert second is not None
    assert (second.number, second.block_hash, second.forced) == (0, LOG, True)
    third = in_charge(almanac, (0, LOG), FIRST.day)
    assert third is not None
    assert third.number == 3


def test_complaints_of_a_third_elect_at_once() -> None:
    one = grow(grow(FIRST, 1), 1, Said(complaints=((FIRST.day.snail_hash, IDS[0]),)))
    assert one.day.number == 1
    two = grow(one, 1, Said(complaints=((FIRST.day.snail_hash, IDS[3]),)))
    assert (two.day.number, two.day.elected) == (2, 3)
    assert two.complaints == frozenset()


def test_no_committee_is_smaller_than_the_one_it_replaces_because_the_chain_is_young() -> None:
    """Two complaints in the second block would elect two seats, of which one liar is a third."""
    almanac = FIRST
    for number in range(1, 5):
        said = (
            Said(complaints=((FIRST.day.snail_hash, IDS[0]), (FIRST.day.snail_hash, IDS[1]))) if number == 2 else Said()
        )
        almanac = RULES.step(almanac, hash_of(number), said, lambda number=number: seats(number)[:number])  # type: ignore[misc]
        assert almanac.day.number == (1 if number < 4 else 2)
    assert len(almanac.day.seats) == 4


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (entry(1, 3, signers=(IDS[0], IDS[6])), "record-stranger"),
        (entry(1, 3, signers=IDS[:1]), "record-threshold"),
        (entry(2, 3), "record-day"),
        (entry(1, 3, ends=True), "record-end"),
        (entry(1, 2), "record-old"),
        (Said(Entry(1, 3, b"%32d" % 3, False, hash_of(9)), tuple(IDS[:2])), "record-election"),
        (Said(complaints=((FIRST.day.snail_hash, IDS[6]),)), "complaint-stranger"),
        (Said(complaints=((hash_of(2), IDS[0]),)), "complaint-day"),
        (Said(complaints=((FIRST.day.snail_hash, IDS[1]), (FIRST.day.snail_hash, IDS[1]))), "complaint-twice"),
    ],
)
def test_a_false_record_makes_its_block_invalid(said: Said, reason: str) -> None:
    almanac = grow(grow(FIRST, 1), 1, entry(1, 2))
    with pytest.raises(InvalidBlock) as refusal:
        grow(almanac, 1, said)
    assert refusal.value.reason == reason


def test_who_is_in_charge_follows_from_the_last_block_and_what_is_settled() -> None:
    almanac = grow(grow(FIRST, 2), 1, entry(1, 4))
    almanac = grow(almanac, 11)
    first = almanac.find(1)
    assert first is not None
    assert almanac.end_of(1) is not None
    # Inside the closed log its own day; behind its end the next one; on another block nobody.
    inside, behind = in_charge(almanac, (3, b"%32d" % 3), first), in_charge(almanac, (4, b"%32d" % 4), first)
    assert inside is not None
    assert inside.number == 1
    assert behind is not None
    assert behind.number == 2
    assert in_charge(almanac, (4, b"other" + bytes(27)), first) is None
    assert in_charge(almanac, (5, b"%32d" % 5), first) is None


def test_a_day_of_long_ago_is_found_in_few_steps() -> None:
    """A stranger's message about day 1 must not cost a walk through years."""
    past: Past | None = None
    for number in range(1, 2_001):
        past = Past(Day(number, number, hash_of(number), ()), End(number, number, hash_of(number), False, number), past)
    almanac = FIRST._replace(day=Day(2_001, 2_001, hash_of(2_001), ()), past=past)
    assert [day.number for number in range(1, 2_002) if (day := almanac.find(number)) is not None] == [*range(1, 2_002)]
    assert all((end := almanac.end_of(number)) is not None and end.day == number for number in range(1, 2_001))
    assert [almanac.find(number) for number in (0, 2_002, 2**64 - 1)] == [None] * 3
    assert almanac.end_of(2_001) is None
    for number in (1, 2, 1_000, 1_999):
        steps, step = 0, past
        while step is not None and step.day.number > number:
            jump = step.jump
            step, steps = (jump if jump is not None and jump.day.number >= number else step.before), steps + 1
        assert steps <= 40
