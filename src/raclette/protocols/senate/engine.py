"""The senate as a pure machine: the parts put together, and the one loop that drives them.

Source: "Leader selection in proof of stake", a student project's design, with a sound rule of locks in place of its
own. For each height a senate of N seats is drawn by stake from a seed that nobody can choose; holders compete by lot to
write the block; the senate's leader proposes it, and a quorum of seats makes it final. spec/senate.md numbers the rules
that the code cites, lists the deviations, and argues why the protocol is safe.

Each event is handled in two steps: file what arrived; do all that the state now allows.
"""

from collections.abc import Callable
from typing import Any

from raclette.chain.header import ZERO_NONCE, Header
from raclette.engine.contract import EngineSetup, Lookup
from raclette.engine.effects import Effect, Fetch, Send
from raclette.engine.events import BlockReceived, Event, Gathered, Pending, Received, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import DecodeError, InvalidHeader, PeerFault
from raclette.primitives.hashing import ZERO_HASH
from raclette.primitives.units import MILLISECOND
from raclette.protocols.decided import DecidingEngine, check_clock, check_follows
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.senate import records, timers
from raclette.protocols.senate.core import Core
from raclette.protocols.senate.directing import Directing
from raclette.protocols.senate.finality import Finality
from raclette.protocols.senate.messages import (
    Candidate,
    Commit,
    Committed,
    Entry,
    Inquiry,
    Prepare,
    Proposal,
    RoundChange,
    Timeout,
)
from raclette.protocols.senate.parameters import Parameters
from raclette.protocols.senate.rounds import Rounds
from raclette.protocols.senate.statements import read_extra
from raclette.protocols.senate.timers import Timers
from raclette.protocols.senate.voting import Voting

# Messages kept of the next height, for those who decide it a little later than others: of each kind the latest of a
# sender, so many senders at most.
EARLY_MAX = 1_024
# Of these so many with a block, which may be large; what is not kept is said again.
EARLY_BLOCKS_MAX = 16
WITH_BLOCK = (Candidate.kind, Proposal.kind)


