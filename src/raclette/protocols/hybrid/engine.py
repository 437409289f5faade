"""The hybrid as a pure machine: a snail chain that elects, a committee that orders, a log that everybody follows.

Source: R. Pass and E. Shi, "Hybrid Consensus: Efficient Consensus in the Permissionless Model", DISC 2017 (ePrint
2016/917), and TrueChain's reading of it (2018). Miners of a slow proof-of-work chain, once their blocks are stable, are
the committee of a day; it orders transactions by an ordinary BFT engine, at the speed of the network. spec/hybrid.md
numbers the rules that the code cites, lists the deviations, and argues why two committees never order the same block.

Three machines in one: `Snail` (the `nakamoto` engine on a chain of its own), `DayRun` (`pbft` or `simplex`, where this
node has a seat on the day that is in charge), and `Log`. Each event goes to the one it concerns; then what follows
from it is done: judge again what waited for the snail chain, change the committee, complain.
"""

from collections.abc import Callable
from typing import Any

from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup, Lookup, SealCheck
from raclette.engine.effects import Effect, Persist, SetTimer
from raclette.engine.events import BlockReceived, Event, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import InvalidHeader
from raclette.primitives.units import MILLISECOND
from raclette.protocols.decided import DecidingEngine, check_clock, check_follows
from raclette.protocols.hybrid import day, log, snail
from raclette.protocols.hybrid.almanac import Day, Rules
from raclette.protocols.hybrid.codec import Codec, Running
from raclette.protocols.hybrid.core import Core
from raclette.protocols.hybrid.day import DayRun, day_of, records_of
from raclette.protocols.hybrid.log import Log
from raclette.protocols.hybrid.messages import (
    Complaint,
    Daily,
    DailyBlock,
    FreshFruit,
    Logged,
    Signed,
    SnailBlock,
    SnailBlocks,
    SnailQuestion,
    Unproven,
    complaint_digest,
)
from raclette.protocols.hybrid.parameters import Parameters
from raclette.protocols.hybrid.snail import Snail, restore_block
from raclette.protocols.nakamoto.seal import HashSeal
from raclette.protocols.parameters import parse_parameters

TICK = "hybrid/tick"


