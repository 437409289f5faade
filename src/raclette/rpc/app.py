"""The ASGI application: HTTP POST and WebSocket on every path, with the checks that come before any JSON is read."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeAlias

from raclette.rpc.admission import Admission
from raclette.rpc.backend import Backend
from raclette.rpc.config import RpcConfig
from raclette.rpc.dispatch import Dispatcher, failure
from raclette.rpc.errors import RpcError
from raclette.rpc.feed import Feed
from raclette.rpc.guard import Guard
from raclette.rpc.lookup import Lookup
from raclette.rpc.methods import method_table
from raclette.rpc.session import Receive, Send, Session
from raclette.rpc.table import Context

Scope: TypeAlias = dict[str, Any]
Headers: TypeAlias = list[tuple[bytes, bytes]]

CONTENT_TYPES = ("application/json", "application/json-rpc", "application/jsonrequest")
# Seconds a browser may remember a preflight's answer.
PREFLIGHT_AGE_S = b"600"


class BadRequest(Exception):
    """An HTTP answer without JSON: status and a line of text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class RpcApp:
    """Callable by any ASGI server; `close` ends its subscriptions."""

    def __init__(self, backend: Backend, config: RpcConfig) -> None:
        self._limits = config.limits
        self._guard = Guard(config.origins, config.vhosts)
        self._admission = Admission(config.limits)
        self._dispatcher = Dispatcher(method_table(), config.limits)
        self._context = Context(backend, config.limits, Lookup())
        self._feed = Feed(backend)
        self.websockets = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def close(self) -> None:
        """End every subscription."""
        await self._feed.close()

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _first_of_each(scope["headers"])
        origin = headers.get(b"origin")
        try:
            self._check(headers)
            if scope["method"] == "OPTIONS":
                await _respond(send, 200, b"", [*_cors(origin), *_PREFLIGHT])
                return
            _check_form(scope["method"], headers, self._limits.body_bytes_max)
            body = await self._body(receive)
            status, answer = 200, b""
            try:
                async with self._admission.place():
                    answer = await self._dispatcher.answer(body, self._context_for(scope))
            except RpcError as error:
                status, answer = 503, failure(None, error)
            await _respond(send, status, answer, [(b"content-type", b"application/json"), *_cors(origin)])
        except BadRequest as error:
            await _respond(send, error.status, error.text.encode() + b"\n", _REFUSAL)

    def _context_for(self, scope: Scope) -> Context:
        """The context of one caller."""
        client = scope.get("client")
        return replace(self._context, client=client[0]) if client else self._context

    def _check(self, headers: dict[bytes, bytes]) -> None:
        host, origin = headers.get(b"host"), headers.get(b"origin")
        if not self._guard.allows_host(None if host is None else host.decode("latin-1")):
            raise BadRequest(403, "invalid host specified")
        if not self._guard.allows_origin(None if origin is None else origin.decode("latin-1")):
            raise BadRequest(403, "origin not allowed")

    async def _body(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.delivery_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise BadRequest(400, "disconnected")
                    part = message.get("body", b"")
                    size += len(part)
                    if size > self._limits.body_bytes_max:
                        raise BadRequest(413, f"content length too large (over {self._limits.body_bytes_max})")
                    parts.append(part)
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise BadRequest(408, f"the body did not arrive within {self._limits.delivery_s:g} s") from None

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        try:
            self._check(_first_of_each(scope["headers"]))
            if self.websockets >= self._limits.websockets_max:
                raise BadRequest(503, f"limit exceeded: {self._limits.websockets_max} WebSockets")
        except BadRequest as error:
            await _reject(send, error)
            return
        self.websockets += 1
        try:
            await send({"type": "websocket.accept"})
            await Session(receive, send, self._context_for(scope), self._feed, self._limits).run(
                self._dispatcher, self._admission
            )
        finally:
            self.websockets -= 1


def _check_form(method: str, headers: dict[bytes, bytes], body_bytes_max: int) -> None:
    """What the headers alone can tell. Raises BadRequest."""
    if method != "POST":
        raise BadRequest(405, "JSON-RPC is spoken by POST, or over a WebSocket")
    content_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    if content_type not in CONTENT_TYPES:
        raise BadRequest(415, "invalid content type, only application/json is supported")
    length = headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > body_bytes_max:
        raise BadRequest(413, f"content length too large ({int(length)}>{body_bytes_max})")


def _first_of_each(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name. A repeated Host or Origin is joined, and then matches nothing that is allowed."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        found[name] = found[name] + b"," + value if name in found else value
    return found


# The rest of a refused request is not worth reading: close.
_REFUSAL: Headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"POST"),
    (b"access-control-allow-headers", b"content-type"),
    (b"access-control-max-age", PREFLIGHT_AGE_S),
]


def _cors(origin: bytes | None) -> Headers:
    """Tell a browser that its page (checked already) may read the answer."""
    return [] if origin is None else [(b"access-control-allow-origin", origin), (b"vary", b"origin")]


async def _respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    head: Headers = [(b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})


async def _reject(send: Send, error: BadRequest) -> None:
    """Refuse a WebSocket's handshake with a plain HTTP answer."""
    body = error.text.encode() + b"\n"
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", b"text/plain")]
    await send({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
