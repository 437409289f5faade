"""The claims of Chan & Pass 2023, each told as a story of a few replicas."""

from typing import Any

import pytest
from simplex_world import DELTA_MS, World

from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.engine.effects import Broadcast, Persist
from raclette.engine.events import Received
from raclette.engine.exam import check_engine
from raclette.engine.message import Message
from raclette.lab.hunt.engines.world import Replica
from raclette.protocols.records import BODY
from raclette.protocols.simplex import make_engine
from raclette.protocols.simplex.evidence import check_evidence
from raclette.protocols.simplex.messages import DummyVote, FinalizeVote, Notarized, Proposal, Status, Vote
from raclette.protocols.simplex.records import STATE
from raclette.protocols.simplex.statements import DUMMY_HASH, Certificate, Phase, extra_data, iteration_of


def core_of(world: World, place: int) -> Any:
    return world[place].engine.core


def agreed(world: World) -> bool:
    return len({replica.chain.head.hash for replica in world.alive}) == 1


@pytest.mark.parametrize("seed", range(1, 4))
def test_simplex_passes_the_exam_of_an_engine(seed: int) -> None:
    check_engine(
        make_engine,
        lambda ids: {"validators": ["0x" + node_id.hex() for node_id in ids], "delta_ms": 100},
        seed=seed,
    )


# --- section 2: the protocol ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 5, 6, 7, 10])
def test_a_transaction_is_final_everywhere_in_the_first_iteration(replicas: int) -> None:
    world = World(replicas, seed=2)
    world.submit(b"pay bob")
    world.run_for(60)
    assert world.everybody_has([b"pay bob"])
    assert all(replica.height == 1 and core_of(world, replica.place).iteration == 2 for replica in world.replicas)


def test_a_block_is_final_three_hops_after_it_was_proposed() -> None:
    """Theorem: optimistic confirmation takes 3 delta."""
    world = World(4, seed=2)
    world.delay = (10, 10)
    world.run_for(50)
    world.submit(b"pay bob")
    world.run_for(29)
    assert not any(replica.height for replica in world.replicas)
    world.run_for(1)
    assert world.everybody_has([b"pay bob"])


def test_the_next_block_is_proposed_two_hops_after_the_one_before() -> None:
    """Optimistic block time 2 delta: its leader does not wait until the one before is final."""
    world = World(4, seed=2)
    world.delay = (10, 10)
    for number in range(400):
        world.submit(b"request %d" % number)
    world.run_for(9)
    world.submit(b"more")
    world.run_for(11)
    proposals = [message for message in world[2].sent if isinstance(message, Proposal)]
    assert [proposal.iteration for proposal in proposals] == [2]
    assert world[2].height == 0


def test_every_replica_leads_in_turn() -> None:
    world = World(4, seed=3)
    for number in range(8):
        world.submit(b"request %d" % number)
        world.run_for(60)
    leaders = [iteration_of(world[0].chain.canonical(number)) % 4 for number in range(1, 9)]  # type: ignore[arg-type]
    assert leaders == [1, 2, 3, 0, 1, 2, 3, 0]


def test_a_dead_leader_costs_three_delta_and_leaves_no_gap_in_the_chain() -> None:
    world = World(4, seed=3)
    world.crash(1)
    world.submit(b"pay bob")
    world.run_for(3 * DELTA_MS - 5)
    assert world[0].height == 0
    world.run_for(50)
    assert world.everybody_has([b"pay bob"])
    block = world[0].chain.canonical(1)
    assert block is not None
    assert iteration_of(block) == 2
    assert any(isinstance(message, DummyVote) for message in world[0].sent)


def test_whoever_voted_for_the_dummy_block_does_not_finalize_that_iteration() -> None:
    """The rule on which everything rests: the block is notarized late, after patience ended."""
    world = World(4, seed=4)
    world.withhold("vote", "status", "dummy")
    world.submit(b"pay bob")
    world.run_for(4 * DELTA_MS)
    assert all(core_of(world, place).promises.dummied for place in range(4))
    world.drops = lambda sender, receiver, message: message.kind in ("dummy", "status")
    for sender in world.replicas:
        for message in sender.sent:
            if message.kind == "vote":
                for receiver in world.replicas:
                    if receiver is not sender:
                        world.deliver(sender, receiver, message)
    world.run_for(20)
    assert all(1 in core_of(world, place).notarized for place in range(4))
    assert not any(
        isinstance(message, FinalizeVote) and message.iteration == 1
        for replica in world.replicas
        for message in replica.sent
    )
    world.heal()
    world.run_for(2_000)
    assert world.everybody_has([b"pay bob"])


