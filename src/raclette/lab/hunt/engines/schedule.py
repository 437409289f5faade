"""A schedule for a world of engines, as data: who is there, who lies, and every step of what goes wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from raclette.lab.hunt import codec
from raclette.lab.hunt.engines.steps import (
    KIND_OF,
    STEPS,
    Cut,
    Hush,
    Lie,
    PhaseCut,
    Rough,
    RoundCut,
    Single,
    Step,
    Submit,
)
from raclette.primitives.errors import ConfigError

# Above this a world of engines is no longer small.
NODES_MAX = 40


@dataclass(frozen=True)
class EngineSchedule:
    """`liars` are numbers of replicas that may say anything; those in `twins` run twice (their second instances have
    the places after the last replica). `silent_end`: when the world heals, the liars are gone; else they go on."""

    protocol: str
    seed: int
    nodes: int
    duration: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    liars: tuple[int, ...] = ()
    twins: tuple[int, ...] = ()
    observers: int = 0
    wire: bool = False
    silent_end: bool = False
    steps: tuple[Step, ...] = ()

    @property
    def places(self) -> int:
        """Instances, twins and observers among them."""
        return self.nodes + len(self.twins) + self.observers

    @property
    def parts(self) -> Sequence[Any]:
        """Steps, then twins (as their numbers)."""
        return (*self.steps, *self.twins)

    def with_parts(self, kept: Sequence[Any]) -> "EngineSchedule":
        """Without these steps and twins. Only the last second instance may go, so that places keep their meaning; a
        replica that is no twin any more is still a liar."""
        twins = tuple(part for part in kept if isinstance(part, int))
        if twins != self.twins[: len(twins)]:
            twins = self.twins
        steps = tuple(part for part in kept if not isinstance(part, int))
        return replace(self, steps=steps, twins=twins)

    def simpler(self) -> Iterator["EngineSchedule"]:
        if self.observers:
            yield replace(self, observers=0)
        if self.wire:
            yield replace(self, wire=False)
        unused = [liar for liar in self.liars if liar not in self.twins and not self._is_named(liar)]
        for liar in unused:
            yield replace(self, liars=tuple(other for other in self.liars if other != liar))
        if not self.silent_end and self.liars:
            yield replace(self, silent_end=True)
        if self.nodes > 4 and not self.twins and not self.observers:
            yield from self._with_nodes(self.nodes - 1)
        last = max((step.at for step in self.steps), default=0)
        for duration in (last + 1, last + (self.duration - last) // 2):
            if 0 < duration < self.duration:
                yield replace(self, duration=duration)
        for place, step in enumerate(self.steps):
            for smaller in simpler_steps(step):
                yield replace(self, steps=(*self.steps[:place], smaller, *self.steps[place + 1 :]))

    def _is_named(self, liar: int) -> bool:
        return any(
            getattr(step, "place", None) == liar and (isinstance(step, Lie) or getattr(step, "wipe", False))
            for step in self.steps
        )

    def _with_nodes(self, nodes: int) -> Iterator["EngineSchedule"]:
        gone = nodes
        if gone in self.liars or any(
            gone in (getattr(s, "place", None), getattr(s, "sender", None)) for s in self.steps
        ):
            return
        yield replace(self, nodes=nodes)

    def describe(self) -> list[str]:
        """One line for the world, one for each step."""
        lines = [
            f"{self.nodes} {self.protocol} engines for {self.duration} ms"
            + (f", liars {', '.join(f'r{n}' for n in self.liars)}" if self.liars else "")
            + (f" (twice running: {', '.join(f'r{n}' for n in self.twins)})" if self.twins else "")
            + (f", {self.observers} observers" if self.observers else ""),
            "parameters " + ", ".join(f"{key}={value}" for key, value in self.parameters.items()),
        ]
        for step in sorted(self.steps, key=lambda step: step.at):
            words = codec.write(step, KIND_OF[type(step)])
            kind, at = words.pop("kind"), words.pop("at", 0)
            lines.append(f"{at:>7} ms  {kind:<9} " + " ".join(f"{key}={value}" for key, value in words.items()))
        return lines

    def to_json(self) -> dict[str, Any]:
        values = codec.write(self)
        values["steps"] = [codec.write(step, KIND_OF[type(step)]) for step in self.steps]
        return values


def simpler_steps(step: Step) -> Iterator[Step]:
    """Smaller forms of one step."""
    if not isinstance(step, Submit | Single | RoundCut | PhaseCut) and step.lasting > 1:
        yield replace(step, lasting=step.lasting // 2)
    match step:
        case Hush(kinds=kinds, deaf=deaf) | PhaseCut(kinds=kinds, deaf=deaf):
            if len(kinds) > 1:
                for kind in kinds:
                    yield replace(step, kinds=tuple(other for other in kinds if other != kind))
            if len(deaf) > 1:
                for place in deaf:
                    yield replace(step, deaf=tuple(other for other in deaf if other != place))
        case Lie(fooled=fooled) if len(fooled) > 1:
            for place in fooled:
                yield replace(step, fooled=tuple(other for other in fooled if other != place))
        case Rough(loss=loss, duplicates=duplicates, low=low, high=high):
            if duplicates:
                yield replace(step, duplicates=0)
            if loss:
                yield replace(step, loss=loss // 2)
            if high > 10:
                yield replace(step, low=min(low, high // 2), high=high // 2)
        case Submit(at, number, to) if len(to) > 1:
            yield Submit(at, number, to[: len(to) // 2])
        case Cut() | RoundCut():
            pass


@runtime_checkable
class Fitter(Protocol):
    """An adapter that changes what was drawn, where its protocol promises something only within limits."""

    def fit(self, schedule: EngineSchedule) -> EngineSchedule:
        """The same schedule within them."""


def fitted(adapter: object, schedule: EngineSchedule) -> EngineSchedule:
    """As the adapter wants it."""
    return adapter.fit(schedule) if isinstance(adapter, Fitter) else schedule


def read_schedule(protocol: str, values: Mapping[str, Any], path: str) -> EngineSchedule:
    """From JSON. Raises ConfigError."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: accepted is a JSON object")
    raw = values.get("steps", [])
    if not isinstance(raw, list):
        raise ConfigError(f"{path}.steps: accepted is a list")
    steps = tuple(codec.read_one_of(STEPS, step, f"{path}.steps.{place}") for place, step in enumerate(raw))
    schedule = codec.read(EngineSchedule, {**values, "steps": []}, path)
    if schedule.protocol != protocol:
        raise ConfigError(f"{path}.protocol: {schedule.protocol!r}; accepted is {protocol!r}")
    if not 1 <= schedule.nodes <= NODES_MAX or not 0 <= schedule.observers <= NODES_MAX:
        raise ConfigError(f"{path}.nodes: {schedule.nodes}; accepted are 1 to {NODES_MAX}")
    schedule = replace(schedule, steps=steps)
    _check_places(schedule, path)
    return schedule


def _check_places(schedule: EngineSchedule, path: str) -> None:
    """Raises ConfigError if a step speaks of somebody who is not there."""
    for number in (*schedule.liars, *schedule.twins):
        if not 0 <= number < schedule.nodes:
            raise ConfigError(f"{path}.liars: there is no replica {number}; accepted are 0 to {schedule.nodes - 1}")
    for number, step in enumerate(schedule.steps):
        named = [getattr(step, name) for name in ("place", "sender", "receiver") if hasattr(step, name)]
        named += [*getattr(step, "to", ()), *getattr(step, "deaf", ()), *getattr(step, "fooled", ())]
        if any(not isinstance(place, int) or not 0 <= place < schedule.places for place in named):
            raise ConfigError(f"{path}.steps.{number}: places are 0 to {schedule.places - 1}")
        groups = getattr(step, "groups", None)
        if groups is not None and len(groups) < schedule.places:
            raise ConfigError(f"{path}.steps.{number}.groups: accepted is a group for each of {schedule.places} places")


__all__ = ["EngineSchedule", "Fitter", "fitted", "read_schedule", "simpler_steps"]
