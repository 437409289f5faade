"""The voting side: when a voter votes, for whom, and what it does when nobody is elected.

A voter speaks once at each (height, round), and what it says is on disk before anybody hears it. Round 0 is the vote of
the protocol; later rounds exist only where a candidate needs more than half of the weight (BAL-24) and opens only by
proof: the votes of the round before, which show that at most one candidate can have been elected in it.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Broadcast, CancelTimer, Persist, Publish, SetTimer
from raclette.primitives.units import MILLISECOND
from raclette.protocols.ballot import records
from raclette.protocols.ballot.book import HEIGHTS_KEPT
from raclette.protocols.ballot.core import Core
from raclette.protocols.ballot.election import is_decisive, is_split, still_possible, support
from raclette.protocols.ballot.messages import Ballots
from raclette.protocols.ballot.polls import Polls, Standing
from raclette.protocols.ballot.records import Restored
from raclette.protocols.ballot.weights import Register

WINDOW = "ballot/window"
ROUND = "ballot/round"
# The timeout doubles at most so often before it meets its cap anyway.
DOUBLINGS_MAX = 20


class Voter:
    """One node's vote on the children of its head. A node that is not registered only repeats what it heard."""

    def __init__(self, core: Core, polls: Polls, restored: Restored) -> None:
        self._core = core
        self._polls = polls
        self._own = restored.votes
        # Records of candidates that we voted for, with their heights.
        self._bodies = {records.body_key(block): block.number for block in restored.blocks}
        self._head: Header = core.chain.head
        self._vote_at = 0
        # Has the window of this head ended? Is there anything to vote for?
        self._is_over = False
        self._opened = False
        self.round = 0
        self._patience = 0

    # --- the window -----------------------------------------------------------------------------------------------

    def on_head(self, head: Header) -> None:
        """BAL-13: another head, so the window for candidates on it begins."""
        core = self._core
        self._head = head
        self._is_over = self._opened = False
        self._patience = 0
        self.round = max(self._own.get(head.number + 1, {}), default=0)
        self._vote_at = core.now + core.parameters.window_ms * MILLISECOND
        core.emit(CancelTimer(ROUND), SetTimer(WINDOW, self._vote_at - core.now))

    def on_candidate(self, header: Header) -> None:
        """BAL-13: where the window ended without candidates, the first one opens a short one for those that were found
        at the same time."""
        core = self._core
        if self._opened or header.parent_hash != self._head.hash or not self._is_over:
            return
        if len(self._polls.candidates(self._head.hash)) == 1:
            core.emit(SetTimer(WINDOW, core.parameters.claim_bound_ms * MILLISECOND))

    def on_window(self) -> None:
        """The window has ended: vote, if there is anything to vote for."""
        core = self._core
        if core.now < self._vote_at:
            # The timer of an earlier head, late; or our clock was set back, and its time stands still. So wait once.
            core.emit(SetTimer(WINDOW, self._vote_at - core.now))
            self._vote_at = core.now
            return
        self._is_over = True
        standing = self._polls.candidates(self._head.hash)
        if self._opened or not standing:
            return
        self._opened = True
        if self.round == 0:
            self._cast(0, self._choose(standing))
        self._await_election()

    def _choose(self, standing: list[Standing]) -> bytes:
        """BAL-15: the earliest candidate with a transaction of our own, where one waits; else the earliest. Ties by
        hash."""
        core = self._core
        register = core.register(self._head)
        account = register.accounts.get(core.node_id) if register is not None else None
        if account is not None and core.chain.pending_from(account):
            own = [one for one in standing if core.chain.sends(one.block_hash, account)]
            standing = own or standing
        return min(standing).block_hash

    def _cast(self, round_number: int, block_hash: bytes) -> None:
        """BAL-16: once at a place; written first, then said."""
        core, height = self._core, self._head.number + 1
        register = core.register(self._head)
        if not core.active or register is None or core.node_id not in register.weights:
            return
        if not records.may_vote(self._own, height, round_number):
            return
        block = core.chain.block(block_hash)
        if block is None:
            return
        records.remember(self._own, height, round_number, block_hash)
        self._keep_body(block)
        core.emit(Persist(records.vote_key(height), records.encode_votes(height, self._own[height])))
        self._polls.hear(None, self._core.own_vote(height, round_number, block_hash))

    def _keep_body(self, block: Block) -> None:
        """Of a candidate that we vote for; those whose votes count no more are forgotten."""
        core, key = self._core, records.body_key(block)
        if key not in self._bodies:
            core.emit(Persist(key, block.encoded))
        self._bodies[key] = block.number
        for old in [known for known, height in self._bodies.items() if height <= block.number - HEIGHTS_KEPT]:
            del self._bodies[old]
            core.emit(Persist(old, None))

    def on_start(self) -> None:
        """BAL-38: what we said before a crash may not have left: say it again, and never anything else there."""
        height = self._head.number + 1
        for round_number, block_hash in self._own.get(height, {}).items():
            if self._core.active:
                vote = self._core.own_vote(height, round_number, block_hash)
                self._polls.hear(None, vote)
                self._core.emit(Publish(vote))

    # --- nobody is elected ----------------------------------------------------------------------------------------

    def _await_election(self) -> None:
        parameters = self._core.parameters
        delay = min(parameters.round_ms << min(self._patience, DOUBLINGS_MAX), parameters.round_cap_ms)
        self._core.emit(SetTimer(ROUND, delay * MILLISECOND))

    def on_round(self) -> None:
        """BAL-31: still nobody: repeat what we hold, and see whether the next round may open."""
        self._patience += 1
        self._repeat()
        register = self._core.register(self._head)
        if register is not None and is_decisive(self._core.needed):
            self._next_round(register)
        self._await_election()

    def _repeat(self) -> None:
        book, height = self._polls.book, self._head.number + 1
        # Ours and the one before, which shows why it is open; of later ones a liar may have invented any number.
        votes = [vote for number in (self.round - 1, self.round) for vote in book.votes(height, number).values()]
        if votes:
            self._core.emit(Broadcast(Ballots(tuple(votes))))

    def _next_round(self, register: Register) -> None:
        """BAL-32 to BAL-35."""
        core, book, height = self._core, self._polls.book, self._head.number + 1
        split = [
            number
            for number in book.rounds(height)
            if number >= self.round and is_split(book.votes(height, number), register, core.needed)
        ]
        for last in reversed(split):
            votes = book.votes(height, last)
            possible = still_possible(votes, register, core.needed, core.liars)
            if len(possible) <= 1:
                break
        else:  # BAL-35: more votes must come first
            return
        standing = {one.block_hash for one in self._polls.candidates(self._head.hash)}
        weights = support(votes, register)
        eligible = possible or sorted(weights)
        choices = [block_hash for block_hash in eligible if block_hash in standing]
        if choices:
            # BAL-34: the only one that may have been elected; if none may, the one that most voted for, but for those
            # who are known to have voted twice: they may have told everybody something else.
            honest = {voter: vote for voter, vote in votes.items() if not self._polls.is_convicted(vote)}
            weights = support(honest, register)
            self.round = last + 1
            self._cast(self.round, min(choices, key=lambda block_hash: (-weights.get(block_hash, 0), block_hash)))
