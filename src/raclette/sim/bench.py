"""How fast the simulator is, beside a bare event loop measured in the same run.

The only clock of the simulator is read here, around a run, never within one. Compiling is timed apart.
"""

import resource
from collections.abc import Callable
from heapq import heappop, heappush
from time import process_time
from typing import Any

from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import mix64
from raclette.sim.fast import choose_kernel
from raclette.sim.kernel import Kernel, Kind, place
from raclette.sim.miners import draw_power, make_miners
from raclette.sim.pow import BLOCK_BYTES, PowRun, engine_run, make_wiring, run_model
from raclette.sim.relay import Relayed

# The workload of SimBlock's paper: full blocks of 2019, every ten minutes.
INTERVAL_MS = 600_000
# Pending events of the bare loop, as in a world of 10,000 nodes.
PENDING = 40_000
# Events over which the bare loop, and the reference kernel beside it, are timed.
LOOP_EVENTS = 200_000
# How many times the work of the bare loop a run should do in its time, by fidelity, and the CPU seconds that 10,000
# nodes and 100 blocks should take at most. From the project's goals; SimBlock (Java) takes 50 to 71.
RATIO_TARGETS = {"engine": 8, "model": 30}
CPU_TARGETS_S = {"engine": 8, "model": 2}
TARGET_WORLD = (10_000, 100)
# The reference kernel (`sim.kernel`) may take this many times as long as the bare loop over the same events.
REFERENCE_TARGET = 1.5


def make_relay(nodes: int, seed: int, *, prune: bool = True, kernel: str = "reference") -> Relayed:
    """A world of `nodes` nakamoto engines on the Internet of 2019. Raises ConfigError for impossible numbers."""
    wiring = make_wiring(nodes, seed=seed, block_bytes=BLOCK_BYTES, prune=prune)
    return make_miners(wiring, draw_power(nodes, seed), INTERVAL_MS, kernel=kernel)


def heapq_seconds_per_event(events: int = LOOP_EVENTS) -> float:
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


def reference_seconds_per_event(events: int = LOOP_EVENTS) -> float:
    """About as many events of the same kind on the reference kernel, which keeps a digest besides."""
    kernel = Kernel()
    where = place(Kind.ARRIVAL, 1)
    number = PENDING

    def handle(_: int) -> None:
        nonlocal number
        number += 1
        kernel.schedule(kernel.now + (mix64(number) >> 34), where, number, 0, handle, number)

    for pending in range(PENDING):
        kernel.schedule(mix64(pending) >> 34, where, pending, 0, handle, pending)
    start = process_time()
    kernel.run_until((events << 29) // PENDING)  # an event leads to the next after 2**29 in the mean
    return (process_time() - start) / kernel.events


def reference_over_heapq(events: int = LOOP_EVENTS, rounds: int = 3) -> float:
    """How many times as long as the bare loop the reference kernel takes, measured in turn."""
    reference = bare = 0.0
    for _ in range(rounds):
        bare += heapq_seconds_per_event(events // rounds)
        reference += reference_seconds_per_event(events // rounds)
    return reference / bare


def measure(
    nodes: int,
    blocks: int,
    seed: int = 1,
    *,
    kernel: str = "auto",
    fidelity: str = "engine",
    share: bool = True,
    loop_events: int = LOOP_EVENTS,
) -> dict[str, Any]:
    """Run the workload and report: virtual results (the same for the same seed) and CPU figures (of this machine).

    With the engines, `engine_events` is what happened to them and `engine_calls` how often one was asked about it; with
    `share` the fast kernel repeats the answers of engines that are alike (`fast.shared`), without it each is asked.

    The bare loop runs over `loop_events` before and after, and the mean counts. Raises ConfigError.
    """
    if fidelity not in RATIO_TARGETS:
        raise ConfigError(f"fidelity: {fidelity!r} is unknown; accepted are {', '.join(RATIO_TARGETS)}")
    chosen = choose_kernel(kernel)
    if fidelity == "model" and chosen != "fast":
        raise ConfigError("fidelity: the model runs on the fast kernel only")
    compiling = 0.0
    if chosen == "fast":
        from raclette.sim.fast.warm import warm

        compiling = warm(fidelity)
    bare = heapq_seconds_per_event(loop_events)
    run, cpu, asked = _timed(nodes, blocks, seed, chosen, fidelity, share=share)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    bare = (bare + heapq_seconds_per_event(loop_events)) / 2
    p10, p50, p90 = (round(figure) for figure in run.quantiles_ms(10, 50, 90))
    result = {
        "kernel": chosen,
        "fidelity": fidelity,
        "protocol": "nakamoto",
        "nodes": nodes,
        "blocks": blocks,
        "seed": seed,
        "height": run.heights[run.head],
        "stale_percent": round(run.stale_percent, 2),
        "p10_ms": p10,
        "p50_ms": p50,
        "p90_ms": p90,
        "events": run.events,
        "pruned": run.skipped,
        **asked,
        "digest": run.digest,
        "cpu_s": round(cpu, 3),
        "compile_s": round(compiling, 3),
        "events_per_s": round(run.events / cpu),
        "rss_mb": rss,
        "heapq_s_per_event": bare,
        "ratio": round(run.events * bare / cpu, 3),
        "reference_over_heapq": round(reference_over_heapq(loop_events), 3),
        "reference_over_heapq_target": REFERENCE_TARGET,
    }
    if chosen == "fast":
        result["ratio_target"] = RATIO_TARGETS[fidelity]
        if (nodes, blocks) == TARGET_WORLD:
            result["cpu_target_s"] = CPU_TARGETS_S[fidelity]
    return result


def _timed(
    nodes: int, blocks: int, seed: int, kernel: str, fidelity: str, *, share: bool
) -> tuple[PowRun, float, dict[str, int]]:
    """The run, its CPU seconds, and how often engines were asked; drawing the network is not counted."""
    wiring = make_wiring(nodes, seed=seed, block_bytes=BLOCK_BYTES)
    power = draw_power(nodes, seed)
    if fidelity == "model":
        start = process_time()
        run = run_model(wiring, power, INTERVAL_MS, blocks)
        return run, process_time() - start, {}
    relay = make_miners(wiring, power, INTERVAL_MS, kernel=kernel, share=share)
    start = process_time()
    relay.run(blocks)
    cpu = process_time() - start
    return engine_run(relay, wiring), cpu, {"engine_events": relay.happened, "engine_calls": relay.calls}
