"""docs/rpc.md, made from the table of methods, so that it cannot lie.

Run `python -m raclette.rpc.reference > docs/rpc.md` after changing a method.
"""

import json
import sys
from collections.abc import Iterable
from typing import Any

from raclette.rpc.config import RpcConfig, RpcLimits
from raclette.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_PARAMETERS,
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    RESPONSE_TOO_LARGE,
    SERVER_ERROR,
    TIMED_OUT,
)
from raclette.rpc.kinds import BlockRef, Kind
from raclette.rpc.methods import method_table
from raclette.rpc.table import REQUIRED, Method, Parameter

_NAMESPACES = {
    "web3": "The client itself.",
    "net": "The network.",
    "eth": "What Ethereum's wallets and libraries ask.",
    "txpool": "The pool of waiting transactions.",
    "raclette": "What Ethereum's methods have no words for.",
    "rpc": "This interface.",
}
_CODES = (
    (PARSE_ERROR, "parse error", "The body is not JSON."),
    (INVALID_REQUEST, "invalid request", "JSON, but no request; also: empty or too large batch."),
    (METHOD_NOT_FOUND, "the method … does not exist/is not available", "No such method here."),
    (INVALID_PARAMETERS, "missing value for required argument 0; invalid argument 0: …", "Parameters do not fit."),
    (INTERNAL_ERROR, "method handler crashed", "A bug of ours. The log has it."),
    (SERVER_ERROR, "nonce too low: next nonce 5, tx nonce 3; header not found; …", "Well-formed, but refused."),
    (TIMED_OUT, "request timed out", "It took too long."),
    (RESPONSE_TOO_LARGE, "response too large", "Ask for less at once."),
    (LIMIT_EXCEEDED, "limit exceeded: …", "Too many requests at once, or too many subscriptions."),
)


def reference() -> str:
    """The whole page, in Markdown."""
    methods = method_table().methods.values()
    parts = [_introduction(), _errors(), _kinds(methods)]
    for namespace, about in _NAMESPACES.items():
        parts.append(f"## `{namespace}_*`\n\n{about}\n")
        parts += [_method(method) for method in methods if method.name.partition("_")[0] == namespace]
    return "\n".join(parts)


def _introduction() -> str:
    config, limits = RpcConfig(), RpcLimits()
    return f"""# JSON-RPC reference

<!-- Made by `python -m raclette.rpc.reference`; a test holds it to the code. -->

JSON-RPC 2.0 by HTTP POST (`Content-Type: application/json`) and by WebSocket, on the same port, {config.host}:\
{config.port} by default. Batches are answered in order. Subscriptions need a WebSocket.

Web pages may ask if they come from this machine or if their origin is listed; the server answers to IP addresses,
`localhost` and listed names only. A body has at most {limits.body_bytes_max} bytes and {limits.nodes_max} objects and
arrays, a batch at most {limits.batch_max} calls, an answer at most {limits.response_bytes_max} bytes;
{limits.in_flight_max} bodies are answered at once and {limits.waiting_max} may wait; a WebSocket holds at most
{limits.subscriptions_max} subscriptions and is closed (code 1013) when {limits.notifications_max} notifications wait.
"""


def _errors() -> str:
    rows = "\n".join(f"| {code} | {message} | {about} |" for code, message, about in _CODES)
    return (
        "## Errors\n\nCodes and wording are geth's. A refused transaction's error has `data.reason`, a word like "
        f"`nonce-too-low`.\n\n| code | message | meaning |\n|---|---|---|\n{rows}\n"
    )


def _kinds(methods: Iterable[Method]) -> str:
    used: dict[str, Kind] = {}
    for method in methods:
        for parameter in method.parameters:
            used.setdefault(parameter.kind.name, parameter.kind)
    rows = "\n".join(f"- **{name}**: {used[name].about}" for name in sorted(used))
    return f"## Kinds of parameters\n\n{rows}\n"


def _method(method: Method) -> str:
    text = [f"### `{method.name}`\n", method.about, ""]
    if method.parameters:
        text += [_parameter(i, parameter) for i, parameter in enumerate(method.parameters)]
        text.append("")
    text.append(f"Returns: {method.returns}\n")
    text.append(f"```json\n{_dump(_request(method))}\n")
    if method.example is not None:
        text.append(_dump({"jsonrpc": "2.0", "id": 1, "result": method.example}))
    return "\n".join(text).rstrip() + "\n```\n"


def _parameter(i: int, parameter: Parameter) -> str:
    optional = "" if parameter.default is REQUIRED else f", optional ({_default(parameter.default)})"
    about = f": {parameter.about}" if parameter.about else ""
    return f"- {i}. `{parameter.name}`, {parameter.kind.name}{optional}{about}"


def _default(value: Any) -> str:
    if isinstance(value, BlockRef):
        return f"`{value.tag}`"
    return "none" if value is None else f"`{json.dumps(value)}`"


def _request(method: Method) -> dict[str, Any]:
    params = [p.kind.example if p.example is None else p.example for p in method.parameters]
    return {"jsonrpc": "2.0", "id": 1, "method": method.name, "params": params}


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(reference())
