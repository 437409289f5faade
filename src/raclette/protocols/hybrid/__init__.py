"""Hybrid consensus: proof of work elects a committee, the committee orders. See spec/hybrid.md."""

from raclette.protocols.hybrid.engine import HybridEngine, make_engine
from raclette.protocols.hybrid.parameters import Parameters

__all__ = ["HybridEngine", "Parameters", "make_engine"]
