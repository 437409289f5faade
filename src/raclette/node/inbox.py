"""The receiving side of the outbox: a repetition is recognised by its content hash, also after a restart."""

from collections import OrderedDict

from raclette.primitives.hashing import HASH_BYTES
from raclette.store.contract import Batch, Reader, Table

SEEN_PREFIX = b"in/"
# Deliveries remembered. A sender gives up after a day; 16,384 announcements or transactions a day from outboxes is far
# beyond what they are for, and 1.5 MB of memory.
SEEN_MAX = 16_384


class Inbox:
    """Remembers the last deliveries. Write `take_batch()` before acknowledging, or a crash in between may let one
    through twice."""

    def __init__(self, reader: Reader, seen_max: int = SEEN_MAX) -> None:
        self._seen_max = seen_max
        self._seen: OrderedDict[bytes, int] = OrderedDict()
        self._batch = Batch()
        self._next = 0
        for key, content_hash in reader.scan(Table.OUTBOX, SEEN_PREFIX, SEEN_PREFIX + b"\xff" * 9):
            self._next = int.from_bytes(key[len(SEEN_PREFIX) :], "big") + 1
            self._seen[content_hash] = self._next - 1

    def __len__(self) -> int:
        return len(self._seen)

    def is_new(self, content_hash: bytes) -> bool:
        """True the first time. Acknowledge in both cases: the first acknowledgement may have been lost."""
        if len(content_hash) != HASH_BYTES:
            raise ValueError(f"{len(content_hash)} bytes where {HASH_BYTES} belong")
        if content_hash in self._seen:
            return False
        self._seen[content_hash] = self._next
        self._batch.put(Table.OUTBOX, _key(self._next), content_hash)
        self._next += 1
        if len(self._seen) > self._seen_max:
            _, oldest = self._seen.popitem(last=False)
            self._batch.delete(Table.OUTBOX, _key(oldest))
        return True

    def take_batch(self) -> Batch:
        """What has changed since the last call, to be written."""
        batch, self._batch = self._batch, Batch()
        return batch


def _key(number: int) -> bytes:
    return SEEN_PREFIX + number.to_bytes(8, "big")
