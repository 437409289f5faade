"""How long a message takes: latency and bandwidth between two nodes.

`Lan` is one switch: a fixed latency. `Regions` is the Internet as six regions, with the tables of SimBlock (Aoki et
al. 2019): the latency of each message is Pareto distributed, scale = mean - 5 ms and shape = 0.2 * mean in
milliseconds, plus 10 ms a message; a link is as fast as the sender's upload or the receiver's download, whichever is
less. Every delay is drawn in integers (see `fixed`). The same class takes tables of your own; with `fixed` latencies
a message takes exactly the figure of the table.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Protocol

from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND
from raclette.sim import fixed

# Quantiles kept of each distribution of delays; the draws below the lowest one (the long tail) are computed exactly.
QUANTILE_BITS = 12
_TAIL_SHIFT = 64 - QUANTILE_BITS
_STREAM_REGIONS = 1
# SimBlock's scale of the Pareto law is this much below the mean latency.
PARETO_OFFSET_MS = 5
WAN_LATENCY, WAN_JITTER, WAN_BITS_PER_S = 20 * MILLISECOND, 5 * MILLISECOND, 100_000_000


class NetworkModel(Protocol):
    """What the network asks for each message."""

    def delay(self, sender: int, receiver: int, draw: int) -> int:
        """Nanoseconds from the last bit sent to the last bit received; `draw` is a uniform 64-bit number."""

    def bandwidth(self, sender: int, receiver: int) -> int:
        """Bits per second of the link; 0 means that size costs no time."""

    def region(self, node: int) -> str:
        """Where the node is, for reports."""


@dataclass(frozen=True, slots=True)
class Lan:
    """Everybody on one switch. `latency` in ns, `bits_per_s` of every node's port, `jitter` ns drawn uniformly."""

    latency: int = MILLISECOND // 2
    bits_per_s: int = 1_000_000_000
    jitter: int = 0

    def delay(self, sender: int, receiver: int, draw: int) -> int:
        return self.latency + (draw * self.jitter >> 64)

    def bandwidth(self, sender: int, receiver: int) -> int:
        return self.bits_per_s

    def region(self, node: int) -> str:
        return "lan"


def pareto_delay(mean_ms: int, draw: int) -> int:
    """Nanoseconds of one message between two places `mean_ms` apart."""
    return fixed.pareto((mean_ms - PARETO_OFFSET_MS) * MILLISECOND, mean_ms, 5, draw)


@lru_cache(maxsize=64)
def pareto_quantiles(mean_ms: int) -> tuple[int, ...]:
    """The delay at the middle of each of 4,096 equal parts of (0, 1]; the first part is drawn exactly instead."""
    half = 1 << (_TAIL_SHIFT - 1)
    return tuple(pareto_delay(mean_ms, (i << _TAIL_SHIFT) + half) for i in range(1 << QUANTILE_BITS))


@dataclass(frozen=True)
class RegionTable:
    """The figures of a data file: see `data/internet-2019.json`. `latency_ms[a][b]` is from region a to region b;
    `share` says how nodes are spread (relative); with `fixed`, latencies are not drawn but exact."""

    names: tuple[str, ...]
    latency_ms: tuple[tuple[int, ...], ...]
    overhead_ms: int
    download: tuple[int, ...]
    upload: tuple[int, ...]
    share: tuple[int, ...]
    degree_per_1000: tuple[int, ...] = ()
    fixed: bool = False

    def __post_init__(self) -> None:
        """Raises ConfigError if the tables do not fit each other, or the Pareto law has no scale."""
        count = len(self.names)
        shapes = (len(self.latency_ms), len(self.download), len(self.upload), len(self.share))
        if not count or set(shapes) != {count} or any(len(row) != count for row in self.latency_ms):
            raise ConfigError(f"network.latency: accepted is one row and one column for each of the {count} regions")
        lowest = min(latency for row in self.latency_ms for latency in row)
        if lowest < 0 or (not self.fixed and lowest <= PARETO_OFFSET_MS):
            accepted = "0" if self.fixed else f"more than {PARETO_OFFSET_MS}"
            raise ConfigError(f"network.latency: {lowest} ms; accepted are {accepted} ms and more")


