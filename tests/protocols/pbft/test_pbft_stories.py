"""The claims of Castro & Liskov 1999, section 4, each told as a story of a few replicas."""

import pytest
from pbft_schedules import only
from pbft_world import World

from raclette.engine.contract import Draft
from raclette.engine.effects import Accuse, Finalize
from raclette.engine.events import Received
from raclette.primitives.errors import DecodeError
from raclette.primitives.units import MILLISECOND
from raclette.protocols.pbft.evidence import check_evidence
from raclette.protocols.pbft.messages import Committed, NewView, PrePrepare, Status, ViewChange, Vote
from raclette.protocols.pbft.quorum import Certificate

BASE_TIMEOUT_MS = 400


def agreed(world: World) -> bool:
    return len({replica.chain.head.hash for replica in world.alive}) == 1


# --- 4.2 normal case ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 5, 6, 7, 10])
def test_a_request_is_final_everywhere_after_three_phases(replicas: int) -> None:
    world = World(replicas, seed=2)
    world.submit(b"pay bob")
    world.run_for(60)
    assert world.everybody_has([b"pay bob"])
    assert all(replica.height == 1 and replica.view == 0 for replica in world.replicas)


def test_a_single_request_waits_for_messages_only() -> None:
    """Idle system: three message delays, no batching timer."""
    world = World(4, seed=2)
    world.delay = (1, 1)
    world.run_for(50)
    world.submit(b"pay bob")
    world.run_for(3)
    assert world.everybody_has([b"pay bob"])


def test_requests_that_come_while_a_block_is_in_flight_share_a_block() -> None:
    world = World(4, seed=2)
    for number in range(200):
        world.submit(b"request %d" % number)
    world.run_for(200)
    assert world.everybody_has(world.submitted)
    assert world[0].height <= 4


def test_several_blocks_are_in_flight_at_once() -> None:
    """4.2: the primary assigns the next number before the last is committed, as far as the pipeline goes."""
    world = World(4, seed=2, pipeline=3)
    world.withhold("commit")
    for number in range(6):
        world.submit(b"request %d" % number)
        world.run_for(10)
    assert world[0].engine.status()["in_flight"] == 3
    assert world[2].engine.core.prepared.rank == (0, 3)
    world.heal()
    world.run_for(1_000)
    assert world.everybody_has(world.submitted)


def test_a_primary_that_does_not_gather_still_asks_for_more_only_now_and_then() -> None:
    """`batch_delay_ms` 0 once made a timer of no time at all: while a block was in flight, virtual time stood still."""
    world = World(4, seed=2, batch_delay_ms=0)
    world.withhold("commit")
    world.submit(b"pay bob")
    world.run_for(100)
    assert 100 < world.events < 1_000
    world.heal()
    world.run_for(1_000)
    assert world.everybody_has([b"pay bob"])


def test_a_block_may_be_committed_before_its_ancestors_and_takes_them_along() -> None:
    world = World(4, seed=3)
    world.drops = lambda sender, receiver, message: (
        message.kind in ("status", "committed") or (message.kind == "commit" and getattr(message, "height", 0) == 1)
    )
    world.submit(b"a")
    world.run_for(12)
    world.submit(b"b")
    world.run_for(100)
    assert all(replica.height == 2 for replica in world.replicas)
    chain = world[1].chain
    first = chain.canonical(1)
    assert first is not None
    claims = world[1].engine.check_certificate(first, chain.certificate(first.hash))
    assert len(claims) == 3
    assert all(world.signatures.holds(claim) for claim in claims)


def test_a_repeated_vote_counts_once() -> None:
    world = World(4, seed=4)
    world.isolate(0, 1)
    world.submit(b"a")
    world.run_for(50)
    core = world[0].engine.core
    vote = next(message for message in world[1].sent if isinstance(message, Vote))
    for _ in range(10):
        world[0].handle(Received(world.now, world.ids[1], vote))
        world[0].handle(Received(world.now, world.ids[2], vote))
    assert len(core.slots[1].prepares) == 2
    assert world[0].height == 0


