"""Proof of work on a network, in one call: who mined what on which parent, and when each node had it.

    run = run_pow(nodes=1_000, interval_ms=12_420, blocks=200, seed=1)
    run.stale_percent, run.quantile_ms(50), run.region_medians_ms()

The same run at two fidelities: "model" is mining, fork choice and relay in one compiled loop (`fast.model`), "engine"
the real `nakamoto` engine at every node. Equal seeds give equal figures and digests, as long as the run stays within
what the model knows (see there). The model needs numba; without it, "auto" takes the engines.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.fast import choose_kernel
from raclette.sim.miners import difficulty_for, draw_power, make_miners
from raclette.sim.models import Regions, assign_regions, internet_2019
from raclette.sim.relay import SEARCH_MAX_NS, Relayed, search_work
from raclette.sim.topology import make_topology
from raclette.sim.wiring import Wiring, regional, uniform

# Full blocks of 2019 (SimBlock).
BLOCK_BYTES = 535_000


@dataclass(frozen=True)
class PowRun:
    """A finished run. Blocks are numbered in order of their making; block 0 is genesis. Times in ns.

    `arrivals(i)` says for each node when it had block i (-1: never); `places[node]` is its region's number.
    `heads[node]` is the block that it followed at the end. `events` are logical (see `wiring.RelayKernel`), `skipped`
    of them announcements that were counted and not queued, `lost` messages that were sent and not received.
    """

    kernel: str
    fidelity: str
    seed: int
    parents: list[int]
    miners: list[int]
    sealed_at: list[int]
    heads: list[int]
    places: Sequence[int]
    regions: tuple[str, ...]
    events: int
    skipped: int
    lost: int
    digest: str
    arrivals: Callable[[int], Sequence[int]]

    @property
    def blocks(self) -> int:
        """How many were mined."""
        return len(self.parents) - 1

    @cached_property
    def heights(self) -> list[int]:
        """Of each block."""
        heights = [0]
        for parent in self.parents[1:]:
            heights.append(heights[parent] + 1)
        return heights

    @property
    def head(self) -> int:
        """The block that most nodes follow (of equals, the one that the lowest node follows)."""
        return Counter(self.heads).most_common(1)[0][0]

    @cached_property
    def main_chain(self) -> list[int]:
        """The branch of `head`, from genesis."""
        chain = [self.head]
        while chain[-1]:
            chain.append(self.parents[chain[-1]])
        return chain[::-1]

    @property
    def stale(self) -> list[int]:
        """Blocks that are not on the main chain."""
        main = set(self.main_chain)
        return [block for block in range(1, self.blocks + 1) if block not in main]

    @property
    def stale_percent(self) -> float:
        """Of all blocks."""
        return 100 * len(self.stale) / self.blocks if self.blocks else 0.0

    def delays(self, block: int) -> list[int]:
        """After how long each node that has the block had it, in order; the miner's own is 0."""
        start = self.sealed_at[block]
        return sorted(time - start for time in self.arrivals(block) if time >= 0)

    def quantile_ms(self, percent: int) -> float:
        """The time (ms) after which `percent` of the nodes had a block: the mean over blocks that reached everybody."""
        return self.quantiles_ms(percent)[0]

    def quantiles_ms(self, *percents: int) -> list[float]:
        """Several of them, in one pass over all blocks."""
        sums, count = [0] * len(percents), 0
        for block in range(1, self.blocks + 1):
            delays = self.delays(block)
            if len(delays) == len(self.heads):
                count += 1
                for place, percent in enumerate(percents):
                    sums[place] += delays[(len(delays) - 1) * percent // 100]
        return [total / max(1, count) / MILLISECOND for total in sums]

    def region_medians_ms(self) -> dict[str, float]:
        """For each region the median over blocks and nodes of the time (ms) after which a node there had a block."""
        by_place: list[list[int]] = [[] for _ in self.regions]
        for block in range(1, self.blocks + 1):
            start = self.sealed_at[block]
            for time, place in zip(self.arrivals(block), self.places, strict=True):
                if time >= 0:
                    by_place[place].append(time - start)
        found = {}
        for name, delays in zip(self.regions, by_place, strict=True):
            if delays:
                delays.sort()
                found[name] = delays[(len(delays) - 1) // 2] / MILLISECOND
        return found


def make_wiring(
    nodes: int,
    *,
    seed: int = 1,
    block_bytes: int = BLOCK_BYTES,
    topology: str = "bitcoin",
    degree: int = 8,
    delay_ms: float | None = None,
    bits_per_s: int = 0,
    **changes: Any,
) -> Wiring:
    """Wires by description. By default the six regions of 2019, with SimBlock's uplinks, which send a block only when
    the one before has arrived (`stop_and_wait=False`: as soon as it has left). With `delay_ms` every message between
    any two nodes takes that long instead, and a block occupies its sender for its size at `bits_per_s` (0: no time).

    `topology` is "bitcoin", "regular" (of `degree`), "full" or a file; `changes` are fields of `wiring.Wiring`. Raises
    ConfigError.
    """
    table = internet_2019()
    graph = make_topology(topology, nodes, seed, degree, table.degree_per_1000)
    if block_bytes < 0 or bits_per_s < 0:
        raise ConfigError(f"block_bytes: {block_bytes}, bits_per_s: {bits_per_s}: neither may be negative")
    if delay_ms is None:
        return regional(graph, Regions(assign_regions(nodes, table.share, seed), table), block_bytes, seed, **changes)
    transmit = block_bytes * 8 * SECOND // bits_per_s if bits_per_s else 0
    return uniform(graph, round(delay_ms * MILLISECOND), seed, transmit=transmit, **changes)


def run_pow(
    *,
    nodes: int = 1_000,
    interval_ms: int = 600_000,
    blocks: int = 100,
    seed: int = 1,
    power: Sequence[int] | None = None,
    fidelity: str = "auto",
    kernel: str = "auto",
    parameters: Mapping[str, Any] | None = None,
    wiring: Wiring | None = None,
    **network: Any,
) -> PowRun:
    """Mine `blocks` blocks, one every `interval_ms` in the mean, and let them spread.

    `power` is each node's hash rate (by default SimBlock's normal distribution). `fidelity` is "model", "engine" or
    "auto" (the model where it works and no engine `parameters` are given). `network` is passed to `make_wiring`, unless
    a `wiring` is given. Raises ConfigError.
    """
    if fidelity not in ("auto", "model", "engine"):
        raise ConfigError(f"fidelity: {fidelity!r} is unknown; accepted are auto, model, engine")
    if blocks < 1:
        raise ConfigError(f"blocks: {blocks}; at least 1 is accepted")
    if wiring is None:
        wiring = make_wiring(nodes, seed=seed, **network)
    chosen = choose_kernel(kernel)
    if fidelity == "model" and (chosen != "fast" or parameters):
        raise ConfigError("fidelity: the model runs on the fast kernel only, and takes no engine parameters")
    rates = draw_power(wiring.nodes, wiring.seed) if power is None else power
    if fidelity == "engine" or parameters or chosen != "fast":
        relay = make_miners(wiring, rates, interval_ms, kernel=chosen, parameters=parameters)
        relay.run(blocks)
        return engine_run(relay, wiring)
    return run_model(wiring, rates, interval_ms, blocks)


def engine_run(relay: Relayed, wiring: Wiring) -> PowRun:
    """What a finished relay of engines has to tell."""
    register, slots = relay.register, relay.register.slots
    found = register.blocks
    return PowRun(
        kernel=relay.wires.name,
        fidelity="engine",
        seed=wiring.seed,
        parents=[0, *(slots[block.parent_hash] for block in found[1:])],
        miners=relay.miners,
        sealed_at=relay.sealed_at,
        heads=[slots[head.hash] for head in relay.heads()],
        arrivals=relay.wires.arrivals,
        events=relay.events,
        skipped=relay.wires.skipped,
        lost=relay.wires.lost,
        digest=relay.digest(),
        **_places(wiring),
    )


def run_model(wiring: Wiring, power: Sequence[int], interval_ms: int, blocks: int) -> PowRun:
    """The compiled model. Raises ConfigError."""
    from raclette.sim.fast import model

    if len(power) != wiring.nodes:
        raise ConfigError(f"power: {len(power)} figures for {wiring.nodes} nodes")
    work = search_work((1 << 256) // difficulty_for(power, interval_ms) - 1)
    mined = model.Model(wiring, [min(work // rate, SEARCH_MAX_NS) for rate in power], blocks)
    mined.run()
    digest = blake2b((mined.rows.digest() + mined.trace_digest()).encode(), digest_size=32).hexdigest()
    return PowRun(
        kernel="fast",
        fidelity="model",
        seed=wiring.seed,
        parents=mined.column(model.PARENT),
        miners=mined.column(model.MINER),
        sealed_at=mined.column(model.TIME),
        heads=mined.heads(),
        arrivals=mined.arrivals,
        events=mined.events,
        skipped=mined.skipped,
        lost=mined.lost,
        digest=digest,
        **_places(wiring),
    )


def _places(wiring: Wiring) -> dict[str, Any]:
    names = internet_2019().names
    regions = names if len(wiring.delays) == len(names) else tuple(f"place {i}" for i in range(len(wiring.delays)))
    return {"places": wiring.places, "regions": regions}
