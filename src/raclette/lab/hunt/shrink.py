"""Making a failing schedule small, while it keeps failing in the same way.

Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002) over the
parts of a schedule, then single simplifications (fewer nodes, shorter times, smaller numbers) until none helps, and
round again. "In the same way" means that the same checker fires.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from raclette.lab.hunt.tactic import Schedule

Fails = Callable[[Schedule], bool]


@dataclass
class Shrunk:
    """`schedule` is the smallest found in `tries` runs; `finished` is False if the time was over first."""

    schedule: Schedule
    tries: int
    finished: bool


class _OutOfTime(Exception):
    pass


class Shrinker:
    """`fails` runs a schedule and says whether it still fails in the same way; `time_left` whether to go on."""

    def __init__(self, fails: Fails, time_left: Callable[[], bool]) -> None:
        self._fails, self._time_left = fails, time_left
        self.tries = 0

    def shrink(self, schedule: Schedule) -> Shrunk:
        """The smallest that is reached. `schedule` itself must fail."""
        self.best = schedule
        try:
            while self._drop_parts() | self._simplify():
                pass
        except _OutOfTime:
            return Shrunk(self.best, self.tries, False)
        return Shrunk(self.best, self.tries, True)

    def _try(self, candidate: Schedule) -> bool:
        if not self._time_left():
            raise _OutOfTime
        self.tries += 1
        if not self._fails(candidate):
            return False
        self.best = candidate
        return True

    def _drop_parts(self) -> bool:
        """Zeller's ddmin: leave out ever smaller groups of parts. Was anything left out?"""
        before = len(self.best.parts)
        groups = 2
        while parts := list(self.best.parts):
            groups = min(groups, len(parts))
            if self._drop_one_group(parts, groups):
                groups = max(2, groups - 1)
            elif groups >= len(parts):
                break
            else:
                groups *= 2
        return len(self.best.parts) < before

    def _drop_one_group(self, parts: list[Any], groups: int) -> bool:
        for group in range(groups):
            start, end = group * len(parts) // groups, (group + 1) * len(parts) // groups
            candidate = self.best.with_parts(_without(parts, start, end))
            if len(candidate.parts) < len(parts) and self._try(candidate):
                return True
        return False

    def _simplify(self) -> bool:
        """Take every simplification that keeps the failure. Was there any?"""
        changed = False
        helped = True
        while helped:
            helped = False
            for candidate in self.best.simpler():
                if self._try(candidate):
                    helped = changed = True
                    break
        return changed


def _without(parts: Sequence[Any], start: int, end: int) -> list[Any]:
    return [*parts[:start], *parts[end:]]
