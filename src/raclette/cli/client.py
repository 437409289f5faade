"""A JSON-RPC client for our own verbs, the demo and the benchmarks: keep-alive HTTP with batches, and newHeads.

Wallets and tests use web3.py; this one exists because a load generator must cost less than what it measures.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from raclette.primitives.errors import RacletteError

# A request that takes longer has hit a dead or frozen node.
TIMEOUT_S = 30.0


class RpcError(RacletteError):
    """The node answered with an error. `code` as in JSON-RPC and EIP-1474."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unreachable(RacletteError):
    """Nobody answers there."""


class RpcClient:
    """One node's RPC. Use as an async context manager, or call `close`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, headers={"content-type": "application/json"})
        self._next = 0

    async def __aenter__(self) -> "RpcClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Release the connections."""
        await self._http.aclose()

    async def call(self, method: str, *parameters: Any) -> Any:
        """The result. Raises RpcError, Unreachable."""
        self._next += 1
        answer = await self._post({"jsonrpc": "2.0", "id": self._next, "method": method, "params": parameters})
        return _result(answer)

    async def batch(self, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results in the order of the calls; an RpcError stands where one failed. Raises Unreachable."""
        requests = [
            {"jsonrpc": "2.0", "id": index, "method": method, "params": list(parameters)}
            for index, (method, parameters) in enumerate(calls)
        ]
        answers = await self._post(requests)
        if isinstance(answers, dict):
            raise _error(answers)
        by_id = {answer["id"]: answer for answer in answers}
        return [_error(by_id[i]) if "error" in by_id[i] else by_id[i]["result"] for i in range(len(calls))]

    async def _post(self, body: Any) -> Any:
        try:
            response = await self._http.post(self.url, content=orjson.dumps(body))
            answer = orjson.loads(response.content)
        except (httpx.HTTPError, httpx.InvalidURL, orjson.JSONDecodeError) as error:
            why = str(error) or type(error).__name__
            raise Unreachable(f"no JSON-RPC answer from {self.url} ({why}); is a node running there?") from error
        if not (isinstance(answer, list) or (isinstance(answer, dict) and ("result" in answer or "error" in answer))):
            raise Unreachable(f"no JSON-RPC answer from {self.url}: something else listens there")
        return answer

    @asynccontextmanager
    async def socket(self) -> AsyncIterator["RpcSocket"]:
        """A WebSocket on the same address: cheaper for many small calls, and it tells of new heads."""
        url = self.url.replace("http", "ws", 1)
        try:
            async with connect(url, max_size=None, open_timeout=TIMEOUT_S, compression=None) as connection:
                socket = RpcSocket(connection)
                reader = asyncio.create_task(socket.read())
                try:
                    yield socket
                finally:
                    reader.cancel()
                    with suppress(asyncio.CancelledError):
                        await reader
        except (OSError, InvalidHandshake) as error:
            raise Unreachable(f"no WebSocket answer from {url}: {error}") from error


class RpcSocket:
    """Calls and notifications over one WebSocket. Made by `RpcClient.socket`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._next = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._heads: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    async def call(self, method: str, *parameters: Any) -> Any:
        """The result. Raises RpcError, Unreachable."""
        self._next += 1
        future = self._waiting[self._next] = asyncio.get_running_loop().create_future()
        request = {"jsonrpc": "2.0", "id": self._next, "method": method, "params": parameters}
        try:
            await self._connection.send(orjson.dumps(request), text=True)
        except ConnectionClosed as error:
            raise Unreachable(f"the WebSocket was closed: {error}") from error
        return _result(await future)

    async def heads(self) -> AsyncGenerator[dict[str, Any], None]:
        """New heads as they come, until the connection ends."""
        await self.call("eth_subscribe", "newHeads")
        while (head := await self._heads.get()) is not None:
            yield head

    async def read(self) -> None:
        """Hand out what arrives."""
        try:
            async for text in self._connection:
                message = orjson.loads(text)
                if message.get("method") == "eth_subscription":
                    self._heads.put_nowait(message["params"]["result"])
                elif (future := self._waiting.pop(message.get("id"), None)) is not None and not future.done():
                    future.set_result(message)
        except ConnectionClosed:
            pass
        self._heads.put_nowait(None)
        for future in self._waiting.values():
            if future.done():
                continue  # its caller was cancelled
            future.set_exception(Unreachable("the WebSocket was closed"))


def _result(answer: dict[str, Any]) -> Any:
    if "error" in answer:
        raise _error(answer)
    return answer["result"]


def _error(answer: dict[str, Any]) -> RpcError:
    return RpcError(answer["error"]["code"], answer["error"]["message"])


async def wait_until_ready(client: RpcClient, *, seconds: float, check: Callable[[], None] = lambda: None) -> None:
    """Return when the node answers. Raises Unreachable after `seconds`, and what `check` raises between two tries."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            await client.call("web3_clientVersion")
            return
        except Unreachable:
            check()
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.05)
