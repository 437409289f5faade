"""Committees whose members own several seats: what is counted is seats, never heads."""

from itertools import combinations

import pytest
from nested_world import PROTOCOLS, World

from raclette.engine.events import Received
from raclette.lab.hunt.engines.play import replica_id
from raclette.primitives.errors import ConfigError, DecodeError, InvalidCertificate, Misuse
from raclette.primitives.rlp import int_to_bytes
from raclette.protocols import find_protocol
from raclette.protocols.committee import SEATS_MAX, VALIDATORS_MAX, Committee, decode_votes, encode_votes
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.pbft.messages import Commit, ViewChange
from raclette.protocols.pbft.quorum import Committee as PbftCommittee
from raclette.protocols.simplex.statements import Committee as SimplexCommittee
from raclette.protocols.simplex.statements import Phase, iteration_of

SPREADS = [(1, 1, 1, 1), (3, 1, 1, 1, 1), (2, 1, 1, 1, 1, 1), (4, 3, 2, 1), (1, 5, 1, 5, 1), (2, 2), (7,), (1, 9)]


def ids(count: int) -> list[bytes]:
    return [replica_id(number) for number in range(count)]


def subsets(size: int) -> list[tuple[int, ...]]:
    return [chosen for count in range(size + 1) for chosen in combinations(range(size), count)]


def committee_of(*weights: int) -> Committee:
    return Committee(ids(len(weights)), 7, weights)


# --- arithmetic ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", SPREADS)
def test_two_quorums_share_more_seats_than_liars_can_own_and_the_honest_suffice_for_one(
    weights: tuple[int, ...],
) -> None:
    committee = committee_of(*weights)
    assert committee.seats == sum(weights) == len(committee.turns)
    assert committee.faults == (committee.seats - 1) // 3
    quorums = [set(chosen) for chosen in subsets(committee.size) if committee.weigh(chosen) >= committee.quorum]
    assert all(committee.weigh(one & other) > committee.faults for one in quorums for other in quorums)
    for liars in subsets(committee.size):
        if committee.weigh(liars) <= committee.faults:
            assert committee.weigh(set(range(committee.size)) - set(liars)) >= committee.quorum


@pytest.mark.parametrize("weights", SPREADS)
def test_a_certificate_names_as_few_as_are_a_quorum(weights: tuple[int, ...]) -> None:
    committee = committee_of(*weights)
    for voters in subsets(committee.size):
        if committee.weigh(voters) < committee.quorum:
            continue
        votes = tuple((number, bytes((number,)) * 64) for number in voters)
        assert committee.weigh_votes(votes) == committee.weigh(voters)
        chosen = committee.fewest(reversed(voters))
        assert chosen == sorted(chosen)
        assert set(chosen) <= set(voters)
        assert committee.weigh(chosen) >= committee.quorum
        smaller = combinations(voters, len(chosen) - 1)
        assert all(committee.weigh(fewer) < committee.quorum for fewer in smaller)
        assert committee.fewest_votes(votes) == tuple(vote for vote in votes if vote[0] in chosen)
        assert decode_votes(committee, *encode_votes(committee.fewest_votes(votes))) == committee.fewest_votes(votes)


def test_signers_without_the_seats_of_a_quorum_are_no_certificate() -> None:
    committee = committee_of(3, 1, 1, 1, 1)
    assert (committee.seats, committee.faults, committee.quorum) == (7, 2, 5)
    four_heads = int_to_bytes(0b11110)
    with pytest.raises(DecodeError, match="4 seats where 5 are needed"):
        decode_votes(committee, four_heads, bytes(4 * 64))
    assert [number for number, _ in decode_votes(committee, int_to_bytes(0b111), bytes(3 * 64))] == [0, 1, 2]


def test_leaders_go_round_the_seats() -> None:
    weights = (2, 1, 3)
    pbft, simplex = PbftCommittee(ids(3), 7, weights), SimplexCommittee(ids(3), 7, weights)
    assert [pbft.primary(view) for view in range(8)] == [0, 0, 1, 2, 2, 2, 0, 0]
    assert [simplex.leader(iteration) for iteration in range(8)] == [0, 0, 1, 2, 2, 2, 0, 0]
    assert [PbftCommittee(ids(3), 7).primary(view) for view in range(5)] == [0, 1, 2, 0, 1]


def test_equal_weights_are_no_weights() -> None:
    plain, same = Committee(ids(5), 7), committee_of(1, 1, 1, 1, 1)
    assert (plain.equal, same.equal, committee_of(2, 2).equal) == (True, True, False)
    assert (plain.quorum, plain.faults, plain.turns) == (same.quorum, same.faults, same.turns)
    for weights in ((1, 1), (1, 1, 0, 1, 1)):
        with pytest.raises(Misuse):
            Committee(ids(5), 7, weights)


