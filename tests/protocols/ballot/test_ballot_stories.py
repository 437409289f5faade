"""Ballot's rules as stories: one voter, others' keys in our hand, and what it makes of what it hears."""

from typing import Any

import pytest
from ballot_world import (
    PEER,
    PENNILESS,
    SIGNATURES,
    STRANGER,
    OneVoter,
    accusations,
    delay_of,
    voter_id,
)

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.roll import Member
from raclette.engine.effects import Accuse, Adopt, Broadcast, Fetch, Finalize, Persist, Publish, Send
from raclette.engine.exam import check_engine
from raclette.primitives.errors import ConfigError, InvalidCertificate
from raclette.primitives.signing import Claim
from raclette.protocols.ballot import make_engine
from raclette.protocols.ballot.certificate import decode_certificate, encode_certificate, make_certificate
from raclette.protocols.ballot.evidence import check_evidence
from raclette.protocols.ballot.messages import Ballots, Elected, Question
from raclette.protocols.ballot.tree import BallotTree
from raclette.protocols.ballot.voter import ROUND, WINDOW
from raclette.protocols.ballot.weights import band_weight, register_of


@pytest.mark.parametrize("quorum", ["1/3", "1/2", "2/3", "4/5"])
def test_the_engine_passes_its_exam_with_any_quorum(quorum: str) -> None:
    quick = {"initial_difficulty": 4, "window_ms": 300, "claim_bound_ms": 100, "round_ms": 200}
    check_engine(
        make_engine,
        {"quorum": quorum, **quick},
        roll=lambda ids: tuple(Member(node, node[:20], 100 + place) for place, node in enumerate(ids)),
    )


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("voters", "top", "middle"),
    [(1, 0, 0), (3, 0, 0), (4, 0, 1), (21, 0, 6), (22, 1, 5), (100, 4, 27), (1_000, 46, 272)],
)
def test_the_bands_are_the_published_shares_and_the_upper_ones_are_rounded_down(
    voters: int, top: int, middle: int
) -> None:
    weights = [band_weight(place, voters) for place in range(voters)]
    assert (weights.count(148), weights.count(25)) == (top, middle)
    assert weights == sorted(weights)


def test_who_owns_nothing_has_no_vote_and_ties_go_by_account() -> None:
    members = [Member(bytes((n,)) * 32, bytes((9 - n,)) * 20, 0 if n == 4 else 100) for n in range(5)]
    register = register_of(members)
    assert register.size == 4
    assert register.unweighted == {bytes((4,)) * 32}
    # Of four equal ones the highest account is the richest: node 0 has account 9.
    assert [register.weights[bytes((n,)) * 32] for n in range(4)] == [25, 10, 10, 10]


# --- voting -----------------------------------------------------------------------------------------------------------


def test_a_voter_waits_for_the_window_and_votes_for_the_earliest_claim() -> None:
    world = OneVoter()
    assert delay_of(world.effects, WINDOW) == 5_000
    late, early = world.block(world.chain.genesis, 1, 900), world.block(world.chain.genesis, 2, 500)
    world.wait(1_000)
    world.candidate(late)
    world.candidate(early)
    assert not world.own_votes
    world.wait(4_000)
    world.fire(WINDOW)
    assert [vote.block_hash for vote in world.own_votes] == [early.hash]


def test_a_claim_earlier_than_the_clock_bears_out_counts_at_its_bound() -> None:
    world = OneVoter(claim_bound_ms=2_000)
    honest, false = world.block(world.chain.genesis, 1, 1_500), world.block(world.chain.genesis, 2, 1)
    world.wait(2_000)
    world.candidate(honest)
    world.wait(2_000)
    world.candidate(false)  # counts at 2,000, whatever it says
    world.wait(1_000)
    world.fire(WINDOW)
    assert [vote.block_hash for vote in world.own_votes] == [honest.hash]


def test_equal_times_are_decided_by_the_hash() -> None:
    world = OneVoter()
    blocks = [world.block(world.chain.genesis, miner, 500) for miner in (1, 2)]
    world.wait(1_000)
    for block in blocks:
        world.candidate(block)
    world.wait(4_000)
    world.fire(WINDOW)
    assert world.own_votes[0].block_hash == min(block.hash for block in blocks)


