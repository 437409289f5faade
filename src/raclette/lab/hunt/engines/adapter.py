"""What the hunt must know of a protocol to play with its engines, message by message.

An adapter says which messages there are, which properties its engines must keep, what a liar of this protocol could
say instead of the truth, and when a world counts as settled. Everything else in this folder is for any protocol.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

from raclette.engine.contract import Engine, EngineFactory, EngineSetup
from raclette.engine.message import Message
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random


class Trickster(Protocol):
    """The mind of one lying instance: it remembers what it hears and thinks of something else to say."""

    def overhear(self, message: Message) -> None:
        """The liar's instance receives this."""

    def lies(self, name: str, message: Message) -> Sequence[Message]:
        """What it says instead of `message` under the lie called `name`; the message itself, if that lie does not fit
        it. Signed with the liar's own key only."""

    def retorts(self, name: str, message: Message) -> Sequence[Message]:
        """What it says, unasked, on hearing `message`."""


class Adapter(Protocol):
    """One protocol. `kinds` are its messages that a network may lose alone, `phases` those of them that belong to a
    round; `lies` the names a `Trickster` knows, each with the kinds it can replace; `retorts` the names of lies that
    answer what is heard."""

    protocol: str
    kinds: Sequence[str]
    phases: Sequence[str]
    lies: Mapping[str, Sequence[str]]
    retorts: Sequence[str]
    seals: bool

    def factory(self) -> EngineFactory:
        """Of honest engines. Looked up when it is needed, so that a planted bug is in it."""

    def draw_parameters(self, random: Random) -> dict[str, Any]:
        """Of the protocol, for a small fast world, without what follows from the committee."""

    def parameters(self, drawn: Mapping[str, Any], ids: Sequence[bytes]) -> dict[str, Any]:
        """Complete."""

    def unit_ms(self, drawn: Mapping[str, Any]) -> int:
        """The time in which a protocol's next thing happens: a view timeout, a block interval."""

    def power(self, parameters: Mapping[str, Any], nodes: int) -> Sequence[int]:
        """Hashes a second of each replica; empty where nobody mines."""

    def liars_max(self, nodes: int) -> int:
        """How many liars the protocol claims to bear."""

    def checkers(self) -> list[Checker]:
        """Fresh ones for one world."""

    def trickster(self, replica: Replica, random: Random) -> Trickster:
        """Of a liar's instance."""

    def round_of(self, message: Message) -> int | None:
        """The round (view, height...) that the message belongs to, for partitions drawn per round."""

    def greeting(self, replica: Replica) -> Message | None:
        """What a node would offer its peers by itself, again and again; None where the engine repeats itself."""

    def unsettled(self, world: EngineWorld) -> str:
        """What still keeps a healed world from being settled; empty if nothing does."""

    def patience_ms(self, world: EngineWorld) -> int:
        """Virtual time within which a healed world must settle."""

    def finish(self, world: EngineWorld) -> None:
        """A last look at a settled world. Raises Violation."""

    def tally(self, world: EngineWorld) -> dict[str, int]:
        """What happened, for the hunt's coverage."""


_ADAPTERS: Mapping[str, str] = {
    "pbft": "Pbft",
    "nakamoto": "Nakamoto",
    "ballot": "Ballot",
    "senate": "Senate",
    "simplex": "Simplex",
    "hybrid": "Hybrid",
}
MakeEngine = Callable[[EngineSetup], Engine]


def has_adapter(protocol: str) -> bool:
    """Can this protocol be hunted message by message?"""
    return protocol in _ADAPTERS


def find_adapter(protocol: str) -> Adapter:
    """Raises ConfigError if the protocol has none."""
    name = _ADAPTERS.get(protocol)
    if name is None:
        raise ConfigError(f"protocol: {protocol!r} has no adapter for engines; accepted are {', '.join(_ADAPTERS)}")
    adapter: Adapter = getattr(import_module(f"raclette.lab.hunt.engines.{protocol}"), name)()
    return adapter
