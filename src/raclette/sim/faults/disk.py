"""Disks: slow ones and full ones."""

from dataclasses import dataclass
from typing import ClassVar

from raclette.sim.world import World


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """An fsync of `node` takes `fsync` ns. Of several at a time the slowest counts."""

    kind: ClassVar[str] = "slow-disk"
    on_processes: ClassVar[bool] = False
    at: int
    node: int
    lasting: int
    fsync: int

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.node,)

    def begin(self, world: World) -> None:
        world.note(self.node, "slow-disk", {"fsync_ns": self.fsync})
        world.hosts[self.node].slow_disk(self.fsync)

    def end(self, world: World) -> None:
        world.hosts[self.node].slow_disk(self.fsync, over=True)


@dataclass(frozen=True, slots=True)
class FullDisk:
    """No byte more can be written at `node`. At its first write the process stops, as the live host does: nothing that
    depended on the write has left it. When there is room again it is started anew, as a supervisor would do."""

    kind: ClassVar[str] = "full-disk"
    on_processes: ClassVar[bool] = False
    at: int
    node: int
    lasting: int

    @property
    def involved(self) -> tuple[int, ...]:
        return (self.node,)

    def begin(self, world: World) -> None:
        world.note(self.node, "full-disk", {})
        world.fill_disk(self.node)

    def end(self, world: World) -> None:
        world.note(self.node, "room-on-disk", {})
        world.free_disk(self.node)
