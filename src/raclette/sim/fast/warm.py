"""Compile before the clock starts, so that no measurement counts it."""

from time import process_time

from raclette.sim.pow import run_pow


def warm(fidelity: str = "engine") -> float:
    """Load or compile what a run at this fidelity needs; the CPU seconds that took."""
    start = process_time()
    run_pow(nodes=12, blocks=2, kernel="fast", fidelity=fidelity)
    return process_time() - start
