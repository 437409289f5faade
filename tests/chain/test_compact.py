"""Compact blocks: what the pool has is not sent again; nothing but the root decides."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.chain.block import BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, Block
from raclette.chain.compact import SHORT_ID_BYTES, Reassembly, encode_short_ids
from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.chain.roots import ordered_root
from raclette.primitives.errors import DecodeError, InvalidBlock, PeerFault
from raclette.primitives.hashing import keccak256


def transaction(number: int, size: int = 50) -> Transaction:
    raw = b"%d/" % number + bytes(size)
    return Transaction(raw, keccak256(raw), b"sender", number, 1, 1)


def block_of(items: list[Transaction]) -> Block:
    raws = tuple(item.raw for item in items)
    return Block(Header(bytes(32), 1, 1, transactions_root=ordered_root(raws)), raws)


def compact(items: list[Transaction], pool: list[Transaction]) -> Reassembly:
    known = {item.hash[:SHORT_ID_BYTES]: item for item in pool}
    return Reassembly(block_of(items).header, encode_short_ids(item.hash for item in items), known.get)


ITEMS = [transaction(number) for number in range(20)]


def test_a_full_pool_needs_no_round_trip() -> None:
    assembly = compact(ITEMS, ITEMS)
    assert assembly.missing() == ()
    assert assembly.block() == block_of(ITEMS)


def test_an_empty_block_is_whole_at_once() -> None:
    assert compact([], []).block() == block_of([])


def test_exactly_what_is_missing_is_asked_for() -> None:
    assembly = compact(ITEMS, [item for number, item in enumerate(ITEMS) if number not in (3, 17)])
    assert assembly.block() is None
    assert assembly.missing() == (3, 17)
    assembly.fill({3: ITEMS[3].raw})
    assert assembly.missing() == (17,)
    assembly.fill({17: ITEMS[17].raw, 0: b"ignored: it is here"})
    assert assembly.block() == block_of(ITEMS)


def test_a_collision_costs_a_round_trip_and_nobody_is_blamed() -> None:
    twin = replace(ITEMS[5], raw=b"another transaction with the same short id")
    assembly = compact(ITEMS, [twin if number == 5 else item for number, item in enumerate(ITEMS)])
    assert assembly.missing() == ()
    assert assembly.block() is None
    assert assembly.missing() == tuple(range(20))
    assembly.fill(dict(enumerate(item.raw for item in ITEMS)))
    assert assembly.block() == block_of(ITEMS)


def test_wrong_answers_are_the_peers_fault() -> None:
    assembly = compact(ITEMS, ITEMS[1:])
    for wrong in ({0: ITEMS[1].raw}, {20: ITEMS[0].raw}, {-1: ITEMS[0].raw}):
        with pytest.raises(InvalidBlock):
            assembly.fill(wrong)
    assert assembly.missing() == (0,)
    assembly.fill({0: ITEMS[0].raw})
    assert assembly.block() is not None


def test_ids_that_do_not_match_their_own_header_are_the_peers_fault() -> None:
    header = block_of(ITEMS).header
    assembly = Reassembly(header, encode_short_ids(item.hash for item in ITEMS[:10]), lambda _: None)
    body = dict(enumerate(item.raw for item in ITEMS[:10]))
    assembly.fill(body)
    # The first time our own pool is under suspicion; then all came from the peer.
    assert assembly.block() is None
    assembly.fill(body)
    with pytest.raises(InvalidBlock, match="body-root"):
        assembly.block()
    assert len(assembly.missing()) == 10, "another peer may be asked"


def test_size_and_shape_are_bounded() -> None:
    header = block_of([]).header
    with pytest.raises(DecodeError):
        Reassembly(header, bytes(SHORT_ID_BYTES + 1), lambda _: None)
    with pytest.raises(DecodeError):
        Reassembly(header, bytes(SHORT_ID_BYTES * (BLOCK_TRANSACTIONS_MAX + 1)), lambda _: None)
    large = [transaction(number, BLOCK_BYTES_MAX // 2) for number in range(3)]
    assembly = Reassembly(header, encode_short_ids(item.hash for item in large), lambda _: None)
    with pytest.raises(InvalidBlock, match="block-too-large"):
        assembly.fill(dict(enumerate(item.raw for item in large)))


@settings(max_examples=60, deadline=None)
@given(
    have=st.sets(st.integers(0, 19)),
    answers=st.lists(st.dictionaries(st.integers(-2, 25), st.sampled_from(ITEMS).map(lambda i: i.raw)), max_size=6),
)
def test_no_answer_does_anything_but_help_or_fault(have: set[int], answers: list[dict[int, bytes]]) -> None:
    assembly = compact(ITEMS, [ITEMS[number] for number in sorted(have)])
    for answer in answers:
        before = set(assembly.missing())
        with suppress(PeerFault):
            assembly.fill(answer)
        assert set(assembly.missing()) <= before
    block = assembly.block()
    assert block is None or block == block_of(ITEMS)
