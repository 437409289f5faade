"""Processes: they crash, hang, and come and go."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from raclette.sim.kernel import Kind
from raclette.sim.world import World


@dataclass(frozen=True, slots=True)
class Crash:
    """`node` stops; it restarts after `lasting` (never, if 0), with `wipe` on an empty disk. `mode` is what its disk
    loses of unsynced writes: "clean" nothing, "lose" all, "tear" all but the first few (drawn).

    A real process can only be killed, which loses nothing that it wrote: "clean", or an empty disk. A validator that
    comes back with an empty disk has forgotten what it signed: it counts among the f that may lie."""

    kind: ClassVar[str] = "crash"
    at: int
    node: int
    mode: Literal["clean", "lose", "tear"] = "lose"
    lasting: int = 0
    wipe: bool = False

    @property
    def on_processes(self) -> bool:
        return self.wipe or self.mode == "clean"

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.node,)

    def begin(self, world: World) -> None:
        world.crash(self.node, self.mode)

    def end(self, world: World) -> None:
        world.restart(self.node, wipe=self.wipe)


@dataclass(frozen=True, slots=True)
class Pause:
    """`node` handles nothing (a long garbage collection, a suspended machine); its network goes on."""

    kind: ClassVar[str] = "pause"
    on_processes: ClassVar[bool] = True
    at: int
    node: int
    lasting: int

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.node,)

    def begin(self, world: World) -> None:
        world.note(self.node, "pause", {})
        world.hosts[self.node].pause(world.kernel.now + self.lasting)

    def end(self, world: World) -> None:
        world.note(self.node, "resume", {})


@dataclass(frozen=True, slots=True)
class Churn:
    """The `nodes` (all, if empty) leave in turn, each for `away_ns`, and come back with their disks; as long as it
    lasts, somebody is away."""

    kind: ClassVar[str] = "churn"
    on_processes: ClassVar[bool] = True
    at: int
    lasting: int
    away_ns: int
    nodes: tuple[int, ...] = ()

    @property
    def involved(self) -> tuple[int, ...]:
        return self.nodes

    def begin(self, world: World) -> None:
        self._leave(world, 0)

    def _leave(self, world: World, turn: int) -> None:
        nodes = self.nodes or tuple(range(len(world.hosts)))
        node, now, until = nodes[turn % len(nodes)], world.kernel.now, self.at + self.lasting
        world.crash(node, "clean")
        back = min(until, now + max(1, self.away_ns))
        world.plan(back, Kind.FAULT, node, turn, lambda _: world.restart(node), None)
        if back < until:
            world.plan(back, Kind.FAULT, node, turn + 1, lambda _: self._leave(world, turn + 1), None)

    def end(self, world: World) -> None:
        """The last one is back by now."""