def test_a_notarized_block_that_was_not_finalized_becomes_final_with_a_block_above_it() -> None:
    """Nobody sends anything new: an empty block is proposed on it, and takes it along."""
    world = World(4, seed=5)
    world.drops = lambda sender, receiver, message: message.kind == "finalize" and getattr(message, "iteration", 0) == 1
    world.submit(b"pay bob")
    world.run_for(3 * DELTA_MS)
    assert world.everybody_has([b"pay bob"])
    chain = world[0].chain
    assert chain.finalized.number == 2
    first, second = chain.canonical(1), chain.canonical(2)
    assert first is not None
    assert second is not None
    assert chain.block(second.hash).transactions == ()  # type: ignore[union-attr]
    claims = world[1].engine.check_certificate(first, chain.certificate(first.hash))
    assert len(claims) == 3
    assert all(world.signatures.holds(claim) for claim in claims)


def test_with_nothing_to_do_nothing_happens() -> None:
    world = World(4, seed=6)
    world.submit(b"pay bob")
    world.run_for(100)
    sent = {kind: count for kind, count in world.messages.items() if kind != "status"}
    iterations = [core_of(world, place).iteration for place in range(4)]
    world.run_for(60_000)
    assert {kind: count for kind, count in world.messages.items() if kind != "status"} == sent
    assert [core_of(world, place).iteration for place in range(4)] == iterations


# --- section 3: consistency -------------------------------------------------------------------------------------------


def test_two_blocks_of_one_leader_are_never_both_notarized() -> None:
    """Lemma: a replica votes for one block in an iteration, and two quorums share an honest one."""
    world = World(4, seed=5, twins=[1])
    world.submit(b"left", to=[0, 1, 2])
    world.submit(b"right", to=[3, 4])
    world.run_for(2_000)
    shown = [
        message.certificate
        for replica in world.instances
        for message in replica.sent
        if isinstance(message, Notarized) and message.certificate.phase is Phase.NOTARIZED
    ]
    assert shown
    assert len({(known.iteration, known.block_hash) for known in shown}) == len({known.iteration for known in shown})
    assert agreed(world)


def test_an_equivocating_leader_is_convicted_by_its_own_signatures() -> None:
    world = World(4, seed=5, twins=[1])
    world.submit(b"left", to=[1])
    world.submit(b"right", to=[4])
    world.run_for(1_000)
    accused = [effect for _, effect in world.accusations if effect.reason == "equivocation-vote"]
    assert accused
    assert {effect.peer for effect in accused} == {world.ids[1]}
    committee = core_of(world, 0).committee
    for effect in accused:
        assert all(world.signatures.holds(claim) for claim in check_evidence(committee, effect.evidence))
    world.submit(b"after", to=[0, 2, 3])
    world.run_for(5_000)
    assert all(b"after" in replica.chain.included for replica in world.alive)


def test_dummy_and_finalize_in_one_iteration_is_evidence() -> None:
    world = World(4, seed=7, liars=[3])
    liar, victim = core_of(world, 3), world[0]
    dummy = liar.own_vote(Phase.DUMMY, 1, DUMMY_HASH, 3)
    finalize = liar.own_vote(Phase.FINALIZED, 1, b"\x07" * 32, 3)
    for vote in (dummy, finalize):
        victim.handle(Received(world.now, world.ids[3], vote))
    reasons = [effect.reason for _, effect in world.accusations]
    assert reasons == ["dummy-and-finalize-finalize"]
    claims = check_evidence(liar.committee, world.accusations[0][1].evidence)
    assert {claim.author for claim in claims} == {world.ids[3]}


