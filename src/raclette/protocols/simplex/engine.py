"""Simplex as a pure machine: the parts put together, and the one loop that drives them.

Source: Benjamin Chan and Rafael Pass, "Simplex Consensus: A Simple and Fast Consensus Protocol", TCC 2023. n replicas
agree on one chain of blocks while at most f = floor((n-1)/3) of them lie in any way; safety never depends on timing,
progress does. A block is final three hops after it was proposed, and the next one is proposed after two.

Iterations are numbered, and end with a notarized block or a notarized dummy block. Dummy blocks are not blocks of the
chain: a block's number counts blocks, and its iteration stands in its extra data. spec/simplex.md lists this and the
other deviations, argues why they are safe, and numbers the rules that the code cites.

Each event is handled in three steps: file what arrived; do all that the state now allows; set the timers from the
state.
"""

from collections.abc import Callable
from typing import Any

from raclette.chain.header import Header
from raclette.engine.ballot import Ballot
from raclette.engine.contract import EngineSetup, Lookup
from raclette.engine.effects import Effect
from raclette.engine.events import BlockReceived, Event, Gathered, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import InvalidHeader
from raclette.protocols.decided import DecidingEngine, check_clock, check_follows
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.simplex import records, timers
from raclette.protocols.simplex.core import Core
from raclette.protocols.simplex.finality import Finality
from raclette.protocols.simplex.messages import VOTES, Finalized, Notarized, Proposal, Status, Vote
from raclette.protocols.simplex.parameters import Parameters
from raclette.protocols.simplex.recovery import Recovery
from raclette.protocols.simplex.statements import Phase, extra_data
from raclette.protocols.simplex.timers import Timers
from raclette.protocols.simplex.voting import Voting


