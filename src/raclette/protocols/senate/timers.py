"""The six timers: our delay before we enter ("entry"), the window for entries ("window"), patience with the leader
("round"), repeating ("repeat"), blocks without transactions ("idle"), and doubt whether the others have moved on
("doubt")."""

from raclette.engine.effects import CancelTimer, SetTimer
from raclette.primitives.units import MILLISECOND
from raclette.protocols.senate.core import Core

ENTRY, WINDOW, ROUND, REPEAT, IDLE, DOUBT = "entry", "window", "round", "repeat", "idle", "doubt"
# Repetitions per round timeout: a lost message is said again well before patience ends.
REPEATS_PER_TIMEOUT = 4
# The timeout doubles at most so often; the cap comes first.
DOUBLINGS_MAX = 32


class Timers:
    """Which timers run. A late firing of one that does not changes nothing."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self._running: dict[str, None] = {}

    def set(self, name: str, delay: int) -> None:
        """Start or restart, in nanoseconds."""
        self._running[name] = None
        self.core.emit(SetTimer(name, delay))

    def stop_all(self) -> None:
        """The height is decided."""
        for name in self._running:
            self.core.emit(CancelTimer(name))
        self._running.clear()

    def fired(self, name: str) -> bool:
        """Note that a timer has run out. False if it was not running."""
        if name not in self._running:
            return False
        del self._running[name]
        return True

    def begin_round(self, entry_delay: int) -> None:
        """SENATE-35: the timeout doubles with each round up to the cap."""
        parameters, round_number = self.core.parameters, self.core.work.round
        timeout = min(parameters.round_timeout_cap_ms, parameters.round_timeout_ms << min(round_number, DOUBLINGS_MAX))
        self.set(ENTRY, entry_delay)
        self.set(WINDOW, self.window)
        self.set(ROUND, timeout * MILLISECOND)
        self.set(REPEAT, self.repeat)

    def begin_height(self) -> None:
        """Those that run at every height, whether there is a reason to make a block or not."""
        parameters = self.core.parameters
        self.set(DOUBT, parameters.round_timeout_ms * MILLISECOND)
        if parameters.idle_interval_ms:
            self.set(IDLE, parameters.idle_interval_ms * MILLISECOND)

    @property
    def window(self) -> int:
        """Nanoseconds."""
        return self.core.parameters.entry_window_ms * MILLISECOND

    @property
    def repeat(self) -> int:
        """Nanoseconds."""
        return self.core.parameters.round_timeout_ms * MILLISECOND // REPEATS_PER_TIMEOUT
