"""Running one schedule of whole nodes, and counting what happened in it."""

from collections import Counter

from raclette.lab.hunt.nodes.schedule import NodeSchedule
from raclette.lab.hunt.outcome import Breach, Outcome
from raclette.lab.hunt.tactic import Sink
from raclette.node.host import NewFinal, NewHead, Notice
from raclette.primitives.units import MILLISECOND
from raclette.sim.host import Host
from raclette.sim.simulate import SimReport, Simulation
from raclette.sim.world import World


class Happenings:
    """An observer that counts forks and reorganisations among honest nodes."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._heads: dict[int, bytes] = {}

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        """A node said something."""
        if not host.honest:
            return
        if isinstance(notice, NewHead):
            if notice.removed:
                self.counts["reorganisations"] += 1
                self.counts["deepest-reorganisation"] = max(self.counts["deepest-reorganisation"], len(notice.removed))
            for header in notice.added:
                if self._heads.setdefault(header.number, header.hash) != header.hash:
                    self.counts["forks"] += 1
        elif isinstance(notice, NewFinal):
            self.counts["final-blocks"] += 1


def play(schedule: NodeSchedule, tactic: str, sink: Sink | None = None) -> Outcome:
    """Run it."""
    simulation = Simulation(schedule.config, sink)
    seen = Happenings()
    simulation.world.observers.append(seen)
    report = simulation.run()
    breaches = tuple(
        Breach(found["checker"], found["detail"], found["time_ms"] * MILLISECOND, found["node"])
        for found in report.violations
    )
    return Outcome(schedule.seed, tactic, breaches, _happened(schedule, report, seen), report.digest)


def _happened(schedule: NodeSchedule, report: SimReport, seen: Happenings) -> dict[str, int]:
    config = schedule.config
    counts: Counter[str] = Counter(seen.counts)
    counts["view-changes"] = report.messages.get("view-change", 0)
    counts["new-views"] = report.messages.get("new-view", 0)
    counts["evidence"] = report.evidence
    counts["crashes"] = report.crashes
    counts["lost"] = sum(report.lost.values())
    counts["accusations"] = sum(report.misbehaved.values())
    counts["blocks"] = report.height
    counts["tricks"] = config.workload.mischief
    counts["liars"] = len(config.liars)
    counts["events"] = report.events
    for spec in config.liars.values():
        counts[f"liar:{spec.name}"] += 1
    for fault in config.faults:
        counts[f"fault:{fault.kind}"] += 1
    counts["partitions"] = counts["fault:partition"]
    counts["clock-skews"] = counts["fault:skew-clock"] + counts["fault:drift-clock"]
    return {key: count for key, count in sorted(counts.items()) if count}
