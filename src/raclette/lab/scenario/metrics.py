"""What a run is measured by: numbers with a name and a unit, from its report and its record.

Over several seeds each becomes a mean with a 95 % confidence interval (Student's t, as for independent runs).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from raclette.lab.report.statistics import mean
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.record import NEVER, RunRecord

Measure: TypeAlias = Callable[[Mapping[str, Any], RunRecord], float | None]


@dataclass(frozen=True)
class Metric:
    """One number. `of` gives None where the run has nothing to measure. `runs` says which have it: those of nodes,
    races at instant fidelity, or both."""

    name: str
    unit: str
    meaning: str
    of: Measure
    runs: Literal["nodes", "races", "both"] = "nodes"


def _quantile(values: Sequence[int], percent: int) -> float | None:
    return values[min(len(values) - 1, len(values) * percent // 100)] / MILLISECOND if values else None


def _spread(percent: int) -> Measure:
    """After how long that part of the honest nodes had a block: the mean over blocks that all of them had."""

    def of(report: Mapping[str, Any], record: RunRecord) -> float | None:
        honest = sum(record.honest) if record.by_node else record.nodes
        rows = [delays for b in range(1, len(record.blocks)) if len(delays := record.delays(b)) == honest]
        return sum(_quantile(row, percent) or 0 for row in rows) / len(rows) if rows else None

    return of


def _stale(report: Mapping[str, Any], record: RunRecord) -> float | None:
    return 100 * len(record.stale()) / (len(record.blocks) - 1) if len(record.blocks) > 1 else None


def _interval(report: Mapping[str, Any], record: RunRecord) -> float | None:
    height = report["height"]
    return report["virtual_ms"] / height if height else None


def _deepest(report: Mapping[str, Any], record: RunRecord) -> float | None:
    return max((change.removed for change in record.heads if record.honest[change.node]), default=0)


def _liars_blocks(report: Mapping[str, Any], record: RunRecord) -> float | None:
    """None without liars, or where no block has a maker."""
    chain = [block.miner for block in record.blocks if block.canonical and block.miner != NEVER]
    return 100 * sum(not record.honest[miner] for miner in chain) / len(chain) if chain and record.liars else None


def _per_block(key: str) -> Measure:
    def of(report: Mapping[str, Any], record: RunRecord) -> float | None:
        return sum(report[key].values()) / report["height"] if report["height"] else None

    return of


def _latency(key: str) -> Measure:
    return lambda report, _: report[key] if report["transactions"] else None


def _throughput(report: Mapping[str, Any], record: RunRecord) -> float | None:
    times = [order.executed for order in record.orders if order.executed != NEVER]
    begin = min((order.submitted for order in record.orders if order.submitted != NEVER), default=0)
    return len(times) * SECOND / max(1, max(times) - begin) if times else None


def _attacker(report: Mapping[str, Any], key: str) -> float:
    return float(report["attack"]["groups"]["attacker"][key])


def _lost(group: str) -> Measure:
    def of(report: Mapping[str, Any], record: RunRecord) -> float | None:
        found = report["attack"]["groups"][group]
        return 100 * found["stale"] / found["found"] if found["found"] else None

    return of


def _gain(report: Mapping[str, Any], record: RunRecord) -> float | None:
    share = _attacker(report, "hash_share")
    return 100 * (_attacker(report, "revenue") / share - 1) if share else None


def _success(report: Mapping[str, Any], record: RunRecord) -> float | None:
    """None if no attempt ended."""
    spends = report["attack"]["groups"]["attacker"]
    ended = spends.get("successes", 0) + spends.get("failures", 0)
    return spends["successes"] / ended if ended else None


_ALL = (
    Metric("height", "blocks", "blocks on the chain of all honest nodes", lambda r, _: r["height"], "both"),
    Metric("transactions", "transactions", "executed by an honest node", lambda r, _: r["transactions"]),
    Metric("throughput", "1/s", "transactions executed per virtual second", _throughput),
    Metric("latency-p50", "ms", "from submission to execution, median", _latency("p50_ms")),
    Metric("latency-p99", "ms", "from submission to execution, 99th percentile", _latency("p99_ms")),
    Metric(
        "finality-p50",
        "ms",
        "from proposal to final at a node, median",
        lambda _, r: _quantile(r.times_to_finality(), 50),
    ),
    Metric("finality-p99", "ms", "the same, 99th percentile", lambda _, r: _quantile(r.times_to_finality(), 99)),
    Metric("block-interval", "ms", "virtual time per block of the chain", _interval, "both"),
    Metric("stale-rate", "%", "blocks made that did not end on the chain", _stale, "both"),
    Metric("deepest-reorg", "blocks", "given up at once by an honest node", _deepest, "both"),
    Metric("propagation-p50", "ms", "until half of the honest nodes had a block", _spread(50)),
    Metric("propagation-p90", "ms", "until nine tenths had it", _spread(90)),
    Metric("liars-blocks", "%", "of the chain's blocks that liars made", _liars_blocks),
    Metric("messages-per-block", "messages", "sent, for each block of the chain", _per_block("messages")),
    Metric("bytes-per-block", "bytes", "sent, for each block of the chain", _per_block("bytes")),
    Metric(
        "share", "0 to 1", "the attacker's part of the hash power", lambda r, _: _attacker(r, "hash_share"), "races"
    ),
    Metric("revenue", "0 to 1", "the attacker's part of the chain", lambda r, _: _attacker(r, "revenue"), "races"),
    Metric("gain", "%", "revenue above (or below) the share, relative to the share", _gain, "races"),
    Metric("attacker-stale", "%", "of the attacker's blocks did not end on the chain", _lost("attacker"), "races"),
    Metric("honest-stale", "%", "of the honest blocks did not", _lost("honest"), "races"),
    Metric("success-rate", "0 to 1", "double spends that succeeded, of those that ended", _success, "races"),
    Metric("evidence", "proofs", "of guilt, at the node that has most", lambda r, _: r["evidence"]),
)
METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}


def metrics_of(*, race: bool) -> list[str]:
    """The names of those that a run may have: a race at instant fidelity, or any other."""
    return [metric.name for metric in _ALL if metric.runs in ("both", "races" if race else "nodes")]


def check_metrics(names: Sequence[str], *, race: bool = False) -> None:
    """Raises ConfigError for one that there is not."""
    known = metrics_of(race=race)
    for place, name in enumerate(names):
        if name not in METRICS:
            raise ConfigError(f"metrics[{place}]: {name!r} is unknown; accepted are {', '.join(known)}")
        if name not in known:
            where = "at instant fidelity" if race else 'without fidelity = "instant"'
            raise ConfigError(f"metrics[{place}]: {name!r} means nothing {where}; accepted are {', '.join(known)}")


def measure(
    names: Sequence[str], report: Mapping[str, Any], record: RunRecord, *, race: bool = False
) -> dict[str, float]:
    """Those metrics (all that there are, if none are named) that the run has, by name."""
    values = {name: METRICS[name].of(report, record) for name in names or metrics_of(race=race)}
    return {name: round(value, 6) for name, value in values.items() if value is not None}


def summarise(runs: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """For each metric: unit, mean, half the width of its 95 % confidence interval (0 for one run), least, most, runs
    that had it."""
    found = {}
    for name, metric in METRICS.items():
        values = [run[name] for run in runs if name in run]
        if values:
            estimate = mean(values)
            found[name] = {
                "unit": metric.unit,
                "mean": round(estimate.value, 6),
                "ci95": round((estimate.high - estimate.low) / 2, 6),
                "min": min(values),
                "max": max(values),
                "runs": len(values),
            }
    return found
