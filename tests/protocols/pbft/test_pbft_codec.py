"""The wire and the records: strict, bounded, and refused with our own errors only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pbft_world import World
from worlds import IDS, lone_engine

from raclette.chain.header import Header
from raclette.primitives.errors import InvalidCertificate, InvalidHeader, NotYet
from raclette.primitives.signing import Claim
from raclette.protocols.pbft.codec import Codec
from raclette.protocols.pbft.messages import CheckpointVote, Commit, Prepare, Status
from raclette.protocols.pbft.quorum import Certificate, Committee

COMMITTEE = Committee(IDS, 7)
CODEC = Codec(COMMITTEE, 16)
HASHES = st.binary(min_size=32, max_size=32)
U64 = st.integers(0, 2**64 - 1)
NUMBERS = st.integers(0, 6)
SIGNATURES = st.binary(min_size=64, max_size=64)


@st.composite
def certificates(draw: st.DrawFn) -> Certificate:
    numbers = draw(st.sets(NUMBERS, min_size=COMMITTEE.quorum))
    votes = tuple((number, draw(SIGNATURES)) for number in sorted(numbers))
    return Certificate(draw(U64), draw(U64), draw(HASHES), votes)


@settings(max_examples=60, deadline=None)
@given(view=U64, height=U64, block_hash=HASHES, sender=NUMBERS, signature=SIGNATURES)
def test_votes_survive_the_wire(view: int, height: int, block_hash: bytes, sender: int, signature: bytes) -> None:
    for kind, digest in ((Prepare, COMMITTEE.prepare_digest), (Commit, COMMITTEE.commit_digest)):
        vote = kind(view, height, block_hash, sender, Claim(IDS[sender], digest(view, height, block_hash), signature))
        assert CODEC.decode(CODEC.encode(vote)) == vote
    claim = Claim(IDS[sender], COMMITTEE.checkpoint_digest(height, block_hash), signature)
    checkpoint = CheckpointVote(height, block_hash, sender, claim)
    assert CODEC.decode(CODEC.encode(checkpoint)) == checkpoint


@settings(max_examples=60, deadline=None)
@given(
    view=st.integers(1, 2**64 - 1),
    checkpoint=st.none() | certificates(),
    prepared=st.none() | certificates(),
    signatures=st.lists(SIGNATURES, min_size=1, max_size=7),
)
def test_view_changes_and_new_views_survive_the_wire(
    view: int, checkpoint: Certificate | None, prepared: Certificate | None, signatures: list[bytes]
) -> None:
    changes = tuple(
        CODEC.make_view_change(view, checkpoint, prepared, number, signature)
        for number, signature in enumerate(signatures)
    )
    message = CODEC.make_new_view(view, changes, signatures[0])
    assert CODEC.decode(CODEC.encode(changes[0])) == changes[0]
    decoded = CODEC.decode(CODEC.encode(message))
    assert decoded == message
    assert len(set(decoded.claims())) == len(decoded.claims())


@settings(max_examples=60, deadline=None)
@given(numbers=st.tuples(U64, st.booleans(), U64, U64, U64))
def test_status_survives_the_wire(numbers: tuple[int, bool, int, int, int]) -> None:
    status = Status(*numbers)
    assert CODEC.decode(CODEC.encode(status)) == status


def test_a_certificate_below_the_quorum_or_with_a_stranger_is_refused() -> None:
    votes = tuple((number, bytes(64)) for number in range(COMMITTEE.quorum - 1))
    header = Header(parent_hash=bytes(32), number=1, timestamp=0)
    with pytest.raises(InvalidCertificate, match="quorum"):
        CODEC.decode_finality(header, CODEC.encode_finality(0, votes, ()))
    strangers = tuple((number, bytes(64)) for number in range(1, COMMITTEE.size + 1))
    with pytest.raises(InvalidCertificate, match="signer"):
        CODEC.decode_finality(header, CODEC.encode_finality(0, strangers, ()))


def test_a_certificate_by_way_of_descendants_must_be_a_chain() -> None:
    votes = tuple((number, bytes(64)) for number in range(COMMITTEE.quorum))
    header = Header(parent_hash=bytes(32), number=1, timestamp=0)
    child = Header(parent_hash=header.hash, number=2, timestamp=0)
    proof = CODEC.decode_finality(header, CODEC.encode_finality(3, votes, (child,)))
    assert proof.top == child
    assert proof.claims[0].digest == COMMITTEE.commit_digest(3, 2, child.hash)
    for false in (Header(parent_hash=bytes(32), number=2, timestamp=0), header):
        with pytest.raises(InvalidCertificate, match="chain"):
            CODEC.decode_finality(header, CODEC.encode_finality(3, votes, (false,)))


@pytest.mark.parametrize(
    ("n", "faults", "quorum"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 1, 3), (5, 1, 4), (6, 1, 4), (7, 2, 5), (10, 3, 7), (100, 33, 67)],
)
def test_quorums_intersect_in_an_honest_replica_and_honest_replicas_suffice(n: int, faults: int, quorum: int) -> None:
    committee = Committee([number.to_bytes(32, "big") for number in range(n)], 1)
    assert (committee.faults, committee.quorum) == (faults, quorum)
    assert 2 * committee.quorum - n >= committee.faults + 1
    assert committee.quorum <= n - committee.faults
    assert committee.primary(2 * n + 1) == 1 % n


def test_headers_are_checked_against_their_parent_and_the_clock() -> None:
    subject = lone_engine("pbft")
    parent = subject.core.chain.genesis
    good = {"parent_hash": parent.hash, "number": 1, "timestamp": 100, "extra_data": IDS[2]}
    now = 100 * 10**9
    subject.check_header(Header(**good), parent, subject.core.chain.header, now)
    later = Header(**{**good, "timestamp": 116})
    with pytest.raises(NotYet):
        subject.check_header(later, parent, subject.core.chain.header, now)
    for change in (
        {"number": 2},
        {"parent_hash": bytes(32)},
        {"difficulty": 2},
        {"extra_data": b"somebody"},
        {"nonce": bytes(7) + b"\x01"},
        {"mix_hash": b"\x01" * 32},
    ):
        with pytest.raises(InvalidHeader):
            subject.check_header(
                Header(**{**good, **change}),
                parent,
                subject.core.chain.header,
                now,
            )


def test_records_restore_what_was_promised() -> None:
    world = World(4, seed=3)
    world.withhold("commit", "status")
    world.submit(b"a")
    world.run_for(100)
    before = world[2].engine.core
    world.crash(2)
    world.restart(2)
    after = world[2].engine.core
    assert after is not before
    assert (after.voted, after.prepared, after.tip) == (before.voted, before.prepared, before.tip)
