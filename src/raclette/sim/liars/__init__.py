"""Liars: one behaviour a file. Each wraps an honest node and twists its effects; none can forge a signature."""

from collections.abc import Callable, Mapping, Sequence

from raclette.node.host import HostedNode
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND
from raclette.sim.liars.delay import Delay
from raclette.sim.liars.liar import Liar
from raclette.sim.liars.selective import SelectiveSilence
from raclette.sim.liars.silent import Silent
from raclette.sim.liars.twins import Twins

_STREAM_LIARS = 4
# How late a delaying liar is when nothing else is asked for.
DELAY_DEFAULT = 300 * MILLISECOND

MakeHonest = Callable[[str], HostedNode]
"""`make(name)` gives an honest node of the liar's identity on its disk called `name` ("" is the host's own)."""


def _silent(make: MakeHonest, peers: Sequence[bytes], random: Random) -> HostedNode:
    return Silent(make(""))


def _selective(make: MakeHonest, peers: Sequence[bytes], random: Random) -> HostedNode:
    return SelectiveSilence(make(""), random.sample(peers, 1 + random.below(max(1, len(peers) - 1))))


def _delay(make: MakeHonest, peers: Sequence[bytes], random: Random) -> HostedNode:
    return Delay(make(""), DELAY_DEFAULT)


def _twins(make: MakeHonest, peers: Sequence[bytes], random: Random) -> HostedNode:
    """Each peer hears the first twin, the second, or (one in four) both."""
    views: tuple[list[bytes], list[bytes]] = ([], [])
    for peer in peers:
        draw = random.below(4)
        if draw != 1:
            views[0].append(peer)
        if draw in (0, 1) or (draw == 3 and not views[1]):
            views[1].append(peer)
    return Twins(make(""), make("twin"), views)


LIARS: Mapping[str, Callable[[MakeHonest, Sequence[bytes], Random], HostedNode]] = {
    "silent": _silent,
    "selective": _selective,
    "delay": _delay,
    "twins": _twins,
}


def make_liar(behaviour: str, make: MakeHonest, peers: Sequence[bytes], seed: int, index: int) -> HostedNode:
    """A liar in place of node `index`. Raises ConfigError for an unknown behaviour."""
    if behaviour not in LIARS:
        raise ConfigError(f"liars: {behaviour!r} is unknown; accepted are {', '.join(LIARS)}")
    return LIARS[behaviour](make, peers, Random(seed, _STREAM_LIARS << 24 | index))


__all__ = ["LIARS", "Delay", "Liar", "SelectiveSilence", "Silent", "Twins", "make_liar"]
