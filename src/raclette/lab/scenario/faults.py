"""Faults as data: read from a scenario by the fields of the simulator's own classes, with units.

Every class of `sim.faults` is a kind. Its fields are the keys: `at` and `lasting` (written `for`) have every kind; a
field that ends in `_ppm` is a share, one that counts nanoseconds is a duration (both written without that ending),
`node`, `a` and `b` are node numbers, `groups` are sets of nodes. A plan says nothing about who carries it out;
`FaultPlan.fault` is the simulator's, and its `on_processes` says whether a testbed can do the same to processes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from raclette.lab.scenario.model import Fault as FaultSection
from raclette.lab.scenario.nodes import STREAM_FAULTS, choose
from raclette.lab.scenario.section import ScenarioError
from raclette.lab.scenario.values import DURATION_ACCEPTED, MILLION, SHARE_ACCEPTED, parse_duration, parse_share
from raclette.primitives.randomness import Random
from raclette.sim.faults import FAULTS, Fault

# Fields of integers that count nanoseconds though their names do not say so.
_TIMES = frozenset({"extra", "fsync", "skew"})
# Those that may be negative.
_SIGNED = frozenset({"skew", "drift_ppm"})
_NODES = frozenset({"node", "a", "b"})
_COMMON = frozenset({"at", "lasting"})
REST = "rest"


@dataclass(frozen=True)
class FaultField:
    """A key of a kind of fault. `name` is the class' field; `read(value, path, nodes)` raises ScenarioError."""

    key: str
    name: str
    required: bool
    default: Any
    accepted: str
    read: Callable[[Any, str, int], Any]


@dataclass(frozen=True)
class FaultKind:
    """A kind of fault. `on_processes` is None where it depends on the keys."""

    name: str
    summary: str
    cls: type[Any]
    keys: Mapping[str, FaultField]
    on_processes: bool | None

    @property
    def unfolds(self) -> bool:
        """Does it happen to one node, so that `nodes` stands for several faults?"""
        return "node" in self.keys

    @property
    def takes_nodes(self) -> bool:
        """Does `nodes` mean something here?"""
        return self.unfolds or "nodes" in self.keys


@dataclass(frozen=True)
class FaultPlan:
    """One fault, with everything that was left to the seed decided. Times in ns; `path` is the key it came from."""

    kind: str
    at: int
    lasting: int
    fields: Mapping[str, Any]
    path: str

    @property
    def fault(self) -> Fault:
        """The simulator's, with `begin`, `end` and `on_processes`."""
        cls: Any = FAULTS[self.kind]
        made: Fault = cls(at=self.at, lasting=self.lasting, **self.fields)
        return made


@lru_cache(maxsize=1)
def fault_kinds() -> Mapping[str, FaultKind]:
    """Every kind, by name, in the simulator's order."""
    found = {}
    for name, cls in FAULTS.items():
        summary = " ".join((cls.__doc__ or "").split()).replace("`lasting`", "`for`")
        keys = _keys(cls)
        for key, field in keys.items():
            summary = summary.replace(f"`{field.name}`", f"`{key}`")
        possible = vars(cls).get("on_processes")
        found[name] = FaultKind(name, summary, cls, keys, possible if isinstance(possible, bool) else None)
    return MappingProxyType(found)


def _keys(cls: Any) -> dict[str, FaultField]:
    hints = get_type_hints(cls)
    found = {}
    for each in fields(cls):
        if each.name in _COMMON:
            continue
        accepted, read = _reader(each.name, hints[each.name])
        required = each.default is MISSING and each.default_factory is MISSING
        key = each.name.removesuffix("_ppm").removesuffix("_ns")
        found[key] = FaultField(key, each.name, required, each.default, accepted, read)
    return found


def _reader(name: str, hint: Any) -> tuple[str, Callable[[Any, str, int], Any]]:
    """(what is accepted, the function that reads it)."""
    if name in _NODES:
        return "a node number", _read_node
    if name == "groups":
        return 'groups of nodes: lists of numbers, how many, shares, or "rest"', _read_groups
    if get_origin(hint) is tuple:
        return "a list of node numbers", lambda value, path, nodes: _read_numbers(value, path, nodes)
    if get_origin(hint) is Literal:
        return " or ".join(f'"{item}"' for item in get_args(hint)), _among(get_args(hint))
    signed = name in _SIGNED
    if name.endswith("_ppm"):
        return SHARE_ACCEPTED, _by(lambda value: parse_share(value, negative=signed))
    if name in _TIMES or name.endswith("_ns"):
        return DURATION_ACCEPTED, _by(lambda value: parse_duration(value, negative=signed))
    names = {int: "an integer", bool: "true or false", str: "text"}
    return names.get(hint, "a value"), _typed(hint, names.get(hint, "a value"))


def _by(parse: Callable[[Any], Any]) -> Callable[[Any, str, int], Any]:
    def read(value: Any, path: str, nodes: int) -> Any:
        try:
            return parse(value)
        except ValueError as error:
            raise ScenarioError(path, str(error)) from None

    return read


def _among(choices: Sequence[Any]) -> Callable[[Any, str, int], Any]:
    def read(value: Any, path: str, nodes: int) -> Any:
        if value not in choices:
            raise ScenarioError(path, f"{value!r}; accepted are {', '.join(map(str, choices))}")
        return value

    return read


