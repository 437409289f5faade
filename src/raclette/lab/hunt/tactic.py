"""What a tactic is: one way to draw schedules from seeds, and to run, shrink and write down such a schedule.

A schedule is data and says everything: run twice, it gives the same outcome. `parts` are the pieces of it that may be
left out one by one (faults, lies, liars, transactions); `simpler` are schedules that are smaller in some other way
(fewer nodes, shorter, rounder numbers). Shrinking needs nothing else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from raclette.lab.hunt.outcome import Outcome
from raclette.sim.log import Entry

Sink: TypeAlias = Callable[[Entry], None]


class Schedule(Protocol):
    """Everything that one run depends on."""

    @property
    def protocol(self) -> str:
        """Of the registry of protocols."""

    @property
    def seed(self) -> int:
        """Of the draws inside the run."""

    @property
    def places(self) -> int:
        """Lines of its diagram."""

    @property
    def parts(self) -> Sequence[Any]:
        """Pieces that may be left out."""

    def with_parts(self, kept: Sequence[Any]) -> "Schedule":
        """The same with only these of its `parts`."""

    def simpler(self) -> Iterator["Schedule"]:
        """Schedules that are smaller in one way each, the boldest first."""

    def describe(self) -> list[str]:
        """Lines for people: what the run is, and what goes wrong in it."""

    def to_json(self) -> dict[str, Any]:
        """Inverse of the tactic's `read`."""


class Tactic(Protocol):
    """One way to hunt."""

    name: str

    def draw(self, protocol: str, seed: int) -> Schedule:
        """A pure function of its arguments."""

    def run(self, schedule: Any, sink: Sink | None = None) -> Outcome:
        """From start to end. `sink` hears everything that happens. What is raised inside is the caller's business."""

    def read(self, protocol: str, values: Mapping[str, Any], path: str) -> Schedule:
        """From JSON. Raises ConfigError naming the key under `path`."""
