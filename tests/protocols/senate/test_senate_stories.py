"""Stories of holders, directors, leaders and senators, each one claim of spec/senate.md."""

from dataclasses import replace
from typing import Any

import pytest
from senate_world import World

from raclette.chain.block import Block
from raclette.engine.events import BlockReceived, Received
from raclette.engine.message import Message
from raclette.lab.hunt.engines.senate_lies import SenateTrickster
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Claim, Lot
from raclette.protocols.senate.evidence import check_evidence
from raclette.protocols.senate.messages import Candidate, Commit, Entry, Inquiry, Prepare, Proposal, Timeout
from raclette.protocols.senate.statements import read_extra

TX = [b"pay %d" % number for number in range(20)]


def lying(world: World, name: str, *kinds: str) -> None:
    """Let the world's liars tell this lie to everybody."""
    minds: dict[int, SenateTrickster] = {}

    def mind(replica: Replica) -> SenateTrickster:
        return minds.setdefault(replica.place, SenateTrickster(replica, Random(1)))

    def twist(sender: Replica, message: Message) -> dict[int, Any] | None:
        if message.kind not in kinds:
            return None
        said = mind(sender).lies(name, message)
        return {replica.place: said for replica in world.instances}

    world.twist = twist
    world.overhear = lambda replica, message: mind(replica).overhear(message)


