"""Raclette, a blockchain you can take apart: the one door to it for programs.

Everything that a program needs to keep a chain, to run nodes, to simulate networks, or to add a protocol or a ledger
can be imported from here; the rooms behind it (see ARCHITECTURE.md) hold the rest:

    from raclette import SimConfig, simulate

    report = simulate(SimConfig(protocol="pbft", nodes=4, seed=1))
    assert report.agreed

Names are loaded when they are first used, so that `import raclette` costs nothing. Beside classes and functions, which
explain themselves, there are `PROTOCOLS` and `LEDGERS`, the registries by name, and `__version__`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raclette.chain.genesis import Genesis
    from raclette.chain.ledger import Ledger
    from raclette.chain.ledger_exam import LedgerSamples, check_ledger
    from raclette.chain.presets import even_alloc
    from raclette.chain.transaction import sign_transfer
    from raclette.door.answer import Answer, Status
    from raclette.door.blockchain import Blockchain
    from raclette.door.identity import Identity
    from raclette.door.peer import Peer
    from raclette.door.values import Record
    from raclette.engine.contract import ChainView, Draft, Engine, EngineSetup
    from raclette.engine.exam import check_engine
    from raclette.ledgers import LEDGERS
    from raclette.node.host import HostedNode
    from raclette.node.node import Node, NodeConfig, open_node
    from raclette.primitives.errors import RacletteError
    from raclette.primitives.signing import Ed25519Signer
    from raclette.protocols import PROTOCOLS
    from raclette.sim.config import SimConfig, Workload
    from raclette.sim.liars.contract import LiarSpec
    from raclette.sim.simulate import SimReport, simulate
    from raclette.store.contract import Store
    from raclette.store.database import open_store
    from raclette.store.memory import MemoryStore

    __version__: str

# Public name -> the module that has it.
_HOMES = {
    "LEDGERS": "raclette.ledgers",
    "PROTOCOLS": "raclette.protocols",
    "Answer": "raclette.door.answer",
    "Blockchain": "raclette.door.blockchain",
    "ChainView": "raclette.engine.contract",
    "Draft": "raclette.engine.contract",
    "Ed25519Signer": "raclette.primitives.signing",
    "Engine": "raclette.engine.contract",
    "EngineSetup": "raclette.engine.contract",
    "Genesis": "raclette.chain.genesis",
    "HostedNode": "raclette.node.host",
    "Identity": "raclette.door.identity",
    "Ledger": "raclette.chain.ledger",
    "LedgerSamples": "raclette.chain.ledger_exam",
    "LiarSpec": "raclette.sim.liars.contract",
    "MemoryStore": "raclette.store.memory",
    "Node": "raclette.node.node",
    "NodeConfig": "raclette.node.node",
    "Peer": "raclette.door.peer",
    "RacletteError": "raclette.primitives.errors",
    "Record": "raclette.door.values",
    "SimConfig": "raclette.sim.config",
    "SimReport": "raclette.sim.simulate",
    "Status": "raclette.door.answer",
    "Store": "raclette.store.contract",
    "Workload": "raclette.sim.config",
    "check_engine": "raclette.engine.exam",
    "check_ledger": "raclette.chain.ledger_exam",
    "even_alloc": "raclette.chain.presets",
    "open_node": "raclette.node.node",
    "open_store": "raclette.store.database",
    "sign_transfer": "raclette.chain.transaction",
    "simulate": "raclette.sim.simulate",
}

__all__ = [
    "LEDGERS",
    "PROTOCOLS",
    "Answer",
    "Blockchain",
    "ChainView",
    "Draft",
    "Ed25519Signer",
    "Engine",
    "EngineSetup",
    "Genesis",
    "HostedNode",
    "Identity",
    "Ledger",
    "LedgerSamples",
    "LiarSpec",
    "MemoryStore",
    "Node",
    "NodeConfig",
    "Peer",
    "RacletteError",
    "Record",
    "SimConfig",
    "SimReport",
    "Status",
    "Store",
    "Workload",
    "__version__",
    "check_engine",
    "check_ledger",
    "even_alloc",
    "open_node",
    "open_store",
    "sign_transfer",
    "simulate",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version(__name__)
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
