"""What goes wrong in a run, known before it begins, so that the fate of a frame is known when it is sent.

The faults are those of `sim.faults` that make sense without stores and processes: `Crash` (with restart), `Partition`
(one-way too), `CutLink` and `Impair`. A frame is lost if its direction is shut when its last bit leaves or when it
arrives, if its sender is down before the last bit has left, or if its receiver is down when it arrives.

Deviations from the full fidelity: what an engine persisted is on disk at once, so a crash never loses a record; a
partition loses what arrives while it lasts, where TCP would repeat it afterwards.
"""

from collections.abc import Sequence
from typing import NamedTuple

from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND
from raclette.sim.faults import Crash, CutLink, Fault, Impair, Partition

# An end that never comes.
NEVER = 1 << 62
# The most that a reordered or repeated frame is late.
LATE_NS = 50 * MILLISECOND
MILLION = 1_000_000


class Shut(NamedTuple):
    """These directions (sender, receiver) let nothing through from `begin` (incl.) to `end` (excl.)."""

    begin: int
    end: int
    pairs: tuple[tuple[int, int], ...]


class Noise(NamedTuple):
    """From `begin` to `end` each frame is lost, repeated or late with these chances, in parts per million."""

    begin: int
    end: int
    loss_ppm: int
    duplicate_ppm: int
    reorder_ppm: int


class Down(NamedTuple):
    """`node` does not run from `begin` to `end`; with `wipe` it comes back with an empty disk."""

    node: int
    begin: int
    end: int
    wipe: bool


class Plan(NamedTuple):
    """Everything that goes wrong. Of several noises at one moment the last counts."""

    shut: tuple[Shut, ...] = ()
    noise: tuple[Noise, ...] = ()
    down: tuple[Down, ...] = ()

    @property
    def is_quiet(self) -> bool:
        """Does nothing go wrong at all?"""
        return not (self.shut or self.noise or self.down)


def make_plan(faults: Sequence[Fault], nodes: int, loss_ppm: int = 0, duplicate_ppm: int = 0) -> Plan:
    """`loss_ppm` and `duplicate_ppm` hold for the whole run. Raises ConfigError for what this fidelity cannot do."""
    for name, ppm in (("loss_ppm", loss_ppm), ("duplicate_ppm", duplicate_ppm)):
        if not 0 <= ppm <= MILLION:
            raise ConfigError(f"{name}: {ppm}; accepted are 0 to {MILLION}")
    shut: list[Shut] = []
    noise = [Noise(0, NEVER, loss_ppm, duplicate_ppm, 0)] if loss_ppm or duplicate_ppm else []
    down: list[Down] = []
    for number, fault in enumerate(faults):
        end = fault.at + fault.lasting if fault.lasting else NEVER
        if isinstance(fault, Crash):
            down.append(Down(_node(fault.node, nodes, number), fault.at, end, fault.wipe))
        elif isinstance(fault, Partition | CutLink):
            pairs = fault.pairs() if isinstance(fault, Partition) else [(fault.a, fault.b), (fault.b, fault.a)]
            for pair in pairs:
                for node in pair:
                    _node(node, nodes, number)
            shut.append(Shut(fault.at, end, tuple(pairs)))
        elif isinstance(fault, Impair):
            if fault.involved:
                raise ConfigError(f"faults.{number}: engine fidelity impairs every link or none")
            noise.append(Noise(fault.at, end, fault.loss_ppm, fault.duplicate_ppm, fault.reorder_ppm))
        else:
            raise ConfigError(
                f"faults.{number}: engine fidelity has no {type(fault).__name__}; "
                "accepted are Crash, Partition, CutLink, Impair"
            )
    _check_overlap(down)
    return Plan(tuple(shut), tuple(noise), tuple(down))


def _node(node: int, nodes: int, fault: int) -> int:
    if not 0 <= node < nodes:
        raise ConfigError(f"faults.{fault}: there is no node {node}; accepted are 0 to {nodes - 1}")
    return node


def _check_overlap(down: list[Down]) -> None:
    last: dict[int, int] = {}
    for step in sorted(down, key=lambda step: (step.node, step.begin)):
        if step.begin <= last.get(step.node, -1):
            raise ConfigError(f"faults: node {step.node} crashes at {step.begin} ns while it is still down")
        last[step.node] = step.end
