"""Memory bounds: whatever is sent to a node, what it keeps stays within stated limits. Always; looked at once a second.

The table below is an instrument: it reads sizes inside the machines, each beside the limit that the machine's own file
states, so that nothing has to be added to a node to be measured.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from raclette.node.assembly import ASSEMBLIES_MAX
from raclette.node.blocks import PUBLIC_FRAMES_MAX
from raclette.node.conduct import EVIDENCE_COUNT_MAX
from raclette.node.gate import CLAIMS_REMEMBERED, NodeGate
from raclette.node.node import Node
from raclette.primitives.units import SECOND
from raclette.protocols.core import WANTED_MAX
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.ordering import ACCUSED_MAX
from raclette.protocols.simplex.engine import SimplexEngine
from raclette.protocols.simplex.voting import ACCUSED_MAX as SIMPLEX_ACCUSED_MAX
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.world import World

# Generations of the set of claims known to be true.
_CLAIM_GENERATIONS = 2


class Size(NamedTuple):
    """`what` a node keeps, how much of it is `held` (things or bytes), and the `limit`."""

    what: str
    held: int
    limit: int


def node_sizes(node: Node) -> Iterable[Size]:
    """What every node keeps, whatever its engine."""
    pool, pool_limits = node.mempool.stats(), node.mempool.limits
    yield Size("mempool.count", pool["pending"] + pool["queued"], pool_limits.count_max)
    yield Size("mempool.bytes", pool["bytes"], pool_limits.bytes_max)
    yield Size("assembly.blocks", len(node.blocks._assemblies), ASSEMBLIES_MAX)
    yield Size("blocks.public", len(node.blocks._public), PUBLIC_FRAMES_MAX)
    yield Size("conduct.evidence", len(node.conduct._evidence), EVIDENCE_COUNT_MAX)
    scores = node.conduct._scores
    yield Size("scores.peers", len(scores._records), scores.limits.peers_max)
    if isinstance(node.gate, NodeGate):
        claims = node.gate._claims
        yield Size("gate.claims", len(claims._young) + len(claims._old), _CLAIM_GENERATIONS * CLAIMS_REMEMBERED)
    gossip = node.spread._gossip
    for topic, tree in gossip._trees.items():
        yield Size(f"gossip.{topic.value}.seen", len(tree.seen), gossip.limits.topics[topic].seen_max)
        yield Size(f"gossip.{topic.value}.missing", len(tree.missing), gossip.limits.missing_max)
    sync = node.sync._sync
    kept = sync.stats()
    yield Size("sync.headers", kept["wanted"], sync.limits.headers_max)
    yield Size("sync.fetches", kept["fetches"], sync.limits.fetches_max)
    yield Size("sync.orphans", kept["orphans"], sync.limits.orphans_max)


def pbft_sizes(node: Node) -> Iterable[Size]:
    """What a PBFT replica keeps. Its log lies between the watermarks, a vote of each replica in each place."""
    if not isinstance(node.engine, PbftEngine):
        return
    engine, core = node.engine, node.engine.core
    n, window = core.committee.size, core.parameters.window
    yield Size("pbft.slots", len(core.slots), window)
    yield Size(
        "pbft.votes", sum(len(slot.prepares) + len(slot.commits) for slot in core.slots.values()), 2 * n * window
    )
    yield Size("pbft.voted", len(core.voted), window)
    yield Size("pbft.view-changes", len(core.view_changes), n)
    yield Size("pbft.wanted", len(core.wanted), WANTED_MAX)
    checkpoints = engine.checkpoints
    kept = sum(len(votes) for votes in checkpoints.votes.values())
    yield Size("pbft.checkpoints", kept, n * (checkpoints.kept_max + 1))
    yield Size("pbft.accused", len(engine.ordering.accused), ACCUSED_MAX)
    yield Size("pbft.bodies", len(core.bodies), 2 * window)


def simplex_sizes(node: Node) -> Iterable[Size]:
    """What a Simplex replica keeps: votes of a window of iterations; certificates and bodies since the final block."""
    if not isinstance(node.engine, SimplexEngine):
        return
    engine, core = node.engine, node.engine.core
    n, window = core.committee.size, core.parameters.window
    since = core.iteration - core.final_iteration
    votes = sum(len(said) for slot in core.slots.values() for said in slot.votes.values())
    yield Size("simplex.slots", len(core.slots), 2 * window)
    yield Size("simplex.votes", votes, 3 * n * 2 * window)
    yield Size("simplex.notarized", len(core.notarized), since)
    yield Size("simplex.dummies", len(core.dummies), since)
    yield Size("simplex.bodies", len(core.bodies), since)
    yield Size("simplex.wanted", len(core.wanted), WANTED_MAX)
    yield Size("simplex.accused", len(engine.voting.accused), SIMPLEX_ACCUSED_MAX)


INSTRUMENTS: tuple[Callable[[Node], Iterable[Size]], ...] = (node_sizes, pbft_sizes, simplex_sizes)


class MemoryBounds(Base):
    """Reports each excess of a node once. `most` holds the largest size seen of each thing, for reports."""

    name = "memory"

    def __init__(self, subject: Subject, instruments: Iterable[Callable[[Node], Iterable[Size]]] = INSTRUMENTS) -> None:
        super().__init__(subject.view_of)
        self.most: dict[str, Size] = {}
        self._instruments = tuple(instruments)
        self._looked = -SECOND
        self._known: set[tuple[int, str]] = set()

    def look(self, world: World) -> None:
        if world.kernel.now < self._looked + SECOND:
            return
        self._looked = world.kernel.now
        for host in world.hosts:
            if host.honest and host.alive and isinstance(host.node, Node):
                self._measure(world, host.index, host.node)

    def _measure(self, world: World, index: int, node: Node) -> None:
        for instrument in self._instruments:
            for size in instrument(node):
                known = self.most.get(size.what)
                if known is None or size.held > known.held:
                    self.most[size.what] = size
                if size.held > size.limit and (index, size.what) not in self._known:
                    self._known.add((index, size.what))
                    self.report(world, index, f"keeps {size.held} of {size.what}, at most {size.limit}")
