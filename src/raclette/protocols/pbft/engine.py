"""PBFT as a pure machine: the parts put together, and the one loop that drives them.

Source: Castro & Liskov, "Practical Byzantine Fault Tolerance", OSDI 1999, with signatures. n replicas agree on one
chain of blocks while at most f = floor((n-1)/3) of them lie in any way; safety never depends on timing, progress does.

Requests are transactions and a batch is a block, so a sequence number is a height, and a block's hash commits, by its
parent, to everything ordered before it. That is the one deviation from which the others follow; spec/pbft.md lists
them, argues why they are safe, and numbers the rules that the code cites.

Each event is handled in three steps: file what arrived; do all that the state now allows; set the timers from the
state.
"""

from collections.abc import Callable, Iterable
from typing import Any, cast

from raclette.chain.header import Header
from raclette.engine.ballot import Ballot
from raclette.engine.contract import EngineSetup, Lookup
from raclette.engine.effects import Effect
from raclette.engine.events import BlockReceived, Event, Gathered, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import InvalidHeader
from raclette.protocols.decided import DecidingEngine, check_clock, check_follows
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.pbft import records, timers
from raclette.protocols.pbft.checkpoints import Checkpoints
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.finality import Finality
from raclette.protocols.pbft.messages import (
    CheckpointVote,
    Commit,
    Committed,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
    Vote,
)
from raclette.protocols.pbft.ordering import Ordering
from raclette.protocols.pbft.parameters import Parameters
from raclette.protocols.pbft.recovery import Recovery
from raclette.protocols.pbft.timers import Timers
from raclette.protocols.pbft.view_change import ViewChanging

_PHASES: frozenset[type] = frozenset((Prepare, Commit))


