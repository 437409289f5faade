"""What strangers and liars can make honest voters do: send much, wait long, look guilty. They cannot."""

import pytest
from ballot_world import PEER, STRANGER, OneVoter, accusations, delay_of, voter_id

from raclette.chain.block import Block
from raclette.chain.roll import MEMBERS_MAX
from raclette.engine.effects import Adopt, Effect, Fetch, Publish, Send
from raclette.primitives.errors import InvalidCertificate
from raclette.protocols.ballot.answers import ANSWERS_MAX, Answers
from raclette.protocols.ballot.certificate import decode_certificate, encode_certificate, make_certificate
from raclette.protocols.ballot.messages import Elected, Question
from raclette.protocols.ballot.voter import WINDOW
from raclette.protocols.ballot.weights import register_of


def candidates(world: OneVoter, *miners: int) -> list[Block]:
    """On genesis, heard; lower hashes first."""
    blocks = [world.block(world.chain.genesis, miner, 500) for miner in miners]
    world.wait(1_000)
    for block in blocks:
        world.candidate(block)
    return sorted(blocks, key=lambda block: block.hash)


def certificate(world: OneVoter, block: Block, *voters: int, round_number: int = 0) -> bytes:
    """By these voters, with their weight."""
    weights = register_of(world.chain.roll).weights
    votes = [world.vote(voter_id(number), block, round_number=round_number) for number in voters]
    return encode_certificate(make_certificate(sum(weights[vote.voter] for vote in votes), round_number, votes))


def answers(effects: list[Effect]) -> list[Effect]:
    """Certificates sent."""
    return [effect for effect in effects if isinstance(effect, Send) and isinstance(effect.message, Elected)]


# --- answers ----------------------------------------------------------------------------------------------------------


def test_a_question_asked_again_at_once_is_not_answered_again() -> None:
    """BAL-43: fifty bytes would be answered with three hundred thousand, as fast as anybody can ask."""
    world = OneVoter(4)
    (block,) = candidates(world, 1)
    world.say(0, 1, block=block)
    assert world.head == block.hash
    given = [answers(world.hear(Question(1, block.hash), peer=STRANGER)) for _ in range(20)]
    assert [len(one) for one in given] == [1] + [0] * 19
    assert answers(world.hear(Question(1, block.hash)))
    world.wait(1_000)
    assert answers(world.hear(Question(1, block.hash), peer=STRANGER))


def test_a_peer_gets_few_answers_in_a_period() -> None:
    desk = Answers(1_000)
    admitted = [desk.admit(5_000, PEER, bytes((number,)) * 32) for number in range(20)]
    assert sum(admitted) == ANSWERS_MAX
    assert desk.admit(5_000, STRANGER, bytes(32))
    assert desk.admit(6_000, PEER, bytes((19,)) * 32)


# --- votes ------------------------------------------------------------------------------------------------------------


def test_a_second_vote_for_a_candidate_nobody_knows_convicts_and_is_not_handed_on() -> None:
    """BAL-19: its voter may be no voter where that candidate stands, and then whoever handed it on would be accused."""
    world = OneVoter(9)
    (block,) = candidates(world, 1)
    world.say(1, block=block)
    effects = world.say(1, block=world.block(world.chain.genesis, 2, 600))
    assert accusations(effects) == [(voter_id(1), "equivocation-vote")]
    assert not [effect for effect in effects if isinstance(effect, Publish)]


def test_two_votes_for_unknown_candidates_convict_and_only_the_first_is_asked_for() -> None:
    """BAL-20."""
    world = OneVoter(9)
    world.wait(1_000)
    blocks = [world.block(world.chain.genesis, miner, 500) for miner in (1, 2, 3)]
    effects = [effect for block in blocks for effect in world.say(1, block=block)]
    assert [effect.block_hash for effect in effects if isinstance(effect, Fetch)] == [blocks[0].hash]
    assert accusations(effects) == [(voter_id(1), "equivocation-vote")]


def test_a_false_height_is_charged_to_the_messenger_unless_a_voter_signed_it() -> None:
    """BAL-18 before BAL-19: names cost nothing."""
    world = OneVoter(9)
    (block,) = candidates(world, 1)
    codec = world.engine.core.codec
    for name, accused in (
        (voter_id(1), (voter_id(1), "vote-height")),
        (STRANGER, (PEER, "stranger-ballot")),
    ):
        vote = codec.make_vote(2, 0, block.hash, name, bytes(64))
        assert accusations(world.hear(vote)) == [accused]


