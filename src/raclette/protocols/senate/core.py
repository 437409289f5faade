"""A node's state, and the few things that every part of the protocol does with it: sign, persist, speak, accuse.

There is one height at a time, the one above the last final block: `Work` is all that is known of it, and is thrown away
when it is decided. The parts (directing, voting, rounds, finality) share one `Core` and otherwise know only what they
are given. Each changes state; at the end of an event the engine does all that the new state allows.
"""

from typing import TypeVar

from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Accuse, Send
from raclette.protocols.core import FinalisingCore
from raclette.protocols.senate import records
from raclette.protocols.senate.codec import Codec
from raclette.protocols.senate.lottery import Ticket
from raclette.protocols.senate.messages import (
    Candidate,
    Commit,
    Justification,
    Lock,
    Prepare,
    Proposal,
    SenateMessage,
    Timeout,
    Vote,
)
from raclette.protocols.senate.parameters import Parameters
from raclette.protocols.senate.records import Word
from raclette.protocols.senate.seats import Senate
from raclette.protocols.senate.statements import Statements

# Accusations remembered so that each is made once; a forgotten one is only repeated.
ACCUSED_MAX = 1_024

V = TypeVar("V", bound=Vote)


class Work:
    """The height above `parent`. Of each senator the vote and timeout of its highest round are kept: an honest one's
    round only grows, and a liar who names an absurd one hides nothing but its own vote."""

    def __init__(self, parent: Header, seed: bytes, senate: Senate) -> None:
        self.parent = parent
        self.height = parent.number + 1
        self.seed = seed
        self.senate = senate
        self.word = Word(self.height)
        # Is there a reason to make a block? Only then do timers run.
        self.is_open = False
        # Has the round's window for entries passed?
        self.window_over = False
        self.ticket: Ticket | None = None
        self.lot = b""
        self.is_entered = False
        self.entries: dict[bytes, Ticket] = {}
        # director -> its first block.
        self.candidates: dict[bytes, Candidate] = {}
        self.justification: Justification | None = None
        self.proposal: Proposal | None = None
        self.is_refused = False
        self.prepares: dict[bytes, Prepare] = {}
        self.commits: dict[bytes, Commit] = {}
        self.timeouts: dict[bytes, Timeout] = {}

    @property
    def round(self) -> int:
        """The round we are in."""
        return self.word.round

    def rank(self, ticket: Ticket) -> int:
        """How many known tickets beat this one."""
        return sum(other.beats(ticket) for other in self.entries.values())


class Core(FinalisingCore):
    """See the module."""

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        super().__init__(setup)
        self.parameters = parameters
        self.me = self.node_id
        self.active = setup.active
        self.statements = Statements(setup.chain.chain_id, setup.chain.genesis.hash)
        self.codec = Codec(self.statements, parameters.seats)
        # Who handed over the message at hand; empty if none is.
        self.peer = b""
        self.work = self.begin(self.final)
        self._accused: dict[tuple[object, ...], None] = {}

    def begin(self, parent: Header) -> Work:
        """What is known of the height above a final block before anything was said."""
        seed = self.statements.seed_after(parent)
        senate = Senate(self.chain.members(self._weighed(parent).hash), seed, self.parameters.seats)
        return Work(parent, seed, senate)

    def _weighed(self, parent: Header) -> Header:
        """SENATE-8: the block after which stakes are read: `stake_age` below the parent, or genesis."""
        header = parent
        for _ in range(self.parameters.stake_age):
            below = self.chain.header(header.parent_hash) if header.number else None
            if below is None:
                break
            header = below
        return header

    # --- effects --------------------------------------------------------------------------------------------------

    def tell_senate(self, message: SenateMessage) -> None:
        """SENATE-21: to the owners of this height's seats, and to nobody else."""
        for node, _ in self.work.senate.owners:
            if node != self.me:
                self.emit(Send(node, message))

    def keep_word(self) -> None:
        """SENATE-30: before the message that depends on it."""
        self.persist(records.WORD, records.encode_word(self.work.word))

    def keep_round(self) -> None:
        """SENATE-34: why our round began, before anybody hears that we are in it."""
        if self.work.justification is not None:
            message = self.codec.make_round_change(self.work.height, self.work.justification)
            self.persist(records.ROUND, self.codec.encode(message))

    def accuse(self, node: bytes, reason: str, evidence: bytes = b"") -> None:
        """Once per node, reason, height and round. SENATE-55: of one who holds no stake the messenger, for keys cost
        nothing, and what is signed here comes from its author."""
        if self.peer and node not in self.work.senate.stakes:
            node = self.peer
        place = (node, reason, self.work.height, self.work.round)
        if place in self._accused or node == self.me:
            return
        self._accused[place] = None
        if len(self._accused) > ACCUSED_MAX:
            del self._accused[next(iter(self._accused))]
        self.emit(Accuse(node, reason, evidence))

    # --- who ------------------------------------------------------------------------------------------------------

    @property
    def seats(self) -> int:
        """How many are ours at this height."""
        return self.work.senate.weights.get(self.me, 0) if self.active else 0

    @property
    def stake(self) -> int:
        """Ours, where stakes are read."""
        return self.work.senate.stakes.get(self.me, 0) if self.active else 0

    # --- signed by us ---------------------------------------------------------------------------------------------

    def own_vote(self, make: type[V], height: int, round_number: int, block_hash: bytes) -> V:
        """A PREPARE or COMMIT. The same bytes each time it is made: signatures are deterministic."""
        digest = self.statements.vote_digest(make.kind, height, round_number, block_hash)
        return make(height, round_number, block_hash, self.me, self.sign(digest))

    def own_timeout(self, height: int, round_number: int, lock: Lock | None) -> Timeout:
        """SENATE-32: it shows the lock."""
        rank, lock_hash = (lock.round + 1, lock.block_hash) if lock is not None else (0, b"")
        claim = self.sign(self.statements.timeout_digest(height, round_number, rank, lock_hash))
        return self.codec.make_timeout(height, round_number, lock, self.me, claim.signature)