def test_a_vote_for_a_block_and_one_for_the_dummy_block_are_no_offence() -> None:
    world = World(4, seed=7)
    world.withhold("vote", "status")
    world.submit(b"a")
    world.run_for(5 * DELTA_MS)
    world.heal()
    world.run_for(1_000)
    assert world.everybody_has([b"a"])
    assert world.accusations == []


def test_a_proposal_that_skips_a_notarized_block_gets_no_vote() -> None:
    """Section 2: it must extend a chain that has a notarized block, dummy or not, for every iteration before."""
    world = World(4, seed=8, liars=[2])
    world.withhold("finalize", "status")
    world.submit(b"a")
    world.run_for(8)
    world.submit(b"b")
    world.run_for(20)
    liar, voter = core_of(world, 2), world[0]
    assert 1 in core_of(world, 0).notarized
    proposal = next(message for message in world[2].sent if isinstance(message, Proposal))
    genesis = world[2].chain.genesis
    block = world[2].chain.build(genesis, Draft(genesis.timestamp, extra_data=proposal.header.extra_data))
    claim = liar.sign(liar.committee.digest(Phase.NOTARIZED, 2, block.hash))
    lie = liar.codec.make_proposal(block.header, claim.signature, ()).with_block(block)
    voter.engine.core.slots.pop(2, None)
    voter.engine.core.promises.iteration, voter.engine.core.promises.voted = 2, b""
    effects = voter.engine.handle(Received(world.now, world.ids[2], lie))
    assert not any(isinstance(effect, Broadcast) and isinstance(effect.message, Vote) for effect in effects)


def test_the_same_vote_many_times_counts_once() -> None:
    world = World(4, seed=4)
    world.isolate(0, 1)
    world.submit(b"a")
    world.run_for(50)
    vote = next(message for message in world[1].sent if isinstance(message, Proposal)).vote
    for _ in range(10):
        world[0].handle(Received(world.now, world.ids[2], vote))
    assert len(core_of(world, 0).slots[1].votes[Phase.NOTARIZED]) == 2
    assert world[0].height == 0


# --- section 3: liveness ----------------------------------------------------------------------------------------------


def test_a_notarization_takes_everybody_along() -> None:
    """Who sees a notarized block passes it on, so a replica that got no votes enters the next iteration too."""
    world = World(4, seed=9)
    world.drops = lambda sender, receiver, message: receiver.place == 3 and message.kind in ("vote", "status")
    world.submit(b"a")
    world.run_for(60)
    assert core_of(world, 3).iteration == 2
    assert any(isinstance(message, Notarized) for message in world[3].sent)


def test_an_honest_leader_after_the_network_is_healed_commits_its_block() -> None:
    world = World(7, seed=9)
    world.isolate(0, 1, 2)
    world.submit(b"a")
    world.run_for(3_000)
    assert not any(replica.height for replica in world.replicas)
    world.heal()
    world.run_for(3_000)
    assert world.everybody_has([b"a"])
    assert agreed(world)


def test_delta_grows_on_a_slow_network_and_comes_back_on_a_fast_one() -> None:
    world = World(4, seed=10, delta_ms=20, delta_cap_ms=5_000)
    world.delay = (150, 200)
    world.submit(b"a")
    world.run_for(20_000)
    assert world.everybody_has([b"a"])
    assert max(replica.engine.status()["delta_ms"] for replica in world.replicas) > 20
    world.delay = (1, 5)
    for number in range(12):
        world.submit(b"b%d" % number)
        world.run_for(300)
    assert {replica.engine.status()["delta_ms"] for replica in world.replicas} == {20}


def test_one_impatient_replica_alone_starts_no_timer() -> None:
    """SIM-54: f replicas may say what they like."""
    world = World(4, seed=11, liars=[3])
    dummy = core_of(world, 3).own_vote(Phase.DUMMY, 1, DUMMY_HASH, 3)
    world[0].handle(Received(world.now, world.ids[3], dummy))
    world.run_for(2_000)
    assert core_of(world, 0).iteration == 1
    assert not core_of(world, 0).promises.dummied


# --- crashes, loss, absence -------------------------------------------------------------------------------------------


def test_a_vote_survives_a_crash() -> None:
    world = World(4, seed=3)
    world.withhold("vote", "status")
    world.submit(b"a")
    world.run_for(50)
    voted = core_of(world, 2).promises.voted
    assert voted
    world.crash(2)
    world.restart(2)
    assert core_of(world, 2).promises.voted == voted


