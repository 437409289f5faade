"""The wire, the records and the parameters: strict, bounded, and refused with our own errors only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import lone_engine

from raclette.primitives.errors import DecodeError, StoreDamaged
from raclette.primitives.signing import Claim, Lot
from raclette.protocols.senate.codec import Codec
from raclette.protocols.senate.messages import Commit, Entry, Excuse, Inquiry, Justification, Lock, Prepare
from raclette.protocols.senate.records import Word, encode_word, restore
from raclette.protocols.senate.statements import Statements

STATEMENTS = Statements(7, bytes(32))
CODEC = Codec(STATEMENTS, 10)
IDS = [bytes((number,)) * 32 for number in range(10)]
HASHES = st.binary(min_size=32, max_size=32)
U64 = st.integers(0, 2**64 - 1)
SIGNATURES = st.binary(min_size=64, max_size=64)


@st.composite
def locks(draw: st.DrawFn, below: int = 2**32) -> Lock:
    nodes = draw(st.sets(st.integers(0, 9), min_size=1))
    return Lock(
        draw(st.integers(0, below)), draw(HASHES), tuple((IDS[number], draw(SIGNATURES)) for number in sorted(nodes))
    )


@st.composite
def justifications(draw: st.DrawFn) -> Justification:
    lock = draw(st.none() | locks())
    nodes = sorted(draw(st.sets(st.integers(0, 9), min_size=1)))
    rank, lock_hash = (lock.round + 1, lock.block_hash) if lock is not None else (0, b"")
    excuses = tuple(
        Excuse(IDS[number], *((rank, lock_hash) if place == 0 else (0, b"")), draw(SIGNATURES))
        for place, number in enumerate(nodes)
    )
    return Justification(draw(st.integers(max(1, rank), 2**40)), excuses, lock)


@settings(max_examples=60, deadline=None)
@given(height=U64, round_number=U64, block_hash=HASHES, sender=HASHES, signature=SIGNATURES)
def test_votes_survive_the_wire(
    height: int, round_number: int, block_hash: bytes, sender: bytes, signature: bytes
) -> None:
    for kind in (Prepare, Commit):
        digest = STATEMENTS.vote_digest(kind.kind, height, round_number, block_hash)
        vote = kind(height, round_number, block_hash, sender, Claim(sender, digest, signature))
        assert CODEC.decode(CODEC.encode(vote)) == vote


@given(height=U64)
def test_inquiries_survive_the_wire(height: int) -> None:
    assert CODEC.decode(CODEC.encode(Inquiry(height))) == Inquiry(height)


@settings(max_examples=60, deadline=None)
@given(height=U64, seed=HASHES, sender=HASHES, lot=st.binary(min_size=144, max_size=144))
def test_entries_survive_the_wire(height: int, seed: bytes, sender: bytes, lot: bytes) -> None:
    entry = Entry(height, seed, sender, Lot(sender, STATEMENTS.ticket_alpha(height, seed), lot))
    assert CODEC.decode(CODEC.encode(entry)) == entry


@settings(max_examples=60, deadline=None)
@given(height=U64, lock=st.none() | locks(), sender=HASHES, signature=SIGNATURES)
def test_timeouts_survive_the_wire(height: int, lock: Lock | None, sender: bytes, signature: bytes) -> None:
    timeout = CODEC.make_timeout(height, 2**32, lock, sender, signature)
    decoded = CODEC.decode(CODEC.encode(timeout))
    assert decoded == timeout
    assert len(decoded.claims()) == 1 + (len(lock.votes) if lock is not None else 0)


@settings(max_examples=60, deadline=None)
@given(height=U64, justification=justifications())
def test_round_changes_survive_the_wire(height: int, justification: Justification) -> None:
    message = CODEC.make_round_change(height, justification)
    assert CODEC.decode(CODEC.encode(message)) == message


@settings(max_examples=100, deadline=None)
@given(justification=justifications(), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_damaged_message_is_refused_or_means_what_it_says(justification: Justification, place: int, bit: int) -> None:
    payload = bytearray(CODEC.encode(CODEC.make_round_change(5, justification)))
    payload[place % len(payload)] ^= 1 << bit
    try:
        message = CODEC.decode(bytes(payload))
    except DecodeError:
        return
    assert CODEC.encode(message) == bytes(payload)


def test_a_justification_shows_the_highest_lock_that_it_names() -> None:
    """SENATE-25."""
    lock = Lock(3, b"h" * 32, ((IDS[0], bytes(64)),))
    named, silent = Excuse(IDS[0], 4, b"h" * 32, bytes(64)), Excuse(IDS[1], 0, b"", bytes(64))
    for false in (
        Justification(5, (named, silent), None),
        Justification(5, (silent,), lock),
        Justification(5, (named, silent), lock._replace(round=2)),
        Justification(5, (named, silent), lock._replace(block_hash=b"g" * 32)),
        Justification(3, (named, silent), lock),
        Justification(5, (silent, named), lock),
        Justification(5, (named, named), lock),
    ):
        with pytest.raises(DecodeError):
            CODEC.decode(CODEC.encode(CODEC.make_round_change(1, false)))
    assert CODEC.decode(CODEC.encode(CODEC.make_round_change(1, Justification(5, (named, silent), lock))))


def test_records_are_read_back_and_damage_is_named() -> None:
    lock = Lock(3, b"h" * 32, ((IDS[0], bytes(64)),))
    word = Word(9, 4, True, b"p" * 32, b"q" * 32, b"w" * 32, lock)
    assert restore(CODEC, {b"word": encode_word(word)}).word == word
    began = CODEC.make_round_change(9, Justification(4, (Excuse(IDS[1], 0, b"", bytes(64)),), None))
    assert restore(CODEC, {b"round": CODEC.encode(began)}).round == began
    other = CODEC.encode(Inquiry(9))
    for records in ({b"word": b"\xc0"}, {b"what": b""}, {b"body/" + bytes(32): b"\x01"}, {b"round": other}):
        with pytest.raises(StoreDamaged, match="table consensus"):
            restore(CODEC, records)


@pytest.mark.parametrize(("seats", "malicious", "faults"), [(10, -1, 3), (10, 2, 2), (1, -1, 0), (100, -1, 33)])
def test_t_is_the_most_that_n_allows_unless_less_is_asked(seats: int, malicious: int, faults: int) -> None:
    assert lone_engine("senate", seats=seats, malicious=malicious).core.parameters.faults == faults
