"""What the wires of a relayed world are: who is linked, how long messages take, what goes wrong.

Two kernels run on a `Wiring` and agree on every event: `wires.ReferenceWires` in plain Python, `fast.relay.FastWires`
compiled. What they do is said in `wires`; what both need is here: the numbering of events and the draws.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim import fixed
from raclette.sim.models import QUANTILE_BITS, Regions

# An event is ordered by (time, code); the code packs what (3 bits), which block (20), to whom (20), from whom (20).
NODE_BITS = 20
SLOT_SHIFT = 2 * NODE_BITS
KIND_SHIFT = 60
NODE_MASK = (1 << NODE_BITS) - 1
SLOT_MASK = (1 << (KIND_SHIFT - SLOT_SHIFT)) - 1
INV, GETDATA, BLOCK, READY, RETRY, LINK = 1, 2, 3, 4, 5, 6
# What a node has of a block. KEPT is a block of its own that it has told nobody of.
UNKNOWN, REQUESTED, RECEIVED, HELD, KEPT = 0, 1, 2, 3, 4

NEVER = 1 << 62
# Longest delay of one message: a Pareto tail has no end, but a clock of 64 bits has.
DELAY_MAX_NS = 86_400 * SECOND
# What relaying costs: checking a block at its receiver.
PROCESSING_NS = 2 * MILLISECOND
# How long a node waits for a block it asked for before it asks again; many times what a block takes.
RETRY_NS = 60 * SECOND
# No kernel looks further ahead than this, and a run goes on so long after its last delivery: every kernel then stops at
# the same event.
LOOKAHEAD_MAX_NS = SECOND
# A second copy of a message comes up to 2**26 ns (67 ms) after the first.
LATE_SHIFT = 64 - 26
# Above this share of lost messages nothing would ever arrive.
LOSS_PPM_MAX = 900_000
GOLDEN = 0x9E3779B97F4A7C15
STREAM_DELAY, STREAM_FATE = 5, 7
# Plus a node's number: how long its searches take.
STREAM_SEAL = 1 << 33
SALT_DUPLICATE, SALT_LATE = 0xD6E8FEB86659FD93, 0xA0761D6478BD642F


class Delay(NamedTuple):
    """How long a message travels between two places: `mean_ms` of SimBlock's Pareto law, or exactly `constant` ns."""

    mean_ms: int = 0
    constant: int = 0

    @property
    def scale(self) -> int:
        """The shortest (ns)."""
        return (self.mean_ms - 5) * MILLISECOND if self.mean_ms else self.constant

    def exact(self, draw: int) -> int:
        """Nanoseconds, from a uniform 64-bit number."""
        if not self.mean_ms:
            return self.constant
        return min(fixed.pareto(self.scale, self.mean_ms, 5, draw), DELAY_MAX_NS)

    def quantiles(self) -> tuple[int, ...]:
        """The delay at the middle of each of 4,096 equal parts of the draws; the first part is drawn exactly."""
        return _quantiles(self)


@lru_cache(maxsize=256)
def _quantiles(delay: Delay) -> tuple[int, ...]:
    shift = 64 - QUANTILE_BITS
    return tuple(delay.exact((i << shift) + (1 << (shift - 1))) for i in range(1 << QUANTILE_BITS))


class Cut(NamedTuple):
    """The link between `a` and `b` carries nothing from `start` up to `end` (ns)."""

    a: int
    b: int
    start: int
    end: int


