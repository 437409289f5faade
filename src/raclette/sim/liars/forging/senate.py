"""How to lie in the senate: the adapter of `protocols.senate`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from google.protobuf.message import DecodeError as ProtobufError

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.engine.message import Message
from raclette.node.host import Delivered, Lane, Transmit
from raclette.node.node import Node
from raclette.node.wire import EngineSaid, Frame, encode_engine
from raclette.primitives.errors import DecodeError, Misuse, PeerFault
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.primitives.signing import LOT_BYTES, Lot
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
from raclette.sim.liars.forging.steps import mutate_field

# What a liar remembers of each kind.
REMEMBERED_MAX = 64
_FAR = 1 << 40


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
        """What our own node says. Public announcements are left alone: they carry their proof with them."""
        parsed = Frame()
        try:
            parsed.ParseFromString(frame)
            if parsed.WhichOneof("content") != "engine":
                return None
            message = self.core.codec.decode(parsed.engine.payload)
        except (ProtobufError, DecodeError):
            return None
        if isinstance(message, Candidate | Proposal | Committed):
            block = self.core.chain.block(message.header.hash)
            return None if block is None else message.with_block(block)
        return message

    def wrap(self, peers: Sequence[bytes], message: Message) -> Transmit:
        """As the node inside would send it."""
        return Transmit(tuple(peers), Lane.CONSENSUS, self.node.blocks.frame(message, public=False), message.kind)

    def round_of(self, message: Message) -> Round:
        """By kind, round and height."""
        height = message.header.number if isinstance(message, Candidate | Proposal) else getattr(message, "height", 0)
        return Round(message.kind, getattr(message, "round", 0), height)

    def hear(self, event: Delivered) -> None:
        """Keep hashes and locks."""
        content = event.parcel.content
        if not isinstance(content, EngineSaid):
            return
        message = content.message
        if isinstance(message, Vote):
            self.hashes[message.block_hash] = None
        elif isinstance(message, Timeout) and message.lock is not None:
            self.locks[message.height, message.lock.round] = message.lock
        for memory in (self.hashes, self.locks):
            if len(memory) > REMEMBERED_MAX:
                del memory[next(iter(memory))]  # type: ignore[arg-type]

    # --- signing as ourselves -------------------------------------------------------------------------------------

    def signed(self, message: Message) -> Message | None:
        """`message` with our signature over what it now says; None if it is not ours to sign."""
        core, statements = self.core, self.core.statements
        if getattr(message, "sender", core.me) != core.me:
            return None
        if isinstance(message, Vote):
            digest = statements.vote_digest(message.kind, message.height, message.round, message.block_hash)
            return replace(message, claim=core.sign(digest))
        if isinstance(message, Timeout):
            return self.timeout(message.height, message.round, message.lock)
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
        claim = core.sign(core.statements.proposal_digest(header.number, like.round, header.hash))
        made = core.codec.make_proposal(like.round, header, like.justification, director, core.me, claim.signature)
        return made if like.block is None else made.with_block(like.block)

    def timeout(self, height: int, round_number: int, lock: Lock | None) -> Timeout:
        """Signed by us."""
        core = self.core
        rank, lock_hash = (lock.round + 1, lock.block_hash) if lock is not None else (0, b"")
        claim = core.sign(core.statements.timeout_digest(height, round_number, rank, lock_hash))
        return core.codec.make_timeout(height, round_number, lock, core.me, claim.signature)

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
            header = mutate_field(message.header, steps, random)
            block = Block(header, message.block.transactions)
            return self.signed(replace(message, header=header, block=block))
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
            return None if block is None else self.signed(replace(message, header=block.header, block=block))
        if isinstance(message, Vote):
            known = book.get(message.block_hash)
            other = known.hash if known is not None else sha256(b"rival of " + message.block_hash)
            return self.signed(replace(message, block_hash=other))
        return self.twist(message, random)

    def _rival_block(self, header: Header, book: dict[bytes, Any]) -> Block | None:
        """The same lots, another beneficiary. Only the director can sign it."""
        chain = self.core.chain
        known = book.get(header.hash)
        if known is not None:
            return chain.block(known.hash)
        parent = chain.header(header.parent_hash)
        if parent is None or self.core.statements.lots(header)[0].author != self.core.me:
            return None
        draft = Draft(header.timestamp, beneficiary=sha256(header.hash)[:20], extra_data=header.extra_data)
        try:
            block = chain.build(parent, draft)
            chain.check(block)
        except (Misuse, PeerFault):
            return None
        if block.hash == header.hash:
            return None
        book[header.hash] = block.header
        if len(book) > REMEMBERED_MAX:
            del book[next(iter(book))]
        return block

    def twist(self, message: Message, random: Random) -> Message | None:
        """A TIMEOUT that shows an older lock, or none."""
        if not isinstance(message, Timeout) or message.sender != self.core.me:
            return None
        older = [lock for (height, at), lock in self.locks.items() if height == message.height and at <= message.round]
        return self.timeout(message.height, message.round, random.choice([None, *older]))

    # --- from nothing ---------------------------------------------------------------------------------------------

    def forge(self, random: Random, *, refused: bool) -> Forged | None:
        """A ticket that nobody drew, a vote in another's name, a certificate of one signer and a senate of one."""
        if not refused:
            message = self._seatless(random) if random.chance(1, 2) else self._own_lock(random)
            return self._forged("lock-of-one" if isinstance(message, Timeout) else "final-by-itself", message, False)
        core, work = self.core, self.core.work
        if random.chance(1, 2):
            alpha = core.statements.ticket_alpha(work.height, work.seed)
            lot = Lot(core.me, alpha, core.signer.draw(alpha)[:-64] + b"\xff" * 64)
            return self._forged("ticket-never-drawn", Entry(work.height, work.seed, core.me, lot), True)
        others = [node for node, _ in work.senate.owners if node != core.me]
        if not others:
            return None
        block_hash = random.choice(tuple(self.hashes) or (random.bytes(32),))
        claim = core.sign(core.statements.vote_digest(Prepare.kind, work.height, work.round, block_hash))
        vote = Prepare(work.height, work.round, block_hash, random.choice(others), claim)
        return self._forged("vote-in-anothers-name", vote, True)

    def _forged(self, what: str, message: Message | None, refused: bool) -> Forged | None:
        if message is None:
            return None
        block = message.block if isinstance(message, Committed) else None
        if block is not None:
            return Forged(what, self.node.blocks.frame(message, public=False), message.kind, refused)
        return Forged(what, encode_engine(self.core.codec.encode(message), None, public=False), message.kind, refused)

    def _own_lock(self, random: Random) -> Message:
        """True and worthless: nobody's PREPARE but our own."""
        core, work = self.core, self.core.work
        block_hash = random.bytes(32)
        digest = core.statements.vote_digest(Prepare.kind, work.height, work.round, block_hash)
        lock = Lock(work.round, block_hash, ((core.me, core.sign(digest).signature),))
        return self.timeout(work.height, work.round, lock)

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
        digest = core.statements.vote_digest(Commit.kind, work.height, 0, block.hash)
        certificate = core.codec.encode_finality(0, owners, ((core.me, core.sign(digest).signature),))
        return Committed(block.header, certificate, (), block)

    def junk(self, random: Random) -> Message:
        """Votes, TIMEOUTs and entries that nothing can come of, near and far."""
        core, work = self.core, self.core.work
        height = random.choice((work.height, work.height + 1, random.below(_FAR)))
        round_number = random.choice((work.round, work.round + 1, random.below(_FAR)))
        match random.below(4):
            case 0:
                return self.timeout(height, round_number, None)
            case 1:
                alpha = core.statements.ticket_alpha(height, work.seed)
                return Entry(height, work.seed, core.me, Lot(core.me, alpha, core.signer.draw(alpha)[:LOT_BYTES]))
            case kind:
                make = Prepare if kind == 2 else Commit
                block_hash = random.bytes(32)
                claim = core.sign(core.statements.vote_digest(make.kind, height, round_number, block_hash))
                return make(height, round_number, block_hash, core.me, claim)
