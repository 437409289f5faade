"""What was asked of whom and is not answered yet, and what is to be done about it, in order.

Opening an answer costs far more than sending it, so that what nobody asked for costs its sender: each peer may send one
answer for each request, however late.
"""

from typing import NamedTuple, TypeAlias

from raclette.engine.effects import CancelTimer, SetTimer
from raclette.node.sync.chase import Chase
from raclette.node.sync.effects import Penalise, SyncEffect
from raclette.node.sync.limits import SyncLimits
from raclette.node.sync.peers import SyncPeer

Effects: TypeAlias = tuple[SyncEffect, ...]


class Request(NamedTuple):
    """Under way: to whom, for which chase (headers) or hashes (bodies)."""

    peer: bytes
    chase: Chase | None
    hashes: tuple[bytes, ...]


class Requests:
    """The linked `peers`, what they are asked, and the effects of this turn in `out`."""

    def __init__(self, limits: SyncLimits) -> None:
        self.peers: dict[bytes, SyncPeer] = {}
        self.out: list[SyncEffect] = []
        self._limits = limits
        self._open: dict[int, Request] = {}
        self._next = 1

    def __len__(self) -> int:
        return len(self._open)

    def take_effects(self) -> Effects:
        """All since the last time."""
        effects = tuple(self.out)
        self.out.clear()
        return effects

    def open(self, peer: bytes, chase: Chase | None, hashes: tuple[bytes, ...]) -> int:
        """The number of a new request; the caller sends it."""
        number = self._next
        self._next += 1
        self._open[number] = Request(peer, chase, hashes)
        self.peers[peer].requests += 1
        self.peers[peer].owed += 1
        self.out.append(SetTimer(f"request:{number}", self._limits.deadline))
        return number

    def is_owed(self, peer: bytes) -> bool:
        """An answer came. False, and the peer is the worse for it, if it owed none."""
        known = self.peers.get(peer)
        if known is not None and known.answers():
            return True
        self.out.append(Penalise(peer, "unasked-answer"))
        return False

    def find(self, number: int, peer: bytes) -> Request | None:
        """What this peer is asked under that number; None if it was too late, and asked elsewhere."""
        request = self._open.get(number)
        return request if request is not None and request.peer == peer else None

    def close(self, number: int) -> None:
        """It is answered, or not wanted any more."""
        request = self._open.pop(number)
        known = self.peers.get(request.peer)
        if known is not None:
            known.requests -= 1
        self.out.append(CancelTimer(f"request:{number}"))

    def drop(self, chase: Chase) -> None:
        """The chase waits for nobody from now on."""
        if chase.request in self._open:
            self.close(chase.request)
        chase.request = None

    def expire(self, now: int, number: int) -> Request | None:
        """Its time is over: the peer stalled. None if it was closed before."""
        request = self._open.pop(number, None)
        if request is None:
            return None
        known = self.peers[request.peer]
        known.requests -= 1
        self.out.append(Penalise(request.peer, "stalled"))
        known.failed(now, self._limits)
        return request

    def unlink(self, peer: bytes) -> list[Request] | None:
        """The peer is gone: what it was asked. None if it was not linked."""
        if self.peers.pop(peer, None) is None:
            return None
        lost = [(number, request) for number, request in self._open.items() if request.peer == peer]
        for number, _ in lost:
            self.close(number)
        return [request for _, request in lost]
