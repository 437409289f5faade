"""What a whole hunt must have seen to mean anything. Safety holds vacuously where nothing happened."""

from collections import Counter
from collections.abc import Mapping, Sequence

from raclette.lab.hunt.outcome import Outcome

# Seeds below which a hunt is only a glance, and no coverage is asked of it.
GLANCE_SEEDS = 40
# What must have happened in at least one run each.
_EVERYWHERE = ("blocks", "crashes", "partitions", "lost", "liars", "clock-skews")
_OF_PROTOCOL: Mapping[str, Sequence[str]] = {
    "pbft": (
        "view-changes",
        "new-views",
        "evidence",
        "mid-event-crashes",
        "state-transfers",
        "round-partitions",
        "liar:twins",
    ),
    "nakamoto": ("forks", "reorganisations"),
    "ballot": ("final", "reorganisations", "repeated-votes", "questions", "evidence"),
    "simplex": ("dummy-votes", "evidence", "mid-event-crashes", "state-transfers", "round-partitions", "liar:twins"),
}


class Coverage:
    """In how many runs each thing happened, and how often in all."""

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.seeds = 0
        self.runs: Counter[str] = Counter()
        self.totals: Counter[str] = Counter()
        self.tactics: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
        """Count one more run."""
        self.seeds += 1
        self.tactics[outcome.tactic] += 1
        for what, count in outcome.happened.items():
            self.runs[what] += 1
            self.totals[what] += count

    @property
    def missing(self) -> list[str]:
        """What should have happened and never did; empty for a hunt too short to ask."""
        if self.seeds < GLANCE_SEEDS:
            return []
        wanted = (*_EVERYWHERE, *_OF_PROTOCOL.get(self.protocol, ()))
        return [what for what in wanted if not self.runs[what]]

    def to_json(self) -> dict[str, dict[str, int]]:
        """Runs in which each thing happened, by name."""
        return {"tactics": dict(sorted(self.tactics.items())), "runs_with": dict(sorted(self.runs.items()))}
