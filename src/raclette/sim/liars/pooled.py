"""What liars share who mine in secret: whole nodes whose engine belongs to a pool.

Everything about the node stays honest but its mining: it follows, checks, relays and serves the public chain. What it
finds goes to the pool (`sim.attacks`), one for all nodes with the same lie, and comes out when the pool's strategy says
so. A pool *rushes*: it answers an honest block in the same turn in which it hears it, before it passes that block on.

The connection advantage, gamma of Eyal and Sirer, is therefore no parameter here but a property of the network: the
part of the honest power to which the pool's answer comes before the block it answers. In a full mesh of equal links it
is 0 (the honest block has a head start of one hop to everybody); where the honest are linked only through the pool, it
is 1; slow links between honest nodes put it in between. To set it outright, use `sim.attacks.run_attack`.
"""

from collections.abc import Callable

from raclette.engine.contract import Engine, EngineSetup
from raclette.node.node import Node
from raclette.primitives.errors import Misuse
from raclette.protocols import make_engine
from raclette.protocols.nakamoto.parameters import Parameters
from raclette.protocols.parameters import parse_parameters
from raclette.sim.attacks.miner import Clock, PoolMiner, true_clock
from raclette.sim.attacks.pool import Pool
from raclette.sim.attacks.strategies import Strategy
from raclette.sim.liars.contract import Scene
from raclette.sim.liars.liar import Liar

# Protocols whose blocks are found by work alone.
PROOF_OF_WORK = ("nakamoto",)
# Where a plot keeps its pool.
POOL = "pool"


class Pooled(Liar):
    """A node that mines for `pool`."""

    def __init__(self, node: Node, pool: Pool) -> None:
        super().__init__(node)
        self.node = node
        self.pool = pool


def whole_node(scene: Scene, disk: str = "") -> Node:
    """The honest node to be twisted. Raises Misuse if the host makes something else."""
    node = scene.make(disk)
    if not isinstance(node, Node):
        raise Misuse(f"node {scene.index} is no whole node: this lie needs its engine")
    return node


def setup_of(node: Node) -> EngineSetup:
    """What the node's engine was made from, but that nothing is final: an attacker does not bind itself."""
    return EngineSetup(
        parameters={**node.config.genesis.protocol_parameters, "finality_depth": 0},
        chain=node.chain,
        signer=node.config.signer,
        beneficiary=node.config.beneficiary,
        records={},
        active=node.config.active,
    )


def engine_of(node: Node, setup: EngineSetup) -> Engine:
    """An engine of the node's protocol."""
    return make_engine(node.config.genesis.protocol, setup, seal_check=node.config.seal_check)


def pool_of(scene: Scene, strategy: Callable[[], Strategy]) -> Pool:
    """The plot's pool, made by whoever comes first."""
    if POOL not in scene.plot:
        scene.plot[POOL] = Pool(strategy())
    pool = scene.plot[POOL]
    if not isinstance(pool, Pool):
        raise Misuse("the plot keeps something else under the name of its pool")
    return pool


def join_pool(
    scene: Scene, strategy: Callable[[], Strategy], clock: Callable[[Parameters], Clock] = lambda parameters: true_clock
) -> Pooled:
    """A node of the plot's pool, whose strategy is made by whoever comes first. `clock` falsifies its timestamps."""
    node = whole_node(scene)
    setup, pool = setup_of(node), pool_of(scene, strategy)
    node.engine = PoolMiner(
        engine_of(node, setup),
        setup,
        pool,
        member=scene.index,
        polls=len(scene.accomplices) > 1,
        clock=clock(parse_parameters(Parameters, setup.parameters)),
    )
    return Pooled(node, pool)
