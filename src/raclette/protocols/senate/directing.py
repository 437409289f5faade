"""The directors: holders who compete, by lot and stake, to write the block of a height.

Everybody knows his own ticket at once and can tell how many better ones to expect. The better the ticket the sooner its
holder speaks, and who has heard a better one stays silent: so a handful of entries cross the network for each block and
not one for each holder. When the window closes, the holder of the best ticket writes its block. In round r up to r
better entries no longer stop anybody: so a winner that is silent costs a round, not the height.
"""

from collections.abc import Callable

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.primitives.errors import NotYet, PeerFault
from raclette.primitives.signing import Lot
from raclette.primitives.units import SECOND
from raclette.protocols.senate.core import Core
from raclette.protocols.senate.evidence import two_candidates
from raclette.protocols.senate.lottery import Ticket, make_ticket
from raclette.protocols.senate.messages import Candidate, Entry
from raclette.protocols.senate.statements import Extra, read_extra

# An entrant who expects x better tickets waits for x sixteenths of the window, at most for half of it.
ENTRY_PARTS = 16
ENTRY_PARTS_MAX = 8
# Blocks kept of one height: those with the lowest tickets. A leader needs one; the rest is for later rounds.
CANDIDATES_MAX = 8


class Directing:
    """Enters the lottery, hears the others' tickets, writes blocks."""

    def __init__(self, core: Core, check_header: Callable[[Header, Header, int], None]) -> None:
        self.core = core
        # Raises InvalidHeader; `now` in nanoseconds.
        self.check_header = check_header

    # --- our own ticket -------------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Our ticket for this height, once."""
        core, work = self.core, self.core.work
        if work.ticket is None and core.stake:
            work.lot = core.signer.draw(core.statements.ticket_alpha(work.height, work.seed))
            work.ticket = make_ticket(core.me, core.stake, Lot(b"", b"", work.lot).output)

    def entry_delay(self, window: int) -> int:
        """SENATE-16: nanoseconds to wait before entering."""
        work = self.core.work
        if work.ticket is None:
            return window
        return min(
            work.ticket.expected_better(work.senate.total, window) // ENTRY_PARTS,
            window * ENTRY_PARTS_MAX // ENTRY_PARTS,
        )

    def enter(self) -> None:
        """Our delay has passed: speak, unless enough better tickets are known."""
        core, work = self.core, self.core.work
        if work.ticket is None or work.is_entered or work.rank(work.ticket) > work.round:
            return
        work.is_entered = True
        work.entries[core.me] = work.ticket
        core.broadcast(self.own_entry())

    def own_entry(self) -> Entry:
        """The same each time."""
        core, work = self.core, self.core.work
        alpha = core.statements.ticket_alpha(work.height, work.seed)
        return Entry(work.height, work.seed, core.me, Lot(core.me, alpha, work.lot))

    def write(self) -> None:
        """SENATE-17: the window is over and ours is the best ticket that we know of: write the block."""
        core, work = self.core, self.core.work
        if not (work.is_open and work.window_over) or work.ticket is None or core.me in work.candidates:
            return
        if work.rank(work.ticket) > work.round or work.word.is_over:
            return
        work.is_entered = True
        work.entries[core.me] = work.ticket
        block = core.chain.block(work.word.wrote) if work.word.wrote else self._build()
        if block is None:
            return
        work.word.wrote = block.hash
        core.persist_body(block, block.number)
        core.keep_word()
        claim = core.sign(core.statements.candidate_digest(work.height, block.hash))
        candidate = Candidate(block.header, core.me, claim, core.statements.lots(block.header), block)
        work.candidates[core.me] = candidate
        core.broadcast(candidate)

    def _build(self) -> Block:
        core, work = self.core, self.core.work
        next_lot = core.signer.draw(core.statements.seed_alpha(work.height, work.seed))
        root = core.statements.senate_root(work.senate.owners)
        draft = Draft(
            # SENATE-19: not before the parent.
            timestamp=max(work.parent.timestamp, core.now // SECOND),
            beneficiary=core.beneficiary,
            extra_data=Extra(core.me, work.seed, work.lot, next_lot, root).encode(),
        )
        return core.chain.build(work.parent, draft)

    # --- the others' ----------------------------------------------------------------------------------------------

    def on_entry(self, entry: Entry) -> None:
        """Somebody's ticket, drawn with his key: the gate has seen to that."""
        work = self.core.work
        if entry.seed != work.seed or entry.sender in work.entries:
            return
        ticket = self.ticket_of(entry.sender, entry.ticket)
        if ticket is None:
            # SENATE-6: a holding that is spent, or never was.
            self.core.accuse(entry.sender, "no-holding")
            return
        work.entries[entry.sender] = ticket

    def ticket_of(self, director: bytes, lot: Lot) -> Ticket | None:
        """None if `director` is not on the roll with a stake."""
        stake = self.core.work.senate.stakes.get(director, 0)
        return make_ticket(director, stake, lot.output) if stake else None

    def on_candidate(self, candidate: Candidate) -> None:
        """Somebody's block."""
        core, work = self.core, self.core.work
        if candidate.header.parent_hash != work.parent.hash or candidate.block is None or candidate.sender == core.me:
            return
        first = work.candidates.get(candidate.sender)
        if first is not None:
            if first.header.hash != candidate.header.hash:
                core.accuse(candidate.sender, "two-candidates", two_candidates(first, candidate))
            return
        ticket = self.judge(candidate.header, candidate.sender)
        if ticket is None:
            return
        work.entries[candidate.sender] = ticket
        work.candidates[candidate.sender] = candidate
        if len(work.candidates) > CANDIDATES_MAX:
            others = [director for director in work.candidates if director != core.me]
            del work.candidates[max(others, key=lambda director: work.rank(work.entries[director]))]

    def judge(self, header: Header, blamed: bytes) -> Ticket | None:
        """Everything about a block of this height that needs no execution: its ticket, or None and `blamed` accused."""
        core, work = self.core, self.core.work
        try:
            self.check_header(header, work.parent, core.now)
            extra = read_extra(header)
        except NotYet:
            return None
        except PeerFault as fault:
            core.accuse(blamed, fault.reason)
            return None
        ticket = self.ticket_of(extra.director, Lot(extra.director, b"", extra.ticket))
        if ticket is None:
            core.accuse(blamed, "no-holding")
            return None
        # SENATE-12: the seats that everybody computes, not those that somebody says.
        if extra.senate_root != core.statements.senate_root(work.senate.owners):
            core.accuse(blamed, "false-senate")
            return None
        return ticket

    def best(self) -> Candidate | None:
        """The block with the lowest ticket, if this round allows it."""
        work = self.core.work
        ranked = sorted((work.rank(work.entries[director]), director) for director in work.candidates)
        return work.candidates[ranked[0][1]] if ranked and ranked[0][0] <= work.round else None
