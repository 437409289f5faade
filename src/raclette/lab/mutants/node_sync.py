"""Catching up goes wrong: a peer's word about its height is believed, a wiped replica never takes part again."""

from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from raclette.engine.effects import Effect
from raclette.engine.events import BlockReceived, Event
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, Swap, mutant
from raclette.node.blocks import BlockDesk
from raclette.node.syncing import SyncDesk
from raclette.node.wire import EngineSaid, Status
from raclette.protocols.pbft.engine import PbftEngine

# How far behind the highest claim a node may be and still take part in consensus.
NEAR_BLOCKS = 16

_received = BlockDesk.received
_status = SyncDesk.status
_handle = PbftEngine.handle
_init = PbftEngine.__init__


class _Claims:
    """The greatest height that anybody has ever claimed to a node, liars who have been banned since included."""

    def __init__(self) -> None:
        self.highest: WeakKeyDictionary[SyncDesk, int] = WeakKeyDictionary()

    def status(self, desk: SyncDesk, peer: bytes, said: Status) -> None:
        self.highest[desk] = max(said.height, self.highest.get(desk, 0))
        _status(desk, peer, said)

    def received(self, desk: BlockDesk, peer: bytes, said: EngineSaid) -> None:
        """Consensus begins when that height is near."""
        if self.highest.get(desk._node.sync, 0) <= desk._chain.head.number + NEAR_BLOCKS:
            _received(desk, peer, said)


CLAIMS = _Claims()


def _status_believed(self: SyncDesk, peer: bytes, said: Status) -> None:
    CLAIMS.status(self, peer, said)


def _received_when_near(self: BlockDesk, peer: bytes, said: EngineSaid) -> None:
    CLAIMS.received(self, peer, said)


class _Idle:
    """Replicas that began with nothing and were brought to a height by sync: their round timer never starts."""

    def __init__(self) -> None:
        self.fresh: WeakSet[PbftEngine] = WeakSet()

    def init(self, engine: PbftEngine, setup: Any) -> None:
        _init(engine, setup)
        if engine.core.final.number == 0 and not setup.records:
            self.fresh.add(engine)

    def handle(self, engine: PbftEngine, event: Event) -> tuple[Effect, ...]:
        core = engine.core
        before = core.final.number
        effects = _handle(engine, event)
        if engine in self.fresh and core.final.number > before:
            self.fresh.discard(engine)
            if isinstance(event, BlockReceived):
                core.me = None
        return effects


IDLE = _Idle()


def _init_watched(self: PbftEngine, setup: Any) -> None:
    IDLE.init(self, setup)


def _handle_watched(self: PbftEngine, event: Event) -> tuple[Effect, ...]:
    return IDLE.handle(self, event)


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "T6",
        "pbft",
        "a node takes part in consensus only near the greatest height that any peer has claimed",
        source="CometBFT ASA-2025-001 (blocksync trusts the reported height)",
        invariants=PROGRESS,
        swaps=(
            Swap(BlockDesk, "received", _received_when_near),
            Swap(SyncDesk, "status", _status_believed),
        ),
    ),
    mutant(
        "P16",
        "pbft",
        "a validator that restarts with an empty database catches up and never votes again",
        source="hyperledger/besu #8307",
        invariants=PROGRESS,
        swaps=(
            Swap(PbftEngine, "__init__", _init_watched),
            Swap(PbftEngine, "handle", _handle_watched),
        ),
    ),
)