# --- parameters ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("weights", "told"),
    [
        ([1, 2], r"config\.protocol\.weights: .*2 weights for 4 validators"),
        ([1, 1, 1, 0], r"config\.protocol\.weights\.3"),
        ([1, 1, 1, VALIDATORS_MAX + 1], r"config\.protocol\.weights\.3"),
        ([1, 1, 1, "2"], r"config\.protocol\.weights\.3"),
        ([1, 1, 1, True], r"config\.protocol\.weights\.3"),
        ("1111", r"config\.protocol\.weights"),
    ],
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_weights_that_do_not_fit_are_refused_by_their_path(protocol: str, weights: object, told: str) -> None:
    validators = ["0x" + node_id.hex() for node_id in ids(4)]
    with pytest.raises(ConfigError, match=told):
        parse_parameters(find_protocol(protocol).parameters, {"validators": validators, "weights": weights})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_seats_together_are_bounded(protocol: str) -> None:
    validators = ["0x" + node_id.hex() for node_id in ids(9)]
    with pytest.raises(ConfigError, match=rf"config\.protocol\.weights: .*at most {SEATS_MAX}"):
        parse_parameters(
            find_protocol(protocol).parameters, {"validators": validators, "weights": [VALIDATORS_MAX] * 9}
        )
    parse_parameters(find_protocol(protocol).parameters, {"validators": validators, "weights": [100] * 9})


# --- running ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [(3, 1, 1, 1, 1), (4, 3, 2, 1), (1, 1, 5), (7,)])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_committee_with_seats_decides_and_proves_it(protocol: str, weights: tuple[int, ...]) -> None:
    world = World(protocol, len(weights), observers=1, weights=list(weights))
    for number in range(6):
        world.submit(b"pay %d" % number)
        world.run_for(400)
    assert world.everybody_has(world.submitted)
    assert not world.accusations
    committee = committee_of(*weights)
    for block in world.finals(len(weights)):
        claims = world[0].engine.check_certificate(block.header, world[0].chain.certificate(block.hash))
        signers = [world.ids.index(claim.author) for claim in claims]
        assert committee.weigh(signers) >= committee.quorum
        assert signers == committee.fewest(signers)
        assert all(world.signatures.holds(claim) for claim in claims)
    status = world[0].engine.status()
    assert (status["replicas"], status["seats"]) == (len(weights), sum(weights))
    assert (status["faults"], status["quorum"]) == (committee.faults, committee.quorum)


def test_simplex_leaders_lead_as_often_as_they_have_seats() -> None:
    world = World("simplex", 4, weights=[3, 1, 2, 1])
    for number in range(14):
        world.submit(b"pay %d" % number)
        world.run_for(30)
    world.run_for(500)
    headers = [block.header for block in world.finals(0)]
    assert len(headers) >= 14
    turns = committee_of(3, 1, 2, 1).turns
    for header in headers:
        assert world.ids.index(header.extra_data[:32]) == turns[iteration_of(header) % 7]
    assert [iteration_of(header) for header in headers] == list(range(1, len(headers) + 1))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_silent_member_counts_as_many_faults_as_it_has_seats(protocol: str) -> None:
    """Seven seats, so two may fail: a member with two is no more than that, whoever leads."""
    world = World(protocol, 6, weights=[2, 1, 1, 1, 1, 1])
    world.crash(0)
    for number in range(4):
        world.submit(b"pay %d" % number)
        world.run_for(1_500)
    assert world.run_until(lambda: world.everybody_has(world.submitted), 10_000)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_member_may_be_more_than_the_faults_that_are_survived(protocol: str) -> None:
    """Four of five are up, with four of seven seats: too few, until the fifth is back with three."""
    world = World(protocol, 5, weights=[1, 1, 3, 1, 1])
    world.crash(2)
    world.submit(b"pay bob")
    world.run_for(20_000)
    assert all(replica.height == 0 for replica in world.alive)
    world.restart(2)
    world.submit(b"pay bob")
    assert world.run_until(lambda: world.everybody_has([b"pay bob"]), 20_000)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_few_members_with_many_seats_are_enough(protocol: str) -> None:
    """Two of six, with eight of twelve seats: a quorum of seats is eight."""
    world = World(protocol, 6, weights=[1, 1, 4, 4, 1, 1])
    assert world[2].engine.core.committee.quorum == 8
    for place in (0, 1, 4, 5):
        world.crash(place)
    world.submit(b"pay bob")
    assert world.run_until(lambda: world.everybody_has([b"pay bob"]), 20_000)
    block = world.finals(2)[0]
    claims = world[2].engine.check_certificate(block.header, world[2].chain.certificate(block.hash))
    assert [claim.author for claim in claims] == [world.ids[2], world.ids[3]]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_members_with_seats_restart_from_their_records(protocol: str) -> None:
    world = World(protocol, 4, seed=5, weights=[4, 3, 2, 1])
    world.submit(b"a")
    world.run_for(300)
    world.withhold("commit", "finalize")
    world.submit(b"b")
    world.run_for(80)
    for replica in world.replicas:
        replica.crash()
    world.heal()
    for place in range(4):
        world.restart(place)
    world.submit(*world.submitted)
    assert world.run_until(lambda: world.everybody_has(world.submitted), 15_000)
    assert not world.accusations


