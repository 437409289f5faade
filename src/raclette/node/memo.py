"""A bounded memory of decoded transactions, so that a sender is recovered once, whoever asks.

Gate threads fill it, the chain reads it. Two generations instead of a linked list: when the young one is full it
becomes the old one, and what is used again moves up. Every step is a single dictionary operation, atomic in CPython.
"""

from collections.abc import Callable

from raclette.chain.ledger import Transaction

# Two generations of this many: enough for every transaction of the blocks in flight and of a full mempool's busy part.
GENERATION = 32_768


class DecodeMemo:
    """Call it with raw bytes: the decoded transaction, or Refused as the ledger's `decode` raises it."""

    __slots__ = ("_decode", "_old", "_young")

    def __init__(self, decode: Callable[[bytes], Transaction]) -> None:
        self._decode = decode
        self._young: dict[bytes, Transaction] = {}
        self._old: dict[bytes, Transaction] = {}

    def __call__(self, raw: bytes) -> Transaction:
        found = self._young.get(raw)
        if found is not None:
            return found
        found = self._old.get(raw)
        if found is None:
            found = self._decode(raw)
        self.remember(found)
        return found

    def remember(self, transaction: Transaction) -> None:
        """Keep one that was decoded elsewhere."""
        if len(self._young) >= GENERATION:
            self._old, self._young = self._young, {}
        self._young[transaction.raw] = transaction
