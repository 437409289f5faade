"""An engine around another says what blocks carry, which may be empty, and when nobody can tell yet."""

from dataclasses import replace

import pytest
from nested_world import PROTOCOLS, Marking, World

from raclette.chain.header import ZERO_NONCE
from raclette.engine.contract import Draft
from raclette.engine.effects import SetTimer
from raclette.engine.events import Pending
from raclette.engine.lightchain import LightChain
from raclette.engine.nesting import ALONE, UNMARKED, Mark
from raclette.primitives.errors import InvalidHeader, NotYet
from raclette.primitives.hashing import ZERO_HASH


def test_a_draft_says_what_both_fields_hold() -> None:
    chain = LightChain()
    header = chain.build(chain.genesis, Draft(1, mix_hash=b"\1" * 32, nonce=b"\2" * 8)).header
    assert (header.mix_hash, header.nonce) == (b"\1" * 32, b"\2" * 8)
    header = chain.build(chain.genesis, Draft(1)).header
    assert (header.mix_hash, header.nonce) == (ZERO_HASH, ZERO_NONCE) == UNMARKED


def test_alone_both_fields_are_zero_and_only_transactions_are_worth_a_block() -> None:
    chain = LightChain()
    plain = chain.build(chain.genesis, Draft(1))
    ALONE.check(plain.header, chain.genesis, 0)
    assert ALONE.mark(chain.genesis, 0) == Mark(ZERO_HASH, ZERO_NONCE)
    assert not ALONE.worth(plain)
    assert not ALONE.wanted(chain.genesis)
    chain.submit(b"pay")
    assert ALONE.worth(chain.build(chain.genesis, Draft(1)))
    for marked in (replace(plain.header, mix_hash=b"\1" * 32), replace(plain.header, nonce=b"\1" * 8)):
        with pytest.raises(InvalidHeader, match="header-seal"):
            ALONE.check(marked, chain.genesis, 0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_blocks_carry_what_the_engine_around_says(protocol: str) -> None:
    frame = Marking()
    world = World(protocol, frame=frame, observers=1)
    for name in (b"a", b"b", b"c"):
        world.submit(name)
        world.run_for(500)
    assert world.everybody_has(world.submitted)
    blocks = world.finals(3)
    assert len(blocks) >= 3
    for block in blocks:
        assert block.header.mix_hash == frame.digest
        assert int.from_bytes(block.header.nonce, "big") == block.number - 1
    assert not world.accusations


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_header_with_another_mark_is_refused(protocol: str) -> None:
    world = World(protocol, frame=Marking())
    world.submit(b"a")
    world.run_for(500)
    replica = world[0]
    header, parent = world.finals(0)[0].header, replica.chain.genesis
    replica.engine.check_header(header, parent, replica.chain.header, world.now)
    for wrong in (replace(header, mix_hash=ZERO_HASH), replace(header, nonce=b"\7" * 8)):
        with pytest.raises(InvalidHeader, match="header-seal") as refused:
            replica.engine.check_header(wrong, parent, replica.chain.header, world.now)
        assert not isinstance(refused.value, NotYet)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_idle_committee_makes_the_block_that_is_wanted_and_no_more(protocol: str) -> None:
    frame = Marking()
    world = World(protocol, frame=frame)
    world.submit(b"a")
    world.run_for(2_000)
    assert [replica.height for replica in world.replicas] == [1] * 4
    world.run_for(5_000)
    assert world[0].height == 1
    frame.ends = 2
    for replica in world.replicas:
        replica.handle(Pending(replica.clock))
    world.run_for(500)
    assert [replica.height for replica in world.replicas] == [2] * 4
    assert not world.finals(0)[-1].transactions
    rounds = [replica.engine.status()["view"] for replica in world.replicas]
    world.run_for(20_000)
    assert world[0].height == 2
    assert [replica.engine.status()["view"] for replica in world.replicas] == rounds


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_silent_leader_who_owes_the_wanted_block_is_replaced(protocol: str) -> None:
    """Nobody but the engine around says that there is work: the timers run on its word."""
    frame = Marking(ends=1)
    world = World(protocol, frame=frame)
    world.run_for(0)
    leader = world.ids.index(bytes.fromhex(world[0].engine.status()["leader"][2:]))
    world = World(protocol, frame=frame)
    world.crash(leader)
    assert world.run_until(lambda: all(replica.height == 1 for replica in world.alive), 5_000)
    assert not world.finals((leader + 1) % 4)[0].transactions


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_proposal_that_nobody_can_judge_yet_waits_and_accuses_nobody(protocol: str) -> None:
    frame = Marking(heard=False)
    world = World(protocol, frame=frame)
    world.submit(b"a")
    world.run_for(60)
    assert frame.asked > 0
    assert all(replica.height == 0 for replica in world.replicas)
    round_before = world[1].engine.status()["view"]
    frame.heard = True
    for replica in world.replicas:
        replica.handle(Pending(replica.clock))
    world.run_for(60)
    assert all(replica.height == 1 for replica in world.replicas)
    assert not world.accusations
    assert world.finals(1)[0].transactions == (b"a",)
    if protocol == "pbft":
        assert world[1].view == round_before == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_never_can_judge_loses_patience(protocol: str) -> None:
    frame = Marking(heard=False)
    world = World(protocol, frame=frame)
    effects = [effect for replica in world.replicas for effect in replica.engine.handle(Pending(world.now))]
    assert not any(isinstance(effect, SetTimer) and effect.name in ("view", "iteration") for effect in effects)
    world.submit(b"a")
    world.run_for(3_000)
    assert all(replica.engine.status()["view"] > 1 for replica in world.replicas)
    assert not world.accusations
    frame.heard = True
    assert world.run_until(lambda: all(replica.height == 1 for replica in world.replicas), 10_000)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_mark_that_is_wrong_for_good_convicts_its_leader(protocol: str) -> None:
    frame = Marking()
    world = World(protocol, frame=frame)

    def lie(parent: object, now: int) -> Mark:
        return Mark(b"\7" * 32)

    leader = world.ids.index(bytes.fromhex(world[0].engine.status()["leader"][2:]))
    liar = Marking()
    liar.mark = lie  # type: ignore[method-assign]  # one replica's own frame
    world[leader].engine.core.frame = liar
    world.submit(b"a")
    others = [replica for replica in world.replicas if replica.number != leader]
    assert world.run_until(lambda: all(replica.height >= 1 for replica in others), 5_000)
    reasons = {(effect.peer, effect.reason) for place, effect in world.accusations if place != leader}
    assert (world.ids[leader], "proposal-header-seal") in reasons
