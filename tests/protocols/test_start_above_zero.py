"""Committees that begin on a block of any number, as those do that another engine elects for a while."""

from dataclasses import replace

import pytest
from nested_world import PROTOCOLS, World

from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.engine.events import Started
from raclette.engine.lightchain import LightChain
from raclette.lab.hunt.engines.play import replica_id
from raclette.primitives.errors import InvalidHeader
from raclette.protocols.pbft.messages import Commit, NewView, ViewChange
from raclette.protocols.pbft.quorum import Certificate
from raclette.protocols.pbft.view_change import is_valid
from raclette.protocols.simplex.messages import Vote
from raclette.protocols.simplex.statements import extra_data, iteration_of

FIRST = 5


def busy(world: World, count: int, name: str = "pay") -> None:
    for number in range(count):
        world.submit(b"%s %d" % (name.encode(), number))
        world.run_for(400)


def heights(world: World) -> list[int]:
    return [replica.height for replica in world.alive]


def test_a_light_chain_may_begin_anywhere() -> None:
    first = Header(parent_hash=b"\1" * 32, number=9, timestamp=1)
    chain = LightChain(1, first)
    assert chain.canonical(9) == first == chain.finalized
    assert chain.canonical(0) is None
    chain.submit(b"a")
    block = chain.build(first, Draft(2))
    chain.adopt(block.hash)
    chain.finalize(block.hash, b"proof")
    copy = chain.durable_copy()
    assert (copy.head.number, copy.finalized, copy.certificate(block.hash)) == (10, block.header, b"proof")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_blocks_follow_the_one_that_the_committee_starts_from(protocol: str) -> None:
    world = World(protocol, first=FIRST, observers=1)
    assert heights(world) == [FIRST] * 5
    busy(world, 6)
    assert world.everybody_has(world.submitted)
    assert world[0].height >= FIRST + 6
    assert [block.number for block in world.finals(4)] == list(range(FIRST + 1, world[4].height + 1))
    assert not world.accusations
    for block in world.finals(0):
        certificate = world[0].chain.certificate(block.hash)
        assert len(world[0].engine.check_certificate(block.header, certificate)) == 3


def test_simplex_begins_with_iteration_1_whatever_the_first_block_looks_like() -> None:
    world = World("simplex", first=FIRST)
    assert len(world.genesis.extra_data) == 40
    assert iteration_of(world.genesis) == 77
    assert iteration_of(world.genesis, FIRST) == 0
    core = world[0].engine.core
    assert (core.iteration, core.final_iteration) == (1, 0)
    busy(world, 3)
    assert iteration_of(world.finals(2)[0].header, FIRST) == 1
    assert world[2].engine.core.final_iteration == iteration_of(world[2].chain.finalized) < 77
    header = world.finals(2)[0].header
    unnamed = replace(header, extra_data=extra_data(replica_id(1), 0))
    with pytest.raises(InvalidHeader, match="header-iteration"):
        world[0].engine.check_header(unnamed, world.genesis, world[0].chain.header, world.now)


def test_simplex_votes_are_useless_once_as_many_blocks_are_final() -> None:
    """A host that counts votes drops those that `Ballot` calls useless: never one that is still needed."""
    world = World("simplex", first=FIRST)
    world.submit(b"a")
    world.run_for(300)
    vote = next(message for message in world[1].sent if isinstance(message, Vote) and message.iteration == 1)
    ballot = world[1].engine.ballot(vote)
    assert ballot.useless_from == FIRST + 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_first_leader_is_replaced_before_anything_is_prepared(protocol: str) -> None:
    world = World(protocol, first=FIRST)
    leader = world.ids.index(bytes.fromhex(world[0].engine.status()["leader"][2:]))
    world.crash(leader)
    busy(world, 4)
    assert world.run_until(lambda: world.everybody_has(world.submitted), 10_000)
    assert all(replica.engine.status()["view"] > 0 for replica in world.alive)
    world.restart(leader)
    busy(world, 2, "more")
    assert world.run_until(lambda: world.everybody_has(world.submitted), 10_000)
    assert len(set(heights(world))) == 1


