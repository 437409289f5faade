"""Spam: well-framed rubbish, as much of it as the frame allows.

Announcements of things that do not exist, questions about blocks that nobody has, boasts, and, where we know how to
forge in the protocol, votes for far views and heights and proposals on unknown parents. Everything is legal by itself;
what must hold is that an honest node's memory stays within its limits and that it goes on working.
"""

from collections.abc import Sequence

from raclette.gossip.events import Topic, Verb
from raclette.node.host import HostedNode, HostEffect, Lane, Transmit
from raclette.node.sync import BODIES_PER_REQUEST_MAX, LOCATOR_MAX, GetBodies, GetHeaders
from raclette.node.wire import (
    GetBlockTransactions,
    Status,
    encode_announcement,
    encode_get_block_transactions,
    encode_get_bodies,
    encode_get_headers,
    encode_status,
)
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND
from raclette.sim.liars.busy import Busy
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.forging import FORGERS, Forger, make_forger

_HUGE = 1 << 62


class Spam(Busy):
    """Sends `burst` pieces every `every_ms` milliseconds, each to everybody."""

    def __init__(self, inner: HostedNode, forger: Forger | None, scene: Scene) -> None:
        super().__init__(inner, "spam", scene.parameters["every_ms"] * MILLISECOND)
        self.forger = forger
        self._random: Random = scene.random
        self._peers = tuple(scene.peers)
        self._burst = scene.parameters["burst"]
        self._ids = scene.parameters["ids"]

    def act(self, now: int) -> Sequence[HostEffect]:
        return [self._piece() for _ in range(self._burst)]

    def _piece(self) -> Transmit:
        random = self._random
        if self.forger is not None and random.chance(2, 3):
            return self.forger.wrap(self._peers, self.forger.junk(random))
        match random.below(6):
            case 0:
                topic = random.choice((Topic.TRANSACTIONS, Topic.BLOCKS))
                frame = encode_announcement(Verb.IHAVE, topic, self._hashes(self._ids))
                return Transmit(self._peers, Lane.TRANSACTIONS, frame, "announcement")
            case 1:
                frame = encode_announcement(Verb.GRAFT, Topic.TRANSACTIONS, self._hashes(self._ids))
                return Transmit(self._peers, Lane.TRANSACTIONS, frame, "announcement")
            case 2:
                ask = GetHeaders(random.below(_HUGE), tuple(self._hashes(LOCATOR_MAX)), 1, random.bytes(32))
                return Transmit(self._peers, Lane.BLOCKS, encode_get_headers(ask), "get-headers")
            case 3:
                bodies = GetBodies(random.below(_HUGE), tuple(self._hashes(BODIES_PER_REQUEST_MAX)))
                return Transmit(self._peers, Lane.BLOCKS, encode_get_bodies(bodies), "get-bodies")
            case 4:
                part = GetBlockTransactions(random.bytes(32), tuple(range(100)))
                frame = encode_get_block_transactions(part)
                return Transmit(self._peers, Lane.BLOCKS, frame, "get-block-transactions")
            case _:
                boast = Status(random.bytes(32), random.below(_HUGE), random.below(_HUGE), random.below(_HUGE))
                return Transmit(self._peers, Lane.CONSENSUS, encode_status(boast), "status")

    def _hashes(self, count: int) -> list[bytes]:
        return [self._random.bytes(32) for _ in range(count)]


def _make(scene: Scene) -> HostedNode:
    inner = scene.make("")
    forger = make_forger(scene.protocol, inner) if scene.protocol in FORGERS else None
    return Spam(inner, forger, scene)


KIND = LiarKind(
    "spam",
    "floods with well-formed rubbish",
    _make,
    parameters={
        "every_ms": Parameter(100, 1, 60_000, "how often, in milliseconds"),
        "burst": Parameter(8, 1, 1_000, "pieces at a time"),
        "ids": Parameter(40, 1, 4_000, "ids in one announcement"),
    },
)
