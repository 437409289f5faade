"""How fast votes travel: PBFT, all to all, beside a bare event loop measured in the same run."""

import resource
from time import process_time
from typing import Any

from raclette.sim.bench import heapq_seconds_per_event
from raclette.sim.engines.run import EnginesReport, EnginesRun, run_engines

# Patience long against the run, so that nothing but the normal case is measured.
PARAMETERS = {"view_timeout_ms": 600_000, "view_timeout_cap_ms": 600_000}
# What the fast kernel should deliver with QUORUM at a hundred replicas.
TARGET_PER_S = 1_000_000


def measure(nodes: int, blocks: int, seed: int = 1, policy: str = "quorum", kernel: str = "auto") -> dict[str, Any]:
    """Run PBFT's normal case on a local network and report: virtual results (the same for the same seed) and CPU
    figures (of this machine). `compile_s` is what a first small run takes; it is short where the cache is warm.

    Messages are counted where they arrive: each vote at each replica. Raises ConfigError.
    """
    start = process_time()
    run_engines(nodes=4, blocks=1, policy=policy, kernel=kernel)
    warm = process_time()
    run = EnginesRun.make(nodes=nodes, blocks=blocks, seed=seed, policy=policy, kernel=kernel, parameters=PARAMETERS)
    made = process_time()
    bare = heapq_seconds_per_event()
    began = process_time()
    report = run.run()
    cpu = process_time() - began
    bare = (bare + heapq_seconds_per_event()) / 2
    return _virtual(report) | {
        "compile_s": round(warm - start, 3),
        "setup_s": round(made - warm, 3),
        "cpu_s": round(cpu, 3),
        "messages_per_s": round(report.messages / cpu),
        "target": TARGET_PER_S,
        "rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "heapq_s_per_event": bare,
        "ratio": round(report.messages * bare / cpu, 3),
    }


def _virtual(report: EnginesReport) -> dict[str, Any]:
    latencies = sorted(decision.latency for decision in report.decisions)
    return {
        "protocol": report.protocol,
        "fidelity": "engine",
        "kernel": report.kernel,
        "policy": report.policy,
        "nodes": report.nodes,
        "blocks": len(report.decisions),
        "seed": report.seed,
        "complete": report.complete,
        "messages": report.messages,
        "bytes": sum(report.bytes.values()),
        "engine_events": sum(report.told.values()),
        "latency_ms": latencies[len(latencies) // 2] // 1000 / 1000 if latencies else 0.0,
        "digest": report.digest,
    }
