"""From the host's notices to subscribers: each notification is made once and handed to everybody who wants it."""

import asyncio
from collections.abc import Callable
from typing import Any

from raclette.node.host import Accepted, NewHead
from raclette.rpc.backend import Backend, NoticeStream
from raclette.rpc.render import header_json, hex_data, transaction_json

# Called with the notification's result; must not block.
Deliver = Callable[[Any], None]

NEW_HEADS = "newHeads"
PENDING_HASHES = "newPendingTransactions"
PENDING_FULL = "newPendingTransactions, full"


class Feed:
    """Subscribers by topic. Notices of transactions are only asked for while somebody wants them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        # Keys are subscription ids; a dictionary keeps the order in which they came.
        self._subscribers: dict[str, dict[str, Deliver]] = {NEW_HEADS: {}, PENDING_HASHES: {}, PENDING_FULL: {}}
        self._streams: dict[type, tuple[NoticeStream, asyncio.Task[None]]] = {}

    def add(self, topic: str, subscription: str, deliver: Deliver) -> None:
        """Deliver `topic` from now on."""
        self._subscribers[topic][subscription] = deliver
        self._listen()

    def remove(self, subscription: str) -> None:
        """Deliver no more under this id."""
        for subscribers in self._subscribers.values():
            subscribers.pop(subscription, None)
        self._listen()

    async def close(self) -> None:
        """Stop listening to the host."""
        for subscribers in self._subscribers.values():
            subscribers.clear()
        tasks = [task for _, task in self._streams.values()]
        self._listen()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listen(self) -> None:
        """Have a stream for each kind of notice that somebody wants, and for no other."""
        pending = self._subscribers[PENDING_HASHES] or self._subscribers[PENDING_FULL]
        for kind, wanted in ((NewHead, bool(self._subscribers[NEW_HEADS])), (Accepted, bool(pending))):
            if wanted and kind not in self._streams:
                stream = self._backend.subscribe(kind)
                self._streams[kind] = stream, asyncio.get_running_loop().create_task(self._run(stream))
            elif not wanted and kind in self._streams:
                stream, task = self._streams.pop(kind)
                stream.close()
                task.cancel()

    async def _run(self, stream: NoticeStream) -> None:
        async for notice in stream:
            if isinstance(notice, NewHead):
                for header in notice.added:
                    self._deliver(NEW_HEADS, header_json(header))
            elif isinstance(notice, Accepted):
                if self._subscribers[PENDING_HASHES]:
                    self._deliver(PENDING_HASHES, hex_data(notice.transaction.hash))
                if self._subscribers[PENDING_FULL]:
                    self._deliver(PENDING_FULL, transaction_json(notice.transaction))

    def _deliver(self, topic: str, result: Any) -> None:
        for deliver in tuple(self._subscribers[topic].values()):
            deliver(result)
