"""Rounds: when a leader's time is up, the next seat's turn comes, with proof.

A senator whose patience ends says TIMEOUT with the highest lock it holds, and votes no more in that round. TIMEOUTs of
a quorum of seats justify the next round; the highest lock among them binds its leader. A senator never moves on by its
own clock alone, and nobody can be moved by less than a quorum.
"""

from collections.abc import Callable

from raclette.engine.effects import Send
from raclette.primitives.units import MILLISECOND
from raclette.protocols.senate.core import Core
from raclette.protocols.senate.messages import Justification, Lock, RoundChange, SenateMessage, Timeout


class Rounds:
    """Collects TIMEOUTs, makes and checks justifications."""

    def __init__(self, core: Core, on_begin: Callable[[], None]) -> None:
        self.core = core
        # Timers start again.
        self.on_begin = on_begin
        # Whom we have helped in the period that began then.
        self._helped: dict[bytes, None] = {}
        self._since = 0

    def time_out(self, round_number: int) -> bool:
        """SENATE-32: our patience with this round (ours or a later one) has ended. True if that is new."""
        core, word = self.core, self.core.work.word
        if not core.seats or round_number < word.round or (round_number == word.round and word.is_over):
            return False
        if round_number > word.round:
            self._enter(round_number)
        word.is_over = True
        core.keep_word()
        self.say_timeout()
        return True

    def say_timeout(self) -> None:
        """Our TIMEOUT of this round, to everybody: directors follow the rounds too."""
        core, work = self.core, self.core.work
        timeout = core.own_timeout(work.height, work.round, work.word.lock)
        work.timeouts[core.me] = timeout
        core.broadcast(timeout)

    def on_timeout(self, peer: bytes, timeout: Timeout) -> None:
        """File it if it is its author's latest."""
        core, work = self.core, self.core.work
        if timeout.sender == core.me:
            return
        if timeout.sender not in work.senate.weights:
            core.accuse(timeout.sender, "no-seat")
            return
        if timeout.lock is not None and not self._is_lock(timeout.lock):
            # SENATE-25: a lock that is none hides nothing but its author's word. The author signed which lock it has,
            # not by whose PREPAREs; whoever handed it over may have taken some away.
            core.accuse(peer, "bad-lock")
            return
        if timeout.round < work.round and work.justification is not None:
            self.help(peer, core.codec.make_round_change(work.height, work.justification))
        known = work.timeouts.get(timeout.sender)
        if known is None or known.round < timeout.round:
            work.timeouts[timeout.sender] = timeout

    def on_round_change(self, peer: bytes, message: RoundChange) -> None:
        """Somebody shows us a later round."""
        if message.justification.round <= self.core.work.round:
            return
        if not self.is_valid(message.justification):
            self.core.accuse(peer, "bad-justification")
            return
        self.begin(message.justification.round, message.justification)

    def help(self, peer: bytes, message: SenateMessage) -> None:
        """SENATE-52: one answer for each peer and half period of repeating."""
        core = self.core
        period = core.parameters.round_timeout_ms * MILLISECOND // 8
        if core.now - self._since >= period:
            self._helped.clear()
            self._since = core.now
        if peer in core.work.senate.stakes and peer not in self._helped:
            self._helped[peer] = None
            core.emit(Send(peer, message))

    # --- what follows ---------------------------------------------------------------------------------------------

    def follow(self) -> bool:
        """SENATE-33: more than T seats are at a later end than we: one of them is honest, so go there too. True if we
        said TIMEOUT."""
        core, work = self.core, self.core.work
        if not core.seats:
            return False
        beyond = 0
        for timeout in sorted(work.timeouts.values(), key=lambda timeout: timeout.round, reverse=True):
            beyond += work.senate.weights[timeout.sender]
            if beyond > core.parameters.faults:
                return self.time_out(timeout.round)
        return False

    def advance(self) -> bool:
        """SENATE-34: TIMEOUTs of a quorum of seats for our round or a later one: the next begins. True if so."""
        work = self.core.work
        ended: dict[int, int] = {}
        for timeout in work.timeouts.values():
            ended[timeout.round] = ended.get(timeout.round, 0) + work.senate.weights[timeout.sender]
        quorums = [number for number, seats in ended.items() if number >= work.round and seats >= work.senate.quorum]
        if not quorums:
            return False
        last = max(quorums)
        agreed = [timeout for _, timeout in sorted(work.timeouts.items()) if timeout.round == last]
        excuses = tuple(timeout.excuse for timeout in agreed)
        self.begin(last + 1, Justification(last + 1, excuses, highest_lock(agreed)))
        return True

    def begin(self, round_number: int, justification: Justification) -> None:
        """Enter a round that is proven to exist."""
        work = self.core.work
        self._enter(round_number)
        work.justification = justification
        work.is_open = True
        self.core.keep_round()
        self.on_begin()

    def resume(self, justification: Justification) -> None:
        """SENATE-34: after a restart, the round that our records prove. If our last word was in an earlier one, the
        crash came before we had said anything in it."""
        work = self.core.work
        if justification.round > work.round:
            self._enter(justification.round)
        if justification.round == work.round:
            work.justification = justification

    def _enter(self, round_number: int) -> None:
        work = self.core.work
        word = work.word
        word.round, word.is_over, word.prepared, word.proposed = round_number, False, b"", b""
        work.proposal = None
        work.justification = None
        work.is_refused = False
        work.window_over = False

    # --- what proves what -----------------------------------------------------------------------------------------

    def is_valid(self, justification: Justification) -> bool:
        """SENATE-34, SENATE-25: a quorum of this height's seats, and a lock that is one. The codec has seen to it that
        senders are distinct and that the highest lock named is the one shown."""
        senate = self.core.work.senate
        senders = [excuse.sender for excuse in justification.excuses]
        if any(sender not in senate.weights for sender in senders) or senate.weight(senders) < senate.quorum:
            return False
        return justification.lock is None or self._is_lock(justification.lock)

    def _is_lock(self, lock: Lock) -> bool:
        """PREPAREs of a quorum of this height's seats."""
        senate = self.core.work.senate
        voters = [node for node, _ in lock.votes]
        return all(node in senate.weights for node in voters) and senate.weight(voters) >= senate.quorum


def highest_lock(timeouts: list[Timeout]) -> Lock | None:
    """SENATE-27: of the highest round; two locks of one round are on the same block."""
    locks = [timeout.lock for timeout in timeouts if timeout.lock is not None]
    return max(locks, key=lambda lock: lock.round) if locks else None
