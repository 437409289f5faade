"""The three timers: patience with the primary ("view"), gathering a batch ("batch"), repeating ("repeat").

They are set from the state after each event, never from inside a rule, so that no path can forget one.
"""

from raclette.engine.effects import CancelTimer, SetTimer
from raclette.primitives.units import MILLISECOND
from raclette.protocols.pbft.core import Core

VIEW = "view"
BATCH = "batch"
REPEAT = "repeat"
# Repetitions per view timeout: a lost message is said again well before patience ends.
REPEATS_PER_TIMEOUT = 4
# The batch timer also asks again while a block is in flight and nothing new has come: never more often than this, or a
# chain with `batch_delay_ms` 0 would do nothing but ask.
BATCH_LEAST_MS = 1


class Timers:
    """Which timers run, and how long the view timer is."""

    def __init__(self, core: Core) -> None:
        self.core = core
        # Doublings of the view timeout since things last went well.
        self.doublings = 0
        self._view_for: tuple[int, bool] | None = None
        self._batch_runs = False
        self._repeat_runs = False

    @property
    def view_timeout_ms(self) -> int:
        """PBFT-55: doubles with each view change up to the cap."""
        parameters = self.core.parameters
        return min(parameters.view_timeout_cap_ms, parameters.view_timeout_ms << min(self.doublings, 32))

    @property
    def repeat_period(self) -> int:
        """Nanoseconds."""
        return self.core.parameters.view_timeout_ms * MILLISECOND // REPEATS_PER_TIMEOUT

    @property
    def view_runs(self) -> bool:
        """Is patience being measured?"""
        return self._view_for is not None

    def fired(self, name: str) -> bool:
        """Note that a timer has run out. False if it was not running (a late firing changes nothing)."""
        if name == VIEW and self._view_for is not None:
            self._view_for = None
            return True
        if name == BATCH and self._batch_runs:
            self._batch_runs = False
            return True
        if name == REPEAT and self._repeat_runs:
            self._repeat_runs = False
            return True
        return False

    def on_view_change(self) -> None:
        """We gave up on a view, by ourselves or with others."""
        self.doublings += 1

    def on_progress(self) -> None:
        """PBFT-56: each final block halves the timeout again, down to its base."""
        self.doublings = max(0, self.doublings - 1)

    def update(self, *, view_needed: bool, batch_needed: bool, restart_view: bool) -> None:
        """Start, restart and stop timers so that exactly the needed ones run."""
        core = self.core
        situation = (core.view, core.active)
        if not view_needed:
            if self._view_for is not None:
                core.emit(CancelTimer(VIEW))
                self._view_for = None
        elif restart_view or self._view_for != situation:
            core.emit(SetTimer(VIEW, self.view_timeout_ms * MILLISECOND))
            self._view_for = situation
        if batch_needed and not self._batch_runs:
            core.emit(SetTimer(BATCH, max(BATCH_LEAST_MS, core.parameters.batch_delay_ms) * MILLISECOND))
            self._batch_runs = True
        if not self._repeat_runs:
            core.emit(SetTimer(REPEAT, self.repeat_period))
            self._repeat_runs = True
