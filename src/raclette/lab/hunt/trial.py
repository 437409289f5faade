"""One seed, from draw to outcome, whatever happens inside: an exception or a run without end is the seed's failure."""

import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import FrameType

from raclette.lab.hunt.outcome import EXCEPTION, TIMEOUT, Breach, Outcome
from raclette.lab.hunt.tactic import Schedule, Sink, Tactic
from raclette.lab.hunt.tactics import tactic_of
from raclette.lab.mutants import find_mutant

# CPU seconds after which a run is called endless: thirty times what the slowest sound run takes. Not wall-clock time,
# so that a busy machine accuses nobody.
TRIAL_SECONDS_MAX = 60.0
# What a seed is counted as that fails with a mutant and without it.
UNSOUND = "fails-without-the-mutant"
# Frames of a traceback that are kept; the innermost say where.
FRAMES_KEPT = 30


class Endless(BaseException):
    """The run's time is over. Not an Exception, so that no code under test can swallow it."""


@contextmanager
def planted(protocol: str, mutant: str) -> Iterator[None]:
    """The mutant's bug, while the context lasts; nothing for "". Raises ConfigError for an unknown one."""
    with find_mutant(protocol, mutant).plant() if mutant else nullcontext():
        yield


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises Endless inside the block when the time is over. CPU seconds of this process; only in
    a main thread, elsewhere nothing is limited."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        raise Endless(f"not over after {seconds:g} CPU seconds")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run_seed(protocol: str, seed: int, mutant: str = "", sink: Sink | None = None) -> Outcome:
    """Draw the seed's schedule and run it. Raises ConfigError for an unknown protocol or mutant only."""
    tactic = tactic_of(protocol, seed)
    with planted(protocol, mutant):
        outcome = _guarded(seed, tactic, lambda: tactic.run(tactic.draw(protocol, seed), sink))
    if mutant and outcome.failed and run_seed(protocol, seed).failed:
        # It fails without the bug too: a finding for the clean hunt, and no merit of this one.
        return replace(outcome, breaches=(), happened={**outcome.happened, UNSOUND: 1})
    return outcome


def run_schedule(tactic: Tactic, schedule: Schedule, mutant: str = "", sink: Sink | None = None) -> Outcome:
    """Run this schedule."""
    with planted(schedule.protocol, mutant):
        return _guarded(schedule.seed, tactic, lambda: tactic.run(schedule, sink))


def _guarded(seed: int, tactic: Tactic, run: Callable[[], Outcome]) -> Outcome:
    try:
        with at_most(TRIAL_SECONDS_MAX):
            return run()
    except Endless as end:
        return Outcome(seed, tactic.name, (Breach(TIMEOUT, str(end), traceback=_trace()),))
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        return Outcome(seed, tactic.name, (Breach(EXCEPTION, detail, traceback=_trace()),))


def _trace() -> str:
    return traceback.format_exc(limit=-FRAMES_KEPT)