def test_a_voter_prefers_a_candidate_with_a_transaction_of_its_own_while_one_waits() -> None:
    own = b"\xa0" * 20 + b" pays"
    world = OneVoter()
    first = world.block(world.chain.genesis, 1, 100)
    second = world.block(world.chain.genesis, 2, 900, (own,))
    for pending in (False, True):
        world = OneVoter()
        if pending:
            world.chain.submit(own)
        world.wait(1_000)
        world.candidate(first)
        world.candidate(second)
        world.wait(4_000)
        world.fire(WINDOW)
        assert world.own_votes[0].block_hash == (second if pending else first).hash


def test_without_candidates_the_window_stays_open_and_a_short_one_follows_the_first() -> None:
    world = OneVoter()
    world.wait(5_000)
    world.fire(WINDOW)
    assert not world.own_votes
    world.wait(1_000)
    effects = world.candidate(world.block(world.chain.genesis, 1, 5_900))
    assert delay_of(effects, WINDOW) == 2_000
    world.wait(2_000)
    world.fire(WINDOW)
    assert len(world.own_votes) == 1


def test_a_vote_is_on_disk_before_it_is_said() -> None:
    world = voted()
    kinds = [type(effect) for effect in world.effects]
    assert kinds.index(Persist) < kinds.index(Publish)


def voted(**parameters: Any) -> OneVoter:
    """A world whose voter has just voted for the only candidate."""
    world = OneVoter(4, **parameters)
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    world.wait(4_000)
    world.fire(WINDOW)
    return world


def test_a_restarted_voter_repeats_its_vote_and_never_casts_another() -> None:
    world = voted(quorum="3/4")
    said = world.own_votes[0]
    world.boot()
    assert set(world.own_votes) == {said}
    earlier = world.block(world.chain.genesis, 2, 100)
    world.candidate(earlier)
    world.wait(5_000)
    world.fire(WINDOW)
    assert all(vote == said for vote in world.own_votes)


# --- refusals ---------------------------------------------------------------------------------------------------------


def test_a_second_vote_is_a_proof_of_guilt_and_does_not_count() -> None:
    world = OneVoter(4, quorum="1/2")
    one, other = (world.block(world.chain.genesis, miner, 500) for miner in (1, 2))
    world.wait(1_000)
    world.candidate(one)
    world.candidate(other)
    world.say(1, block=one)
    effects = world.say(1, block=other)
    accused = [effect for effect in effects if isinstance(effect, Accuse)]
    assert [(one.peer, one.reason) for one in accused] == [(voter_id(1), "equivocation-vote")]
    claims = check_evidence(world.chain.chain_id, accused[0].evidence)
    assert all(SIGNATURES.holds(claim) and claim.author == voter_id(1) for claim in claims)
    assert [effect for effect in effects if isinstance(effect, Publish)], "everybody gets to see the proof"
    assert world.refused("second-vote") == 1
    assert world.engine.polls.book.get(1, 0, voter_id(1)).block_hash == one.hash  # type: ignore[union-attr]
    # Told once more, it is no news.
    assert not world.say(1, block=other)


def test_a_second_vote_convicts_also_once_the_height_is_final() -> None:
    world = OneVoter(3, quorum="2/3")
    one, other = (world.block(world.chain.genesis, miner, 500) for miner in (1, 2))
    world.wait(1_000)
    world.candidate(one)
    world.candidate(other)
    world.say(0, 1, 2, block=one)
    assert world.chain.finalized.hash == one.hash
    assert accusations(world.say(1, block=other)) == [(voter_id(1), "equivocation-vote")]


def test_a_repeated_vote_is_ignored() -> None:
    world = OneVoter(9)
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    assert len(world.say(1, block=block)) == 1
    for _ in range(5):
        assert not world.say(1, block=block)
    assert world.head == world.chain.genesis.hash


@pytest.mark.parametrize(("node_id", "reason"), [(STRANGER, "stranger-ballot"), (PENNILESS, "unweighted-ballot")])
def test_a_ballot_of_a_stranger_or_of_one_who_owns_nothing_is_refused(node_id: bytes, reason: str) -> None:
    world = OneVoter()
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    effects = world.hear(world.vote(node_id, block))
    assert accusations(effects) == [(PEER, reason)]
    assert world.refused(reason) == 1
    assert not [effect for effect in effects if isinstance(effect, Publish)]


