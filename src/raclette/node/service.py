"""What answering strangers may cost: a token bucket of bytes for each peer that asks.

A question takes a hundred bytes and its answer up to some megabytes of reading, encoding and sending. Whoever catches
up executes what it gets, at a few megabytes a second at most, so an honest peer never meets the bound.
"""

from raclette.primitives.errors import PeerFault
from raclette.primitives.units import KIBIBYTE, MEBIBYTE, SECOND

# Bytes of answers to one peer per second on average, and at once: what a peer that catches up keeps in hand (64 MiB),
# twice.
SERVED_BYTES_PER_SECOND = 16 * MEBIBYTE
SERVED_BYTES_BURST = 128 * MEBIBYTE
# What a question costs at least, its answer empty or not: 4,000 a second.
QUESTION_BYTES = 4 * KIBIBYTE


class Service:
    """Who was given how much of late. Bounded by the linked peers."""

    def __init__(self) -> None:
        # Bytes still to be earned back, and when that was counted.
        self._debts: dict[bytes, tuple[int, int]] = {}

    def admit(self, now: int, peer: bytes) -> None:
        """May this peer ask? Raises PeerFault (flood)."""
        debt, since = self._debts.get(peer, (0, now))
        debt = max(0, debt - (now - since) * SERVED_BYTES_PER_SECOND // SECOND)
        self._debts[peer] = debt, now
        if debt > SERVED_BYTES_BURST:
            raise PeerFault("flood", f"{debt // MEBIBYTE} MiB of answers in a short time")

    def charge(self, peer: bytes, size: int) -> None:
        """An answer of `size` bytes leaves. After `admit`."""
        debt, since = self._debts[peer]
        self._debts[peer] = debt + max(size, QUESTION_BYTES), since

    def gone(self, peer: bytes) -> None:
        """A link is down."""
        self._debts.pop(peer, None)
