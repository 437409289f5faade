"""Errors as JSON-RPC shows them: geth's codes and wording, which wallets match on.

Source: JSON-RPC 2.0, section 5.1; EIP-1474; go-ethereum's rpc package.
"""

from typing import Any

from raclette.primitives.errors import RacletteError, Refused

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMETERS = -32602
INTERNAL_ERROR = -32603
SERVER_ERROR = -32000
TIMED_OUT = -32002
RESPONSE_TOO_LARGE = -32003
LIMIT_EXCEEDED = -32005


class RpcError(RacletteError):
    """An answer with `code`, `message` and perhaps `data` in place of a result."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def as_json(self) -> dict[str, Any]:
        """The error object."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


def refusal(refused: Refused) -> RpcError:
    """A refused transaction: geth's code for all of them, our slug beside it."""
    return RpcError(SERVER_ERROR, str(refused), {"reason": refused.reason})


def method_not_found(name: str) -> RpcError:
    """No such method. A name longer than any real one is cut."""
    return RpcError(METHOD_NOT_FOUND, f"the method {name[:80]} does not exist/is not available")


def server_error(message: str) -> RpcError:
    """The request is well formed, but cannot be answered."""
    return RpcError(SERVER_ERROR, message)


def invalid_parameters(message: str) -> RpcError:
    """The parameters do not fit the method."""
    return RpcError(INVALID_PARAMETERS, message)
