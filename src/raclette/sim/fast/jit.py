"""How functions are compiled here: once for each machine, kept on disk, without the interpreter's lock.

numba compiles a function when it is first called and keeps the machine code in a cache. It decides by the age of the
function's own file whether that code is stale, and does not look at the functions it calls; so the cache directory is
named after the contents of this package. It lies with the user, not beside the code, and works for a package that was
installed by somebody else.

Rules for code compiled here: integers only; never mix signed and unsigned (numba would make a float of it); every
buffer is allocated outside, and a function that runs out of room says so by its return code.
"""

import os
import sys
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import gettempdir
from typing import Any, TypeAlias, TypeVar

from raclette.sim.fast import require_numba

F = TypeVar("F", bound=Callable[..., Any])
# A signed or unsigned integer of 64 bits in compiled code, where numpy's and Python's are one.
Number: TypeAlias = Any


@cache
def cache_directory() -> Path:
    """With the user (or where NUMBA_CACHE_DIR says), under a name that changes with the code."""
    content = sha256(sys.version.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content.update(path.read_bytes())
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")
    wanted = os.environ.get("NUMBA_CACHE_DIR")
    for root in (Path(wanted) if wanted else base / "raclette", Path(gettempdir()) / "raclette"):
        path = root / f"kernels-{content.hexdigest()[:12]}"
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(path, os.W_OK):
            return path
    return Path(gettempdir())


def _load() -> Any:
    """numba, told before it starts to leave the processor's vector mathematics alone, and where its cache is. Whoever
    must wait while that is filled is told why, on stderr."""
    require_numba()
    os.environ.setdefault("NUMBA_DISABLE_INTEL_SVML", "1")
    import numba

    directory = cache_directory()
    if next(directory.glob("**/*.nbc"), None) is None:
        sys.stderr.write("raclette: compiling the fast kernels, once on this machine; some ten seconds each\n")
    numba.config.CACHE_DIR = str(directory)
    return numba


_numba = _load()


def jit(function: F) -> F:
    """Compile `function` when it is first called, once for each machine."""
    compiled: F = _numba.njit(cache=True, nogil=True, error_model="numpy")(function)
    return compiled


def lean(function: F) -> F:
    """The same without counting references: five times as fast where a tuple of arrays goes from function to function.
    Such a function makes no array, keeps none and returns none."""
    compiled: F = _numba.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)(function)
    return compiled


def inner(function: F) -> F:
    """As `lean`, for a function that only compiled code calls: what Python would need to call it is left out, which
    makes half of the work of compiling."""
    compiled: F = _numba.njit(
        cache=True, nogil=True, error_model="numpy", _nrt=False, no_cpython_wrapper=True, no_cfunc_wrapper=True
    )(function)
    return compiled
