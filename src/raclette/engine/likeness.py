"""When two engines are alike: for simulators that ask one of ten thousand what all would answer.

Engines are deterministic. If two of them are in the same state, they answer the same event alike; a simulator may then
remember the answer of the first and spare the others the question (`sim.fast.shared`). Only the engine can say what its
state is, so it does, by `likeness`. An engine without this method is asked each time.
"""

from collections.abc import Hashable
from typing import Protocol, runtime_checkable


@runtime_checkable
class Comparable(Protocol):
    """An engine that can be compared."""

    def likeness(self) -> Hashable | None:
        """A value that holds all that this engine's answers depend on, or None if it will not be compared now.

        The claim: take two engines of one class and equal likeness whose chains have the same blocks and head. Then
        `Started`, `BlockReceived` and `TimerFired` with the same content lead them to the same effects and to equal
        likeness again. Three things may differ: whom `Fetch` asks, who is named in the header of a `Seal` (and its
        time), and, if `now` differs, nothing more, provided that the later of the two answers came second. So an engine
        whose answer would be another at a later time (it waits for a moment, or counts time) is None while that is so.
        """
