"""Hybrid consensus without one of the things on which the change of committees rests.

Seats come from a stable prefix, everybody changes at the same block, a proof holds a third of the seats, and a fruit is
fresh and counts once.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from raclette.chain.header import Header
from raclette.engine.contract import Lookup
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, SAFETY, Swap, mutant
from raclette.protocols.hybrid import day as days
from raclette.protocols.hybrid import fruits, log, orchard, records
from raclette.protocols.hybrid.almanac import Day
from raclette.protocols.hybrid.day import DayFrame
from raclette.protocols.hybrid.log import Log
from raclette.protocols.hybrid.orchard import Orchard
from raclette.protocols.hybrid.snail_chain import SnailChain

# Deeper than anything stable.
DEEP = 1 << 40
ROTATION = ("days", "stable-seats", "seats", "almanac", "cut", *SAFETY)
_depth_of = SnailChain.depth_of
_init = Day.__init__
_ancestors = fruits.ancestors


def _every_depth_is_stable(self: SnailChain, block_hash: bytes) -> int | None:
    return None if _depth_of(self, block_hash) is None else DEEP


def _due_at_once(self: DayFrame) -> Day | None:
    """The next election, as soon as it is seen."""
    return self._snail.almanac().find(self._day.number + 1)


def _any_handover(snail: SnailChain, day: Day, snail_hash: bytes, depth: int) -> None:
    """However new the election is."""


def _whole_path(self: Log, day: Day, header: Header) -> list[Header]:
    """All that the inner engine has ordered above the tip."""
    path: list[Header] = []
    step: Header | None = header
    while step is not None and step.number > self.tip.number:
        path.append(step)
        step = self._core.chain.header(step.parent_hash)
    return path[::-1] if step is not None and step.hash == self.tip.hash else []


def _never_cut(self: Log, day: Day) -> bool:
    return False


def _one_seat_short(self: Day, number: int, elected: int, snail_hash: bytes, seats: tuple[bytes, ...]) -> None:
    _init(self, number, elected, snail_hash, seats)
    self.threshold = max(1, self.threshold - 1)


def _third_of_heads(self: Day, number: int, elected: int, snail_hash: bytes, seats: tuple[bytes, ...]) -> None:
    _init(self, number, elected, snail_hash, seats)
    self.threshold = (len(self.members) + 2) // 3


def _heads(self: Day, nodes: Iterable[bytes]) -> int:
    """One voice for each member, however many seats it has."""
    return sum(node_id in self.weights for node_id in nodes)


def _in_any_order(signers: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    """Pairs of which none repeats a signer."""
    return ((first, (b"\xff" * 33,)) for first, _ in pairwise(signers))


def _ever_fresh(distance: int, freshness: int) -> bool:
    return distance >= 1


def _all_ancestors(parent: Header, freshness: int, lookup: Lookup) -> dict[bytes, Header]:
    return _ancestors(parent, DEEP, lookup)


def _nothing_included(
    self: Orchard, behind: dict[bytes, Header], fruits_of: Callable[[bytes], tuple[bytes, ...]]
) -> frozenset[bytes]:
    return frozenset()


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "S1",
        "hybrid",
        "every election counts as stable: a committee is drawn from a suffix that may go",
        source="Pass & Shi 2017 (hybrid consensus), section 4: lambda blocks are cut off; TrueChain",
        invariants=ROTATION,
        swaps=(Swap(SnailChain, "depth_of", _every_depth_is_stable),),
    ),
    mutant(
        "S1b",
        "hybrid",
        "members end their day for an election that is not stable yet",
        source="Pass & Shi 2017 (hybrid consensus), section 4: when a stop is signed",
        invariants=(*ROTATION, *PROGRESS),
        swaps=(
            Swap(DayFrame, "due", _due_at_once),
            Swap(days, "check_handover", _any_handover),
            Swap(log, "check_handover", _any_handover),
        ),
    ),
    mutant(
        "S2",
        "hybrid",
        "blocks that a committee orders on top of its day's end are counted into the log",
        source="Pass & Shi 2017 (hybrid consensus): the log of a day ends at its stop",
        invariants=(*ROTATION, *PROGRESS),
        swaps=(Swap(Log, "_path", _whole_path),),
    ),
    mutant(
        "S2b",
        "hybrid",
        "a committee signs on while its day is closed by force",
        source="ours: where a day may be closed without its committee (HYB-15)",
        invariants=ROTATION,
        swaps=(Swap(Log, "is_cut", _never_cut),),
    ),
    mutant(
        "P1",
        "hybrid",
        "one seat less than a third proves an entry",
        source="Pass & Shi 2017 (hybrid consensus): th = ceil(csize/3)",
        invariants=("certificates", *SAFETY),
        swaps=(Swap(Day, "__init__", _one_seat_short),),
    ),
    mutant(
        "P2",
        "hybrid",
        "a proof may name a signer twice",
        source="SaraBaradaran/PBFT, count_logs(); codechain #1236",
        invariants=("certificates", *SAFETY),
        swaps=(Swap(records, "pairwise", _in_any_order),),
    ),
    mutant(
        "P4",
        "hybrid",
        "a third of the members is enough, however many seats they have",
        source="weighted BFT implementations",
        invariants=("certificates", *SAFETY),
        swaps=(Swap(Day, "__init__", _third_of_heads), Swap(Day, "weigh", _heads)),
    ),
    mutant(
        "N10",
        "hybrid",
        "the freshness of fruits is not checked",
        source="Pass & Shi, PODC 2017 (FruitChains)",
        invariants=("freshness",),
        swaps=(
            Swap(fruits, "is_fresh", _ever_fresh),
            Swap(orchard, "ancestors", _all_ancestors),
        ),
    ),
    mutant(
        "N10b",
        "hybrid",
        "a fruit may be taken in again",
        source="Pass & Shi, PODC 2017 (FruitChains)",
        invariants=("freshness",),
        swaps=(Swap(Orchard, "_included", _nothing_included),),
    ),
)
