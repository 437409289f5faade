"""A schedule of whole nodes: a `SimConfig`, with the pieces that may be left out of it, and its form in JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from raclette.lab.hunt import codec
from raclette.ledgers.samples import ONE_OUTPUT
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import fault_from_json, fault_to_json
from raclette.sim.liars import LiarSpec

# Not written: what a hunt never draws.
_APART = ("faults", "liars", "workload", "balances", "network")


@dataclass(frozen=True)
class NodeSchedule:
    """See the module."""

    config: SimConfig

    @property
    def protocol(self) -> str:
        """Of the config."""
        return self.config.protocol

    @property
    def seed(self) -> int:
        """Of the config."""
        return self.config.seed

    @property
    def places(self) -> int:
        """Nodes."""
        return self.config.nodes

    @property
    def parts(self) -> Sequence[Any]:
        """Faults, then liars (as their numbers)."""
        return (*self.config.faults, *sorted(self.config.liars))

    def with_parts(self, kept: Sequence[Any]) -> "NodeSchedule":
        """The same run with only these faults and liars."""
        faults = tuple(part for part in kept if not isinstance(part, int))
        liars = {part: self.config.liars[part] for part in kept if isinstance(part, int)}
        return NodeSchedule(replace(self.config, faults=faults, liars=liars))

    def simpler(self) -> Iterator["NodeSchedule"]:
        config, load = self.config, self.config.workload
        if load.mischief:
            yield self._with(workload=replace(load, mischief=0))
        if load.count > 1:
            yield self._with(workload=replace(load, count=load.count // 2))
        if load.poisson or load.values != "uniform":
            yield self._with(workload=replace(load, poisson=False, values="uniform"))
        if load.outputs != ONE_OUTPUT:
            yield self._with(workload=replace(load, outputs=ONE_OUTPUT))
        if config.ledger != "bank":
            yield self._with(ledger="bank", workload=replace(load, outputs=ONE_OUTPUT))
        for name, plain in (
            ("network", "lan"),
            ("topology", "full"),
            ("fsync_us", 200),
            ("cpu_us", 0),
            ("hash_shares", ()),
        ):
            if getattr(config, name) != plain:
                yield self._with(**{name: plain})
        yield from self._fewer_nodes()
        if config.duration > SECOND:
            yield self._with(duration=config.duration // 2)
        for key in config.parameters:
            yield self._with(parameters={k: v for k, v in config.parameters.items() if k != key})
        for place, fault in enumerate(config.faults):
            if fault.lasting > 2 * MILLISECOND:
                shorter: Any = replace(fault, lasting=fault.lasting // 2)  # type: ignore[type-var]
                yield self._with(faults=(*config.faults[:place], shorter, *config.faults[place + 1 :]))

    def _with(self, **changes: Any) -> "NodeSchedule":
        return NodeSchedule(replace(self.config, **changes))

    def _fewer_nodes(self) -> Iterator["NodeSchedule"]:
        """Without the last node, if nothing speaks of it and the liars stay few enough."""
        config = self.config
        last = config.nodes - 1
        named = {node for fault in config.faults for node in fault.involved}
        if config.observers:
            yield self._with(observers=config.observers - 1)
        if last >= 4 and last not in named and last not in config.liars and len(config.liars) <= (last - 1) // 3:
            shares = config.hash_shares[:last]
            yield self._with(nodes=last, hash_shares=shares, observers=min(config.observers, last - 1))

    def describe(self) -> list[str]:
        """One line for the world, one for each liar and fault."""
        config, load = self.config, self.config.workload
        lines = [
            f"{config.nodes} {config.protocol} nodes ({config.observers} observers), network {config.network}, "
            f"{config.topology} topology, {config.duration / SECOND:g} s and {config.settle / SECOND:g} s to settle",
            f"{load.count} transactions of {config.ledger} from {load.start / SECOND:g} s on, {load.mischief} tricks",
            "parameters " + (", ".join(f"{k}={v}" for k, v in config.parameters.items()) or "by default"),
        ]
        lines += [f"n{node:02d} lies: {spec}" for node, spec in sorted(config.liars.items())]
        for fault in sorted(config.faults, key=lambda fault: fault.at):
            words = fault_to_json(fault)
            kind, at = words.pop("kind"), words.pop("at")
            said = " ".join(f"{key}={_brief(key, value)}" for key, value in words.items())
            lines.append(f"{at / SECOND:>9.3f} s  {kind:<11} {said}")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Inverse of `read_schedule`; what stands at its default is left out."""
        config = self.config
        out: dict[str, Any] = {}
        for field in fields(config):
            value = getattr(config, field.name)
            default = field.default if field.default is not MISSING else None
            if field.name not in _APART and value != default:
                out[field.name] = list(value) if isinstance(value, tuple) else value
        out["parameters"] = dict(config.parameters)
        out["network"] = str(config.network)
        out["workload"] = codec.write(config.workload)
        out["faults"] = [fault_to_json(fault) for fault in config.faults]
        out["liars"] = {str(n): {"kind": s.name, **dict(s.parameters)} for n, s in sorted(config.liars.items())}
        return out


def _brief(key: str, value: Any) -> Any:
    return f"{value / SECOND:g}s" if key in ("lasting", "skew", "extra", "fsync", "away_ns", "late_ns") else value


def read_schedule(protocol: str, values: Mapping[str, Any], path: str) -> NodeSchedule:
    """From JSON. Raises ConfigError."""
    if not isinstance(values, Mapping):
        raise ConfigError(f"{path}: accepted is a JSON object")
    plain = {key: value for key, value in values.items() if key not in ("faults", "liars", "workload")}
    config = codec.read(SimConfig, plain, path)
    if config.protocol != protocol:
        raise ConfigError(f"{path}.protocol: {config.protocol!r}; accepted is {protocol!r}")
    raw_faults, raw_liars = values.get("faults", []), values.get("liars", {})
    if not isinstance(raw_faults, list) or not isinstance(raw_liars, Mapping):
        raise ConfigError(f"{path}: faults are a list and liars an object")
    faults = tuple(
        fault_from_json(fault, f"{path}.faults.{place}", config.nodes) for place, fault in enumerate(raw_faults)
    )
    liars = {_node(key, path): _read_liar(spec, f"{path}.liars.{key}") for key, spec in raw_liars.items()}
    workload = codec.read(Workload, values.get("workload", {}), f"{path}.workload")
    config = replace(config, faults=faults, liars=liars, workload=workload)
    config.validate()
    return NodeSchedule(config)


def _node(key: str, path: str) -> int:
    if not key.isdecimal():
        raise ConfigError(f"{path}.liars.{key}: accepted are node numbers")
    return int(key)


def _read_liar(spec: Any, path: str) -> LiarSpec:
    if not isinstance(spec, Mapping) or not isinstance(spec.get("kind"), str):
        raise ConfigError(f"{path}.kind: accepted is the name of a kind of liar")
    return LiarSpec.of(spec["kind"], **{key: value for key, value in spec.items() if key != "kind"})
