"""uvicorn's protocols with the bounds they lack: on headers, on connections, and on clients that do not read.

uvicorn bounds neither the bytes of a request's headers nor the time they take, and a client that stops reading keeps
its answer in our memory for as long as it likes. Here such connections are cut.
"""

import asyncio
from asyncio.transports import BaseTransport
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from raclette.rpc.config import RpcLimits

# Seconds that a closed WebSocket gets to take what was sent to it.
LINGER_S = 5.0


class _Clock:
    """At most one deadline; cuts the connection when it passes."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, seconds: float) -> None:
        """Cut in `seconds`, unless a deadline runs already."""
        if self._handle is None:
            self._handle = loop.call_later(seconds, transport.abort)

    def stop(self) -> None:
        """No deadline."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def bounded_http(limits: RpcLimits) -> type[asyncio.Protocol]:
    """HTTP with these limits."""

    class BoundedHttp(HttpToolsProtocol):
        _head_bytes = 0
        _in_head = True

        def connection_made(self, transport: BaseTransport) -> None:
            super().connection_made(cast(asyncio.Transport, transport))
            self._arriving, self._leaving = _Clock(), _Clock()
            if len(self.connections) > limits.connections_max:
                self.transport.abort()
            else:
                self._arriving.start(self.loop, self.transport, limits.delivery_s)

        def connection_lost(self, exc: Exception | None) -> None:
            self._arriving.stop()
            self._leaving.stop()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._in_head:
                if self._head_bytes > limits.header_bytes_max:
                    self.transport.abort()
                    return
                self._head_bytes += len(data)  # perhaps with some body: so checked before the next read, not here
            super().data_received(data)

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head, self._head_bytes = True, 0
            self._arriving.start(self.loop, self.transport, limits.delivery_s)

        def on_headers_complete(self) -> None:
            self._in_head = False
            self._arriving.stop()
            super().on_headers_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._leaving.start(self.loop, self.transport, limits.delivery_s)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._leaving.stop()

    return BoundedHttp


def bounded_websocket(limits: RpcLimits) -> type[asyncio.Protocol]:
    """WebSocket with these limits."""

    class BoundedWebSocket(WebSocketsSansIOProtocol):
        def connection_made(self, transport: BaseTransport) -> None:
            super().connection_made(transport)
            self._leaving = _Clock()

        def connection_lost(self, exc: Exception | None) -> None:
            self._leaving.stop()
            super().connection_lost(exc)

        def pause_writing(self) -> None:
            super().pause_writing()
            self._leaving.start(self.loop, self.transport, limits.delivery_s)

        def resume_writing(self) -> None:
            super().resume_writing()
            self._leaving.stop()

        def on_task_complete(self, task: asyncio.Task[None]) -> None:
            super().on_task_complete(task)
            if not self.disconnected:
                self._leaving.start(self.loop, self.transport, LINGER_S)

    return BoundedWebSocket
