"""What one turn of the node produces: effects in order, with the durability barrier put where it belongs."""

from typing import Any

from raclette.engine.effects import CancelTimer, SetTimer
from raclette.node.host import Drop, Flush, HostEffect, Lane, Noted, Transmit


class Outbound:
    """The effects of the turn at hand. Parts of the node write into it; the node empties it when the turn ends."""

    def __init__(self) -> None:
        self.now = 0
        # Bytes of frames since the start, once for each receiver.
        self.transmitted = 0
        self._effects: list[HostEffect] = []
        self._undurable = False

    def begin(self, now: int) -> None:
        """A turn starts. Time never runs backwards inside the node, whatever the host's clock does."""
        self.now = max(self.now, now)

    def take(self) -> tuple[HostEffect, ...]:
        """The turn's effects, in order."""
        effects, self._effects = tuple(self._effects), []
        return effects

    def promise(self) -> None:
        """Something was written that must be on disk before the next frame leaves."""
        self._undurable = True

    def barrier(self) -> None:
        """What was written until now is on disk before anything further is done: a client may be answered then."""
        self._effects.append(Flush())
        self._undurable = False

    def transmit(self, peers: tuple[bytes, ...], lane: Lane, frame: bytes, kind: str) -> None:
        """Send a frame, behind a `Flush` if something was promised."""
        if not peers:
            return
        if self._undurable:
            self._effects.append(Flush())
            self._undurable = False
        self.transmitted += len(frame) * len(peers)
        self._effects.append(Transmit(peers, lane, frame, kind))

    def emit(self, effect: HostEffect) -> None:
        """Anything that does not leave the process."""
        self._effects.append(effect)

    def set_timer(self, owner: str, name: str, delay: int) -> None:
        """A timer of one of the node's parts; comes back to it by its prefix."""
        self._effects.append(SetTimer(f"{owner}/{name}", max(0, delay)))

    def cancel_timer(self, owner: str, name: str) -> None:
        """Forget it."""
        self._effects.append(CancelTimer(f"{owner}/{name}"))

    def drop(self, peer: bytes, reason: str, ban: int) -> None:
        """Cut a link."""
        self._effects.append(Drop(peer, reason, ban))

    def note(self, what: str, **detail: Any) -> None:
        """A line for the event log."""
        self._effects.append(Noted(what, detail))
