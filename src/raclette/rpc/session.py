"""One WebSocket: requests answered in order, notifications in between, nothing queued without bound.

Source: ASGI's WebSocket messages; RFC 6455, section 7.4.1 for close codes.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any, TypeAlias

import orjson

from raclette.rpc.admission import Admission
from raclette.rpc.config import RpcLimits
from raclette.rpc.dispatch import Dispatcher, failure
from raclette.rpc.errors import LIMIT_EXCEEDED, RpcError, invalid_parameters, server_error
from raclette.rpc.feed import NEW_HEADS, PENDING_FULL, PENDING_HASHES, Feed
from raclette.rpc.table import Context, Subscriber

log = logging.getLogger("raclette.rpc")

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

# "Try again later": the subscriber did not keep up.
CLOSE_TOO_SLOW = 1013


class Session(Subscriber):
    """An accepted connection. `run` returns when it is over."""

    def __init__(self, receive: Receive, send: Send, context: Context, feed: Feed, limits: RpcLimits) -> None:
        self._receive, self._send, self._feed, self._limits = receive, send, feed, limits
        self._context = replace(context, subscriber=self)
        self._notifications: asyncio.Queue[bytes] = asyncio.Queue(limits.notifications_max)
        self._subscriptions: set[str] = set()
        self._writing = asyncio.Lock()
        self._overrun = asyncio.Event()
        # Notifications of a subscription may not overtake the answer that names it.
        self._held: list[bytes] | None = None

    async def run(self, dispatcher: Dispatcher, admission: Admission) -> None:
        """Serve until the client leaves or falls behind."""
        loop = asyncio.get_running_loop()
        tasks = [
            loop.create_task(self._answer(dispatcher, admission)),
            loop.create_task(self._notify()),
            loop.create_task(self._overrun.wait()),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for subscription in sorted(self._subscriptions):
                self._feed.remove(subscription)
            for task in tasks:
                task.cancel()
            _log_crashes(await asyncio.gather(*tasks, return_exceptions=True))
        if self._overrun.is_set():
            await self._cut()

    async def _cut(self) -> None:
        """Say why, if the client still reads; the server closes the connection either way."""
        try:
            async with asyncio.timeout(1):
                await self._send({"type": "websocket.close", "code": CLOSE_TOO_SLOW, "reason": "too slow"})
        except (TimeoutError, OSError):
            return

    async def _answer(self, dispatcher: Dispatcher, admission: Admission) -> None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            if message["type"] != "websocket.receive":
                continue
            text = message.get("text")
            body = text.encode() if text is not None else message.get("bytes") or b""
            self._held = []
            try:
                async with admission.place():
                    answer = await dispatcher.answer(body, self._context)
            except RpcError as error:
                answer = failure(None, error)
            if answer:
                await self._write(answer)
            held, self._held = self._held, None
            for notification in held:
                self._offer(notification)

    async def _notify(self) -> None:
        while True:
            await self._write(await self._notifications.get())

    async def _write(self, data: bytes) -> None:
        async with self._writing:
            await self._send({"type": "websocket.send", "text": data.decode()})

    def _offer(self, notification: bytes) -> None:
        """Queue it; a client that has let the queue fill is cut off."""
        if self._held is not None:
            if len(self._held) >= self._limits.notifications_max:
                self._overrun.set()
            else:
                self._held.append(notification)
            return
        try:
            self._notifications.put_nowait(notification)
        except asyncio.QueueFull:
            self._overrun.set()

    def subscribe(self, kind: str, full: bool) -> str:
        if kind not in (NEW_HEADS, PENDING_HASHES):
            raise invalid_parameters(f'no "{kind[:80]}" subscription in eth namespace')
        if len(self._subscriptions) >= self._limits.subscriptions_max:
            raise RpcError(LIMIT_EXCEEDED, f"limit exceeded: {self._limits.subscriptions_max} subscriptions")
        subscription = "0x" + secrets.token_hex(16)
        head = f'{{"jsonrpc":"2.0","method":"eth_subscription","params":{{"subscription":"{subscription}","result":'
        prefix = head.encode()
        self._subscriptions.add(subscription)
        topic = PENDING_FULL if kind == PENDING_HASHES and full else kind
        self._feed.add(topic, subscription, lambda result: self._offer(prefix + orjson.dumps(result) + b"}}"))
        return subscription

    def unsubscribe(self, subscription: str) -> bool:
        if subscription not in self._subscriptions:
            raise server_error("subscription not found")
        self._subscriptions.remove(subscription)
        self._feed.remove(subscription)
        return True


def _log_crashes(outcomes: list[Any]) -> None:
    """A client that leaves (OSError) and our own cancelling are normal; anything else is a bug of ours."""
    for outcome in outcomes:
        if isinstance(outcome, Exception) and not isinstance(outcome, OSError):
            log.error("a WebSocket session crashed", exc_info=outcome)
