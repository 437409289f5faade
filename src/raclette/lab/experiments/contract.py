"""The contract of an experiment: a claim of a paper, and what our own code gives for it.

An experiment has parameters with bounds, so that any point can be asked for and not only those that a paper prints,
and gives rows. Each row holds what was simulated, what the source says, how far apart the two may be and on what
grounds, and the verdict that follows. A row without anything to compare with carries no verdict and says why.

Nothing here knows a reference figure: those are data (`data/published.json`) or formulas of the papers, and no
simulation reads them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeAlias

from raclette.lab.figures import Figure
from raclette.primitives.errors import ConfigError, Misuse

Number: TypeAlias = int | float
Value: TypeAlias = Number | tuple[Number, ...]
# Called with the share of the work that is done (0 to 1) and what is being done.
Progress: TypeAlias = Callable[[float, str], None]

PASS, FAIL, UNJUDGED = "pass", "fail", "unjudged"
# Values that one `--set` may list; a grid beyond it is a sweep's business.
LIST_MAX = 200


def no_progress(done: float, what: str) -> None:
    """For callers that do not look."""


@dataclass(frozen=True, slots=True)
class Paper:
    """Where a claim stands."""

    source: str
    section: str

    def __str__(self) -> str:
        return f"{self.source}, {self.section}"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number, or a list of numbers, that a person may set. `low` and `high` are accepted too.

    `quick` replaces the default in quick runs. A list is a grid: there is a row for each of its points.
    """

    name: str
    meaning: str
    default: Value
    low: Number
    high: Number
    quick: Value | None = None
    whole: bool = False

    @property
    def many(self) -> bool:
        """Is it a list?"""
        return isinstance(self.default, tuple)

    def parse(self, text: str) -> Value:
        """From the command line: numbers such as 5, 0.2, 1/3, 1e6, parted by commas. Raises ConfigError."""
        return self.check([_number(part.strip(), self) for part in text.split(",")])

    def check(self, values: Sequence[Number]) -> Value:
        """The values, if they are few enough and within bounds. Raises ConfigError."""
        if len(values) > (LIST_MAX if self.many else 1):
            raise ConfigError(f"{self.name}: {len(values)} values; accepted are {self.accepted}")
        for value in values:
            if not self.low <= value <= self.high or (self.whole and value != int(value)):
                raise ConfigError(f"{self.name}: {value}; accepted are {self.accepted}")
        checked = tuple(int(value) if self.whole else value for value in values)
        return checked if self.many else checked[0]

    @property
    def accepted(self) -> str:
        """For messages and tables."""
        kind = "whole numbers" if self.whole else "numbers"
        lists = f", up to {LIST_MAX} of them parted by commas" if self.many else ""
        return f"{kind} from {self.low:g} to {self.high:g}{lists}"


def _number(text: str, parameter: Parameter) -> Number:
    try:
        exact = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ConfigError(f"{parameter.name}: {text!r}; accepted are {parameter.accepted}") from None
    return int(exact) if exact.denominator == 1 and parameter.whole else float(exact)


@dataclass(frozen=True)
class Settings:
    """What a run depends on, and nothing else does: the same settings give the same rows anywhere."""

    values: Mapping[str, Value]
    seed: int
    quick: bool = False

    def number(self, name: str) -> float:
        """A single number."""
        value = self.values[name]
        if isinstance(value, tuple):
            raise Misuse(f"{name} is a list")
        return float(value)

    def whole(self, name: str) -> int:
        """A single whole number."""
        return int(self.number(name))

    def numbers(self, name: str) -> tuple[float, ...]:
        """A list."""
        value = self.values[name]
        return tuple(float(entry) for entry in (value if isinstance(value, tuple) else (value,)))

    def wholes(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers."""
        return tuple(int(entry) for entry in self.numbers(name))


Origin: TypeAlias = Literal["", "formula", "printed", "measured", "bound"]


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison.

    `quantity` says what; `simulated` with its interval `low` to `high` is ours, `published` is the source's, and
    `origin` tells how the source gives it: by a formula, printed in a table or text, measured, or as a bound.
    `closed_form` is our own evaluation of theory where there is one. `tolerance` is the largest accepted distance
    between `simulated` and `reference`, and `grounds` why. `trials` counts what was drawn (blocks, races, runs).
    """

    quantity: str
    parameters: Mapping[str, Number]
    simulated: float
    low: float
    high: float
    published: float | None
    origin: Origin
    closed_form: float | None
    tolerance: float
    grounds: str
    verdict: str
    trials: int
    seed: int
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-able, in a fixed order."""
        return {
            "quantity": self.quantity,
            "parameters": dict(self.parameters),
            "simulated": self.simulated,
            "low": self.low,
            "high": self.high,
            "published": self.published,
            "origin": self.origin,
            "closed_form": self.closed_form,
            "tolerance": self.tolerance,
            "grounds": self.grounds,
            "verdict": self.verdict,
            "trials": self.trials,
            "seed": self.seed,
            "source": self.source,
        }


@dataclass(frozen=True)
class Result:
    """What an experiment gave."""

    rows: tuple[Row, ...]
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """Fail if a row failed, pass if one passed, else unjudged: there was nothing to compare with."""
        verdicts = [row.verdict for row in self.rows]
        return FAIL if FAIL in verdicts else PASS if PASS in verdicts else UNJUDGED


@dataclass(frozen=True)
class Experiment:
    """A claim that can be run. `run` gets checked settings and may call `progress` as often as it likes."""

    id: str
    title: str
    claim: str
    papers: tuple[Paper, ...]
    parameters: tuple[Parameter, ...]
    run: Callable[[Settings, Progress], Result]

    def settings(self, chosen: Mapping[str, str | Value], *, seed: int = 1, quick: bool = False) -> Settings:
        """Defaults, with what was chosen over them. Raises ConfigError that names the parameter."""
        known = {parameter.name: parameter for parameter in self.parameters}
        values: dict[str, Value] = {}
        for parameter in self.parameters:
            values[parameter.name] = parameter.quick if quick and parameter.quick is not None else parameter.default
        for name, value in chosen.items():
            if name not in known:
                raise ConfigError(f"{self.id}.{name}: unknown; accepted are {', '.join(known)}")
            parameter = known[name]
            if isinstance(value, str):
                values[name] = parameter.parse(value)
            else:
                values[name] = parameter.check(value if isinstance(value, tuple) else (value,))
        return Settings(values, seed, quick)
