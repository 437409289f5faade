"""Faults on a world's timeline."""

from collections.abc import Sequence

from raclette.sim.faults.contract import Fault
from raclette.sim.kernel import Kind
from raclette.sim.world import World


def plan_faults(world: World, faults: Sequence[Fault]) -> None:
    """Put them on the world's timeline."""
    for number, fault in enumerate(faults):
        world.plan(fault.at, Kind.FAULT, 0, number, lambda f: f.begin(world), fault)
        if fault.lasting:
            world.plan(fault.at + fault.lasting, Kind.FAULT, 0, number, lambda f: f.end(world), fault)


def quiet_from(faults: Sequence[Fault]) -> int:
    """Virtual time from which nothing goes wrong any more."""
    return max((fault.at + fault.lasting for fault in faults), default=0)
