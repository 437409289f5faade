"""Faults as JSON, for replays, and back.

    {"kind": "impair", "at": 1000000000, "lasting": 500000000, "loss_ppm": 100000}

The keys are the fields of the class, times in nanoseconds; what stands at its default may be left out.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from raclette.primitives.errors import ConfigError
from raclette.sim.faults.clock import DriftClock, SkewClock
from raclette.sim.faults.contract import Fault
from raclette.sim.faults.disk import FullDisk, SlowDisk
from raclette.sim.faults.network import CutLink, Impair, Partition, SlowLink
from raclette.sim.faults.processes import Churn, Crash, Pause

_CLASSES: tuple[Any, ...] = (
    Crash,
    Pause,
    Churn,
    Partition,
    CutLink,
    Impair,
    SlowLink,
    SkewClock,
    DriftClock,
    SlowDisk,
    FullDisk,
)
FAULTS: Mapping[str, type[Fault]] = {cls.kind: cls for cls in _CLASSES}
# Fields that may be below zero.
_SIGNED = frozenset({"skew", "drift_ppm"})


def fault_to_json(fault: Fault) -> dict[str, Any]:
    """JSON-able; without what stands at its default."""
    out: dict[str, Any] = {"kind": fault.kind}
    for field in fields(fault):  # type: ignore[arg-type]
        value = getattr(fault, field.name)
        if field.default is MISSING or value != field.default:
            out[field.name] = _plain(value)
    return out


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def fault_from_json(data: Any, path: str = "faults", nodes: int | None = None) -> Fault:
    """Inverse of `fault_to_json`; with `nodes`, for a world of so many. Raises ConfigError that names the key."""
    kind = data.get("kind") if isinstance(data, Mapping) else None
    cls = FAULTS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ConfigError(f"{path}.kind: {kind!r} is unknown; accepted are {', '.join(FAULTS)}")
    hints = get_type_hints(cls)
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for key, value in data.items():
        if key == "kind":
            continue
        if key not in known:
            raise ConfigError(f"{path}.{key}: unknown; accepted are {', '.join(known)}")
        given[key] = _read(value, hints[key], f"{path}.{key}", signed=key in _SIGNED)
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            raise ConfigError(f"{path}.{name}: missing")
    fault = cls(**given)
    if nodes is not None and not all(0 <= node < nodes for node in fault.involved):
        raise ConfigError(f"{path}: names a node beyond {nodes - 1}; accepted are 0 to {nodes - 1}")
    return fault


def _read(value: Any, hint: Any, path: str, *, signed: bool = False) -> Any:
    if get_origin(hint) is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{path}: {value!r}; accepted is a list")
        inner = get_args(hint)[0]
        return tuple(_read(item, inner, f"{path}[{place}]") for place, item in enumerate(value))
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise ConfigError(f"{path}: {value!r}; accepted are {', '.join(get_args(hint))}")
        return value
    if hint is bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{path}: {value!r}; accepted are true and false")
        return value
    if isinstance(value, bool) or not isinstance(value, int) or (value < 0 and not signed):
        raise ConfigError(f"{path}: {value!r}; accepted are integers{'' if signed else ' of at least 0'}")
    return value
