"""Delay: says everything, late. The weapon against timeouts."""

from raclette.node.host import Fired, HostedNode, HostEffect, NodeEvent, SetTimer, Transmit
from raclette.primitives.units import MILLISECOND
from raclette.sim.liars.contract import LiarKind, Parameter
from raclette.sim.liars.liar import Liar

_PREFIX = "liar/delay/"


class Delay(Liar):
    """Every frame leaves `delay` ns after its time."""

    def __init__(self, inner: HostedNode, delay: int) -> None:
        super().__init__(inner)
        self.delay = delay
        self._late: dict[str, tuple[HostEffect, ...]] = {}
        self._count = 0

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        if isinstance(event, Fired) and event.name.startswith(_PREFIX):
            return self._late.pop(event.name)
        return super().handle(event)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        frames = tuple(effect for effect in effects if isinstance(effect, Transmit))
        if not frames:
            return effects
        self._count += 1
        name = f"{_PREFIX}{self._count}"
        self._late[name] = frames
        others = tuple(effect for effect in effects if not isinstance(effect, Transmit))
        return (*others, SetTimer(name, self.delay))


KIND = LiarKind(
    "delay",
    "says everything, late",
    lambda scene: Delay(scene.make(""), scene.parameters["delay_ms"] * MILLISECOND),
    parameters={"delay_ms": Parameter(300, 1, 600_000, "how late every frame is")},
)
