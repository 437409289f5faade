"""The scenarios that come with the package: files of `raclette/lab/scenarios`, by name."""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import NamedTuple

from raclette.primitives.errors import ConfigError

_SUFFIX = ".toml"
# Of miners, at instant fidelity, which has no nodes.
GROUPS = 3


class Entry(NamedTuple):
    """A line of the list. `expect` is what its runs should find."""

    name: str
    title: str
    protocol: str
    nodes: int
    fidelity: str
    expect: str


@lru_cache(maxsize=1)
def scenario_names() -> tuple[str, ...]:
    """Every name, sorted."""
    folder = files("raclette.lab") / "scenarios"
    return tuple(sorted(item.name.removesuffix(_SUFFIX) for item in folder.iterdir() if item.name.endswith(_SUFFIX)))


def library_text(name: str) -> str:
    """The file. Raises ConfigError that lists the names."""
    if name not in scenario_names():
        raise ConfigError(f"{name}: no such scenario; accepted are {', '.join(scenario_names())}")
    return (files("raclette.lab") / "scenarios" / f"{name}{_SUFFIX}").read_text()


def library() -> list[Entry]:
    """The list, by name."""
    found = []
    for name in scenario_names():
        raw = tomllib.loads(library_text(name))
        protocol = raw.get("protocol", "pbft")
        found.append(
            Entry(
                name,
                raw.get("title", ""),
                protocol if isinstance(protocol, str) else protocol.get("name", "pbft"),
                GROUPS if raw.get("fidelity") == "instant" else raw.get("nodes", 4),
                raw.get("fidelity", "full"),
                raw.get("expect", "holds"),
            )
        )
    return found
