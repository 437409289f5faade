"""The tactic `nodes`: whole nodes in the simulator, with its network models, faults, liars and checkers."""

from raclette.lab.hunt.nodes.draw import draw_config, with_faults
from raclette.lab.hunt.nodes.play import play
from raclette.lab.hunt.nodes.schedule import NodeSchedule, read_schedule

__all__ = ["NodeSchedule", "draw_config", "play", "read_schedule", "with_faults"]
