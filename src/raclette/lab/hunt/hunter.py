"""The hunt itself: seeds over all cores until there is enough, and what is done with those that fail."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from raclette.lab.hunt.coverage import Coverage
from raclette.lab.hunt.finding import REPLAY, Replay, write_finding
from raclette.lab.hunt.outcome import DIED, TIMEOUT, Breach, Outcome
from raclette.lab.hunt.pool import Pool, run_here
from raclette.lab.hunt.shrink import Shrinker
from raclette.lab.hunt.tactic import Schedule
from raclette.lab.hunt.tactics import tactic_of
from raclette.lab.hunt.trial import run_schedule
from raclette.lab.mutants import find_mutant
from raclette.primitives.errors import ConfigError
from raclette.protocols import find_protocol

# Failing seeds that are shrunk and drawn in one hunt: each for another checker.
FINDINGS_MAX = 3
SHRINK_SECONDS = 30.0
# Failing seeds that a report lists one by one.
LISTED_MAX = 100


@dataclass(frozen=True)
class HuntConfig:
    """What to hunt: `seeds` of them from `first` on, or for `seconds` of wall-clock time, whichever comes first (0: no
    limit of that sort). With a `mutant` the hunt ends at the first seed that fails. What is found is shrunk and written
    to `out` (hunt-PROTOCOL-SEED if it is None), unless `dissect` is off."""

    protocol: str
    seeds: int = 0
    seconds: float = 0.0
    first: int = 0
    mutant: str = ""
    jobs: int = 0
    out: Path | None = None
    dissect: bool = True
    shrink_seconds: float = SHRINK_SECONDS

    def folder(self, seed: int, number: int) -> Path:
        """Where the `number`-th finding (from 0) goes."""
        if self.out is None:
            return Path(f"hunt-{self.protocol}-{seed}")
        return self.out.with_name(f"{self.out.name}-{number + 1}") if number else self.out

    def validate(self) -> None:
        """Raises ConfigError."""
        find_protocol(self.protocol)
        if self.mutant:
            find_mutant(self.protocol, self.mutant)
        if self.seeds < 0 or self.seconds < 0 or not (self.seeds or self.seconds):
            raise ConfigError("seeds, minutes: one of them must be above 0")
        if self.first < 0:
            raise ConfigError(f"first: {self.first}; accepted are 0 and more")
        if self.jobs < 0:
            raise ConfigError(f"jobs: {self.jobs}; accepted are 1 and more (0: one for each core)")


@dataclass
class Finding:
    """One failing seed. `folder` holds its replay, transcript and diagram, if it was looked at closely; `breach` is the
    first; `shrunk` says what is left of the schedule, one line each."""

    seed: int
    tactic: str
    breach: Breach
    replay: str
    folder: str = ""
    shrunk: list[str] = field(default_factory=list)
    tries: int = 0

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "seed": self.seed,
            "tactic": self.tactic,
            "invariant": self.breach.checker,
            "breach": self.breach.to_json(),
            "replay": self.replay,
            "folder": self.folder,
            "shrunk": self.shrunk,
            "shrink_tries": self.tries,
        }


@dataclass
class HuntReport:
    """What a hunt gave. `seconds` is the time until the last seed, shrinking not counted."""

    config: HuntConfig
    coverage: Coverage
    findings: list[Finding]
    failures: int
    seconds: float
    interrupted: bool = False

    @property
    def caught(self) -> bool:
        """Did anything fail?"""
        return self.failures > 0

    def to_json(self) -> dict[str, Any]:
        """JSON-able. `invariant`, `seed`, `replay` are those of the lowest failing seed."""
        first = self.findings[0] if self.findings else None
        tried = self.coverage.seeds
        if self.config.mutant and first is not None:
            tried = first.seed - self.config.first + 1
        return {
            "protocol": self.config.protocol,
            "mutant": self.config.mutant or None,
            "caught": self.caught,
            "invariant": first.breach.checker if first else None,
            "seed": first.seed if first else None,
            "replay": first.replay if first else None,
            "seeds_tried": tried,
            "seconds": round(self.seconds, 2),
            "seeds_per_s": round(self.coverage.seeds / max(self.seconds, 1e-9), 2),
            "failures": self.failures,
            "interrupted": self.interrupted,
            "weak": self.coverage.missing,
            "coverage": self.coverage.to_json(),
            "findings": [finding.to_json() for finding in self.findings],
        }


def replay_command(protocol: str, seed: int, mutant: str = "") -> str:
    """What runs this seed again."""
    return f"raclette hunt {protocol} --replay {seed}" + (f" --mutant {mutant}" if mutant else "")


def hunt(config: HuntConfig, progress: Callable[[Outcome, Coverage], None] | None = None) -> HuntReport:
    """Run it; `progress` hears of each seed as it ends. Raises ConfigError."""
    config.validate()
    jobs = config.jobs or os.cpu_count() or 1
    coverage = Coverage(config.protocol)
    failures: list[Outcome] = []
    started = time.monotonic()
    interrupted = False
    try:
        for outcome in _outcomes(config, jobs, started, failures):
            coverage.add(outcome)
            if outcome.failed:
                failures.append(outcome)
            if progress is not None:
                progress(outcome, coverage)
    except KeyboardInterrupt:
        interrupted = True  # what has been found so far is looked at all the same
    seconds = time.monotonic() - started
    failures.sort(key=lambda outcome: outcome.seed)
    findings = _look_closely(config, failures)
    return HuntReport(config, coverage, findings, len(failures), seconds, interrupted)


def _outcomes(config: HuntConfig, jobs: int, started: float, failures: list[Outcome]) -> Iterator[Outcome]:
    """With a mutant, seeds below the first that fails are still waited for, so that the answer is always the same."""

    def seeds() -> Iterator[int]:
        for seed in count(config.first):
            over = config.seeds and seed >= config.first + config.seeds
            late = config.seconds and time.monotonic() - started >= config.seconds
            if over or late or (config.mutant and failures):
                return
            yield seed

    if jobs == 1:
        yield from run_here(config.protocol, config.mutant, seeds())
        return
    with Pool(config.protocol, config.mutant, jobs) as pool:
        yield from pool.run(seeds())


def _look_closely(config: HuntConfig, failures: list[Outcome]) -> list[Finding]:
    """The lowest seed for each checker is shrunk and written down, up to a few; the others are listed."""
    findings: list[Finding] = []
    seen: list[str] = []
    for outcome in failures[:LISTED_MAX]:
        breach = outcome.breaches[0]
        command = replay_command(config.protocol, outcome.seed, config.mutant)
        finding = Finding(outcome.seed, outcome.tactic, breach, command)
        findings.append(finding)
        if breach.checker not in seen and len(seen) < FINDINGS_MAX:
            seen.append(breach.checker)
            if config.dissect and breach.checker not in (TIMEOUT, DIED):
                dissect(finding, config.folder(outcome.seed, len(seen) - 1), config)
    return findings


def dissect(finding: Finding, folder: Path, config: HuntConfig) -> None:
    """Shrink a finding's schedule and write the three files of the result, for as long as the config allows."""
    tactic = tactic_of(config.protocol, finding.seed)
    schedule = tactic.draw(config.protocol, finding.seed)
    checker = finding.breach.checker

    def fails(candidate: Schedule) -> bool:
        return checker in run_schedule(tactic, candidate, config.mutant).checkers

    deadline = time.monotonic() + config.shrink_seconds
    shrunk = Shrinker(fails, lambda: time.monotonic() < deadline).shrink(schedule)
    finding.tries, finding.shrunk = shrunk.tries, shrunk.schedule.describe()
    heading = [
        f"{config.protocol}, seed {finding.seed}: {finding.breach}",
        f"as drawn:  {finding.replay}",
        f"shrunk:    raclette hunt {config.protocol} --replay {folder / REPLAY}",
        f"in {shrunk.tries} runs" + ("" if shrunk.finished else ", when the time was over"),
    ]
    write_finding(folder, Replay(tactic, shrunk.schedule, config.mutant, (checker,)), heading)
    finding.folder = str(folder)