def test_there_are_no_rounds_below_one_half() -> None:
    """BAL-32: who votes in each of them for another candidate would contradict himself nowhere."""
    world = OneVoter(4)
    (block,) = candidates(world, 1)
    assert not world.say(1, 2, 3, block=block, round_number=1)
    shown = world.engine.core.codec.make_elected(1, block.hash, certificate(world, block, 1, 2, 3, round_number=1))
    assert accusations(world.hear(shown)) == [(PEER, "certificate-round")]
    assert world.head == world.chain.genesis.hash


def test_a_vote_on_another_branch_completes_the_turnout_of_this_one() -> None:
    """BAL-22: whichever of the two votes comes last."""
    for order in ((0, 1), (1, 0)):
        world = OneVoter(5)
        below = candidates(world, 1, 2)
        for block in below:
            world.maker.check(block)
        above = sorted((world.block(block.header, 3, 700) for block in below), key=lambda block: block.hash)
        for block in above:
            world.candidate(block)
        said = [world.vote(voter_id(number), above[number]) for number in order]
        for vote in said:
            world.hear(vote)
        assert world.engine.tree.weight(above[0].hash), "the lower hash wins the draw"


def test_a_heavier_candidate_on_another_branch_takes_nothing_from_this_one() -> None:
    """BAL-23: else the branch with more weight could stand still for ever, for the sake of a candidate on the other."""
    world = OneVoter(5)
    below = candidates(world, 1, 2)
    for block in below:
        world.maker.check(block)
    ours, theirs = (world.block(block.header, 3, 700) for block in below)
    for block in (ours, theirs):
        world.candidate(block)
    world.say(2, 3, 4, block=theirs)
    assert world.engine.tree.weight(theirs.hash)
    world.say(0, 1, block=ours)
    assert world.engine.tree.weight(ours.hash)
    shown = world.engine._certificates[ours.hash][1]
    assert {vote.block_hash for vote in shown.votes} == {ours.hash}


# --- certificates -----------------------------------------------------------------------------------------------------


def test_a_certificate_of_more_signers_than_a_roll_can_have_is_refused_unverified() -> None:
    world = OneVoter(4)
    block = world.block(world.chain.genesis, 1, 500)
    codec = world.engine.core.codec
    for count, round_number in ((MEMBERS_MAX + 1, 0), (1, 65)):
        names = [number.to_bytes(32, "big") for number in range(count)]
        votes = [codec.make_vote(1, round_number, block.hash, name, bytes(64)) for name in names]
        with pytest.raises(InvalidCertificate, match="certificate-size"):
            decode_certificate(7, 1, encode_certificate(make_certificate(10, round_number, votes)))


def test_a_candidate_brings_a_heavier_certificate_of_its_parent() -> None:
    """BAL-27: late votes that we missed. Else two halves of a network could weigh two branches differently for ever."""
    world = OneVoter(8)
    ahead, behind = candidates(world, 1, 2)
    world.hear(world.engine.core.codec.make_elected(1, ahead.hash, certificate(world, ahead, 0, 1, 2)))
    world.hear(world.engine.core.codec.make_elected(1, behind.hash, certificate(world, behind, 3, 4, 5)))
    assert world.head == ahead.hash
    world.maker.check(behind)
    child = world.block(behind.header, 3, 900)
    effects = world.candidate(child, certificate(world, behind, 3, 4, 5, 6))
    assert [effect.block_hash for effect in effects if isinstance(effect, Adopt)] == [behind.hash]


# --- time -------------------------------------------------------------------------------------------------------------


def test_a_clock_that_stands_still_delays_a_vote_by_one_window_at_most() -> None:
    """BAL-13. A node's time never runs backwards: set back by an hour, its clock gives the same time for an hour."""
    world = OneVoter(4)
    block = world.block(world.chain.genesis, 1, 1)
    world.candidate(block)
    assert delay_of(world.fire(WINDOW), WINDOW) == 5_000
    world.fire(WINDOW)
    assert [vote.block_hash for vote in world.own_votes] == [block.hash]
