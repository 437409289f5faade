"""What sync knows about each linked peer: what it claims, what it is asked, and how it has behaved."""

from raclette.node.sync.limits import SyncLimits

# First guess of how many bodies fit into an answer.
BATCH_FIRST = 8


class SyncPeer:
    """`height`, `head_hash`, `weight` and `final` (a height) are claims: they only say whom to ask."""

    __slots__ = ("batch", "failures", "final", "head_hash", "height", "owed", "requests", "rest_until", "weight")

    def __init__(self) -> None:
        self.head_hash = b""
        self.height = 0
        self.weight = 0
        self.final = 0
        self.requests = 0
        # Answers that it may still send: one for each request, however late.
        self.owed = 0
        self.failures = 0
        self.rest_until = 0
        # Bodies asked for at once: grows while answers are whole, follows what fitted when they are not.
        self.batch = BATCH_FIRST

    def answers(self) -> bool:
        """An answer came. False if it was never asked for."""
        if not self.owed:
            return False
        self.owed -= 1
        return True

    def forget_claim(self) -> None:
        """It did not live up to it; until its next status it claims nothing."""
        self.head_hash = b""
        self.height = 0
        self.weight = 0
        self.final = 0

    def failed(self, now: int, limits: SyncLimits) -> None:
        """Leave it alone, twice as long with each failure in a row."""
        self.rest_until = now + min(limits.backoff_first << min(self.failures, 20), limits.backoff_max)
        self.failures += 1

    def delivered(self) -> None:
        """It kept its word."""
        self.failures = 0
        self.rest_until = 0
