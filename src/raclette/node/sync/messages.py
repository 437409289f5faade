"""What nodes ask each other to catch up, and the bounds of questions and answers."""

from typing import NamedTuple

from raclette.chain.header import Header
from raclette.primitives.units import MEBIBYTE

# Headers in one answer: about 600 bytes each, 300 KiB; two round trips fill the download queue.
HEADERS_PER_REQUEST_MAX = 512
# Bodies in one answer. Small blocks travel many at once; for large ones the byte limit below decides.
BODIES_PER_REQUEST_MAX = 32
# Hashes in a locator: 10 near ones, then doubling steps cover 2**54 blocks.
LOCATOR_MAX = 64
# An answer stops before it grows beyond this (the first item always fits): half of a frame.
ANSWER_BYTES_MAX = 2 * MEBIBYTE


class GetHeaders(NamedTuple):
    """Ask for up to `count` headers after the newest block of `locator` that the answerer has on the way to `target`.

    `locator`: block hashes of the asker's chain, newest first, thinning out. `target`: a block hash, or empty for the
    answerer's head.
    """

    request: int
    locator: tuple[bytes, ...]
    count: int  # type: ignore[assignment]  # hides tuple.count, which nobody needs here
    target: bytes = b""


class Headers(NamedTuple):
    """Consecutive headers, oldest first, each with its certificate (empty if the answerer has none)."""

    request: int
    items: tuple[tuple[Header, bytes], ...]


class GetBodies(NamedTuple):
    """Ask for the bodies of blocks."""

    request: int
    hashes: tuple[bytes, ...]


class Bodies(NamedTuple):
    """(block hash, raw transactions) of those that the answerer has and that fitted."""

    request: int
    items: tuple[tuple[bytes, tuple[bytes, ...]], ...]
