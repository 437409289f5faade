"""Nonce search for the live host: vector code made by LLVM, called in short chunks, with hashlib as the fallback.

`Miner` drives it for a node; `make_kernel().search(...)` is the search itself; `bench.measure` times it.
"""

from raclette.live.miner.driver import Miner
from raclette.live.miner.kernel import HashlibKernel, Kernel, VectorKernel, make_kernel

__all__ = ["HashlibKernel", "Kernel", "Miner", "VectorKernel", "make_kernel"]
