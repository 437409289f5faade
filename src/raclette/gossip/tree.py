"""One topic's tree: eager and lazy neighbours, outgoing batches, announcements and repair."""

from raclette.gossip.events import Deliver, Effect, SendControl, SendItems, SetTimer, Topic, Verb
from raclette.gossip.limits import GossipLimits, TopicLimits
from raclette.gossip.missing import MissingItems
from raclette.gossip.seen import SeenSet


class Tree:
    """Leitão et al. 2007, algorithms 1 and 2, for one topic."""

    def __init__(self, topic: Topic, own: TopicLimits, limits: GossipLimits) -> None:
        self.topic = topic
        self._own = own
        self._limits = limits
        # Insertion-ordered sets of neighbours. The value is the peer's waste: duplicates less what was new.
        self.eager: dict[bytes, int] = {}
        self.lazy: dict[bytes, int] = {}
        self._links: dict[bytes, int] = {}
        self.seen = SeenSet(own.seen_max, own.seen_age)
        self.missing = MissingItems(own, limits)
        self._missing_timer: int | None = None
        # What waits to be pushed, by where it came from, and what waits to be announced.
        self._outgoing: dict[bytes | None, list[bytes]] = {}
        self._quiet_until = 0
        self._flush_set = False
        self._announce: list[bytes] = []
        self._counts = dict.fromkeys(("fresh", "duplicate", "grafts", "prunes", "announced", "refused"), 0)

    # Neighbours (section 3.6: a new neighbour starts eager)

    def up(self, peer: bytes) -> None:
        """A link is up."""
        if peer not in self._links:
            self._links[peer] = 0
            self.eager[peer] = 0

    def down(self, peer: bytes) -> None:
        """A link is gone."""
        self._links.pop(peer, None)
        self.eager.pop(peer, None)
        self.lazy.pop(peer, None)

    def _make_eager(self, peer: bytes) -> None:
        if peer in self._links:
            self.lazy.pop(peer, None)
            self.eager[peer] = 0

    def _make_lazy(self, peer: bytes) -> None:
        if self.eager.pop(peer, None) is not None:
            self.lazy[peer] = 0

    def prune(self, peer: bytes) -> list[Effect]:
        """The peer wants announcements only."""
        self._make_lazy(peer)
        return []

    # Payloads

    def items(self, now: int, peer: bytes, ids: tuple[bytes, ...]) -> list[Effect]:
        """Payloads arrived. A peer that mostly repeats what we have is pruned; one that brings news is eager."""
        fresh = self.seen.fresh(now, ids)
        if self.missing:
            for item in fresh:
                self.missing.arrived(item)
        new, repeated = len(fresh), len(ids) - len(fresh)
        self._counts["fresh"] += new
        self._counts["duplicate"] += repeated
        effects: list[Effect] = [Deliver(peer, self.topic, tuple(fresh))] if new else []
        if peer not in self._links:
            return effects
        if peer in self.lazy:
            # Algorithm 1, lines 11-13: whoever delivers first is our parent in the tree. A lazy peer that only repeats
            # has not heard our PRUNE yet.
            if new > repeated:
                self._make_eager(peer)
            return effects
        waste = max(0, self.eager[peer] + repeated - new)
        if waste >= self._own.waste_max and repeated:
            self._make_lazy(peer)
            self._counts["prunes"] += 1
            effects.append(SendControl((peer,), Verb.PRUNE, self.topic, ()))
        else:
            self.eager[peer] = waste
        return effects

    def publish(self, now: int, ids: tuple[bytes, ...], origin: bytes | None) -> list[Effect]:
        """Pass valid items on: at once after a pause, else with the next batch."""
        if origin is None:
            self.seen.fresh(now, ids)
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
        groups, self._outgoing = self._outgoing, {}
        self._quiet_until = now + self._own.batch_delay
        effects: list[Effect] = []
        whole = [item for ids in groups.values() for item in ids]
        if not whole:
            return effects
        # A peer gets everything but what it gave us; all others share one frame.
        givers = [peer for peer in self.eager if peer in groups]
        others = tuple(peer for peer in self.eager if peer not in groups)
        effects += self._send(others, whole)
        for giver in givers:
            effects += self._send((giver,), [item for origin, ids in groups.items() if origin != giver for item in ids])
        if self.lazy:
            if not self._announce:
                effects.append(SetTimer(f"ihave:{self.topic.value}", self._own.ihave_delay))
            self._announce += whole
        return effects

    def _send(self, peers: tuple[bytes, ...], ids: list[bytes]) -> list[Effect]:
        if not peers:
            return []
        step = self._own.batch_items
        return [SendItems(peers, self.topic, tuple(ids[i : i + step])) for i in range(0, len(ids), step)]

    def learned(self, now: int, ids: tuple[bytes, ...]) -> list[Effect]:
        """Items that came by another way."""
        for item in self.seen.fresh(now, ids):
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
        """The peer becomes eager and gets what it asks for, as far as we have seen it."""
        if peer not in self._links:
            return []
        self._make_eager(peer)
        wanted = [item for item in ids[: self._limits.control_ids_max] if item in self.seen]
        return self._send((peer,), wanted)

    def fired(self, now: int, kind: str) -> list[Effect]:
        """One of our timers: flush, ihave or missing."""
        if kind == "flush":
            self._flush_set = False
            return self._flush(now)
        if kind == "ihave":
            ids, self._announce = tuple(self._announce), []
            self._counts["announced"] += len(ids)
            return self._announcements(tuple(self.lazy), ids) if self.lazy else []
        self._missing_timer = None
        effects: list[Effect] = []
        for peer, ids_due in self.missing.due(now, self._links).items():
            self._make_eager(peer)
            self._counts["grafts"] += len(ids_due)
            step = self._limits.control_ids_max
            for i in range(0, len(ids_due), step):
                effects.append(SendControl((peer,), Verb.GRAFT, self.topic, tuple(ids_due[i : i + step])))
        return effects + self._arm(now)

    def stats(self) -> dict[str, int]:
        """Counters and sizes."""
        sizes = {"eager": len(self.eager), "lazy": len(self.lazy), "seen": len(self.seen), "missing": len(self.missing)}
        return self._counts | sizes