def test_when_all_crash_a_notarized_block_and_its_proof_are_found_again() -> None:
    world = World(4, seed=12)
    world.withhold("finalize", "status")
    world.submit(b"a")
    world.run_for(40)
    notarized = core_of(world, 0).notarized[1].block_hash
    for place in range(4):
        world[place].crash(keep_all(world, place))
    for place in range(4):
        world.restart(place)
    world.heal()
    world.submit(b"b")
    world.run_for(3_000)
    assert world.everybody_has([b"a", b"b"])
    first = world[0].chain.canonical(1)
    assert first is not None
    assert first.hash == notarized


def test_a_crash_between_a_notarization_and_the_step_it_leads_to_leaves_nobody_behind() -> None:
    """SIM-43. The certificate is on disk and the new iteration is not: nobody can show it this certificate again."""
    world = World(4, seed=12)
    world.crash(3)
    world.drops = lambda sender, receiver, message: (
        message.kind in ("finalize", "status") or (receiver.place == 0 and message.kind in ("vote", "notarization"))
    )
    world.submit(b"a")
    world.run_for(60)
    certificate = core_of(world, 1).notarized[1]
    sleeper = world[0]
    sleeper.on_death = lambda replica: replica.crash(1)
    sleeper.dies_after = 1
    sleeper.handle(Received(world.now, world.ids[1], core_of(world, 1).codec.make_notarized(certificate)))
    assert not sleeper.up
    world.restart(0)
    assert core_of(world, 0).notarized == {1: certificate}
    assert core_of(world, 0).iteration == 2
    assert any(isinstance(message, FinalizeVote) and message.iteration == 1 for message in sleeper.sent)
    world.heal()
    world.run_for(1_000)
    assert world.everybody_has([b"a"])


def test_a_crash_between_a_notarization_and_the_step_after_dummy_does_not_finalize() -> None:
    """SIM-22 holds for a step that is taken late."""
    world = World(4, seed=12)
    world.withhold("vote", "status", "dummy")
    world.submit(b"a")
    world.run_for(5 * DELTA_MS)
    sleeper = world[0]
    block_hash = core_of(world, 0).promises.voted
    assert block_hash
    assert core_of(world, 0).promises.dummied
    sleeper.on_death = lambda replica: replica.crash(1)
    sleeper.dies_after = 1
    sleeper.handle(Received(world.now, world.ids[1], shown(world, Phase.NOTARIZED, 1, block_hash)))
    world.restart(0)
    assert core_of(world, 0).iteration == 2
    assert not any(isinstance(message, FinalizeVote) for message in sleeper.sent)


def test_a_crash_between_a_block_and_the_vote_for_it_keeps_no_block() -> None:
    """SIM-43. Else a leader with two blocks could leave one more behind at each crash."""
    world = World(4, seed=12)
    voter = world[0]
    voter.on_death = lambda replica: replica.crash(1)
    voter.dies_after = 1
    world.submit(b"a", to=[1])
    world.run_for(60)
    assert not voter.up
    assert any(key.startswith(BODY) for key in voter.disk.records)
    assert STATE not in voter.disk.records
    world.restart(0)
    assert core_of(world, 0).bodies == {}
    world.run_for(1_000)
    assert b"a" in voter.chain.included


def test_blocks_on_an_abandoned_branch_are_forgotten_whatever_their_number() -> None:
    """SIM-24. Two blocks are voted for, one above the other; then dummy blocks take both places, and a later block that
    becomes final has the lower number."""
    world = World(4, seed=18, liars=[1, 2, 3])
    world.withhold("vote", "dummy", "finalize", "notarization", "finalized", "proposal", "status")
    replica, genesis = world[0], world[0].chain.genesis
    first = propose(world, 1, genesis)
    second = propose(world, 2, first, shown(world, Phase.NOTARIZED, 1, first.hash).certificate)
    assert core_of(world, 0).bodies == {first.hash: 1, second.hash: 2}
    dummies = [shown(world, Phase.DUMMY, iteration, DUMMY_HASH).certificate for iteration in (1, 2)]
    third = propose(world, 3, genesis, *dummies)
    assert core_of(world, 0).promises.voted == third.hash
    replica.handle(Received(world.now, world.ids[1], shown(world, Phase.FINALIZED, 3, third.hash)))
    assert replica.chain.finalized.hash == third.hash
    assert (second.number, third.number) == (2, 1)
    assert core_of(world, 0).bodies == {}
    propose(world, 4 + 1, third, shown(world, Phase.DUMMY, 4, DUMMY_HASH).certificate)
    assert BODY + second.hash not in {key for key, value in records_of(replica).items() if value}


