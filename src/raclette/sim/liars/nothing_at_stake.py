"""Nothing at stake: work on every branch, whichever wins.

Where blocks cost nothing but a signature, mining on all branches is free, and honest only by protocol; a BFT protocol
calls it equivocation (the liar `equivocate`). Under proof of work every hash goes to one branch: this liar gives each
branch its turn of `SLICE_NS`, so it splits its power and gains nothing, but it prolongs draws.
"""

from raclette.engine.contract import Engine, EngineSetup
from raclette.engine.effects import Effect, SetTimer
from raclette.engine.events import Event, Started, TimerFired
from raclette.node.host import HostedNode
from raclette.primitives.units import MILLISECOND
from raclette.sim.attacks.miner import SideMiner
from raclette.sim.liars.contract import LiarKind, Scene
from raclette.sim.liars.liar import Liar
from raclette.sim.liars.pooled import PROOF_OF_WORK, engine_of, setup_of, whole_node

# Turn of each branch: far shorter than a block's interval.
SLICE_NS = 200 * MILLISECOND
# A branch so many blocks below the head is nobody's any more.
DEEP = 3
_SLICE = "nakamoto/slice"


class Everywhere(SideMiner):
    """Takes turns between the tips near the head."""

    def __init__(self, engine: Engine, setup: EngineSetup) -> None:
        super().__init__(engine, setup)
        # Tips of branches, oldest first: hash -> number.
        self._tips: dict[bytes, int] = {setup.chain.head.hash: setup.chain.head.number}
        self._turn = 0

    def handle(self, event: Event) -> tuple[Effect, ...]:
        slice_ends = isinstance(event, TimerFired) and event.name == _SLICE
        self._turn += slice_ends
        effects = super().handle(event)
        return (*effects, SetTimer(_SLICE, SLICE_NS)) if slice_ends or isinstance(event, Started) else effects

    def tip(self) -> bytes:
        return list(self._tips)[self._turn % len(self._tips)]

    def heard(self, block_hash: bytes) -> None:
        header = self.chain.header(block_hash)
        head = self.chain.header(self.public_head)
        if header is None or head is None:
            return
        self._tips.pop(header.parent_hash, None)
        self._tips[header.hash] = header.number
        lowest = head.number - DEEP
        self._tips = {tip: number for tip, number in self._tips.items() if number > lowest}


def _make(scene: Scene) -> HostedNode:
    node = whole_node(scene)
    setup = setup_of(node)
    node.engine = Everywhere(engine_of(node, setup), setup)
    return Liar(node)


KIND = LiarKind("nothing-at-stake", "mines on every branch in turn", _make, protocols=PROOF_OF_WORK)
"""Each for itself."""
