"""Practical Byzantine fault tolerance: final after three phases, safe with f liars among 3f+1. See spec/pbft.md."""

from raclette.engine.contract import Engine, EngineSetup
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.parameters import Parameters


def make_engine(setup: EngineSetup) -> Engine:
    """A replica (or an observer, if it has no vote). Raises ConfigError, StoreDamaged."""
    return PbftEngine(setup)


__all__ = ["Parameters", "PbftEngine", "make_engine"]
