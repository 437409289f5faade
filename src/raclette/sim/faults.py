"""What the world does to its nodes, on a timeline. Each fault begins at `at` and, if it lasts, ends after `lasting`.

Times are virtual nanoseconds. A fault that ends leaves everything as it found it, so that after the last one the
network is whole again and liveness can be asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from raclette.sim.kernel import Kind
from raclette.sim.world import World


class Fault(Protocol):
    """One thing that goes wrong."""

    @property
    def at(self) -> int:
        """When it begins."""

    @property
    def lasting(self) -> int:
        """How long it lasts; 0 for what has no end of its own."""

    def begin(self, world: World) -> None:
        """Make it so."""

    def end(self, world: World) -> None:
        """Make it good again."""


@dataclass(frozen=True, slots=True)
class Crash:
    """`node` stops; it restarts after `lasting` (never, if 0). `mode` is what its disk loses, see `World.crash`."""

    at: int
    node: int
    mode: str = "lose"
    lasting: int = 0
    wipe: bool = False

    def begin(self, world: World) -> None:
        world.crash(self.node, self.mode)

    def end(self, world: World) -> None:
        world.restart(self.node, wipe=self.wipe)


@dataclass(frozen=True, slots=True)
class Pause:
    """`node` handles nothing (a long garbage collection, a suspended machine); its network goes on."""

    at: int
    node: int
    lasting: int

    def begin(self, world: World) -> None:
        world.note(self.node, "pause", {})
        world.hosts[self.node].pause(world.kernel.now + self.lasting)

    def end(self, world: World) -> None:
        world.note(self.node, "resume", {})


@dataclass(frozen=True, slots=True)
class Partition:
    """Nodes of different groups do not hear each other; with `one_way`, only later groups do not hear earlier ones."""

    at: int
    groups: tuple[tuple[int, ...], ...]
    lasting: int
    one_way: bool = False

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

    at: int
    a: int
    b: int
    lasting: int

    def begin(self, world: World) -> None:
        world.block([(self.a, self.b), (self.b, self.a)])
        world.disconnect((self.a, self.b))

    def end(self, world: World) -> None:
        world.unblock([(self.a, self.b), (self.b, self.a)])


@dataclass(frozen=True, slots=True)
class Impair:
    """Every link loses, repeats and reorders some frames (parts per million)."""

    at: int
    lasting: int
    loss_ppm: int = 0
    duplicate_ppm: int = 0
    reorder_ppm: int = 0

    def begin(self, world: World) -> None:
        world.network.impair(loss_ppm=self.loss_ppm, duplicate_ppm=self.duplicate_ppm, reorder_ppm=self.reorder_ppm)

    def end(self, world: World) -> None:
        world.network.impair(loss_ppm=0, duplicate_ppm=0, reorder_ppm=0)


@dataclass(frozen=True, slots=True)
class SlowLink:
    """Everything from `a` to `b` takes `extra` ns longer."""

    at: int
    a: int
    b: int
    lasting: int
    extra: int

    def begin(self, world: World) -> None:
        world.network.slow(self.a, self.b, self.extra)

    def end(self, world: World) -> None:
        world.network.slow(self.a, self.b, 0)


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """An fsync of `node` takes `fsync` ns."""

    at: int
    node: int
    lasting: int
    fsync: int

    def begin(self, world: World) -> None:
        world.note(self.node, "slow-disk", {"fsync_ns": self.fsync})
        world.hosts[self.node].fsync = self.fsync

    def end(self, world: World) -> None:
        world.hosts[self.node].fsync = world.setup.fsync


@dataclass(frozen=True, slots=True)
class SkewClock:
    """The clock of `node` jumps ahead by `skew` ns (or back, if negative), and is set right afterwards."""

    at: int
    node: int
    lasting: int
    skew: int

    def begin(self, world: World) -> None:
        world.note(self.node, "clock", {"skew_ns": self.skew})
        world.hosts[self.node].skew += self.skew

    def end(self, world: World) -> None:
        world.hosts[self.node].skew -= self.skew


def plan_faults(world: World, faults: Sequence[Fault]) -> None:
    """Put them on the world's timeline."""
    for number, fault in enumerate(faults):
        world.plan(fault.at, Kind.FAULT, 0, number, lambda f: f.begin(world), fault)
        if fault.lasting:
            world.plan(fault.at + fault.lasting, Kind.FAULT, 0, number, lambda f: f.end(world), fault)


def quiet_from(faults: Sequence[Fault]) -> int:
    """Virtual time from which nothing goes wrong any more."""
    return max((fault.at + fault.lasting for fault in faults), default=0)
