"""Telling subscribers what happened, without ever waiting for a slow one."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from raclette.node.host import Notice

# Notices that wait for one subscriber. A subscriber to heads reads far faster than blocks come; one that falls this
# far behind loses the oldest and is told how many.
NOTICES_MAX = 1_024


class Subscription:
    """Notices of the chosen kinds, oldest first: `async for notice in subscription`. `lost` counts those that a full
    queue pushed out."""

    def __init__(self, hub: "NoticeHub", kinds: tuple[type, ...], limit: int) -> None:
        self._hub = hub
        self._kinds = kinds
        self._waiting: deque[Notice] = deque(maxlen=limit)
        self._wake = asyncio.Event()
        self._closed = False
        self.lost = 0

    @property
    def kinds(self) -> tuple[type, ...]:
        """What was subscribed to."""
        return self._kinds

    def push(self, notice: Notice) -> None:
        """For the hub."""
        if len(self._waiting) == self._waiting.maxlen:
            self.lost += 1
        self._waiting.append(notice)
        self._wake.set()

    async def get(self) -> Notice | None:
        """The next notice; None once the subscription is closed and empty."""
        while not self._waiting:
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    def close(self) -> None:
        """No more notices. Idempotent."""
        self._closed = True
        self._wake.set()
        self._hub.remove(self)

    def __aiter__(self) -> AsyncIterator[Notice]:
        return self._iterate()

    async def _iterate(self) -> AsyncIterator[Notice]:
        while (notice := await self.get()) is not None:
            yield notice


class NoticeHub:
    """All subscriptions, by kind of notice."""

    def __init__(self) -> None:
        self._by_kind: dict[type, list[Subscription]] = {}

    def subscribe(self, *kinds: type, limit: int = NOTICES_MAX) -> Subscription:
        """Notices of these types from now on."""
        subscription = Subscription(self, kinds, limit)
        for kind in kinds:
            self._by_kind.setdefault(kind, []).append(subscription)
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Forget it."""
        for kind in subscription.kinds:
            listed = self._by_kind.get(kind, [])
            if subscription in listed:
                listed.remove(subscription)

    def publish(self, notice: Notice) -> None:
        """To everybody who asked for this kind."""
        for subscription in self._by_kind.get(type(notice), ()):
            subscription.push(notice)

    def close(self) -> None:
        """End every subscription."""
        for listed in tuple(self._by_kind.values()):
            for subscription in tuple(listed):
                subscription.close()
