"""The compiled kernel: made once per processor, kept on disk, called through ctypes.

LLVM compiles the search for the processor at hand in about a second; the object code (30 KB) is kept in the user's
cache directory under a name that depends on the IR, the processor, its features and the llvmlite version, and loads in
milliseconds. A file that is not whole is ignored and replaced: machine code is never run unless its digest matches.
"""

import ctypes
import os
import struct
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import llvmlite
import llvmlite.binding as llvm

from raclette.live.miner.sha256_ir import FUNCTION, search_module
from raclette.primitives.errors import RacletteError

PREHASH_BYTES = 32
LOW_BITS = 32
LOW_SPAN = 1 << LOW_BITS
NONCE_SPAN = 1 << 64
_DIGEST_BYTES = 32


class KernelUnavailable(RacletteError):
    """This machine cannot compile or load the kernel; the hashlib loop does the work."""


class Kernel(Protocol):
    """A way to search nonces."""

    name: str
    lanes: int

    def search(self, prehash: bytes, target: int, start_nonce: int, count: int) -> int | None:
        """The lowest of `count` nonces from `start_nonce` with sha256d(prehash || nonce) <= target, or None.

        `prehash` is 32 bytes, the nonce 64 bits big-endian; the range ends at 2**64. Thread-safe.
        """


def is_hit(prehash: bytes, nonce: int, target: int) -> bool:
    """Exact check by hashlib, all 256 bits."""
    inner = sha256(prehash + nonce.to_bytes(8, "big")).digest()
    return int.from_bytes(sha256(inner).digest(), "big") <= target


class HashlibKernel:
    """The reference: one nonce at a time."""

    name = "hashlib"
    lanes = 1

    def search(self, prehash: bytes, target: int, start_nonce: int, count: int) -> int | None:
        """See `Kernel.search`."""
        limit = target.to_bytes(32, "big") if target < 1 << 256 else b"\xff" * 32
        for nonce in range(start_nonce, min(start_nonce + count, NONCE_SPAN)):
            if sha256(sha256(prehash + nonce.to_bytes(8, "big")).digest()).digest() <= limit:
                return nonce
        return None


class VectorKernel:
    """The compiled search. The call releases the interpreter lock for as long as it lasts."""

    def __init__(self, lanes: int, cache: Path | None) -> None:
        """Compiles, or loads from `cache`. Raises KernelUnavailable."""
        self.lanes = lanes
        self.name = f"llvm-{lanes}x32"
        try:
            self._function = self._load(_object_code(lanes, cache))
        except (RuntimeError, OSError) as error:
            raise KernelUnavailable(str(error)) from error

    def search(self, prehash: bytes, target: int, start_nonce: int, count: int) -> int | None:
        """See `Kernel.search`."""
        nonce, stop = start_nonce, min(start_nonce + count, NONCE_SPAN)
        prefix = struct.unpack(">8I", prehash)
        top = min(target >> 224, LOW_SPAN - 1)
        while nonce < stop:
            end = min(stop, (nonce | (LOW_SPAN - 1)) + 1)  # the high half is fixed within a call
            words = (ctypes.c_uint32 * 9)(*prefix, nonce >> LOW_BITS)
            groups = -(-(end - nonce) // self.lanes)
            group = self._function(words, nonce & (LOW_SPAN - 1), groups, top)
            if group < 0:
                nonce = end
                continue
            first = nonce + group * self.lanes
            nonce = min(first + self.lanes, end)
            for candidate in range(first, nonce):
                if is_hit(prehash, candidate, target):
                    return candidate
        return None

    def _load(self, code: bytes) -> Callable[..., int]:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
        engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        engine.finalize_object()
        address = engine.get_function_address(FUNCTION)
        if not address:
            raise RuntimeError("the object code has no search function")
        self._engine = engine  # owns the memory of the code
        arguments = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_uint64, ctypes.c_uint32)
        function: Callable[..., int] = ctypes.CFUNCTYPE(ctypes.c_int64, *arguments)(address)
        return function


def native_lanes() -> int:
    """32-bit lanes of this processor's widest vectors."""
    features = llvm.get_host_cpu_features()
    if features.get("avx512f"):
        return 16
    return 8 if features.get("avx2") else 4


def default_cache() -> Path | None:
    """The user's cache directory, or None where there is no home."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "raclette"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "raclette"


def make_kernel(lanes: int | None = None, cache: Path | None = None, *, compiled: bool = True) -> Kernel:
    """The fastest kernel that works here. `lanes`: 4, 8 or 16 (default: the processor's); `cache`: a directory
    (default: the user's); `compiled=False` asks for the hashlib loop."""
    if not compiled:
        return HashlibKernel()
    try:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        return VectorKernel(lanes or native_lanes(), cache or default_cache())
    except (KernelUnavailable, RuntimeError):
        return HashlibKernel()


def _target_machine() -> Any:
    features = llvm.get_host_cpu_features().flatten()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(cpu=llvm.get_host_cpu_name(), features=features, opt=3, codemodel="jitdefault")


def _object_code(lanes: int, cache: Path | None) -> bytes:
    """From the cache, or compiled and put there."""
    source = str(search_module(lanes))
    identity = (llvmlite.__version__, llvm.get_default_triple(), llvm.get_host_cpu_name(), _features(), source)
    key = sha256("\n".join(identity).encode()).hexdigest()
    path = cache / f"miner-{key[:32]}.o" if cache is not None else None
    code = _read(path) if path is not None else None
    if code is None:
        code = _compile(source)
        if path is not None:
            with suppress(OSError):  # a cache that cannot be written costs a second at the next start
                _write(path, code)
    return code


def _features() -> str:
    features: str = llvm.get_host_cpu_features().flatten()
    return features


def _compile(source: str) -> bytes:
    machine = _target_machine()
    module = llvm.parse_assembly(source)
    module.verify()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=3))
    builder.getModulePassManager().run(module, builder)
    code: bytes = machine.emit_object(module)
    return code


def _read(path: Path) -> bytes | None:
    """Digest, then code; None if absent or not whole."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, code = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return code if code and sha256(code).digest() == digest else None


def _write(path: Path, code: bytes) -> None:
    """Whole or not at all: another process may read at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(sha256(code).digest() + code)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
