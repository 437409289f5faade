"""Plumtree: a broadcast tree that emerges from gossip, and gossip that repairs the tree.

Source: Leitão, Pereira, Rodrigues, "Epidemic Broadcast Trees", SRDS 2007, section 3.

Idea: every link starts *eager* (payloads are pushed at once). Whoever receives a payload twice prunes the second
sender: that link becomes *lazy* and carries only announcements (IHAVE). What remains eager is a spanning tree. If an
announced item fails to arrive in time, the tree is broken somewhere: the receiver grafts the announcing link, which
sends the item and makes the link eager again.

Rules of this file: the machine knows ids only; the node checks payloads before it publishes them, so an invalid item
travels one hop. Everything that a stranger can make us remember is bounded (`limits.py`).

Deviations: (a) a tree per way in instead of one for all: what came from one neighbour is pruned apart from what came
from another. With many sources at once, as transactions have, one shared tree is pruned everywhere at the same moment,
falls apart and is grafted together again, over and over; apart, a full mesh settles to direct sending. PRUNE therefore
names the duplicates; (b) items travel in batches, so a sender is pruned when duplicates outweigh what was new by
`waste_max` (1 gives the paper's rule); (c) no round numbers, so no optimisation step (section 3.8); (d) the seen-set is
two generations, not a log.
"""

from raclette.gossip.events import (
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
    TimerFired,
    Topic,
    Verb,
)
from raclette.gossip.limits import GossipLimits
from raclette.gossip.tree import Tree


class Gossip:
    """All topics of one node. `handle(event)` returns effects in order. Needs no randomness."""

    def __init__(self, self_id: bytes, limits: GossipLimits | None = None) -> None:
        self.self_id = self_id
        self.limits = limits or GossipLimits()
        self._trees = {topic: Tree(topic, own, self.limits) for topic, own in self.limits.topics.items()}

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """React to `event`. Never raises for anything a peer sent."""
        match event:
            case GotItems(now, peer, topic, ids):
                effects = self._trees[topic].items(now, peer, ids)
            case Publish(now, topic, ids, origin):
                effects = self._trees[topic].publish(now, ids, origin)
            case GotIHave(now, peer, topic, ids):
                effects = self._trees[topic].ihave(now, peer, ids)
            case GotGraft(now, peer, topic, ids):
                effects = self._trees[topic].graft(peer, ids)
            case GotPrune(_, peer, topic, ids):
                effects = self._trees[topic].prune(peer, ids)
            case Learned(now, topic, ids):
                effects = self._trees[topic].learned(now, ids)
            case Offer(_, peer, topic, ids):
                effects = self._trees[topic].offer(peer, ids)
            case TimerFired(now, name):
                kind, _, number = name.partition(":")
                effects = self._trees[Topic(int(number))].fired(now, kind)
            case PeerUp(_, peer):
                effects = []
                if peer != self.self_id:
                    for tree in self._trees.values():
                        tree.up(peer)
            case PeerDown(_, peer):
                effects = []
                for tree in self._trees.values():
                    tree.down(peer)
        return tuple(effects)

    def eager(self, topic: Topic, origin: bytes | None = None) -> tuple[bytes, ...]:
        """Neighbours that get payloads from `origin` (our own, if None) at once."""
        return self._trees[topic].eager(origin)

    def lazy(self, topic: Topic, origin: bytes | None = None) -> tuple[bytes, ...]:
        """Neighbours that get announcements of them."""
        return self._trees[topic].lazy(origin)

    def has_seen(self, topic: Topic, item: bytes) -> bool:
        """True if the id is remembered."""
        return item in self._trees[topic].seen

    def stats(self) -> dict[str, dict[str, int]]:
        """Per topic: counters and sizes, for metrics and tests."""
        return {topic.name.lower(): tree.stats() for topic, tree in self._trees.items()}


__all__ = ["Gossip", "Topic", "Verb"]
