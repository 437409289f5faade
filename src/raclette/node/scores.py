"""Peer scores: what each fault costs, how it is forgiven, when a peer is banned.

A score starts at 0 and falls with faults; it recovers one point every `recovery` ns, so that a peer that is slow or
unlucky now and then stays, and one that lies goes at once. Scores and bans are kept in the PEERS table: a restart is no
amnesty. The table below is the only place where a reason has a price.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, StoreDamaged
from raclette.primitives.rlp import bytes_to_int, int_to_bytes
from raclette.primitives.units import HOUR, MINUTE
from raclette.store.contract import Batch, Reader, Table

# Reasons by price. A lie that only a liar can tell costs a ban at once; what a slow, old or unlucky honest peer may do
# costs little; everything malformed or invalid that is not listed costs DEFAULT_POINTS.
PENALTIES: Mapping[str, int] = MappingProxyType(
    {
        # Provable: nobody honest does this.
        "bad-signature": 100,
        "wrong-identity": 100,
        "equivocation": 100,
        "frame-size": 100,
        # Checked by us with certainty, but a bug of an honest version could do it.
        "wrong-body": 50,
        "body-root": 50,
        "unasked-body": 50,
        "headers-unlinked": 50,
        "header-number": 50,
        "too-many-headers": 50,
        "known-bad": 50,
        "conflicts-with-final": 50,
        "wrong-transaction": 50,
        "bad-transaction": 25,
        # A lie or a reorganisation at an unlucky moment.
        "claim-unproven": 10,
        "headers-without-bodies": 25,
        # A slow link, a busy machine.
        "stalled": 5,
        # It says it has the block; perhaps it has just reorganised.
        "no-bodies": 5,
        "flood": 10,
        # Answers that were never asked for, and transactions by the hundred that nothing could come of: both cost us
        # signature checks. Nobody honest sends them, but a restart of ours may make it look so.
        "unasked-answer": 10,
        "worthless-transactions": 25,
        "not-yet": 0,
        "unknown-parent": 0,
    }
)
DEFAULT_POINTS = 25

KEY_PREFIX = b"score/"


def price_of(reason: str) -> int:
    """Points that a fault costs. Engines say what it is about ("equivocation-commit"): the price is one."""
    return PENALTIES.get(reason, PENALTIES.get(reason.partition("-")[0], DEFAULT_POINTS))


@dataclass(frozen=True, slots=True)
class ScoreLimits:
    """Times in nanoseconds."""

    # The score at which a peer is banned: one provable lie, two invalid blocks, twenty stalls in a short time.
    ban_at: int = -100
    # One point is forgiven after this long: a stall is forgotten in five minutes, a ban's worth in under two hours.
    recovery: int = 1 * MINUTE
    # First ban, doubling with each further one up to the most: long enough to stop a loop, short enough for an operator
    # who has repaired his node.
    ban_first: int = 5 * MINUTE
    ban_max: int = 24 * HOUR
    # Bans are counted for doubling until a peer has been clean this long.
    memory: int = 7 * 24 * HOUR
    # Peers remembered; the ones longest without a fault are forgotten first.
    peers_max: int = 10_000


class Verdict(NamedTuple):
    """After a fault: the score, and for how long (ns) the peer is banned by it (0: it may stay)."""

    score: int
    ban: int


class _Record:
    __slots__ = ("banned_until", "bans", "points", "since")

    def __init__(self, points: int = 0, since: int = 0, banned_until: int = 0, bans: int = 0) -> None:
        self.points = points
        self.since = since
        self.banned_until = banned_until
        self.bans = bans

    def encode(self) -> bytes:
        fields = (self.points, self.since, self.banned_until, self.bans)
        return rlp.encode([int_to_bytes(field) for field in fields])

    @classmethod
    def decode(cls, data: bytes) -> "_Record":
        points, since, banned_until, bans = (bytes_to_int(item, size_max=8) for item in rlp.decode_list(data, 4))
        return cls(points, since, banned_until, bans)


class Scores:
    """Scores of all peers, linked or not. Write `take_batch()` to the store now and then (after each turn is fine)."""

    def __init__(self, reader: Reader, limits: ScoreLimits | None = None) -> None:
        """Raises StoreDamaged."""
        self.limits = limits or ScoreLimits()
        self._records: OrderedDict[bytes, _Record] = OrderedDict()
        self._counts: dict[str, int] = {}
        self._batch = Batch()
        loaded: list[tuple[int, bytes, _Record]] = []
        for key, value in reader.scan(Table.PEERS, KEY_PREFIX, KEY_PREFIX + b"\xff" * 33):
            try:
                record = _Record.decode(value)
            except (DecodeError, ValueError) as error:
                raise StoreDamaged(f"peers: {key.hex()}: {error}") from None
            loaded.append((record.since, key[len(KEY_PREFIX) :], record))
        for _, peer, record in sorted(loaded, key=lambda entry: entry[:2]):
            self._records[peer] = record

    def penalise(self, now: int, peer: bytes, reason: str) -> Verdict:
        """Count a fault. A banned peer's further faults are counted but do not prolong the ban."""
        self._counts[reason] = self._counts.get(reason, 0) + 1
        cost = price_of(reason)
        if cost == 0:
            return Verdict(self.score(now, peer), 0)
        record = self._records.get(peer)
        if record is None:
            record = self._records[peer] = _Record(since=now)
        self._forgive(now, record)
        record.points += cost
        ban = 0
        if -record.points <= self.limits.ban_at and record.banned_until <= now:
            ban = min(self.limits.ban_first << min(record.bans, 20), self.limits.ban_max)
            record.bans += 1
            record.banned_until = now + ban
            record.points = 0
        self._records.move_to_end(peer)
        self._batch.put(Table.PEERS, KEY_PREFIX + peer, record.encode())
        while len(self._records) > self.limits.peers_max:
            forgotten, _ = self._records.popitem(last=False)
            self._batch.delete(Table.PEERS, KEY_PREFIX + forgotten)
        return Verdict(-record.points, ban)

    def score(self, now: int, peer: bytes) -> int:
        """0 or less."""
        record = self._records.get(peer)
        if record is None:
            return 0
        return -max(0, record.points - max(0, now - record.since) // self.limits.recovery)

    def banned_for(self, now: int, peer: bytes) -> int:
        """Nanoseconds that its ban still lasts, 0 if it is welcome."""
        record = self._records.get(peer)
        return 0 if record is None else max(0, record.banned_until - now)

    def pardon(self, peer: bytes) -> None:
        """Forget everything about a peer (an operator said so)."""
        if self._records.pop(peer, None) is not None:
            self._batch.delete(Table.PEERS, KEY_PREFIX + peer)

    def counts(self) -> dict[str, int]:
        """Faults by reason since the start, for metrics."""
        return dict(sorted(self._counts.items()))

    def take_batch(self) -> Batch:
        """What has changed since the last call, to be written."""
        batch, self._batch = self._batch, Batch()
        return batch

    def _forgive(self, now: int, record: _Record) -> None:
        passed = max(0, now - record.since)
        points = passed // self.limits.recovery
        if points >= record.points:
            if passed > self.limits.memory:
                record.bans = 0
            record.points, record.since = 0, now
        else:
            # Part of a point earned stays earned.
            record.points -= points
            record.since += points * self.limits.recovery
