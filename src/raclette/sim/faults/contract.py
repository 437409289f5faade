"""What a fault is: one thing that goes wrong, on a timeline. It begins at `at` and, if it lasts, ends after `lasting`.

Times are virtual nanoseconds. A fault that ends leaves everything as it found it, whatever other faults began or ended
meanwhile, so that after the last one the network is whole again and liveness can be asked for.

Every fault is a frozen dataclass of integers, words and tuples of integers, and has a name, its `kind`: so it can be
written down, shrunk, and read back (`form`).
"""

from typing import Protocol

from raclette.sim.world import World


class Fault(Protocol):
    """One thing that goes wrong."""

    @property
    def kind(self) -> str:
        """Its name: that of its class in lower case with dashes."""

    @property
    def at(self) -> int:
        """When it begins."""

    @property
    def lasting(self) -> int:
        """How long it lasts; 0 for what has no end of its own."""

    @property
    def on_processes(self) -> bool:
        """Can the same be done to real processes on a machine that we may not take apart?"""

    @property
    def involved(self) -> tuple[int, ...]:
        """The numbers of the nodes it names; none for what happens to all."""

    def begin(self, world: World) -> None:
        """Make it so."""

    def end(self, world: World) -> None:
        """Make it good again."""