def test_a_vote_for_an_unknown_candidate_waits_for_it_and_is_refused_if_it_never_comes() -> None:
    world = OneVoter()
    block, never = world.block(world.chain.genesis, 1, 500), world.block(world.chain.genesis, 2, 600)
    world.wait(1_000)
    assert [effect for effect in world.say(1, block=block) if isinstance(effect, Fetch)]
    world.say(2, block=never)
    world.candidate(block)
    assert [vote.block_hash for vote in world.engine.polls.book.votes(1, 0).values()] == [block.hash]
    world.wait(11_000)
    world.fire(WINDOW)
    assert world.refused("unknown-candidate") == 1


def certified(world: OneVoter, *voters: bytes, round_number: int = 0, weight: int | None = None) -> tuple[bytes, bytes]:
    """(hash, certificate) of a candidate that the world knows, by these voters."""
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    votes = [world.vote(node_id, block, round_number=round_number) for node_id in voters]
    weights = register_of(world.chain.roll).weights
    total = sum(weights.get(node_id, 0) for node_id in voters)
    return block.hash, encode_certificate(make_certificate(total if weight is None else weight, round_number, votes))


def show(world: OneVoter, block_hash: bytes, certificate: bytes) -> list[object]:
    """As a peer does."""
    return list(world.hear(world.engine.core.codec.make_elected(1, block_hash, certificate)))


def test_a_certificate_elects_at_who_has_heard_no_vote() -> None:
    world = OneVoter(4)
    shown = certified(world, voter_id(1), voter_id(2))
    assert [effect for effect in show(world, *shown) if isinstance(effect, Adopt)]


def test_a_certificate_with_a_repeated_signer_cannot_be_read() -> None:
    world = OneVoter(4)
    _, certificate = certified(world, voter_id(1), voter_id(1), weight=20)
    with pytest.raises(InvalidCertificate) as caught:
        decode_certificate(7, 1, certificate)
    assert caught.value.reason == "repeated-signer"


@pytest.mark.parametrize(
    ("voters", "weight", "reason"),
    [
        ((voter_id(1), voter_id(2), STRANGER), None, "unweighted-signer"),
        ((voter_id(1), voter_id(2), PENNILESS), None, "unweighted-signer"),
        ((voter_id(1),), None, "no-quorum"),
        ((voter_id(1), voter_id(2)), 9_999, "certificate-weight"),
    ],
)
def test_a_false_certificate_costs_whoever_shows_it(voters: tuple[bytes, ...], weight: int | None, reason: str) -> None:
    world = OneVoter(4)
    shown = certified(world, *voters, weight=weight)
    assert accusations(show(world, *shown)) == [(PEER, reason)]  # type: ignore[arg-type]
    assert world.head == world.chain.genesis.hash


def test_a_certificate_of_the_loser_is_refused() -> None:
    world = OneVoter(6)
    one, other = (world.block(world.chain.genesis, miner, 500) for miner in (1, 2))
    world.wait(1_000)
    world.candidate(one)
    world.candidate(other)
    votes = [world.vote(voter_id(1), other), *(world.vote(voter_id(n), one) for n in (2, 3))]
    certificate = encode_certificate(make_certificate(10, 0, votes))
    assert accusations(show(world, other.hash, certificate)) == [(PEER, "not-elected")]  # type: ignore[arg-type]


# --- election and fork choice -----------------------------------------------------------------------------------------


def test_strictly_more_than_the_quorum_must_have_voted() -> None:
    world = OneVoter(6)
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    world.say(1, 2, block=block)  # two of six are a third, and not more
    assert world.head == world.chain.genesis.hash
    world.say(3, block=block)
    assert world.head == block.hash
    assert world.chain.finalized.number == 0, "a third makes nothing final"


