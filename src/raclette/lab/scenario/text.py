"""The text of a scenario: where each key stands, and values that are put in before anything is checked.

`with_values` is what sweeps and `--set` use: it changes the mapping that TOML gave, by dotted path, and knows the
variables of the file.
"""

import re
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from raclette.lab.scenario.model import Scenario
from raclette.lab.scenario.section import ScenarioError, Section, join

# Longest file read: the library's largest is about 3 KB.
FILE_BYTES_MAX = 1_048_576
_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_HEADER = re.compile(r"\s*\[(\[?)([^\[\]]+)\]\]?\s*(?:#.*)?")
_KEY = re.compile(r"\s*([A-Za-z0-9_.-]+|\"[^\"]*\")\s*=")
# The keys of a file, as written.
KEYS = tuple(field.alias or name for name, field in Scenario.model_fields.items())
# Keys of instant fidelity alone: elsewhere a variable may be called so.
_INSTANT_KEYS = frozenset({"attacker"})


def parse(text: str, file: str) -> dict[str, Any]:
    """TOML as a mapping. Raises ScenarioError with the line."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)", str(error))
        line = int(found[1]) if found and found[1] else text.count("\n") + 1
        said = str(error).replace(found[0], "") if found else str(error)
        raise ScenarioError("", f"no TOML: {said}", file, line) from None


def find_lines(text: str) -> dict[str, int]:
    """Path of each table and key to its line, counted from 1. What stands within a value is not found."""
    lines: dict[str, int] = {}
    counts: dict[str, int] = {}
    table = ""
    for number, line in enumerate(text.splitlines(), 1):
        header = _HEADER.fullmatch(line)
        key = _KEY.match(line)
        if header:
            name = ".".join(part.strip().strip('"') for part in header[2].split("."))
            table = name
            if header[1]:
                counts[name] = counts.get(name, -1) + 1
                table = f"{name}[{counts[name]}]"
            lines.setdefault(table, number)
        elif key:
            lines.setdefault(join(table, [key[1].strip('"')]), number)
    return lines


def line_of(lines: Mapping[str, int], path: str) -> int:
    """The line of `path`, or of the nearest table around it; 0 if there is none."""
    while path:
        for key in (path, f"{path}[0]"):
            if key in lines:
                return lines[key]
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    return 0


def split(path: str) -> list[str | int]:
    """ "faults[2].node" or "faults.2.node" as ["faults", 2, "node"]. Raises ScenarioError."""
    parts: list[str | int] = []
    for match in _PART.finditer(path):
        parts.append(int(match[2]) if match[2] else int(match[1]) if match[1].isdigit() and parts else match[1])
    if not parts or join("", parts) != re.sub(r"\.(\d+)(?=\.|\[|$)", r"[\1]", path):
        raise ScenarioError(path, "is no path; accepted is a key as stop.seconds or faults[2].node")
    return parts


def _keys(fidelity: Any) -> tuple[str, ...]:
    """Those that a file of this fidelity may have."""
    return KEYS if fidelity == "instant" else tuple(key for key in KEYS if key not in _INSTANT_KEYS)


def with_values(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The same scenario with `values` at these paths: keys of the file, or names of its variables ("share" stands for
    "variables.share" where no key is called so). Nothing is checked but that there is such a place. Raises
    ScenarioError."""
    changed = deepcopy(dict(raw))
    keys = _keys(values.get("fidelity", raw.get("fidelity")))
    for path, value in values.items():
        parts = split(path)
        known = parts[0] in keys
        if not known and not _is_in(changed.get("variables", {}), parts):
            variables = ", ".join(_names(changed.get("variables", {}))) or "none is defined in [variables]"
            raise ScenarioError(
                path, f"is no key and no variable; keys are {', '.join(keys)}; variables are {variables}"
            )
        _put(changed, parts if known else ["variables", *parts], value, path)
    return changed


def _is_in(tree: Any, parts: list[str | int]) -> bool:
    for part in parts:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True


def _put(tree: dict[str, Any], parts: list[str | int], value: Any, path: str) -> None:
    """Tables that are missing are made; places in a list must be there."""
    place: Any = tree
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        if isinstance(place, list):
            if not isinstance(part, int) or part >= len(place):
                accepted = f"[0] to [{len(place) - 1}]" if place else "none: the list is empty"
                raise ScenarioError(path, f"{join('', parts[:depth])} is a list; accepted are places {accepted}")
        elif not isinstance(place, dict) or isinstance(part, int):
            raise ScenarioError(path, f"{join('', parts[:depth])} is no {'list' if isinstance(part, int) else 'table'}")
        elif not last and not isinstance(place.get(part), (dict, list)):
            short = _choice(part) if depth == 0 else ""
            place[part] = {short: place[part]} if short and part in place else {}
        if last:
            place[part] = value
        else:
            place = place[part]


def _choice(key: str) -> str:
    """The key that text in the place of this table is short for."""
    field = next(field for name, field in Scenario.model_fields.items() if (field.alias or name) == key)
    kind = field.annotation
    return kind.choice if isinstance(kind, type) and issubclass(kind, Section) else ""


def fill_in(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The same with every "$name" replaced by the variable of that name. Raises ScenarioError for one that is not
    defined, and for one that is never used."""
    variables = raw.get("variables", {})
    if not isinstance(variables, Mapping):
        raise ScenarioError("variables", f"{variables!r}; accepted is a table of names and values")
    for name in variables:
        if name in _keys(raw.get("fidelity")):
            raise ScenarioError(f"variables.{name}", "is a key of the file; accepted is another name")
    used: set[str] = set()
    filled = {key: value if key == "variables" else _filled(value, key, variables, used) for key, value in raw.items()}
    for name in _names(variables):
        if name not in used:
            raise ScenarioError(f"variables.{name}", f'is never used; accepted is "${name}" somewhere in the file')
    return filled


def _filled(value: Any, path: str, variables: Mapping[str, Any], used: set[str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(part, join(path, [key]), variables, used) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, join(path, [place]), variables, used) for place, part in enumerate(value)]
    if not isinstance(value, str) or not value.startswith("$"):
        return value
    known = _names(variables)
    if value[1:] not in known:
        raise ScenarioError(path, f"{value!r} is not defined; accepted are {', '.join(f'${name}' for name in known)}")
    used.add(value[1:])
    return known[value[1:]]


def _names(variables: Any, prefix: str = "") -> dict[str, Any]:
    """Variables by dotted name."""
    found: dict[str, Any] = {}
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        if isinstance(value, Mapping):
            found |= _names(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found
