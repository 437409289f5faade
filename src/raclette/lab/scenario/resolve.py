"""What a scenario means under one seed: who mines how much, who lies and how, what goes wrong when.

Everything that is left to the seed is decided here, once, and in the same way for simulator and testbed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from raclette.lab.scenario.claims import too_many
from raclette.lab.scenario.faults import FaultPlan, plan_faults
from raclette.lab.scenario.model import Liars, Scenario
from raclette.lab.scenario.nodes import STREAM_LIARS, STREAM_POWER, STREAM_STAKE, choose, divide, set_shares
from raclette.lab.scenario.section import ScenarioError
from raclette.lab.scenario.values import parse_duration, parse_share
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols import PROTOCOLS
from raclette.sim.liars import LiarSpec, find_liar

# A liar's parameter may be written without the unit in its name, and then with a unit of its own.
_UNITS: Mapping[str, int] = {"_ms": MILLISECOND, "_s": SECOND, "_ns": 1}


@dataclass(frozen=True)
class Resolved:
    """A scenario under `seed`. `power` is the relative hash power of each node (equal where nobody mines), `stake` the
    relative wealth of each sample account; `beyond` says by how much the liars exceed the protocol's claim, or
    nothing."""

    scenario: Scenario
    seed: int
    power: tuple[int, ...]
    stake: tuple[int, ...]
    liars: Mapping[int, LiarSpec]
    faults: tuple[FaultPlan, ...]
    beyond: str


def resolve(scenario: Scenario, seed: int) -> Resolved:
    """Raises ScenarioError that names the key. Does not judge `beyond`: see `refuse_beyond`."""
    if scenario.protocol.name not in PROTOCOLS:
        accepted = ", ".join(PROTOCOLS)
        raise ScenarioError("protocol.name", f"{scenario.protocol.name!r} is unknown; accepted are {accepted}")
    if scenario.fidelity == "instant":
        return _resolve_race(scenario, seed)
    voters = scenario.nodes - scenario.observers
    seals = PROTOCOLS[scenario.protocol.name].seals
    if not seals and "hash_power" in scenario.model_fields_set:
        raise ScenarioError("hash-power", f"means nothing for {scenario.protocol.name!r}: nobody mines")
    power = divide(scenario.hash_power, voters, scenario.groups, Random(seed, STREAM_POWER), "hash-power")
    power += (0,) * scenario.observers
    members = _choose_liars(scenario, seed, power)
    wanted = [(members[i], group.power) for i, group in enumerate(scenario.liars) if group.power is not None]
    if wanted:
        power = set_shares(power, wanted, "liars")
    liars = {
        node: _spec(group, scenario.protocol.name, f"liars[{i}]")
        for i, group in enumerate(scenario.liars)
        for node in members[i]
    }
    accounts = scenario.workload.accounts
    return Resolved(
        scenario=scenario,
        seed=seed,
        power=power,
        stake=divide(scenario.stake, accounts, scenario.groups, Random(seed, STREAM_STAKE), "stake"),
        liars={node: liars[node] for node in sorted(liars)},
        faults=tuple(plan_faults(scenario.faults, scenario.nodes, power, scenario.groups, seed)),
        beyond=too_many(scenario.protocol.name, sorted(liars), voters, power, scenario.protocol.parameters),
    )


def _resolve_race(scenario: Scenario, seed: int) -> Resolved:
    """At instant fidelity there is one liar, and nothing is drawn."""
    attacker = scenario.attacker
    pool, *groups = attacker.powers
    power = (pool, *(each for each in groups if each))
    beyond = too_many(scenario.protocol.name, (0,), len(power), power)
    return Resolved(scenario, seed, power, (), {0: attacker.lie}, (), beyond)


def refuse_beyond(resolved: Resolved) -> None:
    """Raises ScenarioError if there are more liars than the protocol claims to bear, and nobody said that they are
    meant."""
    if resolved.beyond and not resolved.scenario.beyond:
        seed = f" under seed {resolved.seed}" if len(resolved.scenario.seeds) > 1 else ""
        path = "attacker.share" if resolved.scenario.fidelity == "instant" else "liars"
        raise ScenarioError(path, f"{resolved.beyond}{seed}; more are allowed with --beyond (or beyond = true)")


def _choose_liars(scenario: Scenario, seed: int, power: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The nodes of each group of liars; no node is in two."""
    voters = scenario.nodes - scenario.observers
    seals = PROTOCOLS[scenario.protocol.name].seals
    taken: set[int] = set()
    found = []
    for place, group in enumerate(scenario.liars):
        path = f"liars[{place}]"
        if group.power is not None and not seals:
            raise ScenarioError(f"{path}.power", f"means nothing for {scenario.protocol.name!r}: nobody mines")
        named = isinstance(group.nodes, (tuple, str))
        eligible = range(scenario.nodes) if named else [node for node in range(voters) if node not in taken]
        random = Random(seed, STREAM_LIARS << 32 | place)
        nodes = choose(
            group.nodes, eligible=eligible, weights=power, groups=scenario.groups, random=random, path=f"{path}.nodes"
        )
        if taken.intersection(nodes):
            both = min(taken.intersection(nodes))
            raise ScenarioError(f"{path}.nodes", f"node {both} lies already; accepted is one lie for each node")
        taken.update(nodes)
        found.append(nodes)
    if len(taken) >= scenario.nodes:
        raise ScenarioError("liars", "every node lies; accepted is at least one honest node")
    return found


def _spec(group: Liars, protocol: str, path: str) -> LiarSpec:
    """The lie with its parameters as integers in the units of their names."""
    try:
        kind = find_liar(group.kind, protocol, "")
    except ConfigError as error:
        raise ScenarioError(f"{path}.kind", str(error).removeprefix(": ")) from None
    values: dict[str, Any] = {}
    for key, value in group.parameters.items():
        try:
            name, number = _parameter(kind.parameters, key, value)
        except ValueError as error:
            raise ScenarioError(f"{path}.{key}", str(error)) from None
        values[name] = number
    try:
        kind.read(values, "")
    except ConfigError as error:
        key, _, said = str(error).removeprefix(".").partition(": ")
        raise ScenarioError(f"{path}.{key}", said) from None
    return LiarSpec.of(group.kind, **values)


def _parameter(known: Mapping[str, Any], key: str, value: Any) -> tuple[str, Any]:
    """(the parameter's name, its integer): "delay" with "300ms" is delay_ms with 300. Raises ValueError."""
    if key not in known and f"{key}_ppm" in known:
        return f"{key}_ppm", parse_share(value)
    for suffix, unit in _UNITS.items():
        if key not in known and f"{key}{suffix}" in known:
            time = parse_duration(value)
            if time % unit:
                raise ValueError(f"{value!r}; accepted are whole multiples of 1{suffix.removeprefix('_')}")
            return f"{key}{suffix}", time // unit
    return key, value
