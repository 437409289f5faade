"""What a kind of liar is, and what one gets to lie with.

A liar is a `HostedNode`: usually an honest node inside whose effects are twisted on their way out, sometimes a machine
of its own. It holds its own key and so can sign anything as itself; it cannot forge others' signatures, and what it
knows of other nodes is what reached it over the network, except through `Scene.plot`, where those who conspire (the
nodes with the same `LiarSpec`) tell each other everything at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from raclette.node.host import HostedNode
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Signer

MakeHonest: TypeAlias = Callable[[str], HostedNode]
"""`make(name)` gives an honest node of the liar's identity on its disk called `name` ("" is the host's own)."""


class LiarSpec(NamedTuple):
    """Which lie: the name of a kind, and its parameters as sorted (key, value) pairs."""

    name: str
    parameters: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, **parameters: Any) -> "LiarSpec":
        """With parameters by keyword."""
        return cls(name, tuple(sorted(parameters.items())))

    def __str__(self) -> str:
        return self.name + "".join(f" {key}={value}" for key, value in self.parameters)


@dataclass(frozen=True)
class Scene:
    """Where a liar stands. `ids` are those of all nodes, in order; `validators` those with a vote (empty where anybody
    may take part); `accomplices` the numbers of all nodes in the same plot, its own among them; `plot` is shared by
    them and lives as long as the world."""

    make: MakeHonest
    index: int
    ids: Sequence[bytes]
    signer: Signer
    protocol: str
    random: Random
    accomplices: tuple[int, ...] = ()
    plot: dict[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def peers(self) -> list[bytes]:
        """Ids of all the others."""
        return [node_id for index, node_id in enumerate(self.ids) if index != self.index]


class Parameter(NamedTuple):
    """An integer that a kind of liar takes."""

    default: int
    lowest: int
    highest: int
    meaning: str


@dataclass(frozen=True)
class LiarKind:
    """One way to lie. `protocols` are those it makes sense for; empty means all."""

    name: str
    summary: str
    make: Callable[[Scene], HostedNode]
    protocols: tuple[str, ...] = ()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)

    def read(self, given: Mapping[str, Any], path: str) -> dict[str, int]:
        """All parameters, those not given at their defaults. Raises ConfigError that names `path` and the key."""
        for key, value in given.items():
            if key not in self.parameters:
                accepted = ", ".join(self.parameters) or "none"
                raise ConfigError(f"{path}.{key}: unknown for {self.name!r}; accepted are {accepted}")
            low, high = self.parameters[key].lowest, self.parameters[key].highest
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ConfigError(f"{path}.{key}: {value!r}; accepted are integers from {low} to {high}")
        return {key: given.get(key, parameter.default) for key, parameter in self.parameters.items()}
