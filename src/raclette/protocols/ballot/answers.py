"""How much is answered: a question of fifty bytes may ask for a certificate of three hundred thousand.

Whoever asks honestly asks once a block, and again only after `round_ms`, for what was lost.
"""

# Answers for each peer in one period: as many blocks as honest branches are apart after a short division.
ANSWERS_MAX = 8


class Answers:
    """BAL-43: who got what in the period that runs. Holds no more than peers ask in one period."""

    def __init__(self, period: int) -> None:
        """In nanoseconds."""
        self._period = period
        self._since = 0
        self._given: dict[bytes, dict[bytes, None]] = {}

    def admit(self, now: int, peer: bytes, block_hash: bytes) -> bool:
        """May `peer` have an answer about this block? If so, it is noted."""
        if now - self._since >= self._period:
            self._given.clear()
            self._since = now
        given = self._given.setdefault(peer, {})
        if block_hash in given or len(given) >= ANSWERS_MAX:
            return False
        given[block_hash] = None
        return True
