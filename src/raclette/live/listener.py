"""The listening side: takes connections in, as many as the limits allow, and brings each through TLS and hello.

A stranger is counted from the moment its TCP connection exists: against the handshakes that may be open at once, and
against what its IP address may hold. Over a limit it is closed before a byte is read.
"""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine

from raclette.live.limits import TransportLimits
from raclette.live.link import Link
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND

_BACKLOG = 128
# Wait after the system refuses to give us a socket (no file descriptors left), before asking again.
_ACCEPT_PAUSE_SECONDS = 0.1


def bind(host: str, port: int, key: str = "network.listen") -> socket.socket:
    """A listening socket. Raises ConfigError with one clear line, which names `key`, if it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(f"{key}: cannot listen on {host}:{port}: {reason}") from error
    listener.setblocking(False)
    return listener


class Listener:
    """Accepts connections on one socket and makes links of them."""

    def __init__(
        self,
        limits: TransportLimits,
        context: ssl.SSLContext,
        make_link: Callable[[], Link],
        on_refused: Callable[[str], None],
    ) -> None:
        self._limits = limits
        self._context = context
        self._make_link = make_link
        self._on_refused = on_refused
        self._socket: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._handshakes = 0
        self._per_ip: Counter[str] = Counter()

    def open(self, host: str, port: int) -> int:
        """Listen; the port that was given (useful if `port` is 0). Raises ConfigError."""
        self._socket = bind(host, port)
        self._spawn(self._accept_loop(self._socket))
        return int(self._socket.getsockname()[1])

    def close(self) -> None:
        """Take nothing more in. Links that are up stay."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    @property
    def handshakes(self) -> int:
        """Connections that have not said hello yet."""
        return self._handshakes

    def _spawn(self, coroutine: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept_loop(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(_ACCEPT_PAUSE_SECONDS)
                continue
            ip = str(address[0])
            if self._handshakes >= self._limits.handshakes_max:
                self._refuse(connection, "too-many-handshakes")
            elif self._per_ip[ip] >= self._limits.inbound_per_ip_max:
                self._refuse(connection, "too-many-from-ip")
            else:
                self._spawn(self._serve(connection, ip))

    def _refuse(self, connection: socket.socket, reason: str) -> None:
        connection.close()
        self._on_refused(reason)

    async def _serve(self, connection: socket.socket, ip: str) -> None:
        """One connection, from TCP to its end."""
        self._per_ip[ip] += 1
        try:
            link = await self._greet(connection)
            if link is not None:
                await asyncio.shield(link.closed)
        finally:
            self._per_ip[ip] -= 1
            if not self._per_ip[ip]:
                del self._per_ip[ip]

    async def _greet(self, connection: socket.socket) -> Link | None:
        """TLS and hello within the time limit; None if that failed."""
        loop = asyncio.get_running_loop()
        seconds = self._limits.handshake_timeout / SECOND
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = self._make_link()
        self._handshakes += 1
        try:
            async with asyncio.timeout(seconds):
                await loop.connect_accepted_socket(
                    lambda: link, connection, ssl=self._context, ssl_handshake_timeout=seconds
                )
                return link if await asyncio.shield(link.greeted) else None
        except TimeoutError:
            link.abort("handshake-timeout")
            return None
        except (OSError, ssl.SSLError) as error:
            link.abort(f"handshake-{type(error).__name__}")
            return None
        finally:
            self._handshakes -= 1
            if link.hello is None and not link.closed.done():
                link.abort("handshake-cancelled")
