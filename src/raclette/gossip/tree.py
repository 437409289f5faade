"""One topic: who gets what at once, who gets announcements, outgoing batches and repair.

There is a tree per way in: a *row* says, for items that came from one neighbour (or are our own), which other
neighbours get them at once. A row starts with everybody eager; duplicates make a neighbour lazy in the row they came
by, a graft makes it eager there again.
"""

from typing import TypeAlias

from raclette.gossip.events import Deliver, Effect, SendControl, SendItems, SetTimer, Topic, Verb
from raclette.gossip.limits import GossipLimits, TopicLimits
from raclette.gossip.missing import MissingItems
from raclette.gossip.seen import SeenSet

# A row is named by the neighbour its items come from; None for our own.
Row: TypeAlias = bytes | None


class Tree:
    """Leitão et al. 2007, algorithms 1 and 2, for one topic and every way in."""

    def __init__(self, topic: Topic, own: TopicLimits, limits: GossipLimits) -> None:
        self.topic = topic
        self._own = own
        self._limits = limits
        # Neighbours in order of arrival. The value is the peer's waste: duplicates less what was new.
        self._links: dict[bytes, int] = {}
        # The last duplicates of each wasteful peer, for its PRUNE.
        self._repeats: dict[bytes, list[bytes]] = {}
        # Row -> its lazy neighbours.
        self._lazy: dict[Row, dict[bytes, None]] = {}
        self.seen = SeenSet(own.seen_max, own.seen_age)
        self.missing = MissingItems(own, limits)
        self._missing_timer: int | None = None
        # What waits to be pushed, by row; and what each neighbour that was lazy then is owed an announcement of.
        self._outgoing: dict[Row, list[bytes]] = {}
        self._quiet_until = 0
        self._flush_set = False
        self._owed: dict[bytes, list[list[bytes]]] = {}
        self._counts = dict.fromkeys(("fresh", "duplicate", "grafts", "prunes", "announced", "refused"), 0)

    # Neighbours (section 3.6: a new neighbour starts eager)

    def up(self, peer: bytes) -> None:
        """A link is up."""
        self._links.setdefault(peer, 0)

    def down(self, peer: bytes) -> None:
        """A link is gone."""
        self._links.pop(peer, None)
        self._repeats.pop(peer, None)
        self._lazy.pop(peer, None)
        self._owed.pop(peer, None)
        for lazy in self._lazy.values():
            lazy.pop(peer, None)

    def eager(self, row: Row) -> tuple[bytes, ...]:
        """Who gets a row's items at once."""
        lazy = self._lazy.get(row, {})
        return tuple(peer for peer in self._links if peer != row and peer not in lazy)

    def lazy(self, row: Row) -> tuple[bytes, ...]:
        """Who gets announcements of a row's items."""
        return tuple(self._lazy.get(row, ()))

    def _row_of(self, item: bytes) -> Row:
        origin = self.seen.origin(item)
        return origin if origin in self._links else None

    def prune(self, peer: bytes, ids: tuple[bytes, ...]) -> list[Effect]:
        """The peer had these already: in the rows they came by it wants announcements only."""
        if peer not in self._links:
            return []
        known = [item for item in ids[: self._limits.control_ids_max] if item in self.seen]
        for row in dict.fromkeys(map(self._row_of, known)):
            if row != peer:
                self._lazy.setdefault(row, {})[peer] = None
        return []

    # Payloads

    def items(self, now: int, peer: bytes, ids: tuple[bytes, ...]) -> list[Effect]:
        """Payloads arrived. Algorithm 1, lines 16-18: a sender of duplicates is pruned."""
        before = [item for item in ids if item in self.seen] if peer in self._links else []
        fresh = self.seen.fresh(now, ids, peer)
        if self.missing:
            for item in fresh:
                self.missing.arrived(item)
        new = len(fresh)
        self._counts["fresh"] += new
        self._counts["duplicate"] += len(ids) - new
        effects: list[Effect] = [Deliver(peer, self.topic, tuple(fresh))] if new else []
        if peer in self._links:
            waste = self._links[peer] = max(0, self._links[peer] + len(before) - new)
            if waste == 0:
                self._repeats.pop(peer, None)
            elif before:
                effects += self._wasted(peer, waste, before)
        return effects

    def _wasted(self, peer: bytes, waste: int, repeats: list[bytes]) -> list[Effect]:
        kept = self._repeats.setdefault(peer, [])
        kept += repeats
        del kept[: -self._own.prune_ids]
        if waste < self._own.waste_max:
            return []
        self._links[peer] = 0
        del self._repeats[peer]
        self._counts["prunes"] += 1
        return [SendControl((peer,), Verb.PRUNE, self.topic, tuple(kept))]

    def publish(self, now: int, ids: tuple[bytes, ...], origin: bytes | None) -> list[Effect]:
        """Pass valid items on: at once after a pause, else with the next batch."""
        if origin is None:
            self.seen.fresh(now, ids, None)
        if not ids or not self._links:
            return []
        self._outgoing.setdefault(origin, []).extend(ids)
        effects: list[Effect] = []
        if now >= self._quiet_until:
            effects += self._flush(now)
        elif not self._flush_set:
            self._flush_set = True
            effects.append(SetTimer(f"flush:{self.topic.value}", self._quiet_until - now))
        return effects

    def _flush(self, now: int) -> list[Effect]:
        """Each neighbour gets the rows in which it is eager; those with the same rows share frames."""
        rows, self._outgoing = self._outgoing, {}
        self._quiet_until = now + self._own.batch_delay
        was_owed = bool(self._owed)
        shared: dict[tuple[Row, ...], list[bytes]] = {}
        for peer in self._links:
            eager: list[Row] = []
            for row, ids in rows.items():
                if row == peer:
                    continue
                if peer in self._lazy.get(row, ()):
                    self._owed.setdefault(peer, []).append(ids)
                else:
                    eager.append(row)
            if eager:
                shared.setdefault(tuple(eager), []).append(peer)
        effects: list[Effect] = []
        for together, peers in shared.items():
            effects += self._send(tuple(peers), [item for row in together for item in rows[row]])
        if self._owed and not was_owed:
            effects.append(SetTimer(f"ihave:{self.topic.value}", self._own.ihave_delay))
        return effects

    def _send(self, peers: tuple[bytes, ...], ids: list[bytes]) -> list[Effect]:
        if not peers:
            return []
        step = self._own.batch_items
        return [SendItems(peers, self.topic, tuple(ids[i : i + step])) for i in range(0, len(ids), step)]

    def learned(self, now: int, ids: tuple[bytes, ...]) -> list[Effect]:
        """Items that came by another way."""
        for item in self.seen.fresh(now, ids, None):
            self.missing.arrived(item)
        return []

    # Announcements and repair (algorithm 2)

    def offer(self, peer: bytes, ids: tuple[bytes, ...]) -> list[Effect]:
        """Announce what we hold to one peer."""
        return self._announcements((peer,), ids) if peer in self._links else []

    def _announcements(self, peers: tuple[bytes, ...], ids: tuple[bytes, ...]) -> list[Effect]:
        step = self._limits.control_ids_max
        return [SendControl(peers, Verb.IHAVE, self.topic, ids[i : i + step]) for i in range(0, len(ids), step)]

    def ihave(self, now: int, peer: bytes, ids: tuple[bytes, ...]) -> list[Effect]:
        """A peer announces; what we have not seen becomes missing."""
        if peer not in self._links:
            return []
        for item in ids[: self._limits.control_ids_max]:
            if item not in self.seen and not self.missing.announced(now, peer, item):
                self._counts["refused"] += 1
        return self._arm(now)

    def _arm(self, now: int) -> list[Effect]:
        deadline = self.missing.next_deadline()
        if deadline is None or (self._missing_timer is not None and self._missing_timer <= deadline):
            return []
        self._missing_timer = deadline
        return [SetTimer(f"missing:{self.topic.value}", max(0, deadline - now))]

    def graft(self, peer: bytes, ids: tuple[bytes, ...]) -> list[Effect]:
        """The peer gets what it asks for, as far as we have seen it, and is eager in those rows again."""
        if peer not in self._links:
            return []
        wanted = [item for item in ids[: self._limits.control_ids_max] if item in self.seen]
        for row in dict.fromkeys(map(self._row_of, wanted)):
            self._lazy.get(row, {}).pop(peer, None)
        return self._send((peer,), wanted)

    def fired(self, now: int, kind: str) -> list[Effect]:
        """One of our timers: flush, ihave or missing."""
        if kind == "flush":
            self._flush_set = False
            return self._flush(now)
        if kind == "ihave":
            return self._announce()
        self._missing_timer = None
        effects: list[Effect] = []
        step = self._limits.control_ids_max
        for peer, ids in self.missing.due(now, self._links).items():
            self._counts["grafts"] += len(ids)
            for i in range(0, len(ids), step):
                effects.append(SendControl((peer,), Verb.GRAFT, self.topic, tuple(ids[i : i + step])))
        return effects + self._arm(now)

    def _announce(self) -> list[Effect]:
        owed, self._owed = self._owed, {}
        effects: list[Effect] = []
        for peer, batches in owed.items():
            ids = tuple(item for batch in batches for item in batch)
            self._counts["announced"] += len(ids)
            effects += self._announcements((peer,), ids)
        return effects

    def stats(self) -> dict[str, int]:
        """Counters and sizes. `lazy` counts (row, neighbour) pairs."""
        lazy = sum(map(len, self._lazy.values()))
        sizes = {"links": len(self._links), "lazy": lazy, "seen": len(self.seen), "missing": len(self.missing)}
        return self._counts | sizes