def test_a_view_for_which_nothing_is_prepared_is_based_on_the_first_block() -> None:
    world = World("pbft", first=FIRST)
    world.crash(0)
    world.submit(b"a")
    assert world.run_until(lambda: world[1].view == 1 and world[1].engine.core.active, 5_000)
    core = world[1].engine.core
    assert (core.base_height, core.base_hash) == (FIRST, world.genesis.hash)
    assert isinstance(core.new_view, NewView)
    assert world.run_until(lambda: all(height == FIRST + 1 for height in heights(world)), 5_000)


def test_a_prepared_block_outlives_the_first_primary() -> None:
    world = World("pbft", first=FIRST)
    world.withhold("commit")
    world.submit(b"a")
    world.run_for(60)
    assert world[2].engine.core.prepared.rank == (0, FIRST + 1)
    world.crash(0)
    world.drops = lambda sender, receiver, message: isinstance(message, Commit) and message.view == 0
    assert world.run_until(lambda: all(height == FIRST + 1 for height in heights(world)), 5_000)
    assert world.finals(1)[0].transactions == (b"a",)
    assert world[1].engine.core.base_height == FIRST + 1


@pytest.mark.parametrize("kept", [None, 0])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_everybody_restarts_from_records_and_goes_on(protocol: str, kept: int | None) -> None:
    world = World(protocol, first=FIRST, seed=3)
    busy(world, 2)
    world.withhold("commit", "finalize")
    world.submit(b"in flight")
    world.run_for(80)
    before = heights(world)
    for replica in world.replicas:
        replica.crash(kept)
    world.heal()
    for place in range(4):
        world.restart(place)
    assert min(heights(world)) >= FIRST + 1
    assert min(before) >= FIRST + 2
    world.submit(*world.submitted)
    assert world.run_until(lambda: world.everybody_has(world.submitted), 15_000)
    assert not [effect for _, effect in world.accusations]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_proves_the_first_block_is_not_read(protocol: str) -> None:
    """It is another engine's, or another committee's: it might not parse, or parse and prove nothing here."""
    world = World(protocol, first=FIRST)
    other = World(protocol, first=FIRST - 1, seed=9)
    busy(other, 1)
    foreign = other[0].chain.certificate(other.finals(0)[0].hash)
    assert foreign
    for place, certificate in enumerate((b"junk", foreign, b"", foreign)):
        replica = world[place]
        replica.crash()
        replica.start()
        replica.chain.keep_certificate(world.genesis.hash, certificate)
        replica.engine = world.factory(world.setup(place))
        replica.handle(Started(replica.clock))
    world.run_for(5_000)
    busy(world, 2)
    assert world.run_until(lambda: world.everybody_has(world.submitted), 10_000)
    assert not world.accusations
    assert world.refused == 0


def test_checkpoints_move_the_window_on_from_the_first_block() -> None:
    world = World("pbft", first=FIRST, checkpoint_interval=4, window=8)
    core = world[0].engine.core
    assert (core.low, core.high) == (FIRST, FIRST + 8)
    busy(world, 3)
    world.run_for(500)
    assert core.low == 8
    busy(world, 12, "more")
    assert world[0].height > FIRST + 12
    assert core.low >= 16


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_was_away_from_the_beginning_catches_up(protocol: str) -> None:
    world = World(protocol, first=FIRST)
    world.crash(3)
    busy(world, 6)
    world.restart(3)
    assert world[3].height == FIRST
    assert world.run_until(lambda: world[3].height == world[2].height, 20_000)


def test_what_is_said_to_be_prepared_at_or_below_the_first_block_is_ignored() -> None:
    world = World("pbft", first=FIRST)
    core = world[0].engine.core
    digest = core.committee.prepare_digest(0, FIRST, b"\7" * 32)
    votes = tuple((number, world.signatures.signer(world.ids[number]).sign(digest)) for number in range(3))
    for height, valid in ((FIRST - 1, False), (FIRST, False), (FIRST + 1, True)):
        content = (1, None, Certificate(0, height, b"\7" * 32, votes))
        change = core.codec.make_view_change(*content, 2, bytes(64))
        assert isinstance(change, ViewChange)
        assert is_valid(change, core.start) is valid
    commit = Commit(0, FIRST, b"\7" * 32, 2, core.sign(b"x" * 32))
    core.slots.clear()
    world[0].engine.ordering.on_vote(commit)
    assert not core.slots
