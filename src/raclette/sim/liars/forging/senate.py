"""How to lie in the senate: the adapter of `protocols.senate`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.engine.message import Message
from raclette.node.host import Delivered, Transmit
from raclette.node.node import Node
from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.randomness import Random
from raclette.primitives.signing import LOT_BYTES, Lot
from raclette.protocols.senate.codec import reason_of
from raclette.protocols.senate.core import Core
from raclette.protocols.senate.engine import SenateEngine
from raclette.protocols.senate.messages import (
    Candidate,
    Commit,
    Committed,
    Entry,
    Lock,
    Prepare,
    Proposal,
    Timeout,
    Vote,
)
from raclette.protocols.senate.statements import Extra
from raclette.sim.liars.forging.contract import Forged, Round
from raclette.sim.liars.forging.craft import (
    FAR,
    forged,
    heard,
    keep,
    read_own,
    rival_block,
    rival_hash,
    send_directly,
    spoilt,
)
from raclette.sim.liars.forging.steps import mutate_field


class SenateForger:
    """Implements `Forger` for the holder inside."""

    votes: tuple[str, ...] = ("prepare", "commit", "timeout")

    def __init__(self, node: Node) -> None:
        """Raises Misuse if the node runs something else."""
        if not isinstance(node.engine, SenateEngine):
            raise Misuse(f"lies in senate, not in {node.engine.name}")
        self.node = node
        self.core: Core = node.engine.core
        self.hashes: dict[bytes, None] = {}
        # (height, round) -> lock.
        self.locks: dict[tuple[int, int], Lock] = {}

    # --- frames ---------------------------------------------------------------------------------------------------

    def open(self, frame: bytes) -> Message | None:
        """What our own node says."""
        return read_own(self.node, frame, whole=(Candidate, Proposal, Committed))

    def wrap(self, peers: Sequence[bytes], message: Message) -> Transmit:
        """As the node inside would send it."""
        return send_directly(self.node, peers, message)

    def round_of(self, message: Message) -> Round:
        """By kind, round and height."""
        height = message.header.number if isinstance(message, Candidate | Proposal) else getattr(message, "height", 0)
        return Round(message.kind, getattr(message, "round", 0), height)

    def hear(self, event: Delivered) -> None:
        """Keep hashes and locks."""
        message = heard(event)
        if isinstance(message, Vote):
            keep(self.hashes, message.block_hash, None)
        elif isinstance(message, Timeout) and message.lock is not None:
            keep(self.locks, (message.height, message.lock.round), message.lock)

    # --- signing as ourselves -------------------------------------------------------------------------------------

    def signed(self, message: Message) -> Message | None:
        """`message` with our signature over what it now says; None if it is not ours to sign."""
        core, statements = self.core, self.core.statements
        if getattr(message, "sender", core.me) != core.me:
            return None
        if isinstance(message, Vote):
            return core.own_vote(type(message), message.height, message.round, message.block_hash)
        if isinstance(message, Timeout):
            return self.core.own_timeout(message.height, message.round, message.lock)
        try:
            if isinstance(message, Candidate):
                digest = statements.candidate_digest(message.header.number, message.header.hash)
                return replace(message, claim=core.sign(digest), lots=statements.lots(message.header))
            if isinstance(message, Proposal):
                return self._proposal(message)
        except DecodeError:
            return None
        return message if isinstance(message, Entry) else None

    def _proposal(self, like: Proposal) -> Proposal:
        core, header = self.core, like.header
        director = like.director_signature
        if director and core.statements.lots(header)[0].author == core.me:
            director = core.sign(core.statements.candidate_digest(header.number, header.hash)).signature
        reason = reason_of(like.justification)
        claim = core.sign(core.statements.proposal_digest(header.number, like.round, header.hash, reason))
        made = core.codec.make_proposal(like.round, header, like.justification, director, core.me, claim.signature)
        return made if like.block is None else made.with_block(like.block)

    # --- small steps ----------------------------------------------------------------------------------------------

    def mutate(self, message: Message, random: Random) -> Message | None:
        """One field, one step."""
        known: dict[str, Sequence[Any]]
        if isinstance(message, Vote):
            known = {"height": (), "round": (), "block_hash": tuple(self.hashes)}
        elif isinstance(message, Timeout):
            known = {"round": (), "lock": (None, *self.locks.values())}
        elif isinstance(message, Candidate) and message.block is not None:
            steps = {"timestamp": (), "gas_used": (), "state_root": tuple(self.hashes)}
            return self._with_block(message, spoilt(message.block, steps, random))
        else:
            return None
        changed = mutate_field(message, known, random)
        if isinstance(changed, Timeout) and changed.lock is not None and changed.lock.round > changed.round:
            return None
        return None if changed == message else self.signed(changed)

    # --- two of a kind --------------------------------------------------------------------------------------------

    def rival(self, message: Message, book: dict[bytes, Any], random: Random) -> Message | None:
        """A candidate or proposal of our own block has a second, as valid one, and votes follow the book; a vote for a
        block without one has a block that does not exist."""
        if getattr(message, "sender", b"") != self.core.me:
            return None
        if isinstance(message, Candidate | Proposal):
            block = self._rival_block(message.header, book)
            return None if block is None else self._with_block(message, block)
        if isinstance(message, Vote):
            return self.signed(replace(message, block_hash=rival_hash(book, message.block_hash)))
        return self.twist(message, random)

    def _with_block(self, message: Candidate | Proposal, block: Block) -> Message | None:
        return self.signed(replace(message, header=block.header, block=block))

    def _rival_block(self, header: Header, book: dict[bytes, Any]) -> Block | None:
        """The same lots, so only the director can sign it."""
        if header.hash not in book and self.core.statements.lots(header)[0].author != self.core.me:
            return None
        return rival_block(self.core.chain, header, book, branch=False)

    def twist(self, message: Message, random: Random) -> Message | None:
        """A TIMEOUT that shows an older lock, or none."""
        if not isinstance(message, Timeout) or message.sender != self.core.me:
            return None
        older = [lock for (height, at), lock in self.locks.items() if height == message.height and at <= message.round]
        return self.core.own_timeout(message.height, message.round, random.choice([None, *older]))

    # --- from nothing ---------------------------------------------------------------------------------------------

    def forge(self, random: Random, *, refused: bool) -> Forged | None:
        """A ticket that nobody drew, a vote in another's name, a certificate of one signer and a senate of one."""
        if not refused:
            if not random.chance(1, 2):
                return forged(self.node, "lock-of-one", self._own_lock(random), refused=False)
            block = self._seatless(random)
            return None if block is None else forged(self.node, "final-by-itself", block, refused=False)
        core, work = self.core, self.core.work
        if random.chance(1, 2):
            alpha = core.statements.ticket_alpha(work.height, work.seed)
            lot = Lot(core.me, alpha, core.signer.draw(alpha)[:-64] + b"\xff" * 64)
            entry = Entry(work.height, work.seed, core.me, lot)
            return forged(self.node, "ticket-never-drawn", entry, refused=True)
        others = [node for node, _ in work.senate.owners if node != core.me]
        if not others:
            return None
        block_hash = random.choice(tuple(self.hashes) or (random.bytes(32),))
        vote = replace(core.own_vote(Prepare, work.height, work.round, block_hash), sender=random.choice(others))
        return forged(self.node, "vote-in-anothers-name", vote, refused=True)

    def _own_lock(self, random: Random) -> Message:
        """True and worthless: nobody's PREPARE but our own."""
        core, work = self.core, self.core.work
        block_hash = random.bytes(32)
        vote = core.own_vote(Prepare, work.height, work.round, block_hash)
        lock = Lock(work.round, block_hash, ((vote.sender, vote.claim.signature),))
        return core.own_timeout(work.height, work.round, lock)

    def _seatless(self, random: Random) -> Message | None:
        """A block that is final by our word alone: all seats are ours, says its header."""
        core, work = self.core, self.core.work
        if not core.stake:
            return None
        owners = ((core.me, core.parameters.seats),)
        root = core.statements.senate_root(owners)
        ticket = core.signer.draw(core.statements.ticket_alpha(work.height, work.seed))
        lot = core.signer.draw(core.statements.seed_alpha(work.height, work.seed))
        extra = Extra(core.me, work.seed, ticket, lot, root).encode()
        try:
            block = core.chain.build(work.parent, Draft(work.parent.timestamp, random.bytes(20), extra_data=extra))
        except Misuse:
            return None
        vote = core.own_vote(Commit, work.height, 0, block.hash)
        certificate = core.codec.encode_finality(0, owners, ((vote.sender, vote.claim.signature),))
        return Committed(block.header, certificate, (), block)

    def junk(self, random: Random) -> Message:
        """Votes, TIMEOUTs and entries that nothing can come of, near and far."""
        core, work = self.core, self.core.work
        height = random.choice((work.height, work.height + 1, random.below(FAR)))
        round_number = random.choice((work.round, work.round + 1, random.below(FAR)))
        match random.below(4):
            case 0:
                return self.core.own_timeout(height, round_number, None)
            case 1:
                alpha = core.statements.ticket_alpha(height, work.seed)
                return Entry(height, work.seed, core.me, Lot(core.me, alpha, core.signer.draw(alpha)[:LOT_BYTES]))
            case kind:
                return core.own_vote(Prepare if kind == 2 else Commit, height, round_number, random.bytes(32))