def _typed(hint: Any, name: str) -> Callable[[Any, str, int], Any]:
    def read(value: Any, path: str, nodes: int) -> Any:
        if type(value) is not hint:
            raise ScenarioError(path, f"{value!r}; accepted is {name}")
        return value

    return read


def _read_node(value: Any, path: str, nodes: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < nodes:
        raise ScenarioError(path, f"{value!r}; accepted are 0 to {nodes - 1}")
    return value


def _read_numbers(value: Any, path: str, nodes: int) -> tuple[int, ...]:
    if not isinstance(value, list) or not value:
        raise ScenarioError(path, f"{value!r}; accepted is a list of node numbers, 0 to {nodes - 1}")
    return tuple(_read_node(node, f"{path}[{place}]", nodes) for place, node in enumerate(value))


def _read_groups(value: Any, path: str, nodes: int) -> tuple[tuple[int, ...], ...]:
    """Lists name nodes; a number or a share takes the lowest nodes that nobody named; "rest" takes all that is left."""
    if not isinstance(value, list) or len(value) < 2:
        raise ScenarioError(
            path, 'accepted is a list of at least two groups: lists of numbers, counts, "30%" or "rest"'
        )
    named = [
        _read_numbers(group, f"{path}[{i}]", nodes) if isinstance(group, list) else () for i, group in enumerate(value)
    ]
    taken = [node for group in named for node in group]
    if len(set(taken)) != len(taken):
        raise ScenarioError(path, "one node is in two groups")
    free = [node for node in range(nodes) if node not in set(taken)]
    found: list[tuple[int, ...]] = []
    for place, group in enumerate(value):
        size = _group_size(group, f"{path}[{place}]", nodes, len(free))
        found.append(named[place] or tuple(free[:size]))
        free = free[size:]
    return tuple(found)


def _group_size(group: Any, path: str, nodes: int, free: int) -> int:
    """How many of the free nodes this group takes."""
    if isinstance(group, list):
        return 0
    if group == REST:
        size = free
    elif isinstance(group, int) and not isinstance(group, bool):
        size = group
    else:
        share: int = _by(parse_share)(group, path, nodes)
        size = share * nodes // MILLION
    if not 1 <= size <= free:
        raise ScenarioError(path, f"{group!r} is {size} nodes; accepted are 1 to {free}, those that are left")
    return size


def plan_faults(
    faults: Sequence[FaultSection], nodes: int, weights: Sequence[int], groups: Mapping[str, Sequence[int]], seed: int
) -> list[FaultPlan]:
    """Every fault of a scenario, in order: `nodes` and `repeat` unfolded. Raises ScenarioError."""
    plans: list[FaultPlan] = []
    for place, fault in enumerate(faults):
        path = f"faults[{place}]"
        kind = fault_kinds().get(fault.kind)
        if kind is None:
            accepted = ", ".join(fault_kinds())
            raise ScenarioError(f"{path}.kind", f"{fault.kind!r} is unknown; accepted are {accepted}")
        values = _read_details(kind, fault, path, nodes)
        for turn in range(fault.repeat):
            at = fault.at + turn * fault.every
            chosen: tuple[int, ...] = ()
            if fault.nodes is not None:
                random = Random(seed, STREAM_FAULTS << 32 | place << 16 | turn)
                everybody = range(nodes)
                chosen = choose(
                    fault.nodes, eligible=everybody, weights=weights, groups=groups, random=random, path=f"{path}.nodes"
                )
            if chosen and kind.unfolds:
                for step, node in enumerate(chosen):
                    own = {**values, "node": node}
                    plans.append(FaultPlan(fault.kind, at + step * fault.stagger, fault.lasting, own, path))
            else:
                own = {**values, "nodes": chosen} if chosen else values
                plans.append(FaultPlan(fault.kind, at, fault.lasting, own, path))
    return plans


def _read_details(kind: FaultKind, fault: FaultSection, path: str, nodes: int) -> dict[str, Any]:
    several = fault.nodes is not None
    if several and not kind.takes_nodes:
        accepted = ", ".join(kind.keys) or "no other key"
        raise ScenarioError(f"{path}.nodes", f"means nothing for {kind.name!r}; accepted with it: {accepted}")
    if fault.stagger and not (several and kind.unfolds):
        raise ScenarioError(f"{path}.stagger", "means nothing without several nodes, one fault each")
    values = {}
    for key, value in fault.details.items():
        if key not in kind.keys:
            own = [*kind.keys, *(["nodes"] if kind.unfolds else [])]
            accepted = ", ".join(["at", "for", *own, "repeat", "every"])
            raise ScenarioError(f"{path}.{key}", f"unknown for {kind.name!r}; accepted are {accepted}")
        if key == "node" and several:
            raise ScenarioError(f"{path}.node", "stands beside nodes; accepted is one of the two")
        values[kind.keys[key].name] = kind.keys[key].read(value, f"{path}.{key}", nodes)
    for key, known in kind.keys.items():
        if known.required and known.name not in values and not (key == "node" and several):
            raise ScenarioError(f"{path}.{key}", f"is missing; accepted is {known.accepted}")
    if not fault.lasting and _must_end(kind):
        raise ScenarioError(f"{path}.for", f"is missing; accepted is {DURATION_ACCEPTED}")
    return values


def _must_end(kind: FaultKind) -> bool:
    """Has the class no default for how long?"""
    lasting = next(each for each in fields(kind.cls) if each.name == "lasting")
    return lasting.default is MISSING
