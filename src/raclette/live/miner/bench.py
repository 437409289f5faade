"""How fast this machine mines, on one core, against a plain hashlib loop."""

import time
from typing import TypedDict

from raclette.live.miner.kernel import HashlibKernel, Kernel, make_kernel

_PREHASH = bytes(range(32))
# No digest is that small (one in 2**256), so every nonce is tried.
_NEVER = 0
_VECTOR_CHUNK = 1 << 18
_HASHLIB_CHUNK = 1 << 13


class MiningSpeed(TypedDict):
    """Hashes (sha256d of 40 bytes) per second of CPU time of one core."""

    hashes_per_s: int
    reference_hashes_per_s: int
    ratio: float
    lanes: int
    kernel: str


def measure(seconds: float = 2.0, kernel: Kernel | None = None) -> MiningSpeed:
    """Runs the kernel, then the hashlib loop, for `seconds` each."""
    kernel = kernel or make_kernel()
    reference = HashlibKernel()
    fast = _rate(kernel, seconds, _HASHLIB_CHUNK if kernel.lanes == 1 else _VECTOR_CHUNK)
    slow = _rate(reference, seconds, _HASHLIB_CHUNK)
    return {
        "hashes_per_s": round(fast),
        "reference_hashes_per_s": round(slow),
        "ratio": round(fast / slow, 2),
        "lanes": kernel.lanes,
        "kernel": kernel.name,
    }


def _rate(kernel: Kernel, seconds: float, chunk: int) -> float:
    """CPU time, so that other work on the machine does not count against the kernel."""
    kernel.search(_PREHASH, _NEVER, 0, chunk)
    began, hashes = time.thread_time(), 0
    while (elapsed := time.thread_time() - began) < seconds:
        kernel.search(_PREHASH, _NEVER, hashes, chunk)
        hashes += chunk
    return hashes / elapsed
