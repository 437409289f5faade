"""The fast kernels: the same semantics as the reference, compiled by numba over flat arrays.

Importing this package costs nothing: numba is loaded by the modules inside it, when a fast kernel is made. Those are
`heap` (an ordered queue), `arithmetic` (the integer functions that draw delays), `relay` (blocks between engines) and
`model` (proof of work without engines).
"""

import os
from importlib.util import find_spec

from raclette.primitives.errors import ConfigError

KERNELS = ("auto", "reference", "fast")


def why_not() -> str:
    """Why nothing can be compiled here, or an empty string."""
    if find_spec("numba") is None:
        return "numba is not installed (pip install 'raclette[lab]')"
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return "NUMBA_DISABLE_JIT is set"
    return ""


def require_numba() -> None:
    """Raises ConfigError where nothing can be compiled."""
    reason = why_not()
    if reason:
        raise ConfigError(f"kernel: fast does not work here: {reason}; accepted are auto and reference")


def choose_kernel(wanted: str = "auto") -> str:
    """Of "auto", "reference" and "fast" the one to run: "auto" is the fast one where it works. Raises ConfigError."""
    if wanted not in KERNELS:
        raise ConfigError(f"kernel: {wanted!r} is unknown; accepted are {', '.join(KERNELS)}")
    if wanted == "fast":
        require_numba()
    return "reference" if wanted == "reference" or why_not() else "fast"
