"""The event log of a run: one line per event, the same text for the same seed.

    0.000512345 s  n01  receive    kind=pre-prepare from=n00 sent=0.000012000 bytes=412

Time is virtual, in seconds with nanoseconds; nodes are numbered from 0; the rest is key=value in a fixed order.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from raclette.node.host import Accepted, NewFinal, NewHead, Noted, Notice
from raclette.primitives.units import SECOND
from raclette.sim.host import Host
from raclette.sim.network import Frame
from raclette.sim.world import World

# Detail values that are node numbers, and those that are times.
_NODES = frozenset({"from", "to", "peer"})
_TIMES = frozenset({"sent"})


class Entry(NamedTuple):
    """`what` happened at `node` at virtual `time` (ns)."""

    time: int
    node: int
    what: str
    detail: dict[str, Any]

    def line(self) -> str:
        """As one line of text, without its end."""
        words = " ".join(f"{key}={_show(key, value)}" for key, value in self.detail.items())
        return f"{seconds(self.time):>14} s  n{self.node:02d}  {self.what:<12} {words}".rstrip()


def seconds(time: int) -> str:
    """Nanoseconds as exact decimal seconds."""
    return f"{time // SECOND}.{time % SECOND:09d}"


def _show(key: str, value: Any) -> str:
    if key in _NODES and isinstance(value, int):
        return f"n{value:02d}"
    if key in _TIMES and isinstance(value, int):
        return seconds(value)
    if isinstance(value, (list, tuple)):
        return ",".join(str(item) for item in value) or "-"
    return str(value)


class EventLog:
    """Hears everything that happens in a world and hands it to `sink`, entry by entry."""

    def __init__(self, world: World, sink: Callable[[Entry], None]) -> None:
        self._sink = sink
        self._world = world
        world.watcher = self
        world.observers.append(self)
        world.network.on_lost = self._lost

    def record(self, time: int, node: int, what: str, detail: dict[str, Any]) -> None:
        """Something happened."""
        self._sink(Entry(time, node, what, detail))

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """A node said something."""
        match notice:
            case NewHead(removed=removed, added=added):
                head = added[-1] if added else None
                detail: dict[str, Any] = {
                    "height": head.number if head else "-",
                    "block": head.hash.hex()[:12] if head else "-",
                    "added": len(added),
                    "removed": len(removed),
                }
                self.record(world.kernel.now, host.index, "head", detail)
            case NewFinal(header=header):
                detail = {"height": header.number, "block": header.hash.hex()[:12]}
                self.record(world.kernel.now, host.index, "final", detail)
            case Accepted(transaction=transaction):
                self.record(world.kernel.now, host.index, "accepted", {"transaction": transaction.hash.hex()[:12]})
            case Noted(what=what, detail=said):
                self.record(world.kernel.now, host.index, what, said)

    def _lost(self, frame: Frame, why: str) -> None:
        detail = {"kind": frame.kind, "to": frame.receiver, "sent": frame.sent, "why": why}
        self.record(self._world.kernel.now, frame.sender, "lost", detail)
