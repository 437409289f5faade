"""The server: uvicorn inside the host's event loop, on a socket that we bind ourselves, with bounds of our own."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn

from raclette.primitives.errors import ConfigError
from raclette.rpc.app import RpcApp
from raclette.rpc.backend import Backend
from raclette.rpc.bounded import bounded_http, bounded_websocket
from raclette.rpc.config import RpcConfig, RpcLimits

# Seconds that requests in progress get when the server stops.
STOP_S = 2
# Connections that the system queues while the loop is busy.
BACKLOG = 256


class RpcServer:
    """JSON-RPC for `backend`. `await start()`, and `await stop()` when done."""

    def __init__(self, backend: Backend, config: RpcConfig | None = None) -> None:
        self._config = config or RpcConfig()
        self._backend = backend
        self._app: RpcApp | None = None
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; returns host and port. Raises ConfigError if the address cannot be had."""
        listener = _bind(self._config.host, self._config.port)
        host, port = listener.getsockname()[:2]
        self._app = RpcApp(self._backend, self._config)
        self._server = _Server(_uvicorn_config(self._app, self._config.limits))
        self._task = asyncio.get_running_loop().create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            await asyncio.sleep(0)
            if self._task.done():
                self._task.result()
                raise ConfigError(f"rpc: the server on {host}:{port} ended at once")
        return host, port

    @property
    def websockets(self) -> int:
        """How many are open."""
        return 0 if self._app is None else self._app.websockets

    async def stop(self) -> None:
        """Stop listening, end subscriptions, finish what is in progress. Idempotent."""
        if self._task is None or self._server is None or self._app is None:
            return
        self._server.should_exit = True
        await self._app.close()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(f"rpc.listen: cannot listen on {host}:{port}: {error.strerror or error}") from None
    listener.setblocking(False)
    return listener


def _uvicorn_config(app: RpcApp, limits: RpcLimits) -> uvicorn.Config:
    return uvicorn.Config(
        cast(Any, app),
        loop="none",
        http=bounded_http(limits),
        ws=bounded_websocket(limits),
        ws_max_size=limits.body_bytes_max,
        ws_per_message_deflate=False,  # nothing to inflate: no bombs
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_S,
        backlog=BACKLOG,
    )


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: signals are the host's business."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
