"""The network: partitions, broken connections, loss, repetition, disorder, slowness."""

from dataclasses import dataclass
from typing import ClassVar

from raclette.primitives.units import MILLISECOND
from raclette.sim.network import Impairment, LinkFaults
from raclette.sim.world import World


@dataclass(frozen=True, slots=True)
class Partition:
    """Nodes of different groups do not hear each other; with `one_way`, only later groups do not hear earlier ones."""

    kind: ClassVar[str] = "partition"
    on_processes: ClassVar[bool] = True
    at: int
    groups: tuple[tuple[int, ...], ...]
    lasting: int
    one_way: bool = False

    @property
    def involved(self) -> tuple[int, ...]:
        return tuple(node for group in self.groups for node in group)

    def pairs(self) -> list[tuple[int, int]]:
        """Every direction that is shut."""
        pairs = [
            (a, b) for i, one in enumerate(self.groups) for other in self.groups[i + 1 :] for a in one for b in other
        ]
        return pairs if self.one_way else pairs + [(b, a) for a, b in pairs]

    def begin(self, world: World) -> None:
        for group in self.groups:
            for node in group:
                world.note(node, "partition", {"with": list(group), "one_way": self.one_way})
        world.block(self.pairs())

    def end(self, world: World) -> None:
        for group in self.groups:
            for node in group:
                world.note(node, "heal", {})
        world.unblock(self.pairs())


@dataclass(frozen=True, slots=True)
class CutLink:
    """One connection breaks and comes back."""

    kind: ClassVar[str] = "cut-link"
    on_processes: ClassVar[bool] = True
    at: int
    a: int
    b: int
    lasting: int

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.a, self.b)

    def begin(self, world: World) -> None:
        world.block([(self.a, self.b), (self.b, self.a)])
        world.disconnect((self.a, self.b))

    def end(self, world: World) -> None:
        world.unblock([(self.a, self.b), (self.b, self.a)])


@dataclass(frozen=True, slots=True)
class Impair:
    """Links lose, repeat and reorder some frames (parts per million of them); what is reordered or repeated comes up to
    `late_ns` later. Every link, or those from and to `nodes`, or the one `link` (from, to) in that direction. Several
    at a time add up: a frame passes if it passes each of them."""

    kind: ClassVar[str] = "impair"
    on_processes: ClassVar[bool] = True
    at: int
    lasting: int
    loss_ppm: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0
    late_ns: int = 50 * MILLISECOND
    nodes: tuple[int, ...] = ()
    link: tuple[int, ...] = ()

    @property
    def involved(self) -> tuple[int, ...]:
        return (*self.nodes, *self.link)

    @property
    def impairment(self) -> Impairment:
        """For the network."""
        faults = LinkFaults(self.loss_ppm, self.duplicate_ppm, self.reorder_ppm, self.late_ns)
        return Impairment(faults, frozenset(self.nodes), self.link)

    def begin(self, world: World) -> None:
        world.network.impair(self.impairment)

    def end(self, world: World) -> None:
        world.network.repair(self.impairment)


@dataclass(frozen=True, slots=True)
class SlowLink:
    """Everything from `a` to `b` takes `extra` ns longer. Several at a time add up."""

    kind: ClassVar[str] = "slow-link"
    on_processes: ClassVar[bool] = True
    at: int
    a: int
    b: int
    lasting: int
    extra: int

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.a, self.b)

    def begin(self, world: World) -> None:
        world.network.slow(self.a, self.b, self.extra)

    def end(self, world: World) -> None:
        world.network.slow(self.a, self.b, -self.extra)
