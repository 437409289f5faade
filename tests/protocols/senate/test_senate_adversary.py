"""What a stranger, a holder or a bad network can make of true signatures: nobody honest looks guilty, nothing grows."""

from dataclasses import replace
from typing import TypeVar

from senate_world import World

from raclette.engine.events import Received
from raclette.engine.message import Message
from raclette.primitives.signing import Claim
from raclette.protocols.senate.codec import reason_of
from raclette.protocols.senate.engine import EARLY_BLOCKS_MAX
from raclette.protocols.senate.evidence import check_evidence, two_proposals
from raclette.protocols.senate.messages import Candidate, Commit, Proposal, Timeout

M = TypeVar("M", bound=Message)

STRANGER = b"\xcc" * 32
THIEF = 3


def accused(world: World, message: Message, *, place: int = 0, peer: bytes = b"") -> list[tuple[bytes, str]]:
    """Whom this holder accuses, and why, when the thief (or `peer`) hands it this message; the gate has let it pass."""
    before = len(world.accusations)
    replica = world[place]
    replica.handle(Received(world.now, peer or world.ids[THIEF], message))
    return [(effect.peer, effect.reason) for _, effect in world.accusations[before:]]


def holds(world: World, message: Message) -> bool:
    """Does the gate let it pass?"""
    return all(world.signatures.holds(claim) for claim in message.claims())


def of_kind(world: World, kind: type[M]) -> list[M]:
    """What holders have said, in no particular order."""
    return [message for replica in world.replicas for message in replica.sent if isinstance(message, kind)]


def locked() -> World:
    """Everybody is locked, nobody has decided, and the first round is over."""
    world = World(4)
    world.withhold("commit", "committed")
    world.submit(b"pay")
    world.run_for(1_000)
    return world


def test_a_lock_that_was_thinned_out_on_the_way_is_the_messengers() -> None:
    """SENATE-25: a TIMEOUT signs which lock it has, and not whose PREPAREs show it."""
    world = locked()
    victim = next(place for place in (1, 2) if any(isinstance(m, Timeout) and m.lock for m in world[place].sent))
    timeout = next(m for m in world[victim].sent if isinstance(m, Timeout) and m.lock is not None)
    assert timeout.lock is not None
    thin = timeout.lock._replace(votes=timeout.lock.votes[:1])
    codec = world[0].engine.core.codec
    forged = codec.make_timeout(timeout.height, timeout.round, thin, timeout.sender, timeout.claim.signature)
    assert holds(world, forged)
    assert accused(world, forged) == [(world.ids[THIEF], "bad-lock")]


def late_proposal() -> tuple[World, Proposal]:
    """One above round 0."""
    world = World(4)
    world.withhold("prepare", "commit", "committed")
    world.submit(b"pay")
    world.run_for(2_000)
    return world, next(message for message in of_kind(world, Proposal) if message.round == 1)


def test_another_justification_does_not_fit_behind_a_leaders_signature() -> None:
    """SENATE-24. Else whoever holds TIMEOUTs of another quorum, or of none, could make the leader look guilty."""
    world, proposal = late_proposal()
    core = world[0].engine.core
    justification = proposal.justification
    assert justification is not None
    assert holds(world, proposal)
    few = justification._replace(excuses=justification.excuses[:1])
    forged = core.codec.make_proposal(
        proposal.round, proposal.header, few, proposal.director_signature, proposal.sender, proposal.claim.signature
    )
    assert not holds(world, forged)


def test_two_proposals_convict_with_the_reasons_that_were_signed() -> None:
    """SENATE-5: evidence holds for anybody, in a round that has a justification too."""
    world, proposal = late_proposal()
    core = world[0].engine.core
    header = replace(proposal.header, timestamp=proposal.header.timestamp + 1)
    reason = reason_of(proposal.justification)
    digest = core.statements.proposal_digest(header.number, proposal.round, header.hash, reason)
    signature = world.signatures.signer(proposal.sender).sign(digest)
    other = core.codec.make_proposal(
        proposal.round, header, proposal.justification, proposal.director_signature, proposal.sender, signature
    )
    claims = check_evidence(core.statements, two_proposals(proposal, other))
    assert all(world.signatures.holds(claim) for claim in claims)
    assert {claim.author for claim in claims} == {proposal.sender}


def test_senators_drawn_into_a_timeout_say_it_again() -> None:
    """SENATE-36: no transaction waits with two of four, and what they said at once is lost; the quorum needs both."""
    world = World(7)
    quiet, others, blocks = (1, 2), (0, 3), ("proposal", "candidate")
    world.drops = lambda sender, receiver, message: sender.place in quiet or message.kind in blocks
    for place in (4, 5, 6):
        world.crash(place)
    world.submit(b"pay", to=others)
    assert world.run_until(lambda: all(world.work(place).word.is_over for place in quiet), 5_000)
    world.run_for(60)
    assert [world.work(place).round for place in range(4)] == [0] * 4
    world.withhold(*blocks)
    assert world.run_until(lambda: all(world.work(place).round for place in others), 1_000)


def test_blocks_of_the_next_height_are_few_however_many_speak() -> None:
    """SENATE-53: a block may be large, and whoever is a little early says it again."""
    world = World(EARLY_BLOCKS_MAX + 4)
    world.submit(b"pay")
    assert world.run_until(lambda: bool(of_kind(world, Candidate)), 5_000)
    like = of_kind(world, Candidate)[0]
    header = replace(like.header, number=2)
    codec, statements = world[0].engine.core.codec, world[0].engine.core.statements
    digest = statements.candidate_digest(2, header.hash)
    for place, node in enumerate(world.ids[1:]):
        signature = world.signatures.signer(node).sign(digest)
        early = Candidate(header, node, Claim(node, digest, signature), statements.lots(header), like.block)
        world[0].handle(Received(world.now, world.ids[1 + place], early))
        vote = world[1 + place].engine.core.own_vote(Commit, 2, 0, header.hash)
        world[0].handle(Received(world.now, node, codec.decode(codec.encode(vote))))
    kinds = [kind for kind, _ in world[0].engine._early]
    assert kinds.count("candidate") == EARLY_BLOCKS_MAX
    assert kinds.count("commit") == len(world.ids) - 1


def test_a_made_up_name_is_charged_to_whoever_brings_it() -> None:
    """SENATE-55: keys cost nothing, and a score for each would push out those that matter."""
    world = World(4)
    core = world[0].engine.core
    for number in range(5):
        name = bytes((0xC0 + number,)) * 32
        digest = core.statements.vote_digest("commit", 1, 0, bytes(32))
        claim = Claim(name, digest, world.signatures.signer(name).sign(digest))
        message = Commit(1, 0, bytes(32), name, claim)
        said = accused(world, message, peer=STRANGER)
        assert said == ([(STRANGER, "no-seat")] if number == 0 else [])
