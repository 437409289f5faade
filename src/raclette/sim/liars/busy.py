"""What liars share who speak on their own account: a timer of theirs beside those of the node inside."""

from collections.abc import Sequence

from raclette.node.host import Fired, HostedNode, HostEffect, NodeEvent, NodeStarted, SetTimer
from raclette.sim.liars.liar import Liar


class Busy(Liar):
    """Calls `act` every `period` ns from its start on."""

    def __init__(self, inner: HostedNode, name: str, period: int) -> None:
        super().__init__(inner)
        self._timer = f"liar/{name}"
        self._period = period

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        if isinstance(event, Fired) and event.name == self._timer:
            return (*self.act(event.now), SetTimer(self._timer, self._period))
        effects = super().handle(event)
        if isinstance(event, NodeStarted):
            effects = (*effects, SetTimer(self._timer, self._period))
        return effects

    def act(self, now: int) -> Sequence[HostEffect]:
        """What it does by itself."""
        return ()