class SimplexEngine(DecidingEngine):
    """One replica, or an observer that follows certificates."""

    name = "simplex"

    def __init__(self, setup: EngineSetup) -> None:
        """Raises ConfigError for bad parameters, StoreDamaged for unreadable records."""
        parameters = parse_parameters(Parameters, setup.parameters)
        self.core = core = Core(setup, parameters)
        super().__init__(core.codec)
        self.timers = Timers(core)
        self.finality = Finality(core)
        self.voting = Voting(core, self.finality, self._check_follows)
        self.recovery = Recovery(core, self.voting, self.finality, self.timers.repeat_period)
        self._restored = records.restore(core.codec, setup.records)
        self.recovery.restore(self._restored)
        # Transactions wait, as far as we know.
        self._pending = False
        self._handlers: dict[type, Callable[[bytes, Any], None]] = {
            **dict.fromkeys(VOTES.values(), self._on_vote),
            Proposal: lambda _, message: self.voting.on_proposal(message),
            Notarized: lambda _, message: self.voting.learn(message.certificate),
            Finalized: self.finality.on_finalized,
            Status: self.recovery.on_status,
        }

    # --- the machine ----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """See the module."""
        core = self.core
        core.now = event.now
        core.progressed = False
        self.finality.overtaken()
        if isinstance(event, Received):
            self._on_message(event.peer, event.message)
        elif isinstance(event, Gathered):
            for vote in event.votes:
                # SIM-8: each is filed by the rules for one that comes alone; what follows from them is done once.
                self._on_message(b"", vote)
        elif isinstance(event, TimerFired):
            self._on_timer(event.name)
        elif isinstance(event, Pending):
            self._pending = core.chain.has_pending(core.final)
        elif isinstance(event, BlockReceived):
            self.finality.on_block(event.block, event.certificate)
        elif isinstance(event, Started):
            self.recovery.rejoin(self._restored)
        elif isinstance(event, Sealed):
            return ()
        self.voting.advance()
        self.voting.propose(fill=self.timers.filled_up == core.iteration)
        self._set_timers()
        return core.take_effects()

    def _on_message(self, peer: bytes, message: Message) -> None:
        handler = self._handlers.get(type(message))
        # SIM-7: an observer listens to certificates only.
        if handler is not None and (self.core.me is not None or isinstance(message, Finalized)):
            handler(peer, message)

    def _on_vote(self, peer: bytes, message: Vote) -> None:
        self.voting.on_vote(message)

    def _on_timer(self, name: str) -> None:
        if not self.timers.fired(name):
            return
        if name == timers.ITERATION:
            self.voting.lose_patience()
        elif name == timers.REPEAT:
            self.recovery.on_tick(unsettled=self._is_unsettled())

    @property
    def _is_unfinal(self) -> bool:
        """Is a notarized block waiting to become final?"""
        return bool(self.core.notarized) or self.finality.missing is not None

    def _is_work_waiting(self) -> bool:
        """Do transactions wait, as far as we know, or (SIM-73) an engine around us?"""
        return self._pending or self.core.frame.wanted(self.core.final)

    def _has_work(self) -> bool:
        """SIM-54: does our iteration owe us something? f others who gave it up are not enough to say so."""
        core, voting = self.core, self.voting
        return (
            self._is_work_waiting()
            or self._is_unfinal
            or voting.in_play()
            or voting.impatient() > core.committee.faults
        )

    def _is_unsettled(self) -> bool:
        """Is there anything that a lost message could be holding up?"""
        core = self.core
        return self._has_work() or core.promises.dummied or bool(core.wanted) or any(core.slots)

    def _set_timers(self) -> None:
        core = self.core
        if core.progressed:
            # The chain says `Pending` again after it has adopted the block, if anything is left.
            self._pending = False
            self.timers.on_progress()
        active = core.me is not None and self._has_work()
        self.timers.update(
            patience=active and not core.promises.dummied,
            fills_first=not self._is_work_waiting(),
            fill=active
            and core.is_leader
            and not core.promises.voted
            and self._is_unfinal
            and self.timers.filled_up != core.iteration,
        )

    # --- what anybody may ask -------------------------------------------------------------------------------------

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        """SIM-13, SIM-18, SIM-71. Raises InvalidHeader; NotYet (after everything else holds) if it is too early."""
        self._check_follows(header, parent, now)

    def _check_follows(self, header: Header, parent: Header, now: int) -> None:
        committee = self.core.committee
        check_follows(header, parent)
        iteration, before = self.core.iteration_of(header), self.core.iteration_of(parent)
        if iteration <= before:
            raise InvalidHeader("header-iteration", f"{iteration} after {before}")
        if header.extra_data != extra_data(committee.ids[committee.leader(iteration)], iteration):
            raise InvalidHeader("header-proposer", "extra data does not name the leader of its iteration")
        self.core.frame.check(header, parent, now)
        check_clock(header, now, self.core.parameters.clock_drift_s)

    def validators(self) -> tuple[bytes, ...]:
        """The committee, in order."""
        return self.core.committee.ids

    def ballot(self, message: Message) -> Ballot | None:
        """SIM-8: what a host may count for us; nothing where votes weigh differently. Once a quorum was counted, more
        votes are of no use (`spent_from` 0). A block's iteration is never below its number above the block that we
        start from, so the final block that comes h-th ends iteration h."""
        committee = self.core.committee
        vote = message.vote if isinstance(message, Proposal) else message
        if not isinstance(vote, Vote) or not committee.equal:
            return None
        # SIM-54: f+1 who gave up wake a replica that knows of no work.
        first = committee.faults + 1 if vote.phase is Phase.DUMMY else committee.quorum
        acts_at = tuple(sorted({first, committee.quorum}))
        place = (vote.kind, vote.iteration)
        author = committee.ids[vote.sender]
        useless_from = self.core.start + vote.iteration
        return Ballot(place, vote.block_hash, author, acts_at, useless_from, 0, alone=isinstance(message, Proposal))

    def status(self) -> dict[str, Any]:
        """For people: the iteration, its leader, what is notarized, and the timers."""
        core = self.core
        slot = core.slots.get(core.iteration)
        votes = slot.votes if slot is not None else {phase: {} for phase in Phase}
        return {
            "iteration": core.iteration,
            "view": core.iteration,
            "leader": "0x" + core.committee.ids[core.committee.leader(core.iteration)].hex(),
            "replica": core.me,
            "replicas": core.committee.size,
            "seats": core.committee.seats,
            "faults": core.committee.faults,
            "quorum": core.committee.quorum,
            "final": core.final.number,
            "final_iteration": core.final_iteration,
            "notarized": sorted(core.notarized),
            "dummies": sorted(core.dummies),
            "votes": core.committee.weigh(votes[Phase.NOTARIZED]),
            "dummy_votes": core.committee.weigh(votes[Phase.DUMMY]),
            "voted": bool(core.promises.voted),
            "gave_up": core.promises.dummied,
            "delta_ms": self.timers.delta_ms,
            "timer": self.timers.runs,
            "fetching": len(core.wanted),
            "conflicts": self.finality.conflicts,
        }
