"""The experiments by name. An experiment is a file of its own that defines `EXPERIMENT`."""

from functools import lru_cache
from importlib import import_module

from raclette.lab.experiments.contract import Experiment
from raclette.primitives.errors import ConfigError

# In the order in which they are shown: what the network does, what chains do, what attackers gain, what votes cost.
MODULES = (
    "propagation",
    "stale_rate",
    "block_interval",
    "gossip",
    "chain_growth",
    "ghost",
    "double_spend",
    "selfish",
    "optimal_selfish",
    "chain_quality",
    "fruits",
    "responsiveness",
    "hybrid_fraction",
    "pbft_messages",
    "committee",
    "senate_seats",
    "grinding",
    "ballot_quorum",
)


@lru_cache(maxsize=1)
def experiments() -> tuple[Experiment, ...]:
    """All of them."""
    return tuple(import_module(f"raclette.lab.experiments.{name}").EXPERIMENT for name in MODULES)


def find(name: str) -> Experiment:
    """The experiment with this id. Raises ConfigError."""
    for experiment in experiments():
        if experiment.id == name:
            return experiment
    raise ConfigError(f"experiment: {name!r} is unknown; accepted are {', '.join(e.id for e in experiments())}")