def shown(world: World, phase: Phase, iteration: int, block_hash: bytes) -> Notarized:
    """A certificate signed by replicas 1, 2 and 3."""
    votes = [(place, core_of(world, place).own_vote(phase, iteration, block_hash, place)) for place in (1, 2, 3)]
    certificate = Certificate(
        phase, iteration, block_hash, tuple((place, vote.claim.signature) for place, vote in votes)
    )
    message: Notarized = core_of(world, 1).codec.make_notarized(certificate)
    return message


def propose(world: World, iteration: int, parent: Header, *certificates: Certificate) -> Header:
    """The iteration's leader shows replica 0 a block on `parent`."""
    leader = core_of(world, iteration % 4)
    draft = Draft(parent.timestamp, extra_data=extra_data(leader.signer.public_key, iteration))
    block = world[0].chain.build(parent, draft)
    claim = leader.sign(leader.committee.digest(Phase.NOTARIZED, iteration, block.hash))
    message = leader.codec.make_proposal(block.header, claim.signature, certificates).with_block(block)
    world[0].handle(Received(world.now, leader.signer.public_key, message))
    return block.header


def records_of(replica: Replica) -> dict[bytes, bytes | None]:
    """What is on disk, once all is written."""
    return replica.disk.records | {
        entry.key: entry.value for entry in replica.disk.journal if isinstance(entry, Persist)
    }


def keep_all(world: World, place: int) -> int:
    """Nothing that was written is lost."""
    return len(world[place].disk.journal)


def test_a_replica_that_slept_catches_up_with_blocks_and_proofs() -> None:
    world = World(4, seed=13)
    world.crash(0)
    for number in range(6):
        world.submit(b"request %d" % number)
        world.run_for(700)
    assert world[1].height >= 5
    world.restart(0)
    world.run_for(3_000)
    assert world.everybody_has(world.submitted)
    assert agreed(world)
    assert world[0].height == world[1].height


def test_an_observer_follows_without_a_vote() -> None:
    world = World(4, seed=14, observers=1)
    world.submit(b"a")
    world.run_for(500)
    assert world[4].height == 1
    assert not any(message.kind in ("vote", "dummy", "finalize", "status") for message in world[4].sent)


def test_a_status_is_answered_once_for_each_half_period() -> None:
    world = World(4, seed=15, liars=[3])
    world.submit(b"a")
    world.run_for(100)
    flood = Status(1, 0, 1)
    before = len(world[0].sent)
    for _ in range(50):
        world[0].handle(Received(world.now, world.ids[3], flood))
    assert 1 <= len(world[0].sent) - before <= 6


def test_votes_of_far_iterations_are_not_kept() -> None:
    """SIM-51: a window on both sides."""
    world = World(4, seed=16, liars=[3])
    liar = core_of(world, 3)
    for iteration in range(2, 400):
        world[0].handle(Received(world.now, world.ids[3], liar.own_vote(Phase.NOTARIZED, iteration, b"\x01" * 32, 3)))
    assert len(core_of(world, 0).slots) <= 16


def test_a_certificate_from_far_ahead_takes_a_sleeper_there() -> None:
    world = World(4, seed=17)
    votes = []
    for place in (1, 2, 3):
        vote = core_of(world, place).own_vote(Phase.DUMMY, 500, DUMMY_HASH, place)
        votes.append((place, vote.claim.signature))
    certificate = Certificate(Phase.DUMMY, 500, DUMMY_HASH, tuple(votes))
    message: Message = core_of(world, 1).codec.make_notarized(certificate)
    world[0].handle(Received(world.now, world.ids[1], message))
    assert core_of(world, 0).iteration == 501
