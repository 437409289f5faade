"""What a hunt leaves behind for a failing seed: a replay file, a transcript and a space-time diagram.

The replay file says everything that the run depends on: protocol, mutant (if one was planted), tactic and schedule, and
which checkers fired. `raclette hunt PROTOCOL --replay FILE` runs it again.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raclette.lab.hunt.outcome import Outcome
from raclette.lab.hunt.tactic import Schedule, Tactic
from raclette.lab.hunt.tactics import find_tactic
from raclette.lab.hunt.trial import run_schedule
from raclette.primitives.errors import ConfigError, Misuse
from raclette.primitives.units import MILLISECOND
from raclette.sim.diagram import NODES_MAX, Diagram
from raclette.sim.log import Entry

FORMAT = 1
REPLAY, TRANSCRIPT, DIAGRAM = "replay.json", "transcript.txt", "diagram.svg"
# What the diagram shows before the property broke, and after.
BEFORE_NS, AFTER_NS = 400 * MILLISECOND, 20 * MILLISECOND
# Lines of a transcript; longer runs keep their end, where the property broke.
LINES_MAX = 20_000


@dataclass(frozen=True)
class Replay:
    """The content of a replay file."""

    tactic: Tactic
    schedule: Schedule
    mutant: str = ""
    checkers: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-able."""
        out: dict[str, Any] = {"format": FORMAT, "protocol": self.schedule.protocol, "tactic": self.tactic.name}
        if self.mutant:
            out["mutant"] = self.mutant
        return out | {"checkers": list(self.checkers), "schedule": self.schedule.to_json()}


def read_replay(path: Path, protocol: str) -> Replay:
    """Raises ConfigError for anything but a replay file of this protocol."""
    try:
        values = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path}: no JSON: {error}") from None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ConfigError(f"{path}: accepted is a replay file of format {FORMAT}")
    if values.get("protocol") != protocol:
        raise ConfigError(f"{path}: protocol: this is a run of {values.get('protocol')!r}, not of {protocol!r}")
    tactic = find_tactic(values.get("tactic"), f"{path}: tactic")
    schedule = tactic.read(protocol, values.get("schedule", {}), f"{path}: schedule")
    mutant, checkers = values.get("mutant", ""), values.get("checkers", [])
    if not isinstance(mutant, str) or not isinstance(checkers, list):
        raise ConfigError(f"{path}: mutant is a word and checkers a list")
    return Replay(tactic, schedule, mutant, tuple(str(name) for name in checkers))


def write_finding(folder: Path, replay: Replay, heading: Sequence[str]) -> Outcome:
    """Run the replay once more, listening, and write the three files. `heading` opens the transcript."""
    entries: list[Entry] = []
    outcome = run_schedule(replay.tactic, replay.schedule, replay.mutant, entries.append)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / REPLAY).write_text(json.dumps(replay.to_json(), indent=1) + "\n")
    (folder / TRANSCRIPT).write_text(transcript(replay.schedule, outcome, entries, heading))
    picture = diagram(replay.schedule, outcome, entries)
    if picture:
        (folder / DIAGRAM).write_text(picture)
    return outcome


def transcript(schedule: Schedule, outcome: Outcome, entries: Sequence[Entry], heading: Sequence[str]) -> str:
    """For a person: what the run was, what broke, and everything that happened, one line each."""
    lines = [*heading, "", "What runs", *(f"  {line}" for line in schedule.describe()), "", "What broke"]
    lines += [f"  {breach}" for breach in outcome.breaches] or ["  nothing"]
    for breach in outcome.breaches:
        lines += [f"    {line}" for line in breach.traceback.splitlines()]
    lines += ["", "What happened"]
    if len(entries) > LINES_MAX:
        lines.append(f"  ({len(entries) - LINES_MAX:,} lines before this are left out)")
    lines += [f"  {entry.line()}" for entry in entries[-LINES_MAX:]]
    return "\n".join(lines) + "\n"


def diagram(schedule: Schedule, outcome: Outcome, entries: Sequence[Entry]) -> str:
    """The picture of the stretch in which the property broke; empty if there is nothing to draw."""
    if not entries or schedule.places > NODES_MAX:
        return ""
    times = [breach.time for breach in outcome.breaches if breach.time >= 0]
    end = min(times, default=entries[-1].time) + AFTER_NS
    start = max(0, end - BEFORE_NS - AFTER_NS)
    broke = outcome.checkers[0] if outcome.breaches else "nothing broke"
    title = f"{schedule.protocol}, seed {schedule.seed}: {broke}"
    try:
        return Diagram(entries, schedule.places, start=start, end=end, title=title).svg()
    except Misuse:
        return ""
