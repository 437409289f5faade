"""Equivocation as twins: two honest nodes with one key, each talking to its own part of the network.

Source: Bano et al., "Twins: BFT Systems Made Robust", OPODIS 2021. Each twin is correct by itself; together they sign
whatever an equivocating node could sign, and no new code has to know how a protocol's messages can contradict.
A peer in both parts hears both twins, and sees the contradiction with its own eyes.
"""

from collections.abc import Collection

from raclette.chain.ledger import Transaction
from raclette.node.host import (
    CancelTimer,
    Connected,
    Delivered,
    Disconnected,
    Drop,
    Fired,
    Gate,
    HostedNode,
    HostEffect,
    Misbehaved,
    NodeEvent,
    SetTimer,
    Transmit,
)
from raclette.primitives.errors import Refused
from raclette.sim.liars.contract import LiarKind, Scene

_MARKS = ("a/", "b/")


class Twins:
    """Two nodes behind one id. `views` are the peers (node ids) that each twin hears and speaks to."""

    def __init__(
        self, first: HostedNode, second: HostedNode, views: tuple[Collection[bytes], Collection[bytes]]
    ) -> None:
        """Raises ValueError if the twins' ids differ."""
        if first.node_id != second.node_id:
            raise ValueError("twins have one id")
        self.twins = (first, second)
        self.node_id = first.node_id
        self.gate: Gate = first.gate
        self._views = (frozenset(views[0]), frozenset(views[1]))

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        """To the twin or twins whom it concerns."""
        effects: list[HostEffect] = []
        for which in (0, 1):
            if isinstance(event, (Connected, Disconnected, Delivered, Misbehaved)):
                if event.peer not in self._views[which]:
                    continue
                effects += self._outward(which, self.twins[which].handle(event))
            elif isinstance(event, Fired):
                if event.name.startswith(_MARKS[which]):
                    own = Fired(event.now, event.name.removeprefix(_MARKS[which]))
                    effects += self._outward(which, self.twins[which].handle(own))
            else:
                effects += self._outward(which, self.twins[which].handle(event))
        return tuple(effects)

    def submit(self, now: int, transaction: Transaction) -> tuple[HostEffect, ...]:
        """Clients' transactions go to one twin each, so that the two propose different blocks. Raises Refused."""
        which = transaction.hash[0] & 1
        try:
            return tuple(self._outward(which, self.twins[which].submit(now, transaction)))
        except Refused:
            return tuple(self._outward(1 - which, self.twins[1 - which].submit(now, transaction)))

    def _outward(self, which: int, effects: tuple[HostEffect, ...]) -> list[HostEffect]:
        mark, view = _MARKS[which], self._views[which]
        out: list[HostEffect] = []
        for effect in effects:
            match effect:
                case Transmit(peers=peers):
                    heard = tuple(peer for peer in peers if peer in view)
                    if heard:
                        out.append(effect._replace(peers=heard))
                case SetTimer(name=name):
                    out.append(effect._replace(name=mark + name))
                case CancelTimer(name=name):
                    out.append(CancelTimer(mark + name))
                case Drop():
                    pass  # a liar keeps its links
                case _:
                    out.append(effect)
        return out


def _make(scene: Scene) -> HostedNode:
    """Each peer hears the first twin, the second, or (one in four) both."""
    views: tuple[list[bytes], list[bytes]] = ([], [])
    for peer in scene.peers:
        draw = scene.random.below(4)
        if draw != 1:
            views[0].append(peer)
        if draw in (0, 1) or (draw == 3 and not views[1]):
            views[1].append(peer)
    return Twins(scene.make(""), scene.make("twin"), views)


KIND = LiarKind("twins", "two nodes with one key, each to its own peers", _make)
