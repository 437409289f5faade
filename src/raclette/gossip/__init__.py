"""Epidemic broadcast as a pure machine: eager tree, lazy links, repair (Plumtree)."""

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
from raclette.gossip.limits import GossipLimits, TopicLimits
from raclette.gossip.machine import Gossip

__all__ = [
    "Deliver",
    "Effect",
    "Event",
    "Gossip",
    "GossipLimits",
    "GotGraft",
    "GotIHave",
    "GotItems",
    "GotPrune",
    "Learned",
    "Offer",
    "PeerDown",
    "PeerUp",
    "Publish",
    "SendControl",
    "SendItems",
    "SetTimer",
    "TimerFired",
    "Topic",
    "TopicLimits",
    "Verb",
]
