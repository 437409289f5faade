"""A member that stops ordering for a while, because its snail chain is old, goes on in the same day where it was."""

from raclette.node.node import Node
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.hybrid import HybridEngine
from raclette.protocols.hybrid.day import CERTIFIED, records_of
from raclette.sim.config import SimConfig, Workload
from raclette.sim.host import Host
from raclette.sim.simulate import Simulation

# Patience is one block's interval, so that each third pause between two snail blocks is too long to sign in.
PARAMETERS = {"block_interval_s": 2, "committee_size": 60, "stable_depth": 2, "patience": 1}


def engine_of(host: Host) -> HybridEngine:
    assert isinstance(host.node, Node)
    engine = host.node.engine
    assert isinstance(engine, HybridEngine)
    return engine


def test_a_pause_within_a_day_loses_no_promise_and_no_time() -> None:
    """HYB-37."""
    workload = Workload(count=200, interval=100 * MILLISECOND)
    run = Simulation(SimConfig(protocol="hybrid", parameters=PARAMETERS, workload=workload, duration=25 * SECOND))
    paused, resumed = set(), 0
    for _ in run.steps():
        for host in run.world.hosts:
            engine = engine_of(host)
            if engine.run is None:
                paused.add(host.index)
            elif host.index in paused:
                paused.discard(host.index)
                resumed += 1
                kept = engine.run.records()
                if engine.log.tip.number:
                    assert kept[records_of(engine.run.day) + CERTIFIED][:32] in (
                        engine.log.tip.hash,
                        engine.log.final.hash,
                    )
    report = run.finish()
    assert report.agreed
    assert report.transactions == 200
    assert resumed >= 4  # or nothing has been shown
    assert {engine_of(host).status()["day"] for host in run.world.hosts} == {1}
    # Views change where a leader fails, not where everybody pauses.
    assert {engine_of(host).status()["inner"]["view"] for host in run.world.hosts if engine_of(host).run} <= {0, 1}
