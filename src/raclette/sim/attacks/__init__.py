"""Attacks on proof of work: the strategies, the pool that plays them, and a fast world to measure them in.

`strategies` decides, `pool` remembers, `miner` does it to an engine, `instant` runs twenty thousand blocks. The liars
of `sim.liars` put the same pool around whole nodes.
"""

from raclette.sim.attacks.depth import SAFE_ODDS, safe_depth
from raclette.sim.attacks.instant import AttackReport, InstantWorld, Watcher, run_attack
from raclette.sim.attacks.miner import PoolMiner
from raclette.sim.attacks.pool import Pool
from raclette.sim.attacks.strategies import (
    Action,
    Fork,
    Honest,
    Move,
    Policy,
    PrivateChain,
    Race,
    Selfish,
    Strategy,
    Stubborn,
    Withhold,
)

__all__ = [
    "SAFE_ODDS",
    "Action",
    "AttackReport",
    "Fork",
    "Honest",
    "InstantWorld",
    "Move",
    "Policy",
    "Pool",
    "PoolMiner",
    "PrivateChain",
    "Race",
    "Selfish",
    "Strategy",
    "Stubborn",
    "Watcher",
    "Withhold",
    "run_attack",
    "safe_depth",
]
