"""Gossip inside the node: Plumtree's effects become frames, and its items find their payloads."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from raclette.gossip.events import (
    Deliver,
    Effect,
    Event,
    GotGraft,
    GotIHave,
    GotItems,
    GotPrune,
    Learned,
    Offer,
    PeerDown,
    PeerUp,
    Publish,
    SendControl,
    SendItems,
    SetTimer,
    TimerFired,
    Topic,
    Verb,
)
from raclette.gossip.machine import Gossip
from raclette.node.host import Lane
from raclette.node.outbound import Outbound
from raclette.node.wire import Announced, encode_announcement

# Payload frames of ids, with the kind to account them by; ids no longer held are left out.
Payloads: TypeAlias = Callable[[Sequence[bytes]], list[tuple[bytes, str]]]

OWNER = "gossip"
_LANES = {Topic.TRANSACTIONS: Lane.TRANSACTIONS, Topic.BLOCKS: Lane.BLOCKS}


class Spread:
    """The gossip machine with its frames and timers."""

    def __init__(self, gossip: Gossip, out: Outbound) -> None:
        self._gossip = gossip
        self._out = out
        self._payloads: dict[Topic, Payloads] = {}

    def serve(self, topic: Topic, payloads: Payloads) -> None:
        """Who answers for the items of a topic."""
        self._payloads[topic] = payloads

    def up(self, peer: bytes) -> None:
        """A link is up."""
        self._carry(PeerUp(self._out.now, peer))

    def down(self, peer: bytes) -> None:
        """A link is gone."""
        self._carry(PeerDown(self._out.now, peer))

    def fresh(self, peer: bytes, topic: Topic, ids: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """Payloads arrived from a peer: which were never seen before?"""
        return self._carry(GotItems(self._out.now, peer, topic, ids))

    def publish(self, topic: Topic, ids: tuple[bytes, ...], origin: bytes | None = None) -> None:
        """Pass valid items on."""
        self._carry(Publish(self._out.now, topic, ids, origin))

    def learned(self, topic: Topic, ids: tuple[bytes, ...]) -> None:
        """Items came by another way."""
        self._carry(Learned(self._out.now, topic, ids))

    def offer(self, peer: bytes, topic: Topic, ids: tuple[bytes, ...]) -> None:
        """Announce what we hold to a new neighbour."""
        if ids:
            self._carry(Offer(self._out.now, peer, topic, ids))

    def control(self, peer: bytes, said: Announced) -> None:
        """A peer's IHAVE, GRAFT or PRUNE. An id counts once, however often it stands there."""
        now = self._out.now
        said = said._replace(ids=tuple(dict.fromkeys(said.ids)))
        if said.verb is Verb.IHAVE:
            self._carry(GotIHave(now, peer, said.topic, said.ids))
        elif said.verb is Verb.GRAFT:
            self._carry(GotGraft(now, peer, said.topic, said.ids))
        else:
            self._carry(GotPrune(now, peer, said.topic, said.ids))

    def fired(self, name: str) -> None:
        """One of the gossip machine's timers."""
        self._carry(TimerFired(self._out.now, name))

    def _carry(self, event: Event) -> tuple[bytes, ...]:
        delivered: tuple[bytes, ...] = ()
        for effect in self._gossip.handle(event):
            if isinstance(effect, Deliver):
                delivered = effect.ids
            else:
                self._send(effect)
        return delivered

    def _send(self, effect: Effect) -> None:
        if isinstance(effect, SendItems):
            for frame, kind in self._payloads[effect.topic](effect.ids):
                self._out.transmit(effect.peers, _LANES[effect.topic], frame, kind)
        elif isinstance(effect, SendControl):
            frame = encode_announcement(effect.verb, effect.topic, effect.ids)
            self._out.transmit(effect.peers, _LANES[effect.topic], frame, effect.verb.name.lower())
        elif isinstance(effect, SetTimer):
            self._out.set_timer(OWNER, effect.name, effect.delay)
