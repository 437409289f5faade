"""Running one schedule of engines: trouble, healing, and what must hold afterwards."""

from raclette.lab.hunt.engines.adapter import Adapter, find_adapter
from raclette.lab.hunt.engines.schedule import EngineSchedule
from raclette.lab.hunt.engines.steps import Crash, RoundCut, Stage
from raclette.lab.hunt.engines.world import GREETING_NS, EngineWorld, Replica, Violation
from raclette.lab.hunt.outcome import Breach, Outcome
from raclette.lab.hunt.tactic import Sink
from raclette.primitives.units import MILLISECOND

# A proof-of-work world: hashes a second of each engine. With the adapter's difficulty this makes the block interval.
LOOK_MS = 50
LAST = b"last"


def replica_id(number: int) -> bytes:
    """The node id of a replica: readable in dumps, 32 bytes."""
    return bytes((0xA0, number)) * 16


def make_world(schedule: EngineSchedule, adapter: Adapter, sink: Sink | None = None) -> EngineWorld:
    """The world that the schedule describes, not yet started."""
    ids = [replica_id(number) for number in range(schedule.nodes)]
    parameters = adapter.parameters(schedule.parameters, ids)
    world = EngineWorld(
        adapter.factory(),
        parameters,
        ids,
        seed=schedule.seed,
        twins=schedule.twins,
        liars=schedule.liars,
        observers=schedule.observers,
        checkers=adapter.checkers(),
        keeps_all_blocks=adapter.seals,
        power=adapter.power(parameters, schedule.nodes),
        sink=sink,
    )
    world.wire = schedule.wire
    return world


def play(schedule: EngineSchedule, tactic: str, sink: Sink | None = None) -> Outcome:
    """Run it. What a checker finds is a breach; any other exception is the caller's business."""
    adapter = find_adapter(schedule.protocol)
    world = make_world(schedule, adapter, sink)
    stage = Stage(world, adapter, schedule.steps)
    breaches: tuple[Breach, ...] = ()
    try:
        world.start()
        if adapter.seals:
            _greet(world, adapter)
        world.run_for(schedule.duration)
        stage.heal(silence_liars=schedule.silent_end)
        _settle(world, adapter)
        adapter.finish(world)
    except Violation as violation:
        breaches = (Breach(violation.checker, violation.detail, world.now - world.start_time, violation.node),)
    return Outcome(schedule.seed, tactic, breaches, _happened(schedule, world, stage, adapter), f"{world.digest:016x}")


def _settle(world: EngineWorld, adapter: Adapter) -> None:
    """Liveness: after the network has healed, everything that clients sent is executed everywhere, in bounded time."""
    world.submit(LAST)
    waited = 0
    while adapter.unsettled(world):
        if waited >= adapter.patience_ms(world):
            raise Violation("liveness", f"{waited:,} ms after everything healed: {adapter.unsettled(world)}")
        world.run_for(LOOK_MS)
        waited += LOOK_MS


def _greet(world: EngineWorld, adapter: Adapter) -> None:
    """What sync does for an engine that says everything once: peers offer their heads again and again."""

    def offer(replica: Replica) -> None:
        message = adapter.greeting(replica) if replica.up else None
        if message is not None:
            for other in world.instances:
                if other is not replica and other.chain.header(replica.chain.head.hash) is None:
                    world.deliver(replica, other, message)
        world.at(GREETING_NS, lambda: offer(replica))

    for instance in world.instances:
        world.at(GREETING_NS + instance.place * MILLISECOND, lambda instance=instance: offer(instance))  # type: ignore[misc]


def _happened(schedule: EngineSchedule, world: EngineWorld, stage: Stage, adapter: Adapter) -> dict[str, int]:
    counts = dict(stage.tally)
    counts |= adapter.tally(world)
    counts["mid-event-crashes"] = world.crashed_mid_event
    counts["lost"] = world.lost
    counts["refused-at-the-gate"] = world.refused
    counts["round-partitions"] = sum(isinstance(step, RoundCut) for step in schedule.steps)
    counts["wiped-disks"] = sum(isinstance(step, Crash) and step.wipe for step in schedule.steps)
    counts["liars"] = len(world.liars)
    counts["liar:twins"] = len(schedule.twins)
    counts["events"] = world.events
    return {key: count for key, count in sorted(counts.items()) if count}