@dataclass(frozen=True)
class Wiring:
    """Everything about the wires. Times in ns.

    `places[node]` is where a node is; `delays[a][b]` and `transmit[a][b]` say how long a message travels from place
    a to place b, and how long a block occupies the sender's uplink before. `overhead` is added to every message.
    `serial`: a node checks one block at a time (`processing` each); otherwise checking is a delay only.
    `stop_and_wait`: a block leaves a node only when the one before has arrived, and travels without `overhead`, as
    SimBlock has it; otherwise it leaves as soon as the last bit of the one before has left.
    `loss_ppm`, `duplicate_ppm`: of a million messages. `prune`: skip announcements that cannot matter; it is off in
    any case where messages are lost or links cut, because there a later announcement is a second source.
    """

    graph: Sequence[Sequence[int]]
    places: Sequence[int]
    delays: Sequence[Sequence[Delay]]
    transmit: Sequence[Sequence[int]]
    seed: int
    overhead: int = 0
    processing: int = PROCESSING_NS
    serial: bool = False
    stop_and_wait: bool = False
    loss_ppm: int = 0
    duplicate_ppm: int = 0
    retry: int = RETRY_NS
    cuts: tuple[Cut, ...] = ()
    prune: bool = True

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        nodes = len(self.graph)
        if not 1 <= nodes <= NODE_MASK or len(self.places) != nodes:
            raise ConfigError(f"nodes: 1 to {NODE_MASK}, each with a place; {nodes} with {len(self.places)} places")
        for name in ("loss_ppm", "duplicate_ppm"):
            if not 0 <= getattr(self, name) <= LOSS_PPM_MAX:
                raise ConfigError(f"faults.{name}: {getattr(self, name)}; 0 to {LOSS_PPM_MAX} is accepted")
        for key, row in (("delays", self.delays), ("transmit", self.transmit)):
            if not all(0 <= place < len(row) for place in set(self.places)):
                raise ConfigError(f"network.{key}: places 0 to {max(self.places)} are in use")
        if self.lookahead < 1:
            raise ConfigError("network.latency: a message takes at least one nanosecond")
        if self.retry < 1 or self.processing < 0:
            raise ConfigError("network.retry: at least one nanosecond, and processing takes no negative time")
        for cut in self.cuts:
            if not (0 <= cut.a < nodes and cut.b in self.graph[cut.a] and 0 <= cut.start < cut.end):
                raise ConfigError(f"faults.cuts: {tuple(cut)} is not a link of the graph and a span of time")

    @property
    def nodes(self) -> int:
        """How many."""
        return len(self.graph)

    @property
    def lookahead(self) -> int:
        """Nothing said at time t arrives before t + lookahead."""
        return self.overhead + min(delay.scale for row in self.delays for delay in row)

    @property
    def is_impaired(self) -> bool:
        """Can a message get lost?"""
        return bool(self.loss_ppm or self.cuts)

    @property
    def is_pruned(self) -> bool:
        """Is skipping announcements asked for, and sound? See `wires`."""
        return self.prune and not self.is_impaired


def threshold(ppm: int) -> int:
    """A uniform 64-bit draw is below this in `ppm` of a million cases."""
    return (ppm << 64) // 1_000_000


def regional(graph: Sequence[Sequence[int]], model: Regions, block_bytes: int, seed: int, **changes: object) -> Wiring:
    """The wiring of a model of regions. A link is as fast as the sender's upload or the receiver's download.

    The tables are SimBlock's, and so is the uplink, unless `changes` say otherwise: it stops and waits.
    """
    table = model.table
    bits = block_bytes * 8
    return Wiring(
        graph=graph,
        places=model.places,
        delays=[[Delay(mean) for mean in row] for row in table.latency_ms],
        transmit=[[bits * SECOND // min(up, down) for down in table.download] for up in table.upload],
        seed=seed,
        overhead=model.overhead,
        **{"stop_and_wait": True, **changes},  # type: ignore[arg-type]
    )


def uniform(graph: Sequence[Sequence[int]], delay: int, seed: int, *, transmit: int = 0, **changes: object) -> Wiring:
    """Every link alike: `delay` ns for a message, `transmit` ns of the uplink for a block."""
    return Wiring(
        graph=graph,
        places=[0] * len(graph),
        delays=[[Delay(constant=delay)]],
        transmit=[[transmit]],
        seed=seed,
        **changes,  # type: ignore[arg-type]
    )


class Delivery(NamedTuple):
    """`node` has block `slot` since `time`, from `peer`."""

    time: int
    node: int
    peer: int
    slot: int


class Batch(NamedTuple):
    """Deliveries in order of (time, slot, node); every one before `limit` is among them."""

    limit: int
    deliveries: Iterable[tuple[int, int, int, int]]


class RelayKernel(Protocol):
    """The wires at work.

    `now` is the time of the last event, `events` the logical ones: every announcement, and of all others those that
    had an effect. `skipped` announcements were counted and not queued, `lost` messages sent and not received.
    `incomplete` is the number of blocks that some node lacks.
    """

    name: str
    nodes: int
    lookahead: int

    @property
    def now(self) -> int: ...
    @property
    def events(self) -> int: ...
    @property
    def skipped(self) -> int: ...
    @property
    def lost(self) -> int: ...
    @property
    def incomplete(self) -> int: ...

    @property
    def pending(self) -> bool:
        """Is anything under way?"""

    def add(self, time: int, node: int) -> int:
        """A new block that only `node` has; its slot (1, 2, ...). Nobody is told."""

    def announce(self, time: int, slot: int, node: int) -> None:
        """`node` tells its neighbours of a block that it has. Not before the last `limit` minus the look-ahead."""

    def run(self, due: int) -> Batch:
        """Go on as far as it is certain what happens, if nothing is announced before `due`. See `wires`."""

    def finish(self) -> None:
        """Let everything that is still under way arrive."""

    def arrivals(self, slot: int) -> list[int]:
        """When each node had the block; -1 where it has not."""

    def digest(self) -> str:
        """Hex of the hash over every event that had an effect."""


def pack(kind: int, slot: int, receiver: int, sender: int) -> int:
    """The code of an event."""
    return kind << KIND_SHIFT | slot << SLOT_SHIFT | receiver << NODE_BITS | sender
