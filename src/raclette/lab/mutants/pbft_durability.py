"""PBFT forgets, across a crash, what it has promised: votes that left before they were on disk, locks not read back."""

from raclette.engine.effects import Effect, Persist
from raclette.engine.events import Event
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import SAFETY, Swap, mutant
from raclette.node.outbound import Outbound
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.records import Restored
from raclette.protocols.pbft.recovery import Recovery

_handle = PbftEngine.handle
_restore = Recovery.restore


def _promise_nothing(self: Outbound) -> None:
    """No flush before the next frame: the write is on disk when something else asks for a flush."""


def _handle_without_records(self: PbftEngine, event: Event) -> tuple[Effect, ...]:
    return tuple(effect for effect in _handle(self, event) if not isinstance(effect, Persist))


def _restore_without_lock(self: Recovery, state: Restored) -> None:
    """A restarted replica knows its view, and nothing of what it has voted for and prepared there."""
    state.prepared = None
    state.votes.clear()
    _restore(self, state)


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "P13",
        "pbft",
        "votes leave before they are on disk",
        source="aptos-labs/aptos-core #18298",
        invariants=SAFETY,
        swaps=(Swap(Outbound, "promise", _promise_nothing),),
    ),
    mutant(
        "P13b",
        "pbft",
        "a replica restarts without its consensus state",
        source="onflow/flow-go #105 (a node that lost its state proposed twice)",
        invariants=SAFETY,
        swaps=(Swap(PbftEngine, "handle", _handle_without_records),),
    ),
    mutant(
        "T4",
        "pbft",
        "amnesia: a restarted replica forgets what it has prepared and voted for",
        source="CometBFT evidence specification (amnesia)",
        invariants=SAFETY,
        swaps=(Swap(Recovery, "restore", _restore_without_lock),),
    ),
)
