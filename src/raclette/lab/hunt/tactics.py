"""The tactics there are, and which of them a seed uses."""

from collections.abc import Mapping
from typing import Any

from raclette.lab.hunt import nodes
from raclette.lab.hunt.engines.adapter import find_adapter, has_adapter
from raclette.lab.hunt.engines.draw import draw_swarm, draw_twins
from raclette.lab.hunt.engines.phases import draw_phases
from raclette.lab.hunt.engines.play import play as play_engines
from raclette.lab.hunt.engines.schedule import EngineSchedule, fitted
from raclette.lab.hunt.engines.schedule import read_schedule as read_engines
from raclette.lab.hunt.outcome import Outcome
from raclette.lab.hunt.tactic import Schedule, Sink, Tactic
from raclette.primitives.errors import ConfigError
from raclette.protocols import find_protocol


class Nodes:
    """Whole nodes in the simulator: everything is real but time, wires and keys. About a tenth of a second each."""

    name = "nodes"

    def draw(self, protocol: str, seed: int) -> Schedule:
        return nodes.draw_config(protocol, seed)

    def run(self, schedule: Any, sink: Sink | None = None) -> Outcome:
        return nodes.play(schedule, self.name, sink)

    def read(self, protocol: str, values: Mapping[str, Any], path: str) -> Schedule:
        return nodes.read_schedule(protocol, values, path)


class Engines:
    """Engines alone, message by message, in a swarm of troubles. About a fiftieth of a second each."""

    name = "engines"

    def draw(self, protocol: str, seed: int) -> Schedule:
        adapter = find_adapter(protocol)
        return fitted(adapter, draw_swarm(adapter, seed))

    def run(self, schedule: EngineSchedule, sink: Sink | None = None) -> Outcome:
        return play_engines(schedule, self.name, sink)

    def read(self, protocol: str, values: Mapping[str, Any], path: str) -> Schedule:
        return read_engines(protocol, values, path)


class Twins(Engines):
    """Engines alone, with twins and a partition for each round."""

    name = "twins"

    def draw(self, protocol: str, seed: int) -> Schedule:
        adapter = find_adapter(protocol)
        return fitted(adapter, draw_twins(adapter, seed))


class Phases(Engines):
    """Engines alone, with single phases of single rounds withheld."""

    name = "phases"

    def draw(self, protocol: str, seed: int) -> Schedule:
        adapter = find_adapter(protocol)
        return fitted(adapter, draw_phases(adapter, seed))


TACTICS: Mapping[str, Tactic] = {tactic.name: tactic for tactic in (Nodes(), Engines(), Twins(), Phases())}
# Seeds take turns. Whole nodes cost several times as much as engines, and find other things.
TURNS = ("nodes", "engines", "nodes", "engines", "twins", "nodes", "engines", "phases", "phases", "phases")


def tactic_of(protocol: str, seed: int) -> Tactic:
    """Which tactic this seed uses. Raises ConfigError for an unknown protocol."""
    find_protocol(protocol)
    return TACTICS[TURNS[seed % len(TURNS)] if has_adapter(protocol) else "nodes"]


def find_tactic(name: Any, path: str) -> Tactic:
    """By name. Raises ConfigError."""
    if name not in TACTICS:
        raise ConfigError(f"{path}: {name!r} is unknown; accepted are {', '.join(TACTICS)}")
    return TACTICS[name]
