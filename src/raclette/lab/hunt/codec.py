"""Small frozen dataclasses as JSON and back, with errors that name the key.

A thing of a family (a step, a fault) is written as its fields besides "kind", its name in the family. Tuples are
lists in JSON; what stands at its default is left out.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from raclette.primitives.errors import ConfigError

T = TypeVar("T")


def write(value: Any, kind: str = "") -> dict[str, Any]:
    """A dataclass as a JSON object."""
    out: dict[str, Any] = {"kind": kind} if kind else {}
    for field in fields(value):
        held = getattr(value, field.name)
        if field.default is MISSING or held != field.default:
            out[field.name] = _plain(held)
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value


def read(cls: type[T], values: Any, path: str) -> T:
    """Inverse of `write` (without the kind). Raises ConfigError: not an object, an unknown, missing or mistyped key."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: accepted is a JSON object")
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    given = {key: value for key, value in values.items() if key != "kind"}
    for key in given:
        if key not in known:
            raise ConfigError(f"{path}.{key}: unknown; accepted are {', '.join(known)}")
    for name, field in known.items():
        if name not in given and field.default is MISSING and field.default_factory is MISSING:
            raise ConfigError(f"{path}.{name}: missing")
    return cls(**{key: _typed(known[key].type, value, f"{path}.{key}") for key, value in given.items()})


def read_one_of(family: Mapping[str, type[T]], values: Any, path: str) -> T:
    """A member of a family by its "kind". Raises ConfigError."""
    if not isinstance(values, Mapping) or values.get("kind") not in family:
        kind = values.get("kind") if isinstance(values, Mapping) else values
        raise ConfigError(f"{path}.kind: {kind!r} is unknown; accepted are {', '.join(family)}")
    return read(family[values["kind"]], values, path)


def _typed(annotation: Any, value: Any, path: str) -> Any:
    """Lists as tuples; plain values checked against the annotation's name."""
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    if name.startswith("tuple"):
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{path}: {value!r}; accepted is a list")
        return _tupled(value)
    wanted = {"int": int, "str": str, "bool": bool}.get(name)
    if wanted is not None and (not isinstance(value, wanted) or (wanted is int and isinstance(value, bool))):
        raise ConfigError(f"{path}: {value!r}; accepted is {name}")
    return value


def _tupled(value: Any) -> Any:
    return tuple(_tupled(item) for item in value) if isinstance(value, list | tuple) else value
