"""What lying instances of several protocols do alike: speak for the engine that runs, remember a little of what they
hear, and put a proposal's transactions on another parent."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from raclette.chain.header import Header
from raclette.engine.contract import ChainView
from raclette.engine.lightchain import light_root
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.hashing import keccak256
from raclette.primitives.randomness import Random
from raclette.sim.liars.forging.craft import keep

# Things of each sort that a liar remembers, or heights, views... of which it does: more than a short world has.
REMEMBERED_MAX = 32

C = TypeVar("C")
K = TypeVar("K")
V = TypeVar("V")


class Mind(Generic[C]):
    """What every `adapter.Trickster` of an engine with a core (`C`) begins with."""

    def __init__(self, replica: Replica, random: Random) -> None:
        self.replica = replica
        self.random = random

    @property
    def core(self) -> C:
        """Of the engine that runs now (another after a restart)."""
        core: C = self.replica.engine.core
        return core


def remember(memory: dict[K, V], key: K, value: V) -> None:
    """The oldest of more than REMEMBERED_MAX is forgotten."""
    keep(memory, key, value, REMEMBERED_MAX)


def note(memory: dict[int, dict[K, V]], place: int, key: K, value: V) -> None:
    """The same under a place (a height, a view, an iteration): what is forgotten is a whole place."""
    known = memory.get(place, {})
    known[key] = value
    remember(memory, place, known)


def below(chain: ChainView, header: Header, steps: int) -> Header:
    """The ancestor so many `steps` below; the lowest there is, if there are fewer."""
    for _ in range(steps):
        header = (chain.header(header.parent_hash) if header.number else None) or header
    return header


def moved(header: Header, parent: Header, transactions: Sequence[bytes]) -> Header:
    """`header` on `parent` instead of its own, with the root that the light chain's state then has."""
    root = keccak256(parent.state_root + light_root(transactions))
    return replace(header, parent_hash=parent.hash, number=parent.number + 1, state_root=root)
