"""What a mutant is: the system under test with one known, published bug planted in it.

Planting replaces functions in this process while a `with` block lasts, so the code that runs otherwise knows nothing of
mutants. The hunt is the same with and without a mutant: what catches one must be what guards the real engine.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """`id` is unique within a protocol ("P1"); `invariants` are the names of the checkers of which one must fire;
    `source` says where the bug was published; `plant()` makes it so until the context ends; `where` names what it
    replaces ("protocols.committee.Committee.__init__")."""

    id: str
    protocol: str
    title: str
    source: str
    invariants: tuple[str, ...]
    plant: Callable[[], AbstractContextManager[None]]
    where: tuple[str, ...] = ()
