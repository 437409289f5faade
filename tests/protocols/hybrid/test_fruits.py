"""Fruits: one search for two, claims without bodies, the window, and bytes that strangers damage."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.chain.header import Header
from raclette.engine.contract import SealCheck
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, InvalidBlock, Misuse
from raclette.primitives.hashing import keccak256
from raclette.protocols.hybrid.fruits import (
    CLAIM_BYTES_MAX,
    FRUIT_BYTES_MAX,
    FRUITS_MAX,
    FRUITS_PER_BLOCK_MAX,
    Claim,
    Fruit,
    FruitSeal,
    ancestors,
    body_root,
    check_fruits,
    choose,
    decode_fruits,
    elect,
    encode_fruits,
    fruit_target,
    is_block,
    refusal,
)
from raclette.protocols.nakamoto.seal import HASH_SPACE, HashSeal, IdealSeal, target_of

MINER = bytes(31) + b"\1"
HASHES = st.binary(min_size=32, max_size=32)
WORDS = st.integers(0, 2**64 - 1)
CLAIMS = st.builds(Claim, HASHES, HASHES, WORDS)
FRUITS = st.builds(
    lambda claim, rest, parent, beneficiary, number, difficulty, nonce, extra: Fruit.of(
        Header(
            parent,
            number,
            number // 2,
            beneficiary=beneficiary,
            transactions_root=body_root((claim.encode(), *rest)),
            difficulty=difficulty,
            nonce=nonce,
            extra_data=extra,
        ),
        (claim.encode(), *rest),
    ),
    CLAIMS,
    st.lists(st.binary(max_size=40), max_size=3),
    HASHES,
    st.sampled_from([bytes(20), b"\7" * 20]),
    WORDS,
    st.integers(1, 2**255),
    st.binary(min_size=8, max_size=8),
    st.binary(max_size=32),
)


def header_on(parent: Header, records: tuple[bytes, ...], nonce: int = 0) -> Header:
    return Header(
        parent.hash,
        parent.number + 1,
        parent.timestamp + 10,
        transactions_root=body_root(records),
        difficulty=64,
        nonce=nonce.to_bytes(8, "big"),
    )


class Branch:
    """A snail chain of so many blocks, and fruits that hang from them."""

    def __init__(self, length: int) -> None:
        self.blocks = [Header(bytes(32), 0, 0)]
        for number in range(length):
            self.blocks.append(header_on(self.blocks[-1], (Claim(MINER, bytes(32), number).encode(),)))
        self.known = {block.hash: block for block in self.blocks}

    @property
    def tip(self) -> Header:
        return self.blocks[-1]

    def fruit(self, at: int, counter: int = 0) -> Fruit:
        records = (Claim(MINER, self.blocks[at].hash, counter).encode(), b"something else")
        return Fruit.of(header_on(self.tip, records), records)

    def window(self, freshness: int) -> dict[bytes, Header]:
        return ancestors(self.tip, freshness, self.known.get)

    def refusal(self, fruit: Fruit, freshness: int, *included: bytes) -> str:
        return refusal(fruit, self.tip.number + 1, freshness, self.window(freshness).get, included)


# One search for two.


@pytest.mark.parametrize("k", [1, 4, FRUITS_PER_BLOCK_MAX])
def test_one_fruit_in_k_is_a_block_whatever_the_kind_of_seal(k: int) -> None:
    """Within four standard errors of 2,000 fruits, with nonces of a search and nonces of a simulated world."""
    world, records = IdealSeal(b"a world"), (Claim(MINER, bytes(32), 0).encode(),)
    found = [header_on(Header(bytes(32), 0, 0), records, nonce) for nonce in range(2_000)]
    handed = [world.seal(replace(header, timestamp=place)) for place, header in enumerate(found)]
    for headers in (found, handed):
        blocks = sum(is_block(header, k) for header in headers)
        assert abs(blocks - 2_000 / k) <= 4 * (2_000 / k * (1 - 1 / k)) ** 0.5


def test_a_block_costs_its_difficulty_and_a_fruit_a_kth_of_it() -> None:
    """Hashes counted: 4,000 nonces at difficulty 64 with 8 fruits a block."""
    k, difficulty, parent = 8, 64, Header(bytes(32), 0, 0)
    records = (Claim(MINER, parent.hash, 0).encode(),)
    seal, target = FruitSeal(HashSeal(), k), target_of(difficulty)
    headers = [header_on(parent, records, nonce) for nonce in range(4_000)]
    fruits = [header for header in headers if Fruit.of(header, records).has_work(k, difficulty, HashSeal())]
    blocks = [header for header in headers if seal.holds(header, target)]
    assert abs(len(fruits) - 500) <= 4 * 500**0.5
    assert abs(len(blocks) - 62.5) <= 4 * 62.5**0.5
    assert set(blocks) < set(fruits), "a block is a fruit too"


def test_the_lottery_does_not_prefer_better_hashes() -> None:
    """Blocks are as frequent among the better half of the fruits as among the worse."""
    k, parent = 4, Header(bytes(32), 0, 0)
    records = (Claim(MINER, parent.hash, 0).encode(),)
    headers = [header_on(parent, records, nonce) for nonce in range(4_000)]
    halves = [
        [is_block(header, k) for header in headers if HashSeal().holds(header, HASH_SPACE // 2) is better]
        for better in (True, False)
    ]
    for half in halves:
        assert abs(sum(half) - len(half) / k) <= 4 * (len(half) * 3 / 16) ** 0.5


def test_a_fruit_without_the_lottery_is_no_block_and_a_lottery_without_work_neither() -> None:
    parent, records = Header(bytes(32), 0, 0), (Claim(MINER, bytes(32), 0).encode(),)
    seal: SealCheck = FruitSeal(HashSeal(), 4)
    headers = [header_on(parent, records, nonce) for nonce in range(600)]
    target = target_of(64)
    verdicts = {
        (HashSeal().holds(header, fruit_target(target, 4)), is_block(header, 4)): seal.holds(header, target)
        for header in headers
    }
    assert verdicts == {(True, True): True, (True, False): False, (False, True): False, (False, False): False}


def test_targets_of_fruits_are_k_times_as_large_and_stay_within_the_hashes() -> None:
    assert fruit_target(target_of(1_000), 1) == target_of(1_000)
    assert fruit_target(target_of(1 << 20), 8) == target_of(1 << 17)
    assert fruit_target(target_of(1 << 255), 8) == 15
    assert fruit_target(target_of(4), 8) == HASH_SPACE - 1
    for k in (0, FRUITS_PER_BLOCK_MAX + 1):
        with pytest.raises(Misuse, match="accepted are 1 to"):
            fruit_target(target_of(1_000), k)
        with pytest.raises(Misuse, match="accepted are 1 to"):
            is_block(Header(bytes(32), 0, 0), k)


def test_a_fruit_is_as_hard_as_the_block_it_hangs_from_says_and_not_as_it_says_itself() -> None:
    parent = Header(bytes(32), 0, 0)
    records = (Claim(MINER, parent.hash, 0).encode(),)
    easy = [Fruit.of(replace(header_on(parent, records, nonce), difficulty=1), records) for nonce in range(200)]
    assert sum(fruit.has_work(2, 1 << 40, HashSeal()) for fruit in easy) == 0
    assert sum(fruit.has_work(2, 4, HashSeal()) for fruit in easy) > 50


# What a fruit shows.


def test_a_body_is_committed_to_so_that_the_claim_shows_without_the_rest() -> None:
    records = (b"claim", b"one", b"two")
    assert body_root(records) == keccak256(keccak256(b"claim") + keccak256(rlp.encode([b"one", b"two"])))
    assert len({body_root(records), body_root((b"claim", b"two", b"one")), body_root((b"claim",))}) == 3
    with pytest.raises(Misuse, match="begins with a claim"):
        body_root(())


def test_a_fruit_of_other_records_or_of_an_odd_header_is_the_callers_mistake() -> None:
    parent, records = Header(bytes(32), 0, 0), (Claim(MINER, bytes(32), 0).encode(), b"x")
    header = header_on(parent, records)
    assert Fruit.of(header, records).pointer == bytes(32)
    with pytest.raises(Misuse, match="not of this header"):
        Fruit.of(header, (*records, b"y"))
    for odd in (replace(header, mix_hash=b"\1" * 32), replace(header, extra_data=bytes(33))):
        with pytest.raises(Misuse, match="a snail header has no"):
            Fruit.of(odd, records)


def test_one_proof_of_work_has_one_name() -> None:
    """What the seal leaves open (the mix hash) cannot be written into a fruit."""
    fruit = Branch(3).fruit(1)
    assert Fruit.decode(fruit.encode()).header.mix_hash == bytes(32)
    assert Fruit.decode(fruit.encode()).hash == fruit.hash


@settings(max_examples=100, deadline=None)
@given(FRUITS)
def test_every_fruit_survives_the_wire_and_is_small(fruit: Fruit) -> None:
    data = fruit.encode()
    assert Fruit.decode(data) == fruit
    assert len(data) <= 290
    assert len(fruit.claim.encode()) <= CLAIM_BYTES_MAX


@settings(max_examples=300, deadline=None)
@given(FRUITS, st.data())
def test_damaged_bytes_are_refused_or_another_fruit_with_its_own_single_encoding(
    fruit: Fruit, data: st.DataObject
) -> None:
    damaged = bytearray(fruit.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        decoded = Fruit.decode(bytes(damaged))
    except DecodeError:
        return
    assert decoded.encode() == damaged


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    for decode in (Fruit.decode, Claim.decode, decode_fruits):
        try:
            decode(data)
        except DecodeError:
            continue


def test_the_largest_fruit_fits_and_a_byte_more_is_refused() -> None:
    claim = Claim(b"\xff" * 32, b"\xff" * 32, 2**64 - 1)
    assert len(claim.encode()) == CLAIM_BYTES_MAX
    header = Header(
        *(b"\xff" * 32, 2**64 - 1, 2**64 - 1, b"\xff" * 20, b"\xff" * 32),
        transactions_root=body_root((claim.encode(),)),
        receipts_root=b"\xff" * 32,
        difficulty=2**256 - 1,
        gas_limit=2**64 - 1,
        gas_used=2**64 - 1,
        extra_data=b"\xff" * 32,
        nonce=b"\xff" * 8,
        base_fee=2**256 - 1,
    )
    fruit = Fruit.of(header, (claim.encode(),))
    assert Fruit.decode(fruit.encode()) == fruit
    assert FRUIT_BYTES_MAX - 40 <= len(fruit.encode()) <= FRUIT_BYTES_MAX
    with pytest.raises(DecodeError, match="fruit-size"):
        Fruit.decode(bytes(FRUIT_BYTES_MAX + 1))


def test_a_usual_value_written_out_is_refused() -> None:
    fruit = Branch(2).fruit(1)
    items = rlp.decode_list(fruit.encode())
    items[1] = bytes(20)
    with pytest.raises(DecodeError, match="fruit-canonical"):
        Fruit.decode(rlp.encode(items))


def test_lists_of_fruits_keep_their_order_and_their_bound() -> None:
    branch = Branch(4)
    fruits = [branch.fruit(1 + counter % 3, counter) for counter in range(FRUITS_MAX)]
    assert decode_fruits(encode_fruits(fruits)) == tuple(fruits)
    with pytest.raises(DecodeError, match="fruits-count"):
        decode_fruits(encode_fruits([*fruits, branch.fruit(2, 999)]))


# The window.


def test_a_fruit_is_included_within_the_window_behind_the_block_and_not_beyond() -> None:
    """Pass and Shi: a fruit is recent if it hangs from one of the last blocks."""
    branch = Branch(20)  # the next block is 21
    assert branch.refusal(branch.fruit(20), 5) == ""
    assert branch.refusal(branch.fruit(16), 5) == ""
    assert branch.refusal(branch.fruit(15), 5) == "fruit-pointer", "the window does not know it"
    whole = branch.known.get
    assert refusal(branch.fruit(15), 21, 5, whole, ()) == "fruit-stale"
    assert refusal(branch.fruit(20), 20, 5, whole, ()) == "fruit-stale", "a block is not behind itself"


def test_a_fruit_that_hangs_from_another_branch_is_refused() -> None:
    branch, other = Branch(6), Branch(3)
    side = header_on(other.tip, (Claim(MINER, bytes(32), 77).encode(),))
    records = (Claim(MINER, side.hash, 0).encode(),)
    assert branch.refusal(Fruit.of(header_on(branch.tip, records), records), 5) == "fruit-pointer"


def test_an_orphaned_blocks_fruit_is_not_lost() -> None:
    """It hangs from the common part: the branch that won includes it."""
    branch = Branch(8)
    records = (Claim(MINER, branch.blocks[4].hash, 0).encode(),)
    orphan = header_on(branch.blocks[6], records)
    assert orphan.hash not in branch.known
    assert branch.refusal(Fruit.of(orphan, records), 8) == ""


def test_a_fruit_is_included_once() -> None:
    branch = Branch(8)
    fruit = branch.fruit(5)
    assert branch.refusal(fruit, 8, fruit.hash) == "fruit-twice"
    with pytest.raises(InvalidBlock, match="fruit-twice"):
        check_fruits([fruit, fruit], 9, 8, branch.window(8).get, (), lambda fruit, pointer: True)


def test_an_inclusion_older_than_the_window_cannot_repeat() -> None:
    """Whatever block may include it now, an earlier inclusion lies in the last `freshness - 1` blocks."""
    freshness, branch = 5, Branch(12)
    for at in range(8, 13):
        fruit = branch.fruit(at)
        assert branch.refusal(fruit, freshness) == ""
        earliest = at + 1
        assert earliest >= branch.tip.number + 1 - (freshness - 1)


def test_a_block_is_refused_for_work_that_was_not_done_and_for_too_many_fruits() -> None:
    branch = Branch(6)
    fruits = [branch.fruit(1 + counter % 5, counter) for counter in range(FRUITS_MAX + 1)]
    lookup = branch.window(10).get
    check_fruits(fruits[:-1], 7, 10, lookup, (), lambda fruit, pointer: pointer.number < 7)
    with pytest.raises(InvalidBlock, match="fruits-count"):
        check_fruits(fruits, 7, 10, lookup, (), lambda fruit, pointer: True)
    with pytest.raises(InvalidBlock, match="fruit-work"):
        check_fruits(fruits[:1], 7, 10, lookup, (), lambda fruit, pointer: False)
    with pytest.raises(InvalidBlock, match="fruit-pointer"):
        check_fruits(fruits[:1], 7, 10, lambda name: None, (), lambda fruit, pointer: True)


def test_a_miner_takes_what_expires_first_and_as_much_as_fits_in_any_order_of_arrival() -> None:
    branch = Branch(10)
    waiting = [branch.fruit(1 + counter % 10, counter) for counter in range(100)]
    lookup = branch.window(8).get
    chosen = choose(waiting, 11, 8, lookup, {waiting[4].hash})
    assert chosen == choose(waiting[::-1], 11, 8, lookup, {waiting[4].hash})
    numbers = [branch.known[fruit.pointer].number for fruit in chosen]
    assert len(chosen) == FRUITS_MAX
    assert numbers == sorted(numbers)
    assert set(numbers) == {3, 4, 5, 6, 7, 8, 9}
    assert waiting[4] not in chosen
    check_fruits(chosen, 11, 8, lookup, {waiting[4].hash}, lambda fruit, pointer: True)


def test_the_window_ends_at_genesis() -> None:
    branch = Branch(3)
    assert [header.number for header in branch.window(10).values()] == [3, 2, 1, 0]
    assert [header.number for header in branch.window(2).values()] == [3, 2]


# Seats.


def test_who_publishes_a_hoard_before_an_election_does_not_take_the_committee() -> None:
    """Eight fruits against a thousand: as the last of the chain they would have every seat of eight."""
    branch = Branch(12)
    segment = [branch.fruit(place % 8, place) for place in range(1_000)]
    hoard = [branch.fruit(12, 10_000 + place) for place in range(8)]
    block = choose([*segment[:16], *hoard], 13, 13, branch.window(13).get, ())
    assert set(block[-8:]) == set(hoard), "fresh pointers come last"
    seats = [fruit in hoard for number in range(100) for fruit in elect([*segment, *hoard], 8, number)]
    assert len(seats) == 800
    assert abs(sum(seats) - 800 * 8 / 1_008) <= 4 * (800 * 8 / 1_008) ** 0.5


def test_seats_depend_on_the_fruits_and_the_election_and_not_on_their_order() -> None:
    branch = Branch(8)
    fruits = [branch.fruit(place % 8, place) for place in range(100)]
    assert elect(fruits, 8, 5) == elect(fruits[::-1], 8, 5)
    assert elect(fruits, 8, 5) != elect(fruits, 8, 6)
    assert set(elect(fruits, 8, 5)) < set(elect(fruits, 20, 5))
    assert len(elect(fruits[:3], 8, 5)) == 3
