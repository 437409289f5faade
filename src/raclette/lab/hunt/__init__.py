"""The hunt: seeds, schedules, liars and faults until something breaks; then the smallest schedule that breaks it.

The seed is the bug report: a protocol and a seed say everything about a run, on any machine. Three *tactics* take
turns: whole nodes in the simulator (`nodes`), engines alone, message by message (`engines`), and twins with partitions
drawn for each round (`twins`). See docs/hunting.md.
"""

from raclette.lab.hunt.finding import Replay, read_replay, write_finding
from raclette.lab.hunt.hunter import Finding, HuntConfig, HuntReport, hunt, replay_command
from raclette.lab.hunt.outcome import Breach, Outcome
from raclette.lab.hunt.tactics import TACTICS, tactic_of
from raclette.lab.hunt.trial import run_schedule, run_seed

__all__ = [
    "TACTICS",
    "Breach",
    "Finding",
    "HuntConfig",
    "HuntReport",
    "Outcome",
    "Replay",
    "hunt",
    "read_replay",
    "replay_command",
    "run_schedule",
    "run_seed",
    "tactic_of",
    "write_finding",
]
