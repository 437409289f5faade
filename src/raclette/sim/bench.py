"""How fast the simulator is, beside a bare event loop measured in the same run.

The only clock of the simulator is read here, around a run, never within one.
"""

import resource
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from time import process_time
from typing import Any

from raclette.primitives.randomness import mix64
from raclette.sim.miners import draw_power, make_miners
from raclette.sim.models import Regions, assign_regions, internet_2019
from raclette.sim.relay import Relay
from raclette.sim.topology import bitcoin_like
from raclette.sim.wiring import regional

# The workload of SimBlock's paper: full blocks of 2019, every ten minutes.
BLOCK_BYTES = 535_000
INTERVAL_S = 600
# Pending events of the bare loop, as in a world of 10,000 nodes.
PENDING = 40_000


def make_relay(nodes: int, seed: int, *, prune: bool = True, kernel: str = "reference") -> Relay:
    """A world of `nodes` nakamoto engines on the Internet of 2019. Raises ConfigError for impossible numbers."""
    table = internet_2019()
    wiring = regional(
        bitcoin_like(nodes, table.degree_per_1000, seed),
        Regions(assign_regions(nodes, table.share, seed), table),
        BLOCK_BYTES,
        seed,
        prune=prune,
    )
    return make_miners(wiring, draw_power(nodes, seed), INTERVAL_S * 1_000, kernel=kernel)


def heapq_seconds_per_event(events: int = 400_000) -> float:
    """CPU seconds of a bare loop: push, pop, one draw, one call, over 40,000 pending events."""
    heap: list[tuple[int, int, Callable[[int], int]]] = []

    def handle(number: int) -> int:
        return number

    for number in range(PENDING):
        heappush(heap, (mix64(number) >> 34, number, handle))
    start = process_time()
    for number in range(PENDING, PENDING + events):
        time, which, action = heappop(heap)
        action(which)
        heappush(heap, (time + (mix64(number) >> 34), number, action))
    return (process_time() - start) / events


def measure(nodes: int, blocks: int, seed: int = 1) -> dict[str, Any]:
    """Run the workload and report: virtual results (the same for the same seed) and CPU figures (of this machine)."""
    relay = make_relay(nodes, seed)
    start = process_time()
    relay.run(blocks)
    cpu = process_time() - start
    bare = heapq_seconds_per_event()
    head = relay.common_head()
    full = [spread.delays for spread in relay.spreads[1:] if len(spread.delays) == nodes]
    at = partial(_quantile, full)
    return {
        "kernel": "reference",
        "fidelity": "engine",
        "protocol": "nakamoto",
        "nodes": nodes,
        "blocks": blocks,
        "seed": seed,
        "height": head.number,
        "stale_percent": round(100 * (blocks - head.number) / blocks, 2),
        "p10_ms": at(10),
        "p50_ms": at(50),
        "p90_ms": at(90),
        "events": relay.events,
        "pruned": relay.pruned,
        "digest": relay.digest(),
        "cpu_s": round(cpu, 3),
        "events_per_s": round(relay.events / cpu),
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "heapq_s_per_event": bare,
        "ratio": round(relay.events * bare / cpu, 3),
    }


def _quantile(delays: list[list[int]], percent: int) -> int:
    """Mean over blocks of the time (ms) after which `percent` of the nodes had it."""
    if not delays:
        return 0
    return sum(times[(len(times) - 1) * percent // 100] for times in delays) // len(delays) // 1_000_000
