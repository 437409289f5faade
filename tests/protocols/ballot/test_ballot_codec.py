"""Ballot on the wire: what is said survives it, and what strangers damage never does more than be refused."""

import pytest
from ballot_world import OneVoter, voter_id
from hypothesis import given, settings
from hypothesis import strategies as st

from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.primitives.errors import DecodeError, InvalidCertificate
from raclette.protocols.ballot.book import ROUNDS_MAX
from raclette.protocols.ballot.certificate import (
    CERTIFICATE_BYTES_MAX,
    decode_certificate,
    encode_certificate,
    make_certificate,
)
from raclette.protocols.ballot.codec import BALLOTS_MAX, VOTE_BYTES_MAX, Codec
from raclette.protocols.ballot.messages import Ballots, Question, Vote
from raclette.protocols.ballot.rules import extra_data

CODEC = Codec(7)
HASHES = st.binary(min_size=32, max_size=32)
SIGNATURES = st.binary(min_size=64, max_size=64)
NUMBERS = st.integers(0, 2**64 - 1)
VOTES = st.builds(CODEC.make_vote, NUMBERS, NUMBERS, HASHES, HASHES, SIGNATURES)
HEADERS = st.builds(
    lambda parent, number, claimed: Header(
        parent, number, claimed // 1000, extra_data=extra_data(parent, claimed), difficulty=3
    ),
    HASHES,
    st.integers(1, 2**64 - 1),
    st.integers(0, 2**63),
)


@st.composite
def certificates(draw: st.DrawFn, height: int) -> bytes:
    """In the right form; what they prove is another matter."""
    voters = draw(st.lists(HASHES, min_size=1, max_size=8, unique=True))
    hashes = draw(st.lists(HASHES, min_size=1, max_size=3))
    number = draw(st.integers(0, ROUNDS_MAX))
    votes = [
        CODEC.make_vote(height, number, hashes[place % len(hashes)], voter, draw(SIGNATURES))
        for place, voter in enumerate(voters)
    ]
    return encode_certificate(make_certificate(draw(NUMBERS), number, votes))


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Of every kind."""
    kind = draw(st.integers(0, 4))
    if kind == 0:
        return draw(VOTES)
    if kind == 1:
        return Ballots(tuple(draw(st.lists(VOTES, min_size=1, max_size=6))))
    if kind == 2:
        header = draw(HEADERS)
        return CODEC.make_candidate(header, draw(st.one_of(st.just(b""), certificates(header.number - 1))))
    number = draw(NUMBERS)
    if kind == 3:
        return CODEC.make_elected(number, draw(HASHES), draw(certificates(number)))
    return Question(number, draw(HASHES))


@settings(max_examples=150, deadline=None)
@given(messages())
def test_every_message_survives_the_wire(message: Message) -> None:
    payload = CODEC.encode(message)
    assert CODEC.decode(payload) == message
    assert CODEC.decode(payload).claims() == message.claims()


@settings(max_examples=300, deadline=None)
@given(messages(), st.data())
def test_damaged_bytes_are_refused_or_say_something_else_in_one_way_only(message: Message, data: st.DataObject) -> None:
    payload = bytearray(CODEC.encode(message))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload) - 1))
        payload[place] ^= data.draw(st.integers(1, 255))
    try:
        decoded = CODEC.decode(bytes(payload))
    except DecodeError:
        return
    assert CODEC.encode(decoded) == bytes(payload)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_garbage_is_no_certificate(data: bytes) -> None:
    with pytest.raises(InvalidCertificate):
        decode_certificate(7, 1, data)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "ballot-kind"),
        (b"\x09\xc0", "ballot-kind"),
        (b"\x02" + bytes(VOTE_BYTES_MAX), "ballot-size"),
        (b"\x03" + bytes(BALLOTS_MAX * VOTE_BYTES_MAX), "ballot-size"),
        (b"\x03\xc0", "ballots-count"),
        (b"\x04\xc3\x01\x80\x80", "certificate-empty"),
        (b"\x05\xc1\x01", "rlp-count"),
    ],
)
def test_what_has_no_such_form_says_why(payload: bytes, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        CODEC.decode(payload)
    assert caught.value.reason == reason


@pytest.mark.parametrize("change", ["order", "group", "size", "empty"])
def test_a_certificate_has_one_encoding(change: str) -> None:
    votes = [CODEC.make_vote(1, 0, bytes((n,)) * 32, bytes((9 - n,)) * 32, bytes(64)) for n in range(3)]
    good = make_certificate(30, 0, votes)
    bad = {
        "order": lambda: encode_certificate(good._replace(votes=good.votes[::-1])),
        "group": lambda: encode_certificate(good)[:-1],
        "size": lambda: bytes(CERTIFICATE_BYTES_MAX + 1),
        "empty": lambda: encode_certificate(good._replace(votes=())),
    }[change]()
    assert decode_certificate(7, 1, encode_certificate(good)) == good
    with pytest.raises(InvalidCertificate):
        decode_certificate(7, 1, bad)


def test_a_vote_of_another_chain_height_or_round_has_another_digest() -> None:
    votes = [
        Codec(chain).make_vote(height, number, bytes(32), voter_id(1), b"")
        for chain, height, number in ((7, 1, 0), (8, 1, 0), (7, 2, 0), (7, 1, 1))
    ]
    assert len({vote.claim.digest for vote in votes}) == 4


def test_the_engine_speaks_the_same_language() -> None:
    world = OneVoter()
    vote: Vote = world.vote(voter_id(1), world.block(world.chain.genesis, 1, 500))
    assert world.engine.decode(world.engine.encode(vote)) == vote
