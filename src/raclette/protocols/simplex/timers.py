"""The three timers: patience with the iteration ("iteration"), filling up ("fill"), repeating ("repeat").

They are set from the state after each event, never from inside a rule, so that no path can forget one.
"""

from raclette.engine.effects import CancelTimer, SetTimer
from raclette.primitives.units import MILLISECOND
from raclette.protocols.simplex.core import Core

ITERATION = "iteration"
FILL = "fill"
REPEAT = "repeat"
# Chan & Pass 2023, section 2: the timer of an iteration is three times Delta.
PATIENCE = 3
# Repetitions per Delta: a lost message is said again before patience ends.
REPEATS_PER_DELTA = 2


class Timers:
    """Which timers run, and how long Delta is."""

    def __init__(self, core: Core) -> None:
        self.core = core
        # Doublings of Delta since things last went well.
        self.doublings = 0
        self._patience_for = 0
        self._fill_for = 0
        self._repeat_runs = False
        # The iteration in which the leader may fill up with an empty block.
        self.filled_up = 0

    @property
    def delta_ms(self) -> int:
        """SIM-55: doubles with each iteration that we gave up, up to the cap."""
        parameters = self.core.parameters
        return min(parameters.delta_cap_ms, parameters.delta_ms << min(self.doublings, 32))

    @property
    def repeat_period(self) -> int:
        """Nanoseconds."""
        return self.core.parameters.delta_ms * MILLISECOND // REPEATS_PER_DELTA

    @property
    def runs(self) -> bool:
        """Is patience being measured?"""
        return self._patience_for > 0

    def fired(self, name: str) -> bool:
        """Note that a timer has run out. False if it was not running (a late firing changes nothing)."""
        if name == ITERATION and self._patience_for:
            self._patience_for = 0
            self.doublings += 1
            return True
        if name == FILL and self._fill_for:
            self._fill_for, self.filled_up = 0, self._fill_for
            return True
        if name == REPEAT and self._repeat_runs:
            self._repeat_runs = False
            return True
        return False

    def on_progress(self) -> None:
        """SIM-56: each final block halves Delta again, down to its base."""
        self.doublings = max(0, self.doublings - 1)

    def update(self, *, patience: bool, fills_first: bool, fill: bool) -> None:
        """Start, restart and stop timers so that exactly the needed ones run."""
        core = self.core
        if not patience:
            if self._patience_for:
                core.emit(CancelTimer(ITERATION))
                self._patience_for = 0
        elif self._patience_for != core.iteration:
            deltas = PATIENCE + fills_first
            core.emit(SetTimer(ITERATION, deltas * self.delta_ms * MILLISECOND))
            self._patience_for = core.iteration
        if not fill:
            if self._fill_for:
                core.emit(CancelTimer(FILL))
                self._fill_for = 0
        elif self._fill_for != core.iteration:
            core.emit(SetTimer(FILL, self.delta_ms * MILLISECOND))
            self._fill_for = core.iteration
        if not self._repeat_runs:
            core.emit(SetTimer(REPEAT, self.repeat_period))
            self._repeat_runs = True
