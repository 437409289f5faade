"""Leader selection in proof of stake: a senate drawn by stake for each block, a director drawn by lot, final when a
quorum of the seats has signed. See spec/senate.md."""

from raclette.engine.contract import Engine, EngineSetup
from raclette.protocols.senate.engine import SenateEngine
from raclette.protocols.senate.parameters import Parameters


def make_engine(setup: EngineSetup) -> Engine:
    """A senator, an entrant of the lottery, or an observer if it is not on the roll. Raises ConfigError,
    StoreDamaged."""
    return SenateEngine(setup)


__all__ = ["Parameters", "SenateEngine", "make_engine"]
