"""The wire and the records: strict, bounded, and refused with our own errors only."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simplex_world import World
from worlds import IDS, lone_engine

from raclette.chain.header import Header
from raclette.primitives.errors import DecodeError, InvalidCertificate, InvalidHeader, NotYet
from raclette.primitives.signing import Claim
from raclette.protocols.simplex.codec import PROOFS_MAX, Codec
from raclette.protocols.simplex.evidence import check_evidence, contradicts, encode_evidence
from raclette.protocols.simplex.messages import Proposal, Status, make_vote
from raclette.protocols.simplex.statements import DUMMY_HASH, Certificate, Committee, Phase, extra_data

COMMITTEE = Committee(IDS, 7)
CODEC = Codec(COMMITTEE)
HASHES = st.binary(min_size=32, max_size=32).filter(lambda block_hash: block_hash != DUMMY_HASH)
U64 = st.integers(0, 2**64 - 1)
NUMBERS = st.integers(0, 6)
SIGNATURES = st.binary(min_size=64, max_size=64)
PHASES = st.sampled_from(tuple(Phase))


@st.composite
def certificates(draw: st.DrawFn) -> Certificate:
    numbers = draw(st.sets(NUMBERS, min_size=COMMITTEE.quorum))
    votes = tuple((number, draw(SIGNATURES)) for number in sorted(numbers))
    phase = draw(PHASES)
    return Certificate(phase, draw(U64), DUMMY_HASH if phase is Phase.DUMMY else draw(HASHES), votes)


def header_of(iteration: int, **changes: Any) -> Header:
    extra = extra_data(IDS[COMMITTEE.leader(iteration)], iteration)
    return Header(**{"parent_hash": bytes(32), "number": 1, "timestamp": 0, "extra_data": extra, **changes})


@settings(max_examples=60, deadline=None)
@given(phase=PHASES, iteration=U64, block_hash=HASHES, sender=NUMBERS, signature=SIGNATURES)
def test_votes_survive_the_wire(phase: Phase, iteration: int, block_hash: bytes, sender: int, signature: bytes) -> None:
    named = DUMMY_HASH if phase is Phase.DUMMY else block_hash
    vote = make_vote(
        phase, iteration, named, sender, Claim(IDS[sender], COMMITTEE.digest(phase, iteration, named), signature)
    )
    assert CODEC.decode(CODEC.encode(vote)) == vote


@settings(max_examples=60, deadline=None)
@given(certificate=certificates(), shown=st.lists(certificates(), max_size=4), iteration=st.integers(1, 2**64 - 1))
def test_notarizations_and_proposals_survive_the_wire(
    certificate: Certificate, shown: list[Certificate], iteration: int
) -> None:
    notarized = CODEC.make_notarized(certificate)
    assert CODEC.decode(CODEC.encode(notarized)) == notarized
    proposal = CODEC.make_proposal(header_of(iteration), bytes(64), tuple(shown))
    decoded = CODEC.decode(CODEC.encode(proposal))
    assert decoded == proposal
    assert isinstance(decoded, Proposal)
    assert decoded.sender == iteration % 7
    assert len(decoded.claims()) == 1 + sum(len(known.votes) for known in shown)


@settings(max_examples=60, deadline=None)
@given(numbers=st.tuples(U64, U64, U64))
def test_status_survives_the_wire(numbers: tuple[int, int, int]) -> None:
    status = Status(*numbers)
    assert CODEC.decode(CODEC.encode(status)) == status


@settings(max_examples=200, deadline=None)
@given(certificate=certificates(), place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_one_damaged_bit_is_refused_or_another_message(certificate: Certificate, place: int, bit: int) -> None:
    for message in (CODEC.make_notarized(certificate), CODEC.make_proposal(header_of(3), bytes(64), (certificate,))):
        payload = bytearray(CODEC.encode(message))
        payload[place % len(payload)] ^= 1 << bit
        try:
            decoded = CODEC.decode(bytes(payload))
        except DecodeError:
            continue
        assert decoded != message
        assert CODEC.encode(decoded) == bytes(payload)


def test_a_proposal_names_an_iteration_and_not_too_many_proofs() -> None:
    votes = tuple((number, bytes(64)) for number in range(COMMITTEE.quorum))
    with pytest.raises(DecodeError, match="proposal-extra"):
        CODEC.decode(CODEC.encode(CODEC.make_proposal(header_of(3, extra_data=IDS[3]), bytes(64), ())))
    many = tuple(Certificate(Phase.DUMMY, number, DUMMY_HASH, votes) for number in range(PROOFS_MAX + 1))
    with pytest.raises(DecodeError, match="proposal-proofs"):
        CODEC.decode(CODEC.encode(CODEC.make_proposal(header_of(3), bytes(64), many)))


def test_nobody_votes_for_the_block_without_a_name() -> None:
    vote = make_vote(Phase.NOTARIZED, 1, DUMMY_HASH, 0, Claim(IDS[0], bytes(32), bytes(64)))
    with pytest.raises(DecodeError, match="simplex-hash"):
        CODEC.decode(CODEC.encode(vote))


def test_a_certificate_below_the_quorum_or_with_a_stranger_is_refused() -> None:
    votes = tuple((number, bytes(64)) for number in range(COMMITTEE.quorum - 1))
    with pytest.raises(InvalidCertificate, match="quorum"):
        CODEC.decode_finality(header_of(1), CODEC.encode_finality(votes, ()))
    strangers = tuple((number, bytes(64)) for number in range(1, COMMITTEE.size + 1))
    with pytest.raises(InvalidCertificate, match="signer"):
        CODEC.decode_finality(header_of(1), CODEC.encode_finality(strangers, ()))


def test_a_certificate_by_way_of_descendants_must_be_a_chain() -> None:
    votes = tuple((number, bytes(64)) for number in range(COMMITTEE.quorum))
    header = header_of(2)
    child = header_of(9, parent_hash=header.hash, number=2)
    proof = CODEC.decode_finality(header, CODEC.encode_finality(votes, (child,)))
    assert proof.top == child
    assert proof.claims[0].digest == COMMITTEE.digest(Phase.FINALIZED, 9, child.hash)
    for false in (header_of(9, number=2), header):
        with pytest.raises(InvalidCertificate, match="chain"):
            CODEC.decode_finality(header, CODEC.encode_finality(votes, (false,)))


@pytest.mark.parametrize(
    ("first", "second", "guilty"),
    [
        ((Phase.NOTARIZED, 1), (Phase.NOTARIZED, 2), True),
        ((Phase.FINALIZED, 1), (Phase.FINALIZED, 2), True),
        ((Phase.FINALIZED, 1), (Phase.DUMMY, 0), True),
        ((Phase.NOTARIZED, 1), (Phase.NOTARIZED, 1), False),
        ((Phase.NOTARIZED, 1), (Phase.DUMMY, 0), False),
        ((Phase.NOTARIZED, 1), (Phase.FINALIZED, 2), False),
        ((Phase.DUMMY, 0), (Phase.DUMMY, 0), False),
    ],
)
def test_evidence_is_what_no_honest_replica_signs(
    first: tuple[Phase, int], second: tuple[Phase, int], guilty: bool
) -> None:
    votes = [
        make_vote(phase, 5, bytes((name,)) * 32, 2, Claim(IDS[2], b"", bytes(64))) for phase, name in (first, second)
    ]
    assert contradicts(votes[0].phase, votes[0].block_hash, votes[1].phase, votes[1].block_hash) is guilty
    evidence = encode_evidence(*votes)
    if guilty:
        assert {claim.author for claim in check_evidence(COMMITTEE, evidence)} == {IDS[2]}
        evidence += b"\x00"
    with pytest.raises(DecodeError):
        check_evidence(COMMITTEE, evidence)


def test_headers_are_checked_against_their_parent_and_the_clock() -> None:
    subject = lone_engine("simplex")
    parent = subject.core.chain.genesis
    good = {"parent_hash": parent.hash, "timestamp": 100}
    now = 100 * 10**9
    subject.check_header(header_of(9, **good), parent, subject.core.chain.header, now)
    with pytest.raises(NotYet):
        subject.check_header(header_of(9, **{**good, "timestamp": 116}), parent, subject.core.chain.header, now)
    for change in (
        {"number": 2},
        {"parent_hash": bytes(32)},
        {"difficulty": 2},
        {"extra_data": extra_data(IDS[3], 9)},
        {"extra_data": extra_data(IDS[0], 0)},
        {"extra_data": IDS[2]},
        {"nonce": bytes(7) + b"\x01"},
        {"mix_hash": b"\x01" * 32},
    ):
        with pytest.raises(InvalidHeader):
            subject.check_header(header_of(9, **{**good, **change}), parent, subject.core.chain.header, now)


def test_an_iteration_comes_after_its_parents() -> None:
    subject = lone_engine("simplex")
    parent = header_of(9, parent_hash=subject.core.chain.genesis.hash)
    for iteration in (8, 9):
        child = header_of(iteration, parent_hash=parent.hash, number=2)
        with pytest.raises(InvalidHeader, match="iteration"):
            subject.check_header(child, parent, subject.core.chain.header, 10**9)


def test_records_restore_what_was_promised() -> None:
    world = World(4, seed=3)
    world.withhold("finalize", "status")
    world.submit(b"a")
    world.run_for(100)
    before = world[2].engine.core
    world[2].crash(len(world[2].disk.journal))
    world.restart(2)
    after = world[2].engine.core
    assert after is not before
    assert (after.promises, after.notarized, after.bodies) == (before.promises, before.notarized, before.bodies)