@lru_cache(maxsize=1)
def internet_2019() -> RegionTable:
    """The six regions of 2019."""
    raw = json.loads((files("raclette.sim") / "data" / "internet-2019.json").read_text())
    return RegionTable(
        names=tuple(raw["regions"]),
        latency_ms=tuple(tuple(row) for row in raw["latency_ms"]),
        overhead_ms=raw["message_overhead_ms"],
        download=tuple(raw["download_bits_per_s"]),
        upload=tuple(raw["upload_bits_per_s"]),
        share=tuple(raw["share_per_10000"]),
        degree_per_1000=tuple(raw["outbound_degree_per_1000"]),
    )


def assign_regions(nodes: int, share: Sequence[int], seed: int) -> list[int]:
    """A region for each node: shares rounded to the nearest by cumulation, then shuffled."""
    total = sum(share)
    places: list[int] = []
    reached = 0
    for region, part in enumerate(share):
        reached += part
        places += [region] * ((reached * nodes + total // 2) // total - len(places))
    Random(seed, _STREAM_REGIONS).shuffle(places)
    return places


class Regions:
    """Nodes spread over regions."""

    def __init__(self, places: Sequence[int], table: RegionTable) -> None:
        """`places`: the region of each node. Raises ConfigError for a region that the table lacks."""
        if places and not 0 <= min(places) <= max(places) < len(table.names):
            raise ConfigError(f"network.regions: numbers 0 to {len(table.names) - 1} are accepted")
        self.places = list(places)
        self.table = table
        self.overhead = table.overhead_ms * MILLISECOND

    def delay(self, sender: int, receiver: int, draw: int) -> int:
        mean = self.table.latency_ms[self.places[sender]][self.places[receiver]]
        if self.table.fixed:
            return self.overhead + mean * MILLISECOND
        part = draw >> _TAIL_SHIFT
        return self.overhead + (pareto_quantiles(mean)[part] if part else pareto_delay(mean, draw))

    def bandwidth(self, sender: int, receiver: int) -> int:
        return min(self.table.upload[self.places[sender]], self.table.download[self.places[receiver]])

    def region(self, node: int) -> str:
        return self.table.names[self.places[node]]


@dataclass(frozen=True)
class NetworkSpec:
    """Which model, and its figures.

    `name`: lan, wan, internet-2019 (which need no figures), constant (everybody `latency` ns apart, up to `jitter` ns
    more, ports of `bits_per_s`; 0: size costs no time) or regions (`table`). `counts`, if given, says how many nodes
    are in each region of a model that has regions; without it the model's shares do.
    """

    name: str = "lan"
    latency: int = MILLISECOND // 2
    jitter: int = 0
    bits_per_s: int = 1_000_000_000
    table: RegionTable | None = None
    counts: tuple[int, ...] = ()

    def __str__(self) -> str:
        return self.name


def make_model(which: str | NetworkSpec, nodes: int, seed: int) -> NetworkModel:
    """The model of this name or with these figures: "lan", "wan" (20 ms, 100 Mbit/s, 5 ms jitter), "internet-2019";
    "constant" and "regions" need a `NetworkSpec`. Raises ConfigError."""
    spec = NetworkSpec(which) if isinstance(which, str) else which
    if spec.name == "lan":
        return Lan()
    if spec.name == "wan":
        return Lan(latency=WAN_LATENCY, bits_per_s=WAN_BITS_PER_S, jitter=WAN_JITTER)
    if spec.name == "constant" and spec is which:
        return Lan(latency=spec.latency, bits_per_s=spec.bits_per_s, jitter=spec.jitter)
    table = internet_2019() if spec.name == "internet-2019" else spec.table if spec.name == "regions" else None
    if table is None:
        raise ConfigError(f"network: {spec.name!r} is unknown; accepted are lan, wan, internet-2019")
    if spec.counts and (len(spec.counts) != len(table.names) or sum(spec.counts) != nodes or min(spec.counts) < 0):
        raise ConfigError(f"network.nodes: {list(spec.counts)}; accepted are {len(table.names)} counts, {nodes} in all")
    return Regions(assign_regions(nodes, spec.counts or table.share, seed), table)
