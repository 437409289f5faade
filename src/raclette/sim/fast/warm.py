"""Compile before the clock starts, so that nobody waits without being told why, and no measurement counts it."""

from time import process_time

from raclette.sim.fast.jit import cache_directory
from raclette.sim.pow import run_pow


def is_compiled() -> bool:
    """Is the compiled code of this version on this machine's disk? If not, the first run takes some seconds more."""
    return any(cache_directory().glob("**/model.*.nbc"))


def warm(fidelity: str = "engine") -> float:
    """Load or compile what a run at this fidelity needs; the CPU seconds that took."""
    start = process_time()
    run_pow(nodes=12, blocks=2, kernel="fast", fidelity=fidelity)
    return process_time() - start