def test_weight_decides_not_heads() -> None:
    """Voters 8 and 9 of ten are of the middle band: 25 each, against 10."""
    world = OneVoter(10, stakes={8: 900, 9: 1_000})
    many, rich = (world.block(world.chain.genesis, miner, 500) for miner in (1, 2))
    world.wait(1_000)
    world.candidate(many)
    world.candidate(rich)
    world.say(1, 2, 3, 8, block=many)
    assert world.head == many.hash
    world.say(9, block=rich)
    assert world.head == many.hash
    world = OneVoter(10, stakes={8: 900, 9: 1_000})
    world.wait(1_000)
    world.candidate(many)
    world.candidate(rich)
    world.say(1, 2, 3, 4, block=many)
    world.say(8, 9, block=rich)
    assert world.head == rich.hash, "two voices of 25 outweigh four of 10, and the head moves"


def test_with_two_thirds_the_elected_is_final_and_exactly_two_thirds_are_not_enough() -> None:
    world = OneVoter(3, quorum="2/3")
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    world.say(1, 2, block=block)
    assert world.head == world.chain.genesis.hash
    effects = world.say(0, block=block)
    assert [effect.block_hash for effect in effects if isinstance(effect, Finalize)] == [block.hash]


def test_two_thirds_of_the_heads_without_the_weight_elect_nobody() -> None:
    world = OneVoter(4, quorum="2/3", stakes={3: 900})
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    world.say(0, 1, 2, block=block)  # 30 of 55
    assert world.head == world.chain.genesis.hash
    world.say(3, block=block)
    assert world.chain.finalized.hash == block.hash


def test_the_branch_with_more_weight_wins_over_the_longer_one() -> None:
    world = OneVoter(10)
    light, heavy = (world.block(world.chain.genesis, miner, 500) for miner in (1, 2))
    world.wait(1_000)
    world.candidate(light)
    world.candidate(heavy)
    world.say(1, 2, 3, 4, block=light)
    assert world.head == light.hash
    votes = [world.vote(voter_id(n), heavy) for n in range(10)]
    weights = register_of(world.chain.roll).weights
    top = block_on(world, light)
    world.candidate(top)
    world.say(1, 2, 3, 4, block=top)
    assert world.head == top.hash
    certificate = encode_certificate(make_certificate(sum(weights.values()), 0, votes))
    effects = show(world, heavy.hash, certificate)
    assert [effect.block_hash for effect in effects if isinstance(effect, Adopt)] == [heavy.hash]
    assert len([effect for effect in effects if isinstance(effect, Accuse)]) == 4, "who voted for both is convicted"


def block_on(world: OneVoter, parent: Block) -> Block:
    """A candidate on an elected block."""
    world.maker.check(parent)
    return world.block(parent.header, 3, 2_000)


def test_a_heavier_certificate_below_what_is_in_memory_lifts_the_head_with_it() -> None:
    """BAL-29. After a restart the tree begins at the head; late votes for an ancestor lie below it."""
    genesis = Header(parent_hash=bytes(32), number=0, timestamp=1)
    chain = [genesis]
    for number in range(1, 5):
        chain.append(Header(parent_hash=chain[-1].hash, number=number, timestamp=1 + number))
    headers = {header.hash: header for header in chain}
    tree = BallotTree(chain[4], lambda header: 35 if header.number else 0, headers.get, lambda: 0)
    tree.certify(chain[3], 45)
    assert tree.head == chain[4].hash
    assert tree.weight(chain[3].hash) == 45
    rival = Header(parent_hash=chain[2].hash, number=3, timestamp=9)
    headers[rival.hash] = rival
    tree.certify(rival, 79)
    assert tree.head == chain[4].hash, "45 + 35 above the fork"
    tree.certify(rival, 81)
    assert tree.head == rival.hash


def test_the_branch_beside_a_final_block_is_not_asked_for() -> None:
    """BAL-42. None of its blocks would be taken, so asking would never end."""
    world = OneVoter(4, quorum="2/3")
    ours, theirs = (world.block(world.chain.genesis, miner, 500) for miner in (1, 2))
    world.wait(1_000)
    world.candidate(ours)
    world.say(0, 1, 2, 3, block=ours)
    assert world.chain.finalized.hash == ours.hash
    second = block_on(world, theirs)
    third = block_on(world, second)
    world.wait(2_000)
    effects = [*world.sync(theirs), *world.candidate(second), *world.sync(second), *world.sync(third)]
    assert not [effect for effect in effects if isinstance(effect, Fetch | Accuse)]
    assert world.refused("beside-final") == 3
    far = block_on(world, block_on(world, ours))
    assert [effect.block_hash for effect in world.candidate(far) if isinstance(effect, Fetch)] == [far.hash]


