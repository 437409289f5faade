"""At-least-once delivery that survives crashes: stored before sent, repeated until acknowledged, too old, or too much.

Idea: an entry is written to the OUTBOX table before its first attempt leaves; attempts repeat with exponential back-off
and jitter; the receiver recognises repetitions by content hash (`Inbox`) and acknowledges each, so that together they
deliver once. Used for transactions that a client was told "yes" about, and for the tracker's announcements.

A pure machine over the store: methods take `now` (ns) and return effects in order; `Write` comes before the `Dispatch`
that relies on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import NamedTuple, TypeAlias

from raclette.engine.effects import SetTimer
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, Misuse, Refused, StoreDamaged
from raclette.primitives.hashing import HASH_BYTES, sha256
from raclette.primitives.randomness import Random
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.units import HOUR, MEBIBYTE, MILLISECOND, MINUTE, SECOND
from raclette.store.contract import Batch, Reader, Table

ENTRY_PREFIX = b"out/"
RETRY = "retry"


@dataclass(frozen=True, slots=True)
class OutboxLimits:
    """Times in nanoseconds."""

    # Waiting entries and their bytes. Four seconds of the fastest network we measured.
    count_max: int = 10_000
    bytes_max: int = 32 * MEBIBYTE
    # Largest payload.
    payload_bytes_max: int = 1 * MEBIBYTE
    # First repetition, doubling up to the most, each shortened by up to a quarter at random so that many entries of one
    # moment do not come back together.
    retry_first: int = 2 * SECOND
    retry_max: int = 5 * MINUTE
    # After this an entry is dropped: what could not be delivered in a day is stale.
    age_max: int = 24 * HOUR
    # Entries sent in one turn, and the pause before the next ones: a reconnection must not flood a link.
    burst_max: int = 256
    burst_pause: int = 10 * MILLISECOND


class Anybody(NamedTuple):
    """Destination: any so many peers."""

    peers: int


Destination: TypeAlias = bytes | Anybody


class Write(NamedTuple):
    """Apply this batch to the store before any later effect."""

    batch: Batch


class Dispatch(NamedTuple):
    """Send this payload to these peers. They answer with an acknowledgement of `content_hash`."""

    peers: tuple[bytes, ...]
    content_hash: bytes
    payload: bytes


class Dropped(NamedTuple):
    """Given up, undelivered: `reason` is "too-old"."""

    content_hash: bytes
    reason: str


OutboxEffect: TypeAlias = Write | Dispatch | Dropped | SetTimer


@dataclass(slots=True)
class Entry:
    """`needed` acknowledgements are outstanding. `attempts` were made; `due` is when the next one is."""

    destination: Destination
    content_hash: bytes
    payload: bytes
    created: int
    attempts: int = 0
    due: int = 0
    acknowledged: tuple[bytes, ...] = ()

    @property
    def needed(self) -> int:
        """How many more peers must acknowledge."""
        wanted = self.destination.peers if isinstance(self.destination, Anybody) else 1
        return wanted - len(self.acknowledged)

    def encode(self) -> bytes:
        """As stored. Attempts are not: after a restart patience starts anew."""
        one = isinstance(self.destination, bytes)
        peer = self.destination if isinstance(self.destination, bytes) else b""
        count = 0 if isinstance(self.destination, bytes) else self.destination.peers
        return rlp.encode(
            [int_to_bytes(one), peer, int_to_bytes(count), self.payload, int_to_bytes(self.created), self.acknowledged]
        )

    @classmethod
    def decode(cls, content_hash: bytes, data: bytes) -> "Entry":
        """From the store. Raises DecodeError."""
        one, peer, count, payload, created, acknowledged = rlp.decode_list(data, 6)
        destination: Destination = as_bytes(peer) if bytes_to_int(one) else Anybody(bytes_to_int(count, size_max=4))
        return cls(
            destination,
            content_hash,
            as_bytes(payload),
            bytes_to_int(created, size_max=8),
            acknowledged=tuple(as_bytes(item) for item in rlp.as_list(acknowledged)),
        )


class Outbox:
    """What must reach somebody. One entry per content hash."""

    def __init__(self, reader: Reader, random: Random, limits: OutboxLimits | None = None) -> None:
        """Takes up what the store holds; `start` sends it. Raises StoreDamaged."""
        self.limits = limits or OutboxLimits()
        self._random = random
        self._entries: dict[bytes, Entry] = {}
        self._due: list[tuple[int, int, bytes]] = []
        self._bytes = 0
        self._sequence = 0
        self._peers: dict[bytes, None] = {}
        self._timer: int | None = None
        for key, value in reader.scan(Table.OUTBOX, ENTRY_PREFIX, ENTRY_PREFIX + b"\xff" * (HASH_BYTES + 1)):
            try:
                entry = Entry.decode(key[len(ENTRY_PREFIX) :], value)
            except (DecodeError, ValueError) as error:
                raise StoreDamaged(f"outbox: {key.hex()}: {error}") from None
            self._keep(entry)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, content_hash: bytes) -> bool:
        return content_hash in self._entries

    def entries(self) -> list[Entry]:
        """What waits, oldest first."""
        return sorted(self._entries.values(), key=lambda entry: (entry.created, entry.content_hash))

    def stats(self) -> dict[str, int]:
        """Counts and bytes."""
        return {"entries": len(self._entries), "bytes": self._bytes, "limit": self.limits.count_max}

    def start(self, now: int) -> tuple[OutboxEffect, ...]:
        """Begin to send what a previous life left."""
        return self._turn(now, Batch(), [])

    def up(self, now: int, peer: bytes) -> tuple[OutboxEffect, ...]:
        """A link is up: what waits for this peer is due at once."""
        self._peers[peer] = None
        for entry in self._entries.values():
            if entry.destination == peer or (isinstance(entry.destination, Anybody) and not entry.attempts):
                self._schedule(entry, now)
        return self._turn(now, Batch(), [])

    def down(self, peer: bytes) -> None:
        """A link is gone."""
        self._peers.pop(peer, None)

    def put(
        self, now: int, payloads: Sequence[bytes], destination: Destination, *, hashes: Sequence[bytes] = ()
    ) -> tuple[OutboxEffect, ...]:
        """Promise to deliver. `hashes` name the payloads where content has a name already (a transaction's hash);
        SHA-256 otherwise. What is promised already is left as it is. Raises Refused (outbox-full, oversized)."""
        names = list(hashes) or [sha256(payload) for payload in payloads]
        if len(names) != len(payloads) or any(len(name) != HASH_BYTES for name in names):
            raise Misuse("one 32-byte hash per payload")
        new = {name: payload for name, payload in zip(names, payloads, strict=True) if name not in self._entries}
        if any(len(payload) > self.limits.payload_bytes_max for payload in new.values()):
            raise Refused("oversized", f"a payload is larger than {self.limits.payload_bytes_max} bytes")
        size = sum(map(len, new.values()))
        if len(self._entries) + len(new) > self.limits.count_max or self._bytes + size > self.limits.bytes_max:
            raise Refused("outbox-full", "the outbox is full")
        batch = Batch()
        for name, payload in new.items():
            entry = Entry(destination, name, payload, now, due=now)
            batch.put(Table.OUTBOX, ENTRY_PREFIX + name, entry.encode())
            self._keep(entry)
        return self._turn(now, batch, [])

    def acknowledged(self, now: int, hashes: Sequence[bytes], peer: bytes | None = None) -> tuple[OutboxEffect, ...]:
        """`peer` has these; without a peer they are delivered for good (a block contains them). Unknown ones and
        acknowledgements by somebody else than the destination are ignored."""
        batch = Batch()
        for content_hash in hashes:
            entry = self._entries.get(content_hash)
            if entry is None:
                continue
            if peer is not None:
                if isinstance(entry.destination, bytes) and entry.destination != peer:
                    continue
                if peer not in entry.acknowledged:
                    entry.acknowledged = (*entry.acknowledged, peer)
                if entry.needed > 0:
                    batch.put(Table.OUTBOX, ENTRY_PREFIX + content_hash, entry.encode())
                    continue
            self._remove(entry, batch)
        return self._turn(now, batch, [])

    def fired(self, now: int, name: str) -> tuple[OutboxEffect, ...]:
        """Our timer."""
        if name != RETRY:
            return ()
        self._timer = None
        return self._turn(now, Batch(), [])

    def _turn(self, now: int, batch: Batch, effects: list[OutboxEffect]) -> tuple[OutboxEffect, ...]:
        sends: list[OutboxEffect] = []
        while self._due and self._due[0][0] <= now and len(sends) < self.limits.burst_max:
            due, _, content_hash = heappop(self._due)
            entry = self._entries.get(content_hash)
            if entry is None or entry.due != due:
                continue
            if now - entry.created > self.limits.age_max:
                self._remove(entry, batch)
                sends.append(Dropped(content_hash, "too-old"))
                continue
            peers = self._targets(entry)
            if peers:
                entry.attempts += 1
                sends.append(Dispatch(peers, content_hash, entry.payload))
            self._schedule(entry, now + self._delay(entry))
        if len(batch):
            effects.append(Write(batch))
        return tuple(effects + sends + self._arm(now))

    def _targets(self, entry: Entry) -> tuple[bytes, ...]:
        if isinstance(entry.destination, bytes):
            return (entry.destination,) if entry.destination in self._peers else ()
        others = [peer for peer in self._peers if peer not in entry.acknowledged]
        return tuple(self._random.sample(others, entry.needed))

    def _delay(self, entry: Entry) -> int:
        delay = min(self.limits.retry_first << min(max(0, entry.attempts - 1), 30), self.limits.retry_max)
        return delay - self._random.below(delay // 4 + 1)

    def _arm(self, now: int) -> list[OutboxEffect]:
        while self._due:
            due, _, content_hash = self._due[0]
            entry = self._entries.get(content_hash)
            if entry is not None and entry.due == due:
                break
            heappop(self._due)
        if not self._due or (self._timer is not None and now < self._timer <= self._due[0][0]):
            return []
        self._timer = max(self._due[0][0], now + self.limits.burst_pause)
        return [SetTimer(RETRY, self._timer - now)]

    def _keep(self, entry: Entry) -> None:
        self._entries[entry.content_hash] = entry
        self._bytes += len(entry.payload)
        self._schedule(entry, entry.due)

    def _schedule(self, entry: Entry, due: int) -> None:
        entry.due = due
        self._sequence += 1
        heappush(self._due, (due, self._sequence, entry.content_hash))
        if len(self._due) > 2 * len(self._entries) + 64:
            self._due = [
                item for item in self._due if (known := self._entries.get(item[2])) is not None and known.due == item[0]
            ]
            heapify(self._due)

    def _remove(self, entry: Entry, batch: Batch) -> None:
        del self._entries[entry.content_hash]
        self._bytes -= len(entry.payload)
        batch.delete(Table.OUTBOX, ENTRY_PREFIX + entry.content_hash)