class PbftEngine(DecidingEngine):
    """One replica, or an observer that follows certificates."""

    name = "pbft"

    def __init__(self, setup: EngineSetup) -> None:
        """Raises ConfigError for bad parameters, StoreDamaged for unreadable records."""
        parameters = parse_parameters(Parameters, setup.parameters)
        self.core = core = Core(setup, parameters)
        super().__init__(core.codec)
        self.timers = Timers(core)
        self.checkpoints = Checkpoints(core)
        self.finality = Finality(core, self.checkpoints)
        self.ordering = Ordering(core, self.finality, self._check_follows)
        self.view_changing = ViewChanging(core, self.checkpoints)
        self.recovery = Recovery(core, self.finality, self.checkpoints, self.timers.repeat_period)
        self._restored = records.restore(core.codec, setup.records)
        self.recovery.restore(self._restored)
        # Transactions wait, as far as we know.
        self._pending = False
        self._batch_due = False
        self._handlers: dict[type, Callable[[bytes, Any], None]] = {
            PrePrepare: lambda _, message: self._on_proposal(message),
            Prepare: lambda _, message: self._on_vote(message),
            Commit: lambda _, message: self._on_vote(message),
            CheckpointVote: lambda _, message: self._on_checkpoint(message),
            ViewChange: lambda _, message: self.view_changing.on_view_change(message),
            NewView: lambda _, message: self.view_changing.on_new_view(message),
            Committed: self.finality.on_committed,
            Status: self.recovery.on_status,
        }

    # --- the machine ----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """See the module."""
        core = self.core
        core.now = event.now
        core.progressed = core.entered_view = False
        view_before = core.view
        self.finality.overtaken()
        if isinstance(event, Received):
            self._on_message(event.peer, event.message)
        elif isinstance(event, Gathered):
            self._on_gathered(event.votes)
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
        self.ordering.advance()
        self.ordering.propose(self._batch_due)
        self._batch_due = False
        self._set_timers(view_before)
        return core.take_effects()

    def _on_message(self, peer: bytes, message: Message) -> None:
        handler = self._handlers.get(type(message))
        # PBFT-7: an observer listens to certificates only.
        if handler is not None and (self.core.me is not None or isinstance(message, Committed)):
            handler(peer, message)

    def _on_gathered(self, votes: tuple[Message, ...]) -> None:
        """PBFT-8: each is filed by the rules for one that comes alone; what follows from them is done once."""
        core = self.core
        if core.me is None:
            return
        kinds = set(map(type, votes))
        if len(kinds) == 1 and kinds <= _PHASES and self.ordering.on_phase(cast(tuple[Vote, ...], votes)):
            return
        said = [vote for vote in votes if isinstance(vote, Vote)]
        marks = [vote for vote in votes if isinstance(vote, CheckpointVote)]
        for vote in said:
            self.ordering.on_vote(vote)
        self._note_beyond(said)
        self._note_beyond(marks)
        self.checkpoints.on_checkpoints(marks)

    def _note_beyond(self, votes: Iterable[Vote | CheckpointVote]) -> None:
        for vote in votes:
            if vote.height > self.core.high:
                self.recovery.note_beyond(vote.sender, vote.height)

    def _on_proposal(self, message: PrePrepare) -> None:
        if message.header.number > self.core.high:
            self.recovery.note_beyond(message.sender, message.header.number)
        elif message.sender == self.core.committee.primary(message.view):
            self.ordering.on_pre_prepare(message)

    def _on_vote(self, message: Prepare | Commit) -> None:
        if message.height > self.core.high:
            self.recovery.note_beyond(message.sender, message.height)
        else:
            self.ordering.on_vote(message)

    def _on_checkpoint(self, message: CheckpointVote) -> None:
        if message.height > self.core.high:
            self.recovery.note_beyond(message.sender, message.height)
        self.checkpoints.on_checkpoint(message)

    def _on_timer(self, name: str) -> None:
        core = self.core
        if not self.timers.fired(name):
            return
        if name == timers.VIEW:
            # PBFT-39: the primary owed us a block.
            self.view_changing.start(core.view + 1)
        elif name == timers.BATCH:
            self._batch_due = True
        elif name == timers.REPEAT:
            self.recovery.on_tick(unsettled=self._is_unsettled())

    def _is_unsettled(self) -> bool:
        """Is there anything that a lost message could be holding up?"""
        core = self.core
        return (
            not core.active
            or self._is_work_waiting()
            or self._is_waiting()
            or bool(core.wanted)
            or any(height > core.final.number for height in core.slots)
        )

    def _is_work_waiting(self) -> bool:
        """Do transactions wait, as far as we know, or (PBFT-73) an engine around us?"""
        return self._pending or self.core.frame.wanted(self.core.final)

    def _is_waiting(self) -> bool:
        """Does the primary of this view owe us a final block? What single backups say is not enough."""
        core = self.core
        final = core.final.number
        return (
            core.base_height > final
            or (core.tip is not None and core.tip.number > final)
            or max(core.voted, default=final) > final
            or any(slot.proposal is not None and height > final for height, slot in core.slots.items())
        )

    def _set_timers(self, view_before: int) -> None:
        core = self.core
        if core.progressed:
            # The chain says `Pending` again after it has adopted the block, if anything is left.
            self._pending = False
            self.timers.on_progress()
        if core.view != view_before and not core.active:
            self.timers.on_view_change()
        if core.me is None:
            needed = False
        elif core.active:
            # PBFT-54: patience is measured only while there is something to order.
            needed = self._is_work_waiting() or self._is_waiting()
        else:
            needed = self.view_changing.is_quorum_waiting
        in_flight = self.ordering.in_flight
        self.timers.update(
            view_needed=needed,
            batch_needed=core.is_primary and 0 < in_flight < core.parameters.pipeline,
            restart_view=core.progressed or core.entered_view,
        )

    # --- what anybody may ask -------------------------------------------------------------------------------------

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        """PBFT-13, PBFT-18, PBFT-71. Raises InvalidHeader; NotYet (after everything else holds) if it is too early."""
        self._check_follows(header, parent, now)

    def _check_follows(self, header: Header, parent: Header, now: int) -> None:
        check_follows(header, parent)
        if header.extra_data not in self.core.committee.numbers:
            raise InvalidHeader("header-proposer", "extra data is not the node id of a validator")
        self.core.frame.check(header, parent, now)
        check_clock(header, now, self.core.parameters.clock_drift_s)

    def validators(self) -> tuple[bytes, ...]:
        """The committee, in order."""
        return self.core.committee.ids

    def ballot(self, message: Message) -> Ballot | None:
        """PBFT-8: what a host may count for us; nothing where votes weigh differently."""
        core = self.core
        if not core.committee.equal:
            return None
        if isinstance(message, Vote):
            # PREPAREs of a final height may still make us send the COMMIT that another replica waits for.
            height = message.height
            useless_from = height if isinstance(message, Commit) else height + core.parameters.window
            return self._ballot(message.kind, message.view, height, message.block_hash, message.sender, useless_from)
        if isinstance(message, PrePrepare):
            vote = message.vote
            useless_from = vote.height + core.parameters.window
            ballot = self._ballot(vote.kind, vote.view, vote.height, vote.block_hash, vote.sender, useless_from)
            return ballot._replace(alone=True)
        if isinstance(message, CheckpointVote):
            useless_from = message.height + core.parameters.window
            return self._ballot(message.kind, 0, message.height, message.block_hash, message.sender, useless_from)
        return None

    def _ballot(self, phase: str, view: int, height: int, block_hash: bytes, sender: int, useless_from: int) -> Ballot:
        committee = self.core.committee
        return Ballot(
            (phase, view, height), block_hash, committee.ids[sender], (committee.quorum,), useless_from, height
        )

    def status(self) -> dict[str, Any]:
        """For people: the view, its leader, the log and the timers."""
        core = self.core
        return {
            "view": core.view,
            "active": core.active,
            "leader": "0x" + core.committee.ids[core.committee.primary(core.view)].hex(),
            "replica": core.me,
            "replicas": core.committee.size,
            "seats": core.committee.seats,
            "faults": core.committee.faults,
            "quorum": core.committee.quorum,
            "final": core.final.number,
            "tip": core.tip.number if core.tip is not None else None,
            "in_flight": self.ordering.in_flight,
            "low": core.low,
            "high": core.high,
            "base": core.base_height,
            "prepared": list(core.prepared.rank) if core.prepared is not None else None,
            "votes": {
                str(height): {
                    "prepares": core.committee.weigh(slot.prepares),
                    "commits": core.committee.weigh(slot.commits),
                }
                for height, slot in sorted(core.slots.items())
                if height > core.final.number
            },
            "view_changes": {str(sender): change.view for sender, change in sorted(core.view_changes.items())},
            "view_timeout_ms": self.timers.view_timeout_ms,
            "view_timer": self.timers.view_runs,
            "fetching": len(core.wanted),
            "conflicts": self.finality.conflicts,
        }
