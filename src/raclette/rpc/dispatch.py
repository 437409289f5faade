"""From a body's bytes to an answer's bytes. Source: JSON-RPC 2.0.

Transactions are the hot path: consecutive `eth_sendRawTransaction` calls of a batch go to the host together, which
decodes them in threads. Everything else is answered in order. Whatever is wrong with a request, the answer says so and
the server goes on.
"""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from inspect import isawaitable
from typing import Any, TypeAlias

import orjson

from raclette.primitives.errors import Refused
from raclette.rpc.config import RpcLimits
from raclette.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    PARSE_ERROR,
    RESPONSE_TOO_LARGE,
    TIMED_OUT,
    RpcError,
    method_not_found,
    refusal,
)
from raclette.rpc.kinds import read_data
from raclette.rpc.table import Context, MethodTable

log = logging.getLogger("raclette.rpc")

SEND = "eth_sendRawTransaction"
# An id longer than this is nobody's; it would come back in the answer.
ID_LENGTH_MAX = 256

Id: TypeAlias = str | int | float | None
_PREFIX = b'{"jsonrpc":"2.0","id":'


@dataclass(frozen=True, slots=True)
class _Request:
    """A valid request object. `is_notification`: it has no id and gets no answer."""

    id: Id
    method: str
    params: Any
    is_notification: bool


class Dispatcher:
    """Answers bodies from a table of methods. One for a server; thread-bound to the host's loop."""

    def __init__(self, table: MethodTable, limits: RpcLimits) -> None:
        self._methods = table.methods
        self._limits = limits

    async def answer(self, body: bytes, context: Context) -> bytes:
        """The answer to a body; empty if it held notifications only. Never raises for anything in the body."""
        try:
            parsed = self._parse(body)
            async with asyncio.timeout(self._limits.request_s):
                if isinstance(parsed, list):
                    return await self._batch(parsed, context)
                return await self._single(parsed, context)
        except RpcError as error:
            return failure(None, error)
        except TimeoutError:
            return failure(None, RpcError(TIMED_OUT, "request timed out"))

    def _parse(self, body: bytes) -> Any:
        nodes = body.count(b"{") + body.count(b"[")
        if nodes > self._limits.nodes_max:
            raise RpcError(INVALID_REQUEST, f"request has {nodes} objects and arrays, at most {self._limits.nodes_max}")
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise RpcError(PARSE_ERROR, "parse error") from None
        if isinstance(parsed, list):
            if not parsed:
                raise RpcError(INVALID_REQUEST, "empty batch")
            if len(parsed) > self._limits.batch_max:
                raise RpcError(INVALID_REQUEST, "batch too large")
        return parsed

    async def _single(self, item: Any, context: Context) -> bytes:
        request = read_request(item)
        if isinstance(request, RpcError):
            return failure(_id_of(item), request)
        answer = await self._call(request, context)
        return self._fit(request.id, answer, self._limits.response_bytes_max)

    async def _batch(self, items: list[Any], context: Context) -> bytes:
        answers: list[bytes] = []
        left = self._limits.response_bytes_max
        position = 0
        while position < len(items):
            raws = _run_of_sends(items, position)
            if len(raws) > 1:
                part = await self._send_many(items[position : position + len(raws)], raws, context)
                position += len(raws)
            else:
                part = [await self._batch_item(items[position], context, left)]
                position += 1
            answers += part
            left -= sum(map(len, part))
        answers = [answer for answer in answers if answer]
        return b"[" + b",".join(answers) + b"]" if answers else b""

    async def _batch_item(self, item: Any, context: Context, left: int) -> bytes:
        request = read_request(item)
        if isinstance(request, RpcError):
            return failure(_id_of(item), request)
        if left <= 0:
            return failure(request.id, RpcError(RESPONSE_TOO_LARGE, "response too large"))
        return self._fit(request.id, await self._call(request, context), left)

    def _fit(self, request_id: Id, answer: bytes, left: int) -> bytes:
        if len(answer) <= left:
            return answer
        return failure(request_id, RpcError(RESPONSE_TOO_LARGE, "response too large"))

    async def _call(self, request: _Request, context: Context) -> bytes:
        """The answer's bytes; empty for a notification."""
        try:
            method = self._methods.get(request.method)
            if method is None:
                raise method_not_found(request.method)
            result = method.handler(context, *method.read(request.params))
            if isawaitable(result):
                result = await _typed(result)
            answer = success(request.id, result)
        except RpcError as error:
            answer = failure(request.id, error)
        except Exception:
            log.exception("method %s crashed", request.method)
            answer = failure(request.id, RpcError(INTERNAL_ERROR, "method handler crashed"))
        return b"" if request.is_notification else answer

    async def _send_many(self, items: list[dict[str, Any]], raws: list[bytes], context: Context) -> list[bytes]:
        """Answers to well-formed sends: one call of the host for all."""
        try:
            outcomes = await context.backend.submit_many(raws)
        except Exception:
            log.exception("submit_many crashed")
            error = RpcError(INTERNAL_ERROR, "method handler crashed")
            return [failure(item["id"], error) for item in items]
        return [
            failure(item["id"], refusal(outcome))
            if isinstance(outcome, Refused)
            else b'%b%b,"result":"0x%b"}' % (_PREFIX, orjson.dumps(item["id"]), outcome.hex().encode())
            for item, outcome in zip(items, outcomes, strict=True)
        ]


def read_request(item: Any) -> _Request | RpcError:
    """A request object, or what is wrong with it."""
    if not isinstance(item, dict) or item.get("jsonrpc") != "2.0" or not isinstance(item.get("method"), str):
        return RpcError(INVALID_REQUEST, "invalid request")
    if "id" not in item:
        return _Request(None, item["method"], item.get("params"), True)
    if not _is_id(item["id"]):
        return RpcError(INVALID_REQUEST, "invalid request")
    return _Request(item["id"], item["method"], item.get("params"), False)


def success(request_id: Id, result: Any) -> bytes:
    """An answer with a result."""
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "result": result})


def failure(request_id: Id, error: RpcError) -> bytes:
    """An answer with an error."""
    return orjson.dumps({"jsonrpc": "2.0", "id": request_id, "error": error.as_json()})


def _is_id(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_LENGTH_MAX
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _id_of(item: Any) -> Id:
    """The id of a request that is wrong otherwise, if it has a good one."""
    found: Id = item["id"] if isinstance(item, dict) and _is_id(item.get("id")) and "id" in item else None
    return found


def _run_of_sends(items: list[Any], start: int) -> list[bytes]:
    """The transactions of the run of well-formed sends that begins at `start`."""
    raws: list[bytes] = []
    for position in range(start, len(items)):
        raw = _plain_send(items[position])
        if raw is None:
            break
        raws.append(raw)
    return raws


def _plain_send(item: Any) -> bytes | None:
    """The bytes of a send with an id and hex data: nothing left that could be wrong but the transaction itself."""
    if not isinstance(item, dict) or item.get("method") != SEND or item.get("jsonrpc") != "2.0":
        return None
    params = item.get("params")
    if not isinstance(params, list) or len(params) != 1 or "id" not in item or not _is_id(item["id"]):
        return None
    try:
        return read_data(params[0])
    except ValueError:
        return None


async def _typed(result: Awaitable[Any]) -> Any:
    return await result
