"""A simulated mesh for the gossip machine: latency, loss, crashes; payloads are their ids."""

from collections.abc import Callable
from heapq import heappop, heappush

from raclette.gossip import (
    Deliver,
    Event,
    Gossip,
    GossipLimits,
    GotGraft,
    GotIHave,
    GotItems,
    GotPrune,
    PeerDown,
    PeerUp,
    Publish,
    SendControl,
    SendItems,
    TimerFired,
    Topic,
    Verb,
)
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND


class Mesh:
    """`count` nodes, each linked with about `degree` others. `loss` in percent, of every message."""

    def __init__(
        self, count: int, degree: int, *, seed: int = 1, loss: int = 0, limits: GossipLimits | None = None
    ) -> None:
        self.random = Random(seed)
        self.limits = limits
        self.loss = loss
        self.now = 0
        self.names = [b"node%03d" % index for index in range(count)]
        self.nodes = {name: Gossip(name, limits) for name in self.names}
        self.links: dict[bytes, dict[bytes, int]] = {name: {} for name in self.names}
        self.got: dict[bytes, dict[bytes, int]] = {name: {} for name in self.names}
        self.copies = 0
        self.timers: dict[tuple[bytes, str], int] = {}
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        for index, name in enumerate(self.names):
            # A ring keeps it in one piece, chords make it small.
            self.link(name, self.names[(index + 1) % count])
            for _ in range(degree // 2 - 1):
                self.link(name, self.random.choice(self.names))

    def link(self, one: bytes, other: bytes) -> None:
        """Connect two nodes."""
        if one == other or other in self.links[one]:
            return
        latency = self.random.between(5, 60) * MILLISECOND
        self.links[one][other] = self.links[other][one] = latency
        self.feed(one, PeerUp(self.now, other))
        self.feed(other, PeerUp(self.now, one))

    def crash(self, name: bytes) -> None:
        """A node dies; its neighbours notice two seconds later."""
        neighbours = list(self.links.pop(name))
        del self.nodes[name]
        for other in neighbours:
            del self.links[other][name]
            self.later(2 * SECOND, lambda other=other: self.feed(other, PeerDown(self.now, name)))  # type: ignore[misc]

    def publish(self, name: bytes, *ids: bytes) -> None:
        """A node makes items."""
        for item in ids:
            self.got[name][item] = 1
        self.feed(name, Publish(self.now, Topic.TRANSACTIONS, ids))

    def later(self, delay: int, action: Callable[[], None]) -> None:
        """Schedule."""
        self._sequence += 1
        heappush(self._events, (self.now + delay, self._sequence, action))

    def run(self, seconds: int) -> None:
        """Let time pass."""
        end = self.now + seconds * SECOND
        while self._events and self._events[0][0] <= end:
            self.now, _, action = heappop(self._events)
            action()
        self.now = end

    def feed(self, name: bytes, event: Event) -> None:
        """An event happens to a node; carry its effects out."""
        node = self.nodes.get(name)
        if node is None:
            return
        for effect in node.handle(event):
            if isinstance(effect, Deliver):
                for item in effect.ids:
                    self.got[name][item] = self.got[name].get(item, 0) + 1
                self.feed(name, Publish(self.now, effect.topic, effect.ids, effect.peer))
            elif isinstance(effect, (SendItems, SendControl)):
                for peer in effect.peers:
                    self._send(name, peer, effect)
            else:
                self._set_timer(name, effect.name, effect.delay)

    def _send(self, name: bytes, peer: bytes, effect: SendItems | SendControl) -> None:
        if peer not in self.links[name] or self.random.chance(self.loss, 100):
            return
        if isinstance(effect, SendItems):
            self.copies += len(effect.ids)

        def arrive() -> None:
            if isinstance(effect, SendItems):
                self.feed(peer, GotItems(self.now, name, effect.topic, effect.ids))
            elif effect.verb is Verb.IHAVE:
                self.feed(peer, GotIHave(self.now, name, effect.topic, effect.ids))
            elif effect.verb is Verb.GRAFT:
                self.feed(peer, GotGraft(self.now, name, effect.topic, effect.ids))
            else:
                self.feed(peer, GotPrune(self.now, name, effect.topic, effect.ids))

        self.later(self.links[name][peer], arrive)

    def _set_timer(self, name: bytes, timer: str, delay: int) -> None:
        self._sequence += 1
        number = self.timers[(name, timer)] = self._sequence

        def fire() -> None:
            if self.timers.get((name, timer)) == number:
                self.feed(name, TimerFired(self.now, timer))

        self.later(delay, fire)

    def missing(self, items: list[bytes]) -> int:
        """(node, item) pairs not delivered among the living."""
        return sum(1 for name in self.nodes for item in items if item not in self.got[name])
