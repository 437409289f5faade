"""Proof of work chooses the wrong branch, believes a clock, or forgets what a reorganisation took out."""

from collections.abc import Sequence

from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.engine.contract import Lookup
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import Swap, mutant
from raclette.node.transactions import TransactionDesk
from raclette.protocols.nakamoto import rules
from raclette.protocols.nakamoto.difficulty import Asert
from raclette.protocols.nakamoto.forkchoice import BlockTree, Entry
from raclette.protocols.nakamoto.rules import HeaderRules
from raclette.protocols.nakamoto.seal import difficulty_of

# Blocks of a retarget window, where Bitcoin has 2016: short, for runs are.
WINDOW = 8

_heaviest_subtree = BlockTree._heaviest_subtree
_head_moved = TransactionDesk.head_moved


def _highest(self: BlockTree, entry: Entry) -> Entry:
    if self._ghost:
        return _heaviest_subtree(self, entry)
    return entry if entry.number > self._head.number else self._head


def _latest(self: BlockTree, entry: Entry) -> Entry:
    """A draw goes to what was seen last."""
    if self._ghost:
        return _heaviest_subtree(self, entry)
    return entry if entry.total >= self._head.total else self._head


class _Windows:
    """Bitcoin's retarget with its off-by-one: the window is measured from its first block to its last, so the time
    between two windows counts nowhere. Blocks are remembered as they are asked about, each a parent of the next."""

    def __init__(self) -> None:
        self.seen: dict[bytes, Header] = {}

    def after(self, rule: Asert, parent: Header) -> int:
        self.seen[parent.hash] = parent
        if parent.number == 0:
            return difficulty_of(rule._anchor_target)
        if (parent.number + 1) % WINDOW:
            return parent.difficulty
        first = parent
        while first.number > parent.number - (WINDOW - 1) and first.parent_hash in self.seen:
            first = self.seen[first.parent_hash]
        planned = WINDOW * rule._interval
        taken = min(max(parent.timestamp - first.timestamp, planned // 4, 1), 4 * planned)
        return max(parent.difficulty * planned // taken, difficulty_of(rule._limit), 1)


WINDOWS = _Windows()


def _after_window(self: Asert, parent: Header) -> int:
    return WINDOWS.after(self, parent)


def _no_median(header: Header, lookup: Lookup) -> int:
    return -1


def _any_time(self: HeaderRules, header: Header, now: int) -> None:
    """However far in the future."""


def _forget_returned(self: TransactionDesk, returned: Sequence[Transaction], included: Sequence[Transaction]) -> None:
    _head_moved(self, (), included)


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "N1",
        "nakamoto",
        "the highest branch wins, not the one with most work",
        source="Nakamoto 2008, section 4, read literally; Bitcoin compared heights before July 2010",
        invariants=("fork-choice", "liveness"),
        swaps=(Swap(BlockTree, "_best_after", _highest),),
    ),
    mutant(
        "N2",
        "nakamoto",
        "difficulty from a window that leaves out the interval before it: time warp",
        source="Bitcoin's off-by-one in the 2016-block window (bitcoin-dev, August 2018); Verge, April 2018",
        invariants=("difficulty",),
        swaps=(Swap(Asert, "after", _after_window),),
        memos=(WINDOWS.seen.clear,),
    ),
    mutant(
        "N3",
        "nakamoto",
        "a timestamp may be earlier than the median of its ancestors",
        source="Bitcoin's median-time-past rule; Verge, April 2018",
        invariants=("timestamps", "difficulty"),
        swaps=(Swap(rules, "median_time_past", _no_median),),
    ),
    mutant(
        "N3b",
        "nakamoto",
        "a timestamp may be in any future",
        source="Bitcoin's two-hour bound; Verge, April 2018 (spoofed timestamps)",
        invariants=("timestamps", "difficulty"),
        swaps=(Swap(HeaderRules, "check_time", _any_time),),
    ),
    mutant(
        "N5",
        "nakamoto",
        "a draw goes to what was seen last: every honest miner helps a selfish one",
        source="Eyal & Sirer, FC 2014, section 4 (gamma = 1)",
        invariants=("chain-quality", "fork-choice"),
        swaps=(Swap(BlockTree, "_best_after", _latest),),
    ),
    mutant(
        "N9",
        "nakamoto",
        "transactions of blocks that a reorganisation takes out are forgotten",
        source="orphaned transactions in longest-chain nodes without a return to the pool",
        invariants=("liveness",),
        swaps=(Swap(TransactionDesk, "head_moved", _forget_returned),),
    ),
)