def test_a_candidate_brings_the_certificate_of_its_parent() -> None:
    world = OneVoter(4)
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    votes = [world.vote(voter_id(n), block) for n in (1, 2)]
    weights = register_of(world.chain.roll).weights
    total = sum(weights[vote.voter] for vote in votes)
    world.maker.check(block)
    child = world.block(block.header, 3, 1_900)
    world.wait(1_000)
    world.candidate(child, encode_certificate(make_certificate(total, 0, votes)))
    assert world.head == block.hash
    assert world.chain.header(child.hash) is not None


def test_the_certificate_that_is_missing_below_a_certified_block_is_asked_for() -> None:
    world = OneVoter(4)
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    world.maker.check(block)
    child = world.block(block.header, 3, 1_900)
    world.wait(1_000)
    world.candidate(child)
    effects = world.say(1, 2, block=child)
    sent = [effect.message for effect in effects if isinstance(effect, Send)]
    assert [said.block_hash for said in sent if isinstance(said, Question)] == [block.hash]
    assert world.head == world.chain.genesis.hash
    votes = [world.vote(voter_id(n), block) for n in (1, 2)]
    weights = register_of(world.chain.roll).weights
    show(world, block.hash, encode_certificate(make_certificate(sum(weights[v.voter] for v in votes), 0, votes)))
    assert world.head == child.hash


def test_who_repeats_old_votes_is_told_who_was_elected() -> None:
    world = OneVoter(4)
    block = world.block(world.chain.genesis, 1, 500)
    world.wait(1_000)
    world.candidate(block)
    world.say(1, 2, block=block)
    effects = world.hear(Ballots((world.vote(voter_id(1), block),)))
    assert [effect for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Elected)]


# --- rounds -----------------------------------------------------------------------------------------------------------


def split(world: OneVoter, first: tuple[int, ...], second: tuple[int, ...]) -> tuple[bytes, bytes]:
    """Two candidates, and who voted for which; the world's own voter votes for the earlier, which is the first."""
    one, other = world.block(world.chain.genesis, 1, 500), world.block(world.chain.genesis, 2, 600)
    world.wait(1_000)
    world.candidate(one)
    world.candidate(other)
    world.wait(4_000)
    world.fire(WINDOW)
    world.say(*first, block=one)
    world.say(*second, block=other)
    return one.hash, other.hash


def test_a_split_vote_is_repeated_for_the_only_one_that_may_have_been_elected() -> None:
    """Nine voters, two of 25 and seven of 10: 120. More than 80 must agree; at most 13 lie."""
    world = OneVoter(9, quorum="2/3", stakes={7: 200, 8: 300})
    one, _ = split(world, (1, 2, 3, 4, 8), (5, 6, 7))
    assert world.head == world.chain.genesis.hash
    world.wait(2_000)
    effects = world.fire(ROUND)
    assert [effect for effect in effects if isinstance(effect, Broadcast)], "what is held is repeated"
    assert [(vote.round, vote.block_hash) for vote in world.own_votes] == [(1, one)]


def test_while_two_may_have_been_elected_a_voter_waits_for_more_votes() -> None:
    world = OneVoter(9, quorum="1/2", faults="0/1", stakes={7: 200, 8: 300})
    split(world, (1, 2, 3), (4, 8))  # 40 against 35 of 120, and 45 not heard
    world.wait(2_000)
    world.fire(ROUND)
    assert not world.own_votes
    assert world.engine.voter.round == 0


def test_a_voter_who_comes_late_votes_in_the_round_that_others_wait_in() -> None:
    """BAL-35. Round 0 elected nobody; in round 1 two may have been elected, because few have voted there yet."""
    world = OneVoter(9, quorum="1/2", faults="0/1", stakes={7: 200, 8: 300})
    one, other = map(world.chain.block, split(world, (1, 2, 3, 4, 5), (6, 7, 8)))  # 60 against 60 of 120
    assert one is not None
    assert other is not None
    world.say(1, 2, 3, 4, block=one, round_number=1)
    world.say(8, block=other, round_number=1)  # 40 against 25, and 55 not heard
    world.wait(2_000)
    world.fire(ROUND)
    assert [vote.round for vote in world.own_votes] == [1]


