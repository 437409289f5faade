"""Simplex consensus: one vote, one timer, one finalize per iteration; final after three hops. See spec/simplex.md."""

from raclette.engine.contract import Engine, EngineSetup
from raclette.protocols.simplex.engine import SimplexEngine
from raclette.protocols.simplex.parameters import Parameters


def make_engine(setup: EngineSetup) -> Engine:
    """A replica (or an observer, if it has no vote). Raises ConfigError, StoreDamaged."""
    return SimplexEngine(setup)


__all__ = ["Parameters", "SimplexEngine", "make_engine"]
