"""Carrying a comparison out: every run in whole nodes, a row of numbers for each, means over seeds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

from raclette.lab.compare.plan import Comparison, Job, aftermath, case_of, jobs_of
from raclette.lab.compare.watch import FinalWatch
from raclette.lab.report.statistics import Estimate, mean, quantile
from raclette.node.node import Node
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig
from raclette.sim.simulate import Simulation, view_of


@dataclass(frozen=True)
class Row:
    """What one run gave. Latencies are from a client's first submission to finality at the first honest node, over the
    transactions that became final (`final` of `submitted`); `pause_s` is the longest virtual time in which something
    that was submitted waited and nothing became final; `held`: no checker objected and nothing final was reverted;
    `recovered`: everything became final."""

    protocol: str
    case: str
    seed: int
    finality: str
    lie: str
    beyond: str
    submitted: int
    final: int
    height: int
    latency_p50_ms: float
    latency_p99_ms: float
    throughput: float
    pause_s: float
    messages_per_block: float
    bytes_per_block: float
    messages_per_transaction: float
    bytes_per_transaction: float
    evidence: int
    reverted: int
    held: bool
    violated: str
    digest: str

    @property
    def recovered(self) -> bool:
        """Did all that was submitted become final?"""
        return self.final == self.submitted

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"recovered": self.recovered}


# What is averaged, with units, in the order of the tables.
QUANTITIES: Mapping[str, str] = {
    "latency_p50_ms": "ms",
    "latency_p99_ms": "ms",
    "throughput": "1/s",
    "pause_s": "s",
    "messages_per_block": "messages",
    "bytes_per_block": "bytes",
    "messages_per_transaction": "messages",
    "bytes_per_transaction": "bytes",
}


def run_job(comparison: Comparison, job: Job) -> Row:
    """One run. The same comparison and job give the same row, anywhere."""
    case = case_of(comparison, job)
    simulation, depth = world_of(comparison, case.config)
    watch = FinalWatch(view_of, depth)
    simulation.world.observers.append(watch)
    report = simulation.run()
    begun = [submitted for submitted, _ in simulation.clients.spans()]
    spans = [(start, watch.final_at.get(raw, -1)) for start, raw in zip(begun, simulation.clients.raws, strict=True)]
    waits = sorted(end - start for start, end in spans if end >= 0)
    ends = sorted(end for _, end in spans if end >= 0)
    messages, sizes = sum(report.messages.values()), sum(report.bytes.values())
    load_end = case.config.workload.end(job.seed)
    return Row(
        protocol=job.protocol,
        case=job.case,
        seed=job.seed,
        finality=_finality(depth, watch),
        lie=", ".join(report.liars.values()),
        beyond=case.beyond,
        submitted=report.submitted,
        final=len(waits),
        height=report.height,
        latency_p50_ms=_ms(waits, 500),
        latency_p99_ms=_ms(waits, 990),
        throughput=len(ends) * SECOND / (ends[-1] - begun[0]) if ends else 0.0,
        pause_s=longest_pause(spans, load_end) / SECOND,
        messages_per_block=messages / max(1, report.height),
        bytes_per_block=sizes / max(1, report.height),
        messages_per_transaction=messages / max(1, len(waits)),
        bytes_per_transaction=sizes / max(1, len(waits)),
        evidence=report.evidence,
        reverted=watch.reverted,
        held=not report.violations and not watch.reverted,
        violated=", ".join(dict.fromkeys(found["checker"] for found in report.violations)),
        digest=report.digest,
    )


def world_of(comparison: Comparison, config: SimConfig) -> tuple[Simulation, int]:
    """The run, and the depth at which a block counts as final in it: 0 if every block has a certificate. Where depth
    decides, it goes on until what was sent last may be deep enough."""
    simulation = Simulation(config)
    nodes = (host.node for host in simulation.world.hosts if host.honest)
    if any(isinstance(node, Node) and node.engine.needs_certificate for node in nodes):
        return simulation, 0
    return Simulation(replace(config, duration=config.duration + aftermath(comparison))), comparison.depth


def _finality(depth: int, watch: FinalWatch) -> str:
    if not depth:
        return "certificate"
    return f"its own word, or depth {depth}" if watch.said else f"depth {depth}"


def _ms(waits: Sequence[int], permille: int) -> float:
    return quantile(waits, permille) / MILLISECOND if waits else float("nan")


def longest_pause(spans: Sequence[tuple[int, int]], end: int) -> int:
    """The longest time (ns) in which at least one of `spans` (submitted, final; -1: never) was waiting and none became
    final. What never becomes final waits until `end`, or until the last other one does, if that is later."""
    finals = sorted(final for _, final in spans if final >= 0)
    end = max([end, *finals[-1:]])
    waiting = sorted((start, final if final >= 0 else end) for start, final in spans if start >= 0)
    longest, since = 0, 0
    for moment in sorted({*finals, end}):
        # The earliest of those that were not final at the last moment, if it was there before this one.
        waiting = [(start, final) for start, final in waiting if final > since]
        first = waiting[0][0] if waiting else moment
        longest = max(longest, moment - max(since, min(first, moment)))
        since = moment
    return longest


def _carry(order: tuple[Comparison, Job]) -> Row:
    return run_job(*order)


def run_comparison(
    comparison: Comparison, *, jobs: int = 1, progress: Callable[[Row], None] | None = None
) -> list[Row]:
    """Every run, in the order of `jobs_of`, over `jobs` processes; `progress` hears of each as it ends. Raises
    ConfigError."""
    rows = []
    for row in _run_all([(comparison, job) for job in jobs_of(comparison)], jobs):
        rows.append(row)
        if progress is not None:
            progress(row)
    return rows


def _run_all(work: Sequence[tuple[Comparison, Job]], jobs: int) -> Iterator[Row]:
    if min(jobs, len(work)) <= 1:
        yield from map(_carry, work)
        return
    with ProcessPoolExecutor(min(jobs, len(work))) as pool:
        yield from pool.map(_carry, work)


@dataclass(frozen=True)
class Summary:
    """A protocol in a case, over all seeds. `estimates` are means with 95 % confidence intervals (Student's t)."""

    protocol: str
    case: str
    finality: str
    lie: str
    beyond: str
    runs: int
    held: int
    recovered: int
    final: int
    submitted: int
    reverted: int
    evidence: int
    violated: str
    estimates: Mapping[str, Estimate]

    def to_json(self) -> dict[str, Any]:
        """JSON-able: mean, low and high of each quantity."""
        values = {key: value for key, value in vars(self).items() if key != "estimates"}
        return values | {name: estimate._asdict() for name, estimate in self.estimates.items()}


def summarise(rows: Sequence[Row]) -> list[Summary]:
    """One for each protocol and case, in order of appearance."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.protocol, row.case), []).append(row)
    return [_summary(group) for group in groups.values()]


def _summary(rows: Sequence[Row]) -> Summary:
    first = rows[0]
    estimates = {}
    for name in QUANTITIES:
        values = [value for row in rows if (value := getattr(row, name)) == value]
        if values:
            estimates[name] = mean(values)
    return Summary(
        protocol=first.protocol,
        case=first.case,
        finality=first.finality,
        lie=first.lie,
        beyond=first.beyond,
        runs=len(rows),
        held=sum(row.held for row in rows),
        recovered=sum(row.recovered for row in rows),
        final=sum(row.final for row in rows),
        submitted=sum(row.submitted for row in rows),
        reverted=sum(row.reverted for row in rows),
        evidence=max(row.evidence for row in rows),
        violated=", ".join(dict.fromkeys(row.violated for row in rows if row.violated)),
        estimates=estimates,
    )


__all__ = ["QUANTITIES", "Row", "Summary", "longest_pause", "run_comparison", "run_job", "summarise", "world_of"]