# --- the rules that count f+1 -------------------------------------------------------------------------------------


def test_a_view_is_followed_that_more_seats_have_left_than_liars_own() -> None:
    """PBFT-35, PBFT-75: one member with three of seven seats is enough, two with one each are not."""
    world = World("pbft", 5, weights=[3, 1, 1, 1, 1])
    core = world[1].engine.core

    def leaves(sender: int, view: int) -> None:
        content = core.codec.view_change_content(view, None, None)
        digest = core.committee.view_change_digest(content)
        signature = world.signatures.signer(world.ids[sender]).sign(digest)
        change = core.codec.make_view_change(view, None, None, sender, signature)
        assert isinstance(change, ViewChange)
        world[1].handle(Received(world.now, world.ids[sender], change))

    leaves(3, 4)
    leaves(4, 5)
    assert (core.view, core.active) == (0, True)
    leaves(0, 2)
    assert (core.view, core.active) == (2, False)


def test_votes_beyond_the_window_count_by_seats() -> None:
    """PBFT-45, PBFT-75."""
    world = World("pbft", 5, weights=[3, 1, 1, 1, 1])
    world.run_for(1_000)
    core = world[1].engine.core

    def votes(sender: int) -> list[str]:
        vote = Commit(0, core.high + 5, b"\7" * 32, sender, core.sign(b"\7" * 32))
        effects = world[1].engine.handle(Received(world.now, world.ids[sender], vote))
        return [effect.message.kind for effect in effects if hasattr(effect, "message")]

    assert votes(3) == votes(4) == []
    assert votes(0) == ["status"]


def test_simplex_wakes_up_when_more_seats_gave_up_than_liars_own() -> None:
    """SIM-54, SIM-75."""
    world = World("simplex", 5, weights=[3, 1, 1, 1, 1])

    def gives_up(sender: int, receiver: int) -> None:
        vote = world[sender].engine.core.own_vote(Phase.DUMMY, 1, bytes(32), sender)
        world[receiver].handle(Received(world.now, world.ids[sender], vote))

    gives_up(3, 1)
    gives_up(4, 1)
    assert world[1].engine.voting.impatient() == 2
    assert not world[1].engine.status()["timer"]
    gives_up(0, 2)
    assert world[2].engine.voting.impatient() == 3
    assert world[2].engine.status()["timer"]
    gives_up(0, 1)
    assert world[1].engine.core.iteration == 2, "five of seven seats are a notarization"


def test_a_member_never_decides_alone_below_a_quorum_of_seats() -> None:
    """Four seats of seven say COMMIT: five are needed."""
    world = World("pbft", 5, weights=[3, 1, 1, 1, 1])
    world.drops = lambda sender, receiver, message: isinstance(message, Commit) and message.sender in (2, 3, 4)
    world.submit(b"a")
    world.run_for(200)
    assert {place: world[place].height for place in (0, 1)} == {0: 0, 1: 0}
    assert world[0].engine.status()["votes"]["1"] == {"prepares": 7, "commits": 4}
    assert world[2].height == 1, "its own COMMIT makes five"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_certificate_of_another_committees_seats_is_refused(protocol: str) -> None:
    """Enough heads, too few seats."""
    plain = World(protocol, 5)
    plain.submit(b"a")
    plain.run_for(300)
    block = plain.finals(1)[0]
    certificate = plain[1].chain.certificate(block.hash)
    heads = {plain.ids.index(claim.author) for claim in plain[1].engine.check_certificate(block.header, certificate)}
    heavy = next(number for number in range(5) if number not in heads)
    weights = [1] * 5
    weights[heavy] = 8
    other = World(protocol, 5, weights=weights)
    with pytest.raises(InvalidCertificate, match="certificate-quorum"):
        other[1].engine.check_certificate(block.header, certificate)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_host_counts_only_votes_that_weigh_the_same(protocol: str) -> None:
    for weights in ([1, 1, 1, 1], [2, 1, 1, 1]):
        world = World(protocol, 4, weights=weights)
        world.submit(b"a")
        world.run_for(300)
        ballots = [world[1].engine.ballot(message) for message in world[1].sent]
        assert any(ballot is not None for ballot in ballots) is (weights == [1, 1, 1, 1])
