"""Forgery: false, stale and stolen certificates, votes in others' names, new views proved by nothing.

Now and then it says something that it made from nothing, to everybody or to one; and where it speaks itself, it chooses
its proofs: a VIEW-CHANGE that hides what it had prepared, a NEW-VIEW from those VIEW-CHANGEs that say least. What no
gate lets pass is said rarely and to one peer at a time, for the first such frame ends the acquaintance.
"""

from collections.abc import Sequence

from raclette.node.host import Delivered, HostedNode, HostEffect, Lane, NodeEvent, Transmit
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND
from raclette.sim.liars.busy import Busy
from raclette.sim.liars.contract import LiarKind, Parameter, Scene
from raclette.sim.liars.forging import FORGERS, Forger, make_forger


class Forge(Busy):
    """Forges every `every_ms` milliseconds; `told` counts what."""

    def __init__(self, inner: HostedNode, forger: Forger, scene: Scene) -> None:
        super().__init__(inner, "forge", scene.parameters["every_ms"] * MILLISECOND)
        self.forger = forger
        self.told: dict[str, int] = {}
        self._random: Random = scene.random
        self._peers = scene.peers
        self._refused = scene.parameters["refused_percent"]

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        if isinstance(event, Delivered):
            self.forger.hear(event)
        return super().handle(event)

    def twist(self, now: int, effects: tuple[HostEffect, ...]) -> tuple[HostEffect, ...]:
        return tuple(self._chosen(effect) if isinstance(effect, Transmit) else effect for effect in effects)

    def _chosen(self, effect: Transmit) -> Transmit:
        message = self.forger.open(effect.frame)
        twisted = None if message is None else self.forger.twist(message, self._random)
        return effect if twisted is None else self.forger.wrap(effect.peers, twisted)

    def act(self, now: int) -> Sequence[HostEffect]:
        random = self._random
        forged = self.forger.forge(random, refused=random.chance(self._refused, 100))
        if forged is None:
            return ()
        self.told[forged.what] = self.told.get(forged.what, 0) + 1
        alone = forged.refused or random.chance(1, 3)
        peers = (random.choice(self._peers),) if alone else tuple(self._peers)
        return (Transmit(peers, Lane.CONSENSUS, forged.frame, forged.kind),)


def _make(scene: Scene) -> HostedNode:
    inner = scene.make("")
    return Forge(inner, make_forger(scene.protocol, inner), scene)


KIND = LiarKind(
    "forge",
    "shows false, stale and stolen certificates, and votes in others' names",
    _make,
    protocols=tuple(FORGERS),
    parameters={
        "every_ms": Parameter(150, 1, 60_000, "how often it does, in milliseconds"),
        "refused_percent": Parameter(6, 0, 100, "how many of a hundred forgeries no honest gate lets pass"),
    },
)