class HybridEngine(DecidingEngine):
    """A miner, a member of a committee where it has won a seat, and a follower of the log always."""

    name = "hybrid"

    def __init__(self, setup: EngineSetup, parameters: Parameters, seal: SealCheck) -> None:
        """Raises StoreDamaged for unreadable records."""
        self.core = Core(setup, parameters)
        rules = Rules(parameters, setup.chain.genesis.hash)
        self.log = Log(self.core, rules)
        self.snail = Snail(self.core, rules, seal, self.log.proof_for)
        self.log.snail, self.log.news = self.snail.chain, self.snail.renew
        seats = max(parameters.committee_size, len(parameters.node_ids))
        self.codec = Codec(setup.chain.chain_id, seats, self._running)
        super().__init__(self.codec)
        self.run: DayRun | None = None
        # The day that is in charge, as far as we can tell.
        self._day: Day = self.snail.chain.almanac().day
        self._records = dict(setup.records)
        self._handlers: dict[type, Callable[[bytes, Any], None]] = {
            Signed: self.log.on_signed,
            Logged: self.log.on_logged,
            Unproven: lambda peer, message: self.log.on_unproven(peer, message.number),
            SnailBlock: lambda peer, message: self.snail.on_block(peer, message.block),
            SnailBlocks: self.snail.on_blocks,
            SnailQuestion: self.snail.on_question,
            Complaint: lambda _, message: self.snail.on_complaint(message),
            FreshFruit: lambda _, message: self.snail.on_fruit(message.fruit),
        }
        # The log's tip at the last tick.
        self._ticked = 0
        self._waiting_since: int | None = None

    # --- the machine ----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """See the module."""
        self.core.now = event.now
        tip = self.log.tip.hash
        match event:
            case Received(_, peer, message):
                self._on_message(event, peer, message)
            case TimerFired(_, name):
                self._on_timer(name)
            case BlockReceived(_, peer, block, certificate):
                if certificate:
                    self.log.show(peer, block, certificate)
                elif self.run is not None:
                    self.run.feed(event)
            case Sealed(_, header):
                self.snail.sealed(header)
            case Pending():
                self._feed(event)
            case Started():
                self._start()
            case _:
                pass  # nobody gathers votes for us: `ballot` is not offered
        self._settle(tip)
        return self.core.take_effects()

    def _start(self) -> None:
        """HYB-51: the snail chain first, then the log, then the committee."""
        records = self._records
        self._records = {key: value for key, value in records.items() if key.startswith(day.RECORD)}
        self.snail.start([restore_block(key, records[key]) for key in records if key.startswith(snail.RECORD)])
        self.log.restore([restore_block(key, records[key]) for key in records if key.startswith(log.RECORD)])
        self.core.emit(SetTimer(TICK, self.core.parameters.timeout_ms * MILLISECOND))

    def _on_message(self, event: Received, peer: bytes, message: Message) -> None:
        if isinstance(message, Daily | DailyBlock):
            run = self.run
            if message.inner is not None and run is not None and run.day.snail_hash == message.election:
                run.feed(Received(event.now, peer, message.inner))
            elif self._is_news(message):
                self.snail.ask(peer, b"")
            return
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(peer, message)

    def _is_news(self, message: Daily | DailyBlock) -> bool:
        """HYB-8: is its day later than ours, or elected by another branch? Its sender knows more of the snail chain."""
        ours = self._day.number
        return message.day > ours or (message.day == ours and self.snail.chain.header(message.election) is None)

    def _on_timer(self, name: str) -> None:
        if name == TICK:
            self._tick()
            self.core.emit(SetTimer(TICK, self.core.parameters.timeout_ms * MILLISECOND))
        elif not name.startswith(day.TIMER):
            self.snail.feed(TimerFired(self.core.now, name))
        elif self.run is not None and (inner := self.run.timer(name)) is not None:
            self.run.feed(TimerFired(self.core.now, inner))

    def _feed(self, event: Event) -> None:
        if self.run is not None:
            self.run.feed(event)

    # --- what follows ---------------------------------------------------------------------------------------------

    def _settle(self, tip: bytes) -> None:
        """Until nothing moves any more: each round either takes a block or changes the day."""
        while True:
            moved, self.snail.moved = self.snail.moved, False
            advanced, tip = self.log.tip.hash != tip, self.log.tip.hash
            if moved or advanced:
                self.log.look_again()
            changed = self._change_day()
            if (moved or advanced) and not changed:
                # HYB-32: it may be time to end the day, or a mark be judged that could not be before. HYB-36: the log
                # may have gone past the inner engine.
                self._feed(Pending(self.core.now))
            if not (self.snail.moved or self.log.tip.hash != tip):
                return

    def _change_day(self) -> bool:
        """HYB-34: run the inner engine of the day in charge if we have a seat, and no other. True if that is news."""
        unproved = self.log.ends_unproved
        current = self._day_of_tip() if unproved else self.log.next_day(self.log.tip)
        if current is None:
            return False
        self._day = current
        seated = self.core.setup.active and self.core.me in current.weights and self.log.may_sign(current)
        running = self.run
        if running is not None and (running.day.snail_hash != current.snail_hash or not seated):
            self.run = None
            if running.day.snail_hash == current.snail_hash:
                # HYB-37: its promises hold if the same day goes on.
                self._records |= running.records()
            else:
                running.close()
        if not seated or self.run is not None:
            return False
        self.run = DayRun(
            self.core,
            current,
            self._base(current),
            self.snail.chain,
            lambda: self.log.tip,
            lambda header: self.log.ordered(current, header),
            self._take_records(current),
        )
        self.run.start()
        return True

    def _base(self, current: Day) -> Header:
        """The block that the day starts on."""
        header = self.log.tip
        while day_of(header) == current.number:
            parent = self.core.chain.header(header.parent_hash)
            if parent is None:
                break
            header = parent
        return header

    def _take_records(self, current: Day) -> dict[bytes, bytes]:
        """HYB-51: those of this day, kept before a restart; what is left of other days goes."""
        prefix = records_of(current)
        records, self._records = self._records, {}
        for key in records:
            if not key.startswith(prefix):
                self.core.emit(Persist(key, None))
        return {key[len(prefix) :]: value for key, value in records.items() if key.startswith(prefix)}

    def _tick(self) -> None:
        """HYB-26, HYB-12: repeat what may have been lost; complain."""
        run, tip = self.run, self.log.tip.number
        if tip > self.log.final.number and self.core.setup.active:
            self.log.repeat(self._day_of_tip())
        self.log.ask_again()
        stands, self._ticked = self._ticked == tip, tip
        if run is not None and stands and self.core.chain.has_pending(self.log.tip):
            self._complain(run.day)
        else:
            self._waiting_since = None

    def _day_of_tip(self) -> Day:
        return self.snail.chain.almanac().find(day_of(self.log.tip)) or self._day

    def _complain(self, current: Day) -> None:
        """HYB-12: something waits, and nothing has been ordered for `complain_ms`."""
        core = self.core
        if self._waiting_since is None:
            self._waiting_since = core.now
        patience = core.parameters.complain_ms * MILLISECOND
        if core.now - self._waiting_since >= patience:
            # And again after as long, should nobody who mines have heard it.
            self._waiting_since = core.now
            digest = complaint_digest(core.chain.chain_id, current.snail_hash)
            self.snail.complain(Complaint(current.snail_hash, core.sign(digest)))

    def _running(self) -> Running | None:
        run = self.run
        return Running(run.day, run.engine) if run is not None else None

    # --- what anybody may ask -------------------------------------------------------------------------------------

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        """HYB-29: what shows without the snail chain. Raises InvalidHeader."""
        check_follows(header, parent)
        if not max(1, day_of(parent)) <= day_of(header):
            raise InvalidHeader("header-day", f"day {day_of(header)} after day {day_of(parent)}")
        check_clock(header, now, self.core.parameters.future_limit_s)

    def reward(self, number: int) -> int:
        """For the proposer of a block; genesis earns nothing."""
        return self.core.parameters.reward if number else 0

    def validators(self) -> tuple[bytes, ...]:
        """The committee of the day in charge, as far as we can tell."""
        return self._day.members

    def status(self) -> dict[str, Any]:
        """For people: the day, its committee, the snail chain, the log, and what the inner engine says."""
        almanac = self.snail.chain.almanac()
        inner = self.run.engine.status() if self.run is not None else {}
        return {
            "day": self._day.number,
            "newest_day": almanac.day.number,
            "seats": len(self._day.seats),
            "members": len(self._day.members),
            "own_seats": self._day.weights.get(self.core.me, 0),
            "threshold": self._day.threshold,
            "final": self.log.final.number,
            "tip": self.log.tip.number,
            "snail": {"number": self.snail.chain.head.number, "hash": "0x" + self.snail.chain.head.hash.hex()},
            "snail_reorganised": self.snail.deepest,
            "complaints": len(almanac.complaints),
            "held": self.log.waiting,
            "abandoned": self.log.abandoned,
            "conflicts": self.log.conflicts,
            "leader": inner.get("leader", ""),
            "view": inner.get("view", 0),
            "votes": inner.get("votes", {}),
            "inner": inner,
        }


def make_engine(setup: EngineSetup, *, seal_check: SealCheck | None = None) -> HybridEngine:
    """The factory. `seal_check` defaults to real hashing. Raises ConfigError, StoreDamaged."""
    return HybridEngine(setup, parse_parameters(Parameters, setup.parameters), seal_check or HashSeal())