class SenateEngine(DecidingEngine):
    """A holder that enters the lottery and votes with the seats it is drawn for; an observer if it holds nothing."""

    name = "senate"

    def __init__(self, setup: EngineSetup) -> None:
        """Raises ConfigError for bad parameters, StoreDamaged for unreadable records."""
        self.core = core = Core(setup, parse_parameters(Parameters, setup.parameters))
        super().__init__(core.codec)
        self.timers = Timers(core)
        self.directing = Directing(core, self._check_follows)
        self.rounds = Rounds(core, self._begin_round)
        self.voting = Voting(core, self.directing, self.rounds)
        self.finality = Finality(core, self.directing)
        # (kind, sender) -> (peer, message), of the next height.
        self._early: dict[tuple[str, bytes], tuple[bytes, Message]] = {}
        # Holders asked by way of `_inquire`.
        self._inquiries = 0
        self._restored = records.restore(core.codec, setup.records)
        self._restore_word()
        self._handlers: dict[type, Callable[[bytes, Any], None]] = {
            Entry: lambda _, message: self.directing.on_entry(message),
            Candidate: lambda _, message: self.directing.on_candidate(message),
            Proposal: lambda _, message: self.voting.on_proposal(message),
            Prepare: lambda _, message: self.voting.on_vote(message),
            Commit: lambda _, message: self.voting.on_vote(message),
            Timeout: self._on_timeout,
            RoundChange: self.rounds.on_round_change,
            Committed: self.finality.on_committed,
        }

    def _restore_word(self) -> None:
        core, word = self.core, self._restored.word
        if word is not None and word.height == core.work.height:
            core.work.word = word
        began = self._restored.round
        if began is not None and began.height == core.work.height:
            self.rounds.resume(began.justification)
        for block in self._restored.blocks:
            core.bodies[block.hash] = block.number

    # --- the machine ----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """See the module."""
        core = self.core
        core.now, core.peer = event.now, b""
        if isinstance(event, Received):
            self._on_message(event.peer, event.message)
        elif isinstance(event, Gathered):
            for vote in event.votes:
                self._on_message(b"", vote)
        elif isinstance(event, TimerFired):
            self._on_timer(event.name)
        elif isinstance(event, Pending):
            if core.chain.has_pending(core.final):
                self._open()
        elif isinstance(event, BlockReceived):
            self.finality.on_block(event.peer, event.block, event.certificate)
        elif isinstance(event, Started):
            self._rejoin()
        else:
            return ()
        self._advance()
        return core.take_effects()

    def _on_message(self, peer: bytes, message: Message) -> None:
        self.core.peer = peer
        if isinstance(message, Inquiry):
            if message.height <= self.core.final.number:
                self._help(peer, self.core.final.number)
            return
        handler = self._handlers.get(type(message))
        if handler is None:
            return
        height = _height_of(message)
        work = self.core.work
        if height == work.height or isinstance(message, Committed):
            handler(peer, message)
        elif height == work.height + 1:
            self._keep_early(peer, message)
        elif height < work.height and isinstance(message, Timeout):
            self._help(peer, height)

    def _keep_early(self, peer: bytes, message: Message) -> None:
        author = getattr(message, "sender", b"") or message.claims()[0].author
        key = (message.kind, author)
        # SENATE-53: only holders speak; who is one may change with this block, but seldom.
        if author not in self.core.work.senate.stakes:
            return
        if key not in self._early:
            kept = [kind for kind, _ in self._early if kind in WITH_BLOCK]
            if len(self._early) >= EARLY_MAX or (message.kind in WITH_BLOCK and len(kept) >= EARLY_BLOCKS_MAX):
                return
        self._early[key] = (peer, message)

    def _help(self, peer: bytes, height: int) -> None:
        """SENATE-45, SENATE-54: who works on a height that is final here gets a proof."""
        core = self.core
        header = core.chain.canonical(height)
        block = core.chain.block(header.hash) if header is not None else None
        certificate = core.chain.certificate(header.hash) if header is not None else b""
        if block is not None and certificate:
            claims = core.codec.decode_finality(block.header, certificate).claims
            self.rounds.help(peer, Committed(block.header, certificate, claims, block))

    def _on_timeout(self, peer: bytes, timeout: Timeout) -> None:
        self.rounds.on_timeout(peer, timeout)
        self.voting.compare(timeout.sender)

    def _on_timer(self, name: str) -> None:
        work = self.core.work
        if not self.timers.fired(name):
            return
        if name == timers.ENTRY:
            self.directing.enter()
        elif name == timers.WINDOW:
            work.window_over = True
        elif name == timers.ROUND:
            # SENATE-32: the leader owed us a block.
            self.rounds.time_out(work.round)
        elif name == timers.REPEAT:
            self._repeat()
            self.timers.set(timers.REPEAT, self.timers.repeat)
        elif name == timers.IDLE:
            self._open()
        elif name == timers.DOUBT:
            self._inquire()
            self.timers.set(timers.DOUBT, self.core.parameters.round_timeout_ms * MILLISECOND)

    def _open(self) -> None:
        """SENATE-36: there is a reason to make a block."""
        work = self.core.work
        if not work.is_open:
            work.is_open = True
            self._begin_round()

    def _begin_round(self) -> None:
        self.directing.draw()
        self.timers.begin_round(self.directing.entry_delay(self.timers.window))

    def _advance(self) -> None:
        """All that the state allows, until nothing changes."""
        while True:
            decided = self.voting.decided()
            if decided is not None:
                self.finality.on_quorum(*decided)
            if self.core.final.number >= self.core.work.height:
                self._next_height()
                continue
            if self.rounds.follow():
                self._open()
            if self.rounds.advance():
                continue
            self.directing.write()
            self.voting.propose()
            if self.voting.prepare():
                self._open()
                continue
            if not self.voting.lock():
                return

    def _next_height(self) -> None:
        core = self.core
        self.timers.stop_all()
        core.work = core.begin(core.final)
        self.timers.begin_height()
        early, self._early = self._early, {}
        for peer, message in early.values():
            self._on_message(peer, message)

    def _rejoin(self) -> None:
        """Put unfinalised blocks back into the chain, and repeat what we had said."""
        core, work = self.core, self.core.work
        for block in self._restored.blocks:
            if block.number == work.height:
                try:
                    core.chain.check(block)
                except PeerFault:
                    continue
        self.timers.begin_height()
        word = work.word
        if word.round or word.is_over or word.prepared or word.proposed or word.wrote or word.lock is not None:
            self._open()
            self._repeat()

    def _repeat(self) -> None:
        """SENATE-50: say again what the others may have missed."""
        core, work = self.core, self.core.work
        word = work.word
        self._ask_again()
        if core.seats and word.is_over:
            self.rounds.say_timeout()
        if core.seats and word.lock is not None:
            self.voting.say_commit()
        if word.is_over:
            return
        if core.me in work.candidates:
            core.broadcast(work.candidates[core.me])
        elif work.is_entered:
            core.broadcast(self.directing.own_entry())
        if work.proposal is not None and work.proposal.sender == core.me:
            core.tell_senate(work.proposal)
        if core.seats and word.prepared:
            self.voting.say_prepare()

    def _ask_again(self) -> None:
        core = self.core
        for number, block_hash in enumerate(list(core.wanted)):
            holders = [node for node, _ in core.work.senate.owners if node != core.me]
            if holders:
                core.emit(Fetch(holders[(core.now // MILLISECOND + number) % len(holders)], block_hash))

    def _inquire(self) -> None:
        """SENATE-54: this height has taken long. Perhaps it is over, and we alone have missed it."""
        core = self.core
        holders = sorted(core.work.senate.stakes)
        if core.stake and len(holders) > 1:
            self._ask_again()
            # One after the other, each of us beginning behind himself.
            self._inquiries = self._inquiries % (len(holders) - 1) + 1
            asked = holders[(holders.index(core.me) + self._inquiries) % len(holders)]
            core.emit(Send(asked, Inquiry(core.work.height)))

    # --- what anybody may ask -------------------------------------------------------------------------------------

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        """SENATE-13, SENATE-18, SENATE-19. Raises InvalidHeader."""
        self._check_follows(header, parent, now)

    def _check_follows(self, header: Header, parent: Header, now: int) -> None:
        check_follows(header, parent)
        if header.mix_hash != ZERO_HASH or header.nonce != ZERO_NONCE:
            raise InvalidHeader("header-seal", "a block of senate carries no proof of work")
        try:
            extra, seed = read_extra(header), self.core.statements.seed_after(parent)
        except DecodeError as error:
            raise InvalidHeader(error.reason, error.detail) from error
        if extra.seed != seed:
            raise InvalidHeader("header-seed", "not the seed that the parent's director drew")
        check_clock(header, now, self.core.parameters.clock_drift_s)

    def validators(self) -> tuple[bytes, ...]:
        """SENATE-9: whoever holds a stake may be drawn for a seat of the next height, and may enter the lottery."""
        return tuple(sorted(self.core.work.senate.stakes))

    def status(self) -> dict[str, Any]:
        """For people: the senate, the round, the lottery."""
        core, work = self.core, self.core.work
        senate = work.senate
        return {
            "height": work.height,
            "round": work.round,
            "final": core.final.number,
            "open": work.is_open,
            "seed": "0x" + work.seed.hex(),
            "leader": "0x" + senate.leader(work.round).hex() if senate.seats else None,
            "seats": {"0x" + node.hex(): count for node, count in senate.owners},
            "own_seats": core.seats,
            "quorum": senate.quorum,
            "faults": core.parameters.faults,
            "total_stake": str(senate.total),
            "entries": len(work.entries),
            "candidates": len(work.candidates),
            "prepares": senate.weight([node for node, vote in work.prepares.items() if vote.round == work.round]),
            "commits": senate.weight([node for node, vote in work.commits.items() if vote.round == work.round]),
            "timeouts": {"0x" + node.hex(): timeout.round for node, timeout in sorted(work.timeouts.items())},
            "locked": work.word.lock.round if work.word.lock is not None else None,
            "fetching": len(core.wanted),
        }


def _height_of(message: Message) -> int:
    if isinstance(message, Candidate | Proposal | Committed):
        return message.header.number
    height: int = getattr(message, "height", 0)
    return height
