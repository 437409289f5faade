"""From a file, or the name of a scenario of the library, to a checked scenario.

    file = open_scenario("pbft-partition")
    scenario = read_scenario(file, {"stop.seconds": 30})

Every mistake is told with the file, the line, the key's path and what would be accepted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from raclette.lab.scenario.engine import check_light
from raclette.lab.scenario.instant import check_instant
from raclette.lab.scenario.library import library_text, scenario_names
from raclette.lab.scenario.metrics import check_metrics
from raclette.lab.scenario.model import Scenario
from raclette.lab.scenario.resolve import refuse_beyond, resolve
from raclette.lab.scenario.section import KEYED, ScenarioError, join
from raclette.lab.scenario.text import FILE_BYTES_MAX, fill_in, find_lines, line_of, parse, with_values
from raclette.lab.scenario.translate import check_run
from raclette.primitives.errors import ConfigError
from raclette.protocols.parameters import accepts


@dataclass(frozen=True)
class ScenarioFile:
    """The text of a scenario and where it came from. `name` is for reports; `folder` is where files named in it are
    looked for; `file` is shown in errors."""

    name: str
    file: str
    text: str
    folder: Path

    @cached_property
    def raw(self) -> dict[str, Any]:
        """As TOML gives it. Raises ScenarioError."""
        return parse(self.text, self.file)


def open_scenario(source: str | Path) -> ScenarioFile:
    """A file, or else a scenario of the library by its name. Raises ScenarioError if there is neither."""
    path = Path(source)
    if path.is_file():
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ScenarioError("", f"is larger than {FILE_BYTES_MAX} bytes", str(source))
        try:
            return ScenarioFile(path.stem, str(source), path.read_text(), path.parent)
        except UnicodeDecodeError as error:
            raise ScenarioError("", f"is no text: {error.reason}", str(source)) from None
    name = str(source)
    if name in scenario_names():
        return ScenarioFile(name, f"{name}.toml", library_text(name), Path())
    raise ScenarioError("", f"no such file, and no scenario of the library: {', '.join(scenario_names())}", name)


def read_scenario(file: ScenarioFile, values: Mapping[str, Any] | None = None, *, beyond: bool = False) -> Scenario:
    """The checked scenario, with `values` put in at their paths (see `text.with_values`) and, if `beyond`, with more
    liars than its protocol claims to bear. Raises ScenarioError."""
    changes, raw = dict(values or {}), file.raw
    try:
        scenario = scenario_from(with_values(raw, changes), file.folder, beyond=beyond)
    except ScenarioError as error:
        changed = any(error.path == path or error.path.startswith((f"{path}.", f"{path}[")) for path in changes)
        line = 0 if changed else line_of(find_lines(file.text), error.path)
        raise error.within(file.file, line) from None
    return scenario


def scenario_from(raw: Mapping[str, Any], folder: Path = Path(), *, beyond: bool = False) -> Scenario:
    """The same from a mapping, without file and line. Raises ScenarioError."""
    try:
        scenario = Scenario.model_validate(fill_in(raw))
    except ValidationError as error:
        raise explain(Scenario, error) from None
    if beyond:
        scenario = scenario.model_copy(update={"beyond": True})
    check(scenario, folder)
    return scenario


def check(scenario: Scenario, folder: Path = Path()) -> None:
    """Everything that no single table can know: names of protocols, nodes, kinds, and what the simulator can do.
    Raises ScenarioError."""
    if scenario.fidelity == "instant":
        check_instant(scenario)
        refuse_beyond(resolve(scenario, scenario.seeds[0]))
        _check_metrics(scenario)
        return
    resolved = resolve(scenario, scenario.seeds[0])
    for seed in scenario.seeds if scenario.liars else ():
        refuse_beyond(resolve(scenario, seed))  # who lies may be drawn
    _check_metrics(scenario)
    try:
        check_run(resolved, folder)
        if scenario.fidelity == "engine":
            check_light(resolved)
    except ScenarioError:
        raise
    except ConfigError as error:
        path, _, said = str(error).partition(": ")
        raise ScenarioError(path if said else "", said or path) from None


def _check_metrics(scenario: Scenario) -> None:
    try:
        check_metrics(scenario.metrics, race=scenario.fidelity == "instant")
    except ConfigError as error:
        path, _, said = str(error).partition(": ")
        raise ScenarioError(path, said) from None


def explain(model: type[BaseModel], error: ValidationError) -> ScenarioError:
    """The first mistake that pydantic found, in our words; the number of others is said."""
    found = error.errors()
    path, said = _explain(model, found[0])
    return ScenarioError(path, said if len(found) == 1 else f"{said} (and {len(found) - 1} more mistakes)")


def _explain(model: type[BaseModel], detail: ErrorDetails) -> tuple[str, str]:
    location = detail["loc"]
    path = join("", location)
    context = detail.get("ctx", {})
    if detail["type"] == KEYED:
        return join(path, [context["key"]]), context["said"]
    if detail["type"] == "extra_forbidden":
        return path, f"unknown key; accepted are {', '.join(_keys(model, location[:-1]))}"
    if detail["type"] == "missing":
        return path, "is missing"
    if detail["type"] == "value_error":
        return path, accepts(detail)
    return path, f"{_short(detail['input'])}; {accepts(detail)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _keys(model: type[BaseModel], location: Sequence[str | int]) -> list[str]:
    """The keys of the table at `location`."""
    current: Any = model
    for part in location:
        if isinstance(part, int):
            continue
        field = next((f for n, f in current.model_fields.items() if part in (n, f.alias)), None)
        inner = _model_in(field.annotation) if field is not None else None
        if inner is None:
            break
        current = inner
    return [field.alias or name for name, field in current.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The table that a field holds, or holds a list of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part)) is not None), None)


__all__ = ["ScenarioFile", "check", "explain", "open_scenario", "read_scenario", "scenario_from"]
