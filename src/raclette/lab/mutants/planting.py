"""How a bug gets into the running code and out of it again.

A mutant is a few `Swap`s: a function or method of the real code, and what stands in its place. Whatever the code
remembers across runs is forgotten on the way in and on the way out, so that nothing computed with the bug is believed
without it, or the other way round.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

from raclette.lab.mutants.contract import Mutant
from raclette.protocols.nakamoto import rules

# Every memory of the code under test that outlives a node and that one of our bugs can reach.
MEMOS: tuple[Callable[[], None], ...] = (rules._medians.clear, rules.rules_of.cache_clear)

# What fires when two honest replicas may disagree: the disagreement itself, or what must lead to it.
SAFETY = (
    "agreement",
    "finality-kept",
    "certificates",
    "view-base",
    "view-quorum",
    "new-views",
    "broken-chain",
    "equivocation",
    "evidence",
    "accountability",
    "no-false-accusation",
    "no-honest-ban",
    "validity",
    "one-verdict",
)
# What fires when honest replicas cannot go on, or only at a price that nothing bounds.
PROGRESS = ("liveness", "progress", "bounded-views", "left-behind", "livelock", "memory")


class Swap(NamedTuple):
    """`name` of `owner` (a class or a module) becomes `value`."""

    owner: type | ModuleType
    name: str
    value: Any

    @property
    def where(self) -> str:
        """The replaced name, as a reader would look for it."""
        owner = self.owner
        path = owner.__name__ if isinstance(owner, ModuleType) else f"{owner.__module__}.{owner.__qualname__}"
        return f"{path.removeprefix('raclette.')}.{self.name}"


@contextmanager
def swapped(*swaps: Swap, memos: tuple[Callable[[], None], ...] = MEMOS) -> Iterator[None]:
    """All of them, until the context ends, however it ends; `memos` are called on the way in and out. Raises
    AttributeError, with nothing changed, for a name that does not exist: a mutant of code that has gone is no mutant.
    """
    before = [vars(swap.owner)[swap.name] if swap.name in vars(swap.owner) else _absent(swap) for swap in swaps]
    _call_all(memos)
    try:
        for swap in swaps:
            setattr(swap.owner, swap.name, swap.value)
        yield
    finally:
        for swap, honest in zip(swaps, before, strict=True):
            setattr(swap.owner, swap.name, honest)
        _call_all(memos)


def _call_all(actions: tuple[Callable[[], None], ...]) -> None:
    for action in actions:
        action()


def _absent(swap: Swap) -> Any:
    raise AttributeError(f"{swap.where} does not exist: nothing to plant a bug in")


def mutant(
    id: str,
    protocol: str,
    title: str,
    *,
    source: str,
    invariants: tuple[str, ...],
    swaps: tuple[Swap, ...],
    memos: tuple[Callable[[], None], ...] = (),
) -> Mutant:
    """A mutant that consists of these swaps. `memos` empty what the bug itself remembers."""
    where = tuple(swap.where for swap in swaps)
    return Mutant(id, protocol, title, source, invariants, lambda: swapped(*swaps, memos=(*MEMOS, *memos)), where)


def with_quorum(committee: Any, quorum: int, action: Callable[[], Any]) -> Any:
    """What `action` gives while `committee` believes in another quorum."""
    honest, committee.quorum = committee.quorum, quorum
    try:
        return action()
    finally:
        committee.quorum = honest
