"""Running a scenario: every seed in a process of its own, nothing hidden, one verdict.

A run that raises has broken an invariant of ours: it ends that run, is reported as the violation that it is, and is
never tried again.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from raclette.lab.scenario.engine import run_light
from raclette.lab.scenario.instant import run_instant
from raclette.lab.scenario.metrics import measure, summarise
from raclette.lab.scenario.model import Scenario
from raclette.lab.scenario.resolve import refuse_beyond, resolve
from raclette.lab.scenario.translate import to_config
from raclette.primitives.errors import ConfigError
from raclette.sim.log import Entry
from raclette.sim.record import RunRecord
from raclette.sim.simulate import Simulation

EXCEPTION = "exception"


@dataclass(frozen=True)
class Outcome:
    """What one seed gave: the simulator's report (`SimReport.to_json`), its metrics by name, and, if asked for, the
    record of the run."""

    seed: int
    report: dict[str, Any]
    metrics: dict[str, float]
    record: RunRecord | None = None

    @property
    def agreed(self) -> bool:
        """Did everything hold?"""
        return bool(self.report["agreed"])

    @property
    def violations(self) -> list[dict[str, Any]]:
        """What the checkers found."""
        found: list[dict[str, Any]] = self.report["violations"]
        return found


def run_seed(
    scenario: Scenario,
    seed: int,
    folder: Path = Path(),
    *,
    record: bool = False,
    log: Callable[[Entry], None] | None = None,
) -> Outcome:
    """One run, start to end; `log` hears everything that happens in it. Raises ConfigError if the scenario cannot be
    run under this seed."""
    resolved = resolve(scenario, seed)
    refuse_beyond(resolved)
    kept: RunRecord | None
    try:
        if scenario.fidelity == "engine":
            found, kept = run_light(resolved)
        elif scenario.fidelity == "instant":
            found, kept = run_instant(resolved)
        else:
            simulation = Simulation(to_config(resolved, folder), log, record=True)
            found, kept = simulation.run(), simulation.record
    except ConfigError:
        raise
    except Exception as error:
        broken = {"checker": EXCEPTION, "time_ms": -1, "node": -1, "detail": f"{type(error).__name__}: {error}"}
        return Outcome(seed, _failed(scenario, seed, broken), {})
    report = found.to_json()
    race = scenario.fidelity == "instant"
    metrics = measure(scenario.metrics, report, kept, race=race) if kept is not None else {}
    return Outcome(seed, report, metrics, kept if record else None)


def _failed(scenario: Scenario, seed: int, violation: dict[str, Any]) -> dict[str, Any]:
    """The report of a run that did not end."""
    return {
        "protocol": scenario.protocol.name,
        "ledger": scenario.ledger,
        "nodes": scenario.nodes,
        "seed": seed,
        "network": scenario.network.model,
        "fidelity": scenario.fidelity,
        "agreed": False,
        "digest": "",
        "violations": [violation],
    }


def _run_job(job: tuple[Scenario, int, Path, bool]) -> Outcome:
    scenario, seed, folder, record = job
    return run_seed(scenario, seed, folder, record=record)


def run_scenario(
    scenario: Scenario,
    folder: Path = Path(),
    *,
    jobs: int = 1,
    record: bool = False,
    progress: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Every seed, in order, over `jobs` processes; `progress` hears of each as it ends. Raises ConfigError."""
    work = [(scenario, seed, folder, record) for seed in scenario.seeds]
    outcomes = []
    for outcome in _run_all(work, jobs):
        outcomes.append(outcome)
        if progress is not None:
            progress(outcome)
    return outcomes


def _run_all(work: Sequence[tuple[Scenario, int, Path, bool]], jobs: int) -> Iterator[Outcome]:
    if min(jobs, len(work)) <= 1:
        yield from map(_run_job, work)
        return
    with ProcessPoolExecutor(min(jobs, len(work))) as pool:
        yield from pool.map(_run_job, work)


def as_expected(scenario: Scenario, outcomes: Sequence[Outcome]) -> bool:
    """Is the verdict the one that the file states? See `Scenario.expect`."""
    found = {violation["checker"] for outcome in outcomes for violation in outcome.violations}
    return found == set(scenario.expected_violations)


def verdict(name: str, scenario: Scenario, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """All that a program may want to know, JSON-able. With one seed the run's report is beside it, key by key; `runs`
    has the reports of all."""
    single = dict(outcomes[0].report) if len(outcomes) == 1 else {}
    first, race = outcomes[0].report, scenario.fidelity == "instant"
    why = next((found for o in outcomes if (found := resolve(scenario, o.seed).beyond)), "")
    metrics = summarise([outcome.metrics for outcome in outcomes])
    for metric, value in first.get("attack", {}).get("published", {}).items():
        if metric in metrics:
            metrics[metric]["published"] = value
    digests = "".join(outcome.report["digest"] for outcome in outcomes)
    return single | {
        "scenario": name,
        "title": scenario.title,
        "protocol": scenario.protocol.name,
        "ledger": first["ledger"] if race else scenario.ledger,
        "nodes": first["nodes"] if race else scenario.nodes,
        "network": first["network"],
        "fidelity": scenario.fidelity,
        "beyond": bool(why),
        "beyond_why": why,
        "seeds": [outcome.seed for outcome in outcomes],
        "agreed": all(outcome.agreed for outcome in outcomes),
        "expect": scenario.expect,
        "as_expected": as_expected(scenario, outcomes),
        "digest": first["digest"] if single else sha256(digests.encode()).hexdigest(),
        "violations": [{"seed": o.seed, **violation} for o in outcomes for violation in o.violations],
        "metrics": metrics,
        "runs": [outcome.report | {"metrics": outcome.metrics} for outcome in outcomes],
    }