def test_who_has_no_vote_repeats_what_it_has_heard() -> None:
    """BAL-31: two parts of the network may have no other link."""
    world = OneVoter(9, quorum="2/3", stakes={7: 200, 8: 300})
    world.engine.core.active = False
    split(world, (1, 2, 3), (5, 6, 7))
    world.wait(2_000)
    said = [effect.message for effect in world.fire(ROUND) if isinstance(effect, Broadcast)]
    assert [{vote.voter for vote in message.votes} for message in said if isinstance(message, Ballots)] == [
        {voter_id(number) for number in (1, 2, 3, 5, 6, 7)}
    ]
    assert not world.own_votes


def test_where_voters_are_merely_away_the_round_waits_for_them() -> None:
    world = voted(quorum="2/3")
    for _ in range(5):
        world.wait(30_000)
        world.fire(ROUND)
        assert not world.own_votes
    block = world.chain.header(world.engine.polls.candidates(world.chain.genesis.hash)[0].block_hash)
    assert block is not None
    votes = [world.vote(voter_id(n), world.chain.block(block.hash)) for n in (1, 2, 3)]  # type: ignore[arg-type]
    for vote in votes:
        world.hear(vote)
    assert world.chain.finalized.hash == block.hash


def test_patience_doubles_up_to_its_cap() -> None:
    world = voted(quorum="2/3")
    delays = []
    for _ in range(6):
        effects = world.fire(ROUND)
        delays.append(delay_of(effects, ROUND))
    assert delays == [4_000, 8_000, 16_000, 30_000, 30_000, 30_000]


# --- candidates and parameters ----------------------------------------------------------------------------------------


def test_a_block_with_too_many_transactions_is_refused() -> None:
    world = OneVoter(3, transactions_max=2, sample=0)
    block = world.block(world.chain.genesis, 1, 500, (b"a", b"b", b"c"))
    world.wait(1_000)
    assert accusations(world.candidate(block)) == [(PEER, "transactions-count")]


def test_a_candidate_of_another_difficulty_or_without_its_time_is_refused() -> None:
    world = OneVoter()
    world.wait(1_000)
    dear = world.block(world.chain.genesis, 1, 500, difficulty=2)
    assert accusations(world.candidate(dear)) == [(PEER, "difficulty")]
    before = world.block(world.chain.genesis, 1, -1)
    assert accusations(world.candidate(before)) == [(PEER, "time-too-old")]
    early = world.block(world.chain.genesis, 1, 20_000)
    assert accusations(world.candidate(early)) == []
    assert world.refused("time-too-new") == 1


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"quorum": "0.5"}, "config.protocol.quorum"),
        ({"quorum": "3/3"}, "not a fraction from 0 to below 1"),
        (
            {"quorum": 2},
            "config.protocol.quorum: 2 cannot be used; '2' is not a fraction from 0 to below 1 as in '1/3'",
        ),
        ({"quorum": 0.5}, "not a fraction from 0 to below 1"),
        ({"quorum": "2/3", "faults": "2/5"}, "at most 1/3 is borne"),
        ({"sample": 5}, "sample is below transactions_max"),
        ({"window_ms": 0}, "config.protocol.window_ms"),
        ({"round_ms": 40_000}, "round_cap_ms is below round_ms"),
    ],
)
def test_parameters_that_cannot_be_are_refused_with_their_path(parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        OneVoter(3, **parameters)
    assert said in str(caught.value)


def test_a_claim_of_evidence_for_one_candidate_convicts_nobody() -> None:
    from raclette.primitives.errors import DecodeError
    from raclette.protocols.ballot.evidence import encode_evidence
    from raclette.protocols.ballot.messages import Vote

    vote = Vote(1, 0, bytes(32), Claim(voter_id(1), bytes(32), bytes(64)))
    with pytest.raises(DecodeError):
        check_evidence(7, encode_evidence(vote, vote))