def test_an_equivocating_primary_is_convicted_by_its_own_signatures() -> None:
    world = World(4, seed=5, twins=[0])
    world.submit(b"left", to=[0])
    world.submit(b"right", to=[4])
    world.run_for(100)
    accused = [effect for _, effect in world.accusations if effect.reason == "equivocation-prepare"]
    assert accused
    assert {effect.peer for effect in accused} == {world.ids[0]}
    committee = world[1].engine.core.committee
    for effect in accused:
        assert all(world.signatures.holds(claim) for claim in check_evidence(committee, effect.evidence))
    with pytest.raises(DecodeError):
        check_evidence(committee, accused[0].evidence + b"\x00")
    world.submit(b"after")
    world.run_for(10_000)
    assert world.everybody_has([b"after"])


def test_a_proposal_on_the_wrong_parent_or_by_the_wrong_author_is_refused() -> None:
    world = World(4, seed=6, liars=[0])
    world.submit(b"a")
    world.run_for(50)
    chain, core = world[1].chain, world[1].engine.core
    block = chain.block(chain.head.hash)
    assert block is not None
    world.accusations.clear()
    for header in (
        chain.build(chain.genesis, draft_like(world, 0)).header,
        chain.build(chain.head, draft_like(world, 2)).header,
    ):
        forged = block.__class__(header, (b"x",))
        signer = world[0].engine.core
        claim = signer.sign(core.committee.prepare_digest(0, header.number, header.hash))
        world[1].handle(Received(world.now, world.ids[0], PrePrepare(0, header, 0, claim, forged)))
    assert core.voted.get(2) is None
    assert world[1].height == 1