def settle(world: World, count: int, ms: int = 30_000) -> bool:
    """Submit, and wait until everybody has it."""
    for number in range(count):
        world.submit(TX[number])
        if not world.run_until(lambda: world.everybody_has(world.submitted), ms // count):
            return False
    return True


def test_holders_decide_block_after_block() -> None:
    world = World(7)
    assert settle(world, 5)
    assert len({replica.chain.finalized.hash for replica in world.replicas}) == 1
    assert world.reasons() == []


def test_the_director_of_a_block_held_the_lowest_ticket_that_entered() -> None:
    world = World(5)
    world.submit(TX[0])
    world.run_until(lambda: world.work().proposal is not None, 5_000)
    work = world.work()
    proposal = work.proposal
    assert proposal is not None
    best = next(ticket for ticket in work.entries.values() if work.rank(ticket) == 0)
    assert read_extra(proposal.header).director == best.director


def test_most_holders_stay_silent_when_they_hear_a_better_ticket() -> None:
    world = World(10, entry_window_ms=160)
    assert settle(world, 5)
    entries = sum(isinstance(message, Entry) for replica in world.replicas for message in replica.sent)
    assert entries < 5 * 5


def test_a_silent_leader_costs_a_round_and_the_next_seat_leads() -> None:
    world = World(7)
    leader = world.leader()
    world.isolate(leader.place)
    world.submit(TX[0])
    assert world.run_until(lambda: all(r.height for r in world.alive if r is not leader), 20_000)
    assert any(isinstance(message, Timeout) for replica in world.replicas for message in replica.sent)
    world.heal()
    assert settle(world, 2)


def test_a_winner_who_enters_and_writes_nothing_costs_a_round() -> None:
    world = World(5)
    world.withhold("candidate")
    world.submit(TX[0])
    world.run_for(300)
    assert all(replica.height == 0 for replica in world.replicas)
    world.heal()
    assert world.run_until(lambda: world.everybody_has(TX[:1]), 20_000)


def test_what_one_senator_may_have_committed_outlives_its_round() -> None:
    """SENATE-27: locks everywhere, COMMITs nowhere; the next leader proposes the locked block again."""
    world = World(4)
    world.withhold("commit", "committed")
    world.submit(TX[0])
    world.run_until(lambda: all(world.work(place).word.lock is not None for place in range(4)), 5_000)
    lock = world.work(0).word.lock
    assert lock is not None
    world.run_until(lambda: world.work(0).round >= 2, 5_000)
    world.heal()
    assert world.run_until(lambda: all(replica.height >= 1 for replica in world.replicas), 10_000)
    assert {replica.finalized[0] for replica in world.replicas} == {lock.block_hash}


def test_a_senator_remembers_its_lock_across_a_crash_of_everybody() -> None:
    world = World(4)
    world.withhold("commit", "committed")
    world.submit(TX[0])
    world.run_until(lambda: all(world.work(place).word.lock is not None for place in range(4)), 5_000)
    lock = world.work(0).word.lock
    assert lock is not None
    for place in range(4):
        world[place].crash(kept=1_000)
    for place in range(4):
        world.restart(place)
    world.heal()
    assert world.run_until(lambda: all(replica.height >= 1 for replica in world.replicas), 20_000)
    assert {replica.finalized[0] for replica in world.replicas} == {lock.block_hash}


def alone_in_round_1() -> World:
    """Holder 0 has heard a quorum's TIMEOUTs for round 0, the others none."""
    world = World(4)
    world.drops = lambda sender, receiver, message: (
        message.kind in ("proposal", "round-change") or (message.kind == "timeout" and receiver.place != 0)
    )
    world.submit(TX[0])
    assert world.run_until(lambda: world.work(0).round == 1, 5_000)
    return world


def test_a_round_that_one_holder_knows_of_survives_its_crash() -> None:
    """SENATE-34. It says TIMEOUT for round 1 only; the quorum that could do without its TIMEOUT for round 0 is gone."""
    world = alone_in_round_1()
    assert world.run_until(lambda: world.work(0).word.is_over, 5_000)
    world[0].crash(kept=1_000)
    world.crash(3)
    world.restart(0)
    assert (world.work(0).round, world.work(0).word.is_over) == (1, True)
    assert [world.work(place).round for place in (1, 2)] == [0, 0]
    world.heal()
    assert world.run_until(lambda: all(world[place].height for place in range(3)), 20_000)


def test_a_crash_before_the_first_word_in_a_round_leaves_the_holder_in_it() -> None:
    world = alone_in_round_1()
    world[0].crash(kept=1_000)
    world.restart(0)
    work = world.work(0)
    assert (work.round, work.word.is_over, work.word.prepared) == (1, False, b"")
    assert work.justification is not None
    assert work.is_open


def test_who_missed_the_last_block_before_a_quiet_time_asks_for_it() -> None:
    """SENATE-54: no transaction waits, nobody repeats anything, and the announcement is long over."""
    world = World(5)
    lost = next(place for place in range(5) if place != world.leader().place)
    world.isolate(lost)
    world.submit(TX[0], to=[place for place in range(5) if place != lost])
    others = [replica for replica in world.replicas if replica.place != lost]
    assert world.run_until(lambda: all(replica.height for replica in others), 10_000)
    world.run_for(50)
    world.heal()
    assert world.run_until(lambda: world[lost].height == 1, 2_000)
    assert any(isinstance(message, Inquiry) for message in world[lost].sent)


def test_an_inquiry_is_answered_seldom_and_to_holders_only() -> None:
    """SENATE-52."""
    world = World(4)
    assert settle(world, 1)
    world.run_for(300)
    before = len(world[0].sent)
    for _ in range(50):
        world[0].handle(Received(world.now, world.ids[1], Inquiry(1)))
        world[0].handle(Received(world.now, STRANGER, Inquiry(1)))
        world[0].handle(Received(world.now, world.ids[2], Inquiry(2)))
    assert [message.kind for message in world[0].sent[before:]] == ["committed"]


@pytest.mark.parametrize(
    ("lie", "kinds", "reason"),
    [
        ("both-blocks", ("prepare", "commit"), "two-votes"),
        ("both-blocks", ("candidate",), "two-candidates"),
        ("forgotten-lock", ("timeout",), "amnesia"),
    ],
)
def test_who_contradicts_himself_is_convicted(lie: str, kinds: tuple[str, ...], reason: str) -> None:
    """SENATE-5, SENATE-26: with evidence that holds for anybody."""
    for liar in range(4):
        world = World(4, liars=[liar])
        lying(world, lie, *kinds)
        if lie == "forgotten-lock":
            world.drops = lambda sender, receiver, message, liar=liar: (  # type: ignore[misc]
                isinstance(message, Commit) and sender.place != liar
            )
        else:
            # Two blocks to vote for: the leader is silent for a round, and another director writes, too.
            world.drops = lambda sender, receiver, message: isinstance(message, Proposal) and message.round < 1
        world.submit(*TX[:2])
        world.run_for(3_000)
        found = [effect for place, effect in world.accusations if effect.reason == reason and place != liar]
        if found:
            break
    assert found
    claims = check_evidence(world[0].engine.core.statements, found[0].evidence)
    assert all(world.signatures.holds(claim) for claim in claims)
    assert {claim.author for claim in claims} == {world.ids[liar]}


@pytest.mark.parametrize(
    ("lie", "kind", "reason"), [("false-senate", "candidate", "false-senate"), ("own-lock", "timeout", "bad-lock")]
)
def test_what_is_false_by_itself_is_refused_with_its_reason(lie: str, kind: str, reason: str) -> None:
    for liar in range(4):
        world = World(4, liars=[liar])
        lying(world, lie, kind)
        if kind == "timeout":
            world.drops = lambda sender, receiver, message: isinstance(message, Proposal) and message.round < 1
        world.submit(TX[0])
        world.run_for(2_500)
        if reason in world.reasons():
            break
    assert reason in world.reasons()
    world.heal()
    assert world.run_until(lambda: world.everybody_has(TX[:1]), 20_000)


def test_a_ticket_that_was_never_drawn_does_not_pass_the_gate() -> None:
    world = World(4, liars=[0])
    lying(world, "false-ticket", "candidate", "entry")
    assert settle(world, 4)
    assert world.refused > 0


# --- one engine, and what it is told ----------------------------------------------------------------------------------


def told(world: World, message: Message) -> list[str]:
    """What holder 0 accuses somebody of when it hears this (the gate has let it pass)."""
    before = len(world.accusations)
    world[0].handle(Received(world[0].clock, world.ids[1], message))
    return [effect.reason for _, effect in world.accusations[before:]]


def claim_of(world: World, node: bytes, digest: bytes) -> Claim:
    return Claim(node, digest, world.signatures.signer(node).sign(digest))


STRANGER = b"\xcc" * 32


def test_the_ticket_of_a_spent_holding_is_refused() -> None:
    """SENATE-6: a true ticket of somebody who is not on the roll."""
    world = World(4)
    core, work = world[0].engine.core, world.work()
    alpha = core.statements.ticket_alpha(1, work.seed)
    lot = Lot(STRANGER, alpha, world.signatures.signer(STRANGER).draw(alpha))
    assert world.signatures.holds(lot)
    assert told(world, Entry(1, work.seed, STRANGER, lot)) == ["no-holding"]
    assert work.entries == {}


def test_the_block_of_a_spent_holding_is_refused() -> None:
    world = World(4, seed=3)
    signer = world.signatures.signer(STRANGER)
    core, work = world[0].engine.core, world.work()
    lots = [
        signer.draw(core.statements.ticket_alpha(1, work.seed)),
        signer.draw(core.statements.seed_alpha(1, work.seed)),
    ]
    world.submit(TX[0])
    world.run_until(lambda: bool(world.work().candidates), 2_000)
    like = next(iter(world.work().candidates.values()))
    extra = read_extra(like.header)._replace(director=STRANGER, ticket=lots[0], next_lot=lots[1])
    header = replace(like.header, extra_data=extra.encode())
    claim = claim_of(world, STRANGER, core.statements.candidate_digest(1, header.hash))
    assert like.block is not None
    candidate = Candidate(header, STRANGER, claim, core.statements.lots(header), Block(header, like.block.transactions))
    assert all(world.signatures.holds(part) for part in candidate.claims())
    assert told(world, candidate) == ["no-holding"]


@pytest.mark.parametrize("make", [Prepare, Commit])
def test_a_vote_for_a_seat_that_its_author_does_not_own_is_refused(make: type[Prepare] | type[Commit]) -> None:
    """SENATE-7."""
    world = World(4)
    core = world[0].engine.core
    digest = core.statements.vote_digest(make.kind, 1, 0, bytes(32))
    assert told(world, make(1, 0, bytes(32), STRANGER, claim_of(world, STRANGER, digest))) == ["no-seat"]
    assert not world.work().prepares
    assert not world.work().commits


def test_a_timeout_of_somebody_without_a_seat_is_refused() -> None:
    world = World(4)
    core = world[0].engine.core
    claim = claim_of(world, STRANGER, core.statements.timeout_digest(1, 0, 0, b""))
    assert told(world, Timeout(1, 0, None, STRANGER, claim, (claim,))) == ["no-seat"]


def test_a_certificate_with_a_repeated_or_foreign_or_too_light_signer_is_refused() -> None:
    """SENATE-4, SENATE-41."""
    world = World(4)
    assert settle(world, 1)
    replica = world[0]
    header = replica.chain.canonical(1)
    assert header is not None
    codec = replica.engine.core.codec
    certificate = replica.chain.certificate(header.hash)
    proof = codec.decode_finality(header, certificate)
    assert all(world.signatures.holds(claim) for claim in proof.claims)
    votes, owners = proof.votes, proof.owners
    light = tuple((node, count) for node, count in owners if node != votes[0][0])
    cases = {
        "repeated-signer": (owners, (votes[0], *votes)),
        "certificate-stranger": (owners, (*votes, (b"\xff" * 32, bytes(64)))),
        "certificate-quorum": (owners, votes[:1]),
        "certificate-seats": (light, votes[1:]),
        "certificate-senate": (((votes[0][0], 1_024),), votes[:1]),
    }
    for reason, (named, signed) in cases.items():
        with pytest.raises(InvalidCertificate) as caught:
            codec.decode_finality(header, codec.encode_finality(proof.round, named, signed))
        assert caught.value.reason == reason


def test_a_senate_of_ones_own_is_found_out_when_the_block_comes() -> None:
    """SENATE-43: header and certificate agree with each other, and not with the stakes."""
    world = World(4)
    world.submit(TX[0])
    world.run_until(lambda: bool(world.work().candidates), 2_000)
    like = next(iter(world.work().candidates.values()))
    assert like.block is not None
    core = world[0].engine.core
    liar = like.sender
    owners = ((liar, 1_024),)
    extra = read_extra(like.header)._replace(senate_root=core.statements.senate_root(owners))
    header = replace(like.header, extra_data=extra.encode())
    digest = core.statements.vote_digest("commit", 1, 0, header.hash)
    certificate = core.codec.encode_finality(0, owners, ((liar, world.signatures.signer(liar).sign(digest)),))
    assert all(world.signatures.holds(c) for c in world[0].engine.check_certificate(header, certificate))
    before = len(world.accusations)
    block = Block(header, like.block.transactions)
    world[0].handle(BlockReceived(world[0].clock, b"\x01" * 32, block, certificate))
    assert world[0].height == 0
    assert [effect.reason for _, effect in world.accusations[before:]] == ["false-senate"]
