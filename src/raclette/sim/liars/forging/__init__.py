"""The craft of lying in a protocol's own words: an adapter per protocol, see `contract`."""

from collections.abc import Callable, Mapping

from raclette.node.host import HostedNode
from raclette.node.node import Node
from raclette.primitives.errors import Misuse
from raclette.sim.liars.forging.ballot import BallotForger
from raclette.sim.liars.forging.contract import Forged, Forger, Round
from raclette.sim.liars.forging.hybrid import HybridForger
from raclette.sim.liars.forging.pbft import PbftForger
from raclette.sim.liars.forging.senate import SenateForger
from raclette.sim.liars.forging.simplex import SimplexForger

# A new protocol is one file with an adapter, and one entry here: all liars that forge can then lie in it.
FORGERS: Mapping[str, Callable[[Node], Forger]] = {
    "pbft": PbftForger,
    "ballot": BallotForger,
    "senate": SenateForger,
    "simplex": SimplexForger,
    "hybrid": HybridForger,
}


def make_forger(protocol: str, node: HostedNode) -> Forger:
    """The adapter for the honest node inside a liar. Raises Misuse if it is no whole node, or there is no adapter."""
    if protocol not in FORGERS:
        raise Misuse(f"nobody knows how to forge messages of {protocol}; accepted are {', '.join(FORGERS)}")
    if not isinstance(node, Node):
        raise Misuse("forging needs a whole node")
    return FORGERS[protocol](node)


__all__ = [
    "FORGERS",
    "BallotForger",
    "Forged",
    "Forger",
    "HybridForger",
    "PbftForger",
    "Round",
    "SenateForger",
    "SimplexForger",
    "make_forger",
]