def draft_like(world: World, author: int) -> Draft:
    return Draft(timestamp=world.now // 10**9, extra_data=world.ids[author])


def test_a_block_from_the_future_waits_and_is_nobodys_fault() -> None:
    world = World(4, seed=6)
    world.isolate(0)
    world.submit(b"a", to=[0])
    world.run_for(20)
    proposal = next(message for message in world[0].sent if isinstance(message, PrePrepare))
    late = world.now - 20 * 10**9
    world[1].handle(Received(late, world.ids[0], proposal))
    assert not world[1].engine.core.voted
    assert not world.accusations
    world[1].handle(Received(world.now, world.ids[0], Status(0, True, 0, 0, 0)))
    assert world[1].engine.core.voted


# --- 4.3 checkpoints ----------------------------------------------------------------------------------------------


def blocks(world: World, count: int, prefix: bytes = b"block") -> None:
    for number in range(count):
        world.submit(b"%s %d" % (prefix, number))
        world.run_for(60)


def test_a_stable_checkpoint_shortens_the_log() -> None:
    world = World(4, seed=7, checkpoint_interval=4, window=12)
    blocks(world, 10)
    for replica in world.replicas:
        status = replica.engine.status()
        assert status["low"] == 8
        assert status["high"] == 20
        assert min(replica.engine.core.slots, default=9) > 8
        votes = [key for key in replica.disk.records if key.startswith(b"vote/")]
        assert len(votes) <= 12


def test_a_checkpoint_needs_a_quorum_with_one_digest() -> None:
    world = World(4, seed=7)
    world.withhold("checkpoint")
    blocks(world, 4)
    core, checkpoints = world[0].engine.core, world[0].engine.checkpoints
    assert core.low == 0
    for liar in (1, 2):
        vote = world[liar].engine.core.own_checkpoint(4, bytes(32), liar)
        world[0].handle(Received(world.now, world.ids[liar], vote))
    assert core.low == 0
    true = core.chain.canonical(4)
    assert true is not None
    world[0].handle(Received(world.now, world.ids[3], world[3].engine.core.own_checkpoint(4, true.hash, 3)))
    assert core.low == 0
    assert len(checkpoints.votes) == 4


def test_the_primary_stops_at_the_high_mark_until_a_checkpoint_is_stable() -> None:
    world = World(4, seed=8, checkpoint_interval=4, window=8, view_timeout_ms=600_000, view_timeout_cap_ms=600_000)
    world.drops = only({"checkpoint": (), "status": ()})
    blocks(world, 12)
    assert all(replica.height == 8 for replica in world.replicas)
    world.heal()
    world.run_for(400_000)
    assert world.everybody_has(world.submitted)


def test_votes_beyond_the_window_are_not_kept() -> None:
    world = World(4, seed=8)
    core = world[1].engine.core
    for height in range(13, 400):
        vote = world[0].engine.core.own_prepare(0, height, bytes(32), 0)
        world[1].handle(Received(world.now, world.ids[0], vote))
    assert not core.slots
    for view in range(50):
        vote = world[0].engine.core.own_prepare(view, 5, bytes(32), 0)
        world[1].handle(Received(world.now, world.ids[0], vote))
    assert len(core.slots[5].prepares) == 1


# --- 4.4 view changes ---------------------------------------------------------------------------------------------


def test_a_prepared_request_outlives_the_primary_that_proposed_it() -> None:
    world = World(4, seed=9)
    world.withhold("commit", "status")
    world.submit(b"pay bob")
    world.run_for(100)
    before = world[1].engine.core.prepared.block_hash
    world.crash(0)
    world.run_until(lambda: world[1].view == 1, 5_000)
    world.heal()
    world.run_for(5_000)
    assert world.everybody_has([b"pay bob"])
    assert world[1].finalized[0] == before
    assert world[2].view == 1


def test_a_request_that_nobody_prepared_is_ordered_by_the_next_primary() -> None:
    world = World(4, seed=9)
    world.crash(0)
    world.submit(b"pay bob")
    world.run_for(5 * BASE_TIMEOUT_MS)
    assert world.everybody_has([b"pay bob"])
    assert all(replica.view == 1 for replica in world.alive)


def test_view_changes_pass_over_as_many_dead_primaries_as_may_fail() -> None:
    world = World(7, seed=9)
    world.crash(0)
    world.crash(1)
    world.submit(b"pay bob")
    world.run_for(10 * BASE_TIMEOUT_MS)
    assert world.everybody_has([b"pay bob"])
    assert {replica.view for replica in world.alive} == {2}


def test_an_invalid_prepared_certificate_is_ignored_alone() -> None:
    """P7: it neither counts nor hides the valid ones."""
    world = World(4, seed=10)
    world.withhold("commit", "status")
    world.submit(b"a")
    world.run_for(100)
    liar = world[3].engine.core
    false = Certificate(5, 9, bytes(32), liar.prepared.votes)
    content = liar.codec.view_change_content(1, None, false)
    signature = liar.sign(liar.committee.view_change_digest(content)).signature
    lie = liar.codec.make_view_change(1, None, false, 3, signature)
    world[1].handle(Received(world.now, world.ids[3], lie))
    assert 3 not in world[1].engine.core.view_changes
    assert not all(world.signatures.holds(claim) for claim in lie.claims())
    world.crash(0)
    world.run_until(lambda: world[1].view == 1 and world[1].engine.core.active, 5_000)
    assert world[1].engine.core.base_height == 1


def test_a_new_view_without_its_quorum_is_refused_and_its_author_accused() -> None:
    world = World(4, seed=10)
    world.isolate(1)
    world[1].engine.view_changing.start(1)
    core = world[1].engine.core
    change = core.view_changes[1]
    message = core.codec.make_new_view(1, (change, change, change), bytes(64))
    world[2].handle(Received(world.now, world.ids[1], message))
    assert world[2].view == 0
    assert (2, Accuse(world.ids[1], "new-view-proof")) in world.accusations


def test_the_new_primary_cannot_leave_the_chosen_base() -> None:
    world = World(4, seed=10, liars=[1])
    world.withhold("commit", "status")
    world.submit(b"a")
    world.run_for(100)
    world.crash(0)
    world.run_until(lambda: world[2].view == 1 and world[2].engine.core.active, 5_000)
    chain, core = world[2].chain, world[1].engine.core
    fork = chain.build(chain.genesis, draft_like(world, 1))
    claim = core.sign(core.committee.prepare_digest(1, 1, fork.header.hash))
    world[2].handle(Received(world.now, world.ids[1], PrePrepare(1, fork.header, 1, claim, fork)))
    assert world[2].engine.core.voted.get(1) != fork.hash


def test_the_view_timer_runs_only_while_there_is_something_to_order() -> None:
    world = World(4, seed=11)
    world.run_for(20_000)
    assert all(replica.view == 0 and not replica.engine.status()["view_timer"] for replica in world.replicas)
    world.submit(b"a")
    assert world[1].engine.status()["view_timer"]
    world.run_for(100)
    assert not any(replica.engine.status()["view_timer"] for replica in world.replicas)


def test_the_view_timeout_doubles_up_to_its_cap_and_falls_back_after_progress() -> None:
    """4.4 and 4.5.2; P14."""
    world = World(4, seed=12, view_timeout_cap_ms=1_600)
    world.withhold("new-view", "pre-prepare")
    world.submit(b"a")
    world.run_for(1)
    timers = [replica.engine.timers for replica in world.replicas]
    assert {timer.view_timeout_ms for timer in timers} == {400}
    world.run_until(lambda: all(replica.view == 2 for replica in world.replicas), 60_000)
    assert {timer.view_timeout_ms for timer in timers} == {1_600}
    world.run_for(10_000)
    assert {timer.view_timeout_ms for timer in timers} == {1_600}
    world.settle()
    world.run_for(10_000)
    blocks(world, 16, b"calm")
    assert world.everybody_has(world.submitted)
    assert {timer.view_timeout_ms for timer in timers} == {400}


def test_f_plus_one_view_changes_pull_a_replica_along_before_its_timer() -> None:
    world = World(4, seed=13)
    for place in (1, 2):
        world[place].engine.view_changing.start(5)
    lagging = world[3].engine
    for place in (1, 2):
        change = world[place].engine.core.view_changes[place]
        world[3].handle(Received(world.now, world.ids[place], change))
        assert lagging.core.view == (0 if place == 1 else 5)


def test_one_liar_cannot_make_anybody_change_the_view() -> None:
    world = World(4, seed=13)
    world[1].engine.view_changing.start(1_000_000)
    change = world[1].engine.core.view_changes[1]
    world[3].handle(Received(world.now, world.ids[1], change))
    assert world[3].view == 0


# --- 4.5, 4.6: restarts, loss, laggards ---------------------------------------------------------------------------


def test_a_replica_that_crashes_between_its_record_and_its_message_says_the_same_later() -> None:
    world = World(4, seed=14)
    world.withhold("prepare")
    world.submit(b"a")
    world.run_for(50)
    said = [message for message in world[2].sent if message.kind == "prepare"]
    world.crash(2)
    world[2].sent.clear()
    world.restart(2)
    repeated = [message for message in world[2].sent if message.kind == "prepare"]
    assert said[0] in repeated
    world.heal()
    world.run_for(3_000)
    assert world.everybody_has([b"a"])


def test_a_prepared_block_survives_the_crash_of_everybody() -> None:
    world = World(4, seed=15)
    world.withhold("commit", "status")
    world.submit(b"pay bob")
    world.run_for(100)
    before = world[1].engine.core.prepared.block_hash
    for place in range(4):
        world.crash(place)
    world.heal()
    for place in range(4):
        world.restart(place)
    world.run_for(6_000)
    assert all(replica.finalized[0] == before for replica in world.replicas)


def test_everybody_may_crash_at_the_high_mark_before_a_checkpoint_is_stable() -> None:
    """Nobody remembers a CHECKPOINT then; if nobody said it again, the window would never move on."""
    world = World(4, seed=15, checkpoint_interval=4, window=8)
    world.drops = only({"checkpoint": ()})
    blocks(world, 8)
    assert all(replica.height == 8 and replica.engine.core.low == 0 for replica in world.replicas)
    for place in range(4):
        world.crash(place)
    world.heal()
    for place in range(4):
        world.restart(place)
    world.submit(b"after")
    world.run_for(3_000)
    assert world.everybody_has([b"after"])


def test_everybody_may_restart_in_the_middle_of_a_view_change() -> None:
    world = World(4, seed=15)
    world.withhold("new-view", "status")
    world.crash(0)
    world.submit(b"a")
    world.run_for(3 * BASE_TIMEOUT_MS)
    assert world[1].view > 0
    views = {place: world[place].view for place in (1, 2, 3)}
    for place in (1, 2, 3):
        world.crash(place)
        world.restart(place)
        assert world[place].view == views[place]
    world.settle()
    world.run_for(20_000)
    assert world.everybody_has([b"a"])


def test_a_laggard_fetches_what_it_missed_and_votes_again() -> None:
    world = World(4, seed=16)
    world.isolate(3)
    blocks(world, 30)
    assert world[3].height == 0
    world.heal()
    world.run_for(5_000)
    assert world[3].height == world[0].height == 30
    world.crash(1)
    world.submit(b"with its help")
    world.run_for(5_000)
    assert world.everybody_has([b"with its help"])


def test_f_plus_one_voices_beyond_the_window_make_a_replica_ask() -> None:
    """P9: silence above the high mark would leave it behind for ever."""
    world = World(4, seed=16)
    world.isolate(3)
    blocks(world, 20)
    world.run_for(2_000)
    world.run_until(lambda: any(message.kind == "status" for message in world[3].sent[-1:]), 5_000)
    world.run_for(75)
    world[3].sent.clear()
    for place in (0, 1):
        vote = world[place].engine.core.own_commit(0, 20, bytes(32), place)
        world[3].handle(Received(world.now, world.ids[place], vote))
    assert [message.kind for message in world[3].sent] == ["status"]


def test_a_commit_certificate_of_a_later_view_is_a_way_into_it() -> None:
    world = World(4, seed=17)
    world.drops = lambda sender, receiver, message: (
        (sender.place == 3) != (receiver.place == 3) or (sender.place == 0 and message.kind == "pre-prepare")
    )
    world.submit(b"a")
    world.run_for(1_000)
    assert world[1].height == 1
    world.drops = lambda sender, receiver, message: (
        ((sender.place == 3) != (receiver.place == 3) and message.kind not in ("committed", "sync"))
        or isinstance(message, NewView | ViewChange)
    )
    world.run_for(3_000)
    world.submit(b"b")
    world.run_for(3_000)
    status = world[3].engine.status()
    assert world[3].height > 0
    assert status["active"]
    assert status["view"] == world[1].view > 0


def test_requests_commit_in_spite_of_heavy_loss() -> None:
    world = World(4, seed=18)
    world.loss_percent = 30
    for number in range(20):
        world.submit(b"request %d" % number)
        world.run_for(200)
    assert world.run_until(lambda: world.everybody_has(world.submitted), 60_000)
    assert agreed(world)


def test_an_observer_follows_certificates_and_says_nothing() -> None:
    world = World(4, seed=19, observers=1)
    blocks(world, 6)
    observer = world[4]
    assert observer.height == 6
    assert not observer.sent
    assert world.messages["committed"] >= 6


def test_a_status_is_answered_once_per_peer_and_period() -> None:
    world = World(4, seed=20)
    blocks(world, 3)
    world.run_for(1_000)
    sent = len(world[0].sent)
    for _ in range(50):
        world[0].handle(Received(world.now, world.ids[2], Status(0, True, 0, 0, 0)))
    answered = world[0].sent[sent:]
    assert sum(isinstance(message, Committed) for message in answered) == 1


def test_state_is_written_before_it_is_spoken_of() -> None:
    """In each answer, the records of a vote precede it; and no vote leaves without one."""
    world = World(4, seed=21)
    world.trace = []
    blocks(world, 5)
    spoken = 0
    for _, _, effects in world.trace:
        written: list[bytes] = []
        for effect in effects:
            name = type(effect).__name__
            if name == "Persist":
                written.append(effect.key)  # type: ignore[union-attr]
            elif name == "Broadcast" and effect.message.kind in ("prepare", "pre-prepare"):  # type: ignore[union-attr]
                assert any(key.startswith(b"vote/") for key in written)
                spoken += 1
            elif name == "Broadcast" and effect.message.kind == "commit":  # type: ignore[union-attr]
                assert b"prepared" in written
    assert spoken == 20
    assert sum(isinstance(effect, Finalize) for _, _, effects in world.trace for effect in effects) == 20


def test_the_repeat_timer_is_the_only_one_of_an_idle_replica() -> None:
    world = World(4, seed=22)
    world.run_for(500)
    assert set(world[2].timers) == {"repeat"}
    assert world[2].engine.timers.repeat_period == BASE_TIMEOUT_MS * MILLISECOND // 4
