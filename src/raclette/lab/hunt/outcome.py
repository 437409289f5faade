"""What one seed gave: which properties broke, and what happened on the way."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

# The checker's name for a run that ended in an exception, and for one that did not end in time.
EXCEPTION = "exception"
TIMEOUT = "timeout"
DIED = "worker-died"


@dataclass(frozen=True)
class Breach:
    """`checker` found its property broken at `node` (-1: the whole world) at virtual `time` (ns)."""

    checker: str
    detail: str
    time: int = -1
    node: int = -1
    traceback: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-able; a traceback only where there is one."""
        return {key: value for key, value in asdict(self).items() if key != "traceback" or value}

    def __str__(self) -> str:
        place = f" at n{self.node:02d}" if self.node >= 0 else ""
        return f"{self.checker}{place}: {self.detail}"


@dataclass(frozen=True)
class Outcome:
    """One seed's run. `happened` counts what a hunt wants to have seen ("view-changes", "forks", "crashes",
    "liar:twins"...); `digest` is over everything that happened, equal wherever the seed runs."""

    seed: int
    tactic: str
    breaches: tuple[Breach, ...] = ()
    happened: Mapping[str, int] = field(default_factory=dict)
    digest: str = ""

    @property
    def failed(self) -> bool:
        """Did any property break?"""
        return bool(self.breaches)

    @property
    def checkers(self) -> tuple[str, ...]:
        """Names of the checkers that fired, each once, in order."""
        return tuple(dict.fromkeys(breach.checker for breach in self.breaches))
