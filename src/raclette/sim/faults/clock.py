"""Clocks: they jump, and they drift."""

from dataclasses import dataclass
from typing import ClassVar

from raclette.sim.world import World


@dataclass(frozen=True, slots=True)
class SkewClock:
    """The clock of `node` jumps ahead by `skew` ns (or back, if negative), and is set right by another jump when this
    ends. Several at a time add up. A process whose clock is set back sees it stand still (see `Host`)."""

    kind: ClassVar[str] = "skew-clock"
    on_processes: ClassVar[bool] = False
    at: int
    node: int
    lasting: int
    skew: int

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.node,)

    def begin(self, world: World) -> None:
        world.note(self.node, "clock", {"skew_ns": self.skew})
        world.hosts[self.node].skew += self.skew

    def end(self, world: World) -> None:
        world.hosts[self.node].skew -= self.skew


@dataclass(frozen=True, slots=True)
class DriftClock:
    """The oscillator of `node` runs fast by `drift_ppm` millionths (slow, if negative): its clock leaves the others'
    behind, and its timers run out early. When this ends the rate is right again and the clock is set. Several add up.

    A computer's clock drifts by some tens of ppm; thousands make a minute's run show what a day would."""

    kind: ClassVar[str] = "drift-clock"
    on_processes: ClassVar[bool] = False
    at: int
    node: int
    lasting: int
    drift_ppm: int

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.node,)

    def begin(self, world: World) -> None:
        world.note(self.node, "clock", {"drift_ppm": self.drift_ppm})
        world.hosts[self.node].drifts.append((self.at, self.drift_ppm))

    def end(self, world: World) -> None:
        world.hosts[self.node].drifts.remove((self.at, self.drift_ppm))
