"""How fast the simulator is, beside a bare event loop measured in the same run.

The only clock of the simulator is read here, around a run, never within one.
"""

import resource
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from heapq import heappop, heappush
from time import process_time
from typing import Any

from raclette.chain.genesis import CHAIN_ID_DEFAULT
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.primitives.randomness import Random, mix64
from raclette.primitives.units import SECOND
from raclette.protocols import make_engine
from raclette.sim.config import EPOCH_S
from raclette.sim.light import LightChain, Register
from raclette.sim.models import Regions, assign_regions, internet_2019
from raclette.sim.relay import Relay
from raclette.sim.topology import bitcoin_like
from raclette.sim.world import make_seal, make_signatures, node_ids

# The workload of SimBlock's paper: full blocks of 2019, every ten minutes.
BLOCK_BYTES = 535_000
INTERVAL_S = 600
# Hashes a second of a node: normal with this mean and deviation.
POWER_MEAN, POWER_DEVIATION = 400_000, 100_000
# Pending events of the bare loop, as in a world of 10,000 nodes.
PENDING = 40_000
_STREAM_POWER = 6


def draw_power(nodes: int, seed: int) -> list[int]:
    """Hash power of each node: normally distributed, as the sum of twelve uniform integers (Irwin-Hall)."""
    random = Random(seed, _STREAM_POWER)
    span = POWER_DEVIATION
    return [max(1, POWER_MEAN + sum(random.below(span) for _ in range(12)) - 6 * span) for _ in range(nodes)]


def make_relay(nodes: int, seed: int, *, prune: bool = True) -> Relay:
    """A world of `nodes` nakamoto engines on the Internet of 2019. Raises ConfigError for impossible numbers."""
    table = internet_2019()
    power = draw_power(nodes, seed)
    difficulty = sum(power) * INTERVAL_S
    genesis = Header(parent_hash=bytes(32), number=0, timestamp=EPOCH_S, difficulty=difficulty)
    register = Register(genesis, nodes)
    seal = make_seal(seed)
    relay = Relay(
        bitcoin_like(nodes, table.degree_per_1000, seed),
        Regions(assign_regions(nodes, table.share, seed), table),
        register,
        seal,
        seed=seed,
        block_bytes=BLOCK_BYTES,
        hash_power=power,
        epoch=EPOCH_S * SECOND,
        prune=prune,
    )
    parameters = {
        "difficulty_rule": "fixed",
        "initial_difficulty": difficulty,
        "block_interval_s": INTERVAL_S,
        "time_refresh_ms": 3_600_000,
    }
    signatures = make_signatures(seed)
    for node, node_id in enumerate(node_ids(nodes, seed)):
        chain = LightChain(register, node, CHAIN_ID_DEFAULT)
        setup = EngineSetup(parameters, chain, signatures.signer(node_id), sha256(node_id).digest()[:20], {})
        relay.join(node_id, chain, make_engine("nakamoto", setup, seal_check=seal))
    return relay


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
