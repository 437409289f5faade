"""The table of methods: names, parameters, handlers. The reference is generated from it."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from raclette.node.view import NodeView
from raclette.rpc.backend import Backend
from raclette.rpc.config import RpcLimits
from raclette.rpc.errors import invalid_parameters
from raclette.rpc.kinds import Kind
from raclette.rpc.lookup import Lookup

REQUIRED: Any = object()
Handler = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """`default` stands in when the caller leaves it out or sends null; REQUIRED ones may not be left out."""

    name: str
    kind: Kind
    default: Any = REQUIRED
    about: str = ""
    example: Any = None


@dataclass(frozen=True, slots=True)
class Method:
    """`handler(context, *values)` gives the result, perhaps as an awaitable. `returns` is for the reference."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    handler: Handler
    example: Any

    @property
    def about(self) -> str:
        """The handler's docstring."""
        return inspect.getdoc(self.handler) or ""

    def read(self, values: Any) -> list[Any]:
        """The handler's arguments from a request's `params`. Raises RpcError."""
        if values is None:
            values = []
        if not isinstance(values, list):
            raise invalid_parameters("non-array args")
        if len(values) > len(self.parameters):
            raise invalid_parameters(f"too many arguments, want at most {len(self.parameters)}")
        return [
            _read_one(i, parameter, values[i] if i < len(values) else None)
            for i, parameter in enumerate(self.parameters)
        ]


def _read_one(i: int, parameter: Parameter, value: Any) -> Any:
    if value is None:
        if parameter.default is REQUIRED:
            raise invalid_parameters(f"missing value for required argument {i}")
        return parameter.default
    try:
        return parameter.kind.read(value)
    except ValueError as error:
        raise invalid_parameters(f"invalid argument {i}: {error}") from None


class Subscriber(Protocol):
    """What `eth_subscribe` needs of a connection that can be written to at any time. HTTP has none."""

    def subscribe(self, kind: str, full: bool) -> str:
        """Start sending; returns the subscription's id. Raises RpcError."""

    def unsubscribe(self, subscription: str) -> bool:
        """Stop sending. Raises RpcError if there is no such subscription."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a handler may use. `subscriber` is None on HTTP."""

    backend: Backend
    limits: RpcLimits
    lookup: Lookup
    subscriber: Subscriber | None = None
    # The caller's IP address, if known.
    client: str = ""

    @property
    def view(self) -> NodeView:
        """The node's read side."""
        return self.backend.view


class MethodTable:
    """Methods by name, in the order they were added."""

    def __init__(self) -> None:
        self.methods: dict[str, Method] = {}

    def add(self, name: str, *parameters: Parameter, returns: str, example: Any = None) -> Callable[[Handler], Handler]:
        """Decorator: `handler` answers `name`."""

        def register(handler: Handler) -> Handler:
            self.methods[name] = Method(name, parameters, returns, handler, example)
            return handler

        return register
