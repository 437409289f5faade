"""The trace of a run: a rolling hash, equal for two runs if and only if the same things happened in the same order.

Every letter is folded in with its fate when it is sent, and every event when an engine hears it. So the hash says when
each copy arrives and what came of it, though a kernel need not look at each copy by itself.
"""

from array import array
from hashlib import blake2b
from sys import byteorder
from typing import Any

# Integers kept before they are hashed.
_ROW_INTEGERS = 1 << 14


class Trace:
    """A rolling hash over everything that happens: what is sent with its fate, and every event of every engine."""

    __slots__ = ("_hash", "_rows")

    def __init__(self) -> None:
        self._hash = blake2b(digest_size=32)
        self._rows: list[int] = []

    def row(self, *integers: int) -> None:
        """Fold in signed 64-bit integers."""
        self._rows += integers
        if len(self._rows) >= _ROW_INTEGERS:
            self._fold()

    def words(self, array: Any) -> None:
        """Fold in a contiguous numpy array of signed 64-bit integers, as `row` would."""
        self._fold()
        self._hash.update(array.astype("<i8", copy=False))

    def _fold(self) -> None:
        packed = array("q", self._rows)
        if byteorder == "big":
            packed.byteswap()
        self._hash.update(packed.tobytes())
        self._rows.clear()

    def digest(self) -> str:
        """Hex of the hash so far."""
        self._fold()
        return self._hash.copy().hexdigest()
