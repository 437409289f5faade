"""Items that somebody announced and nobody has sent yet: whom to ask, when, and no more than we can afford."""

from collections import deque

from raclette.gossip.limits import GossipLimits, TopicLimits


class _Missing:
    __slots__ = ("announcers", "asked", "first")

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.announcers = [first]
        self.asked = 0


class MissingItems:
    """Announced ids with their announcers, in order of deadline."""

    def __init__(self, topic: TopicLimits, limits: GossipLimits) -> None:
        self._topic = topic
        self._limits = limits
        self._items: dict[bytes, _Missing] = {}
        # Two queues, because each has one constant delay: deadlines in each are in order.
        self._announced: deque[tuple[int, bytes]] = deque()
        self._asked: deque[tuple[int, bytes]] = deque()
        self._shares: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._items)

    def announced(self, now: int, peer: bytes, item: bytes) -> bool:
        """Note that `peer` has the unseen `item`. False if there is no room."""
        known = self._items.get(item)
        if known is not None:
            if len(known.announcers) < self._limits.announcers_max and peer not in known.announcers:
                known.announcers.append(peer)
            return True
        share = self._shares.get(peer, 0)
        if len(self._items) >= self._limits.missing_max or share >= self._limits.missing_peer_max:
            return False
        self._shares[peer] = share + 1
        self._items[item] = _Missing(peer)
        self._announced.append((now + self._topic.missing_delay, item))
        return True

    def arrived(self, item: bytes) -> None:
        """No longer missing."""
        known = self._items.pop(item, None)
        if known is not None:
            left = self._shares[known.first] - 1
            if left:
                self._shares[known.first] = left
            else:
                del self._shares[known.first]

    def due(self, now: int, peers: dict[bytes, int]) -> dict[bytes, list[bytes]]:
        """Whom to graft now, with which ids. Only linked `peers` are asked; items without an announcer are dropped."""
        grafts: dict[bytes, list[bytes]] = {}
        for queue in (self._announced, self._asked):
            while queue and queue[0][0] <= now:
                _, item = queue.popleft()
                known = self._items.get(item)
                if known is None:
                    continue
                while known.asked < len(known.announcers) and known.announcers[known.asked] not in peers:
                    known.asked += 1
                if known.asked == len(known.announcers):
                    self.arrived(item)
                    continue
                grafts.setdefault(known.announcers[known.asked], []).append(item)
                known.asked += 1
                self._asked.append((now + self._topic.graft_delay, item))
        return grafts

    def next_deadline(self) -> int | None:
        """When `due` should be called again, or None."""
        for queue in (self._announced, self._asked):
            while queue and queue[0][1] not in self._items:
                queue.popleft()
        deadlines = [queue[0][0] for queue in (self._announced, self._asked) if queue]
        return min(deadlines) if deadlines else None
