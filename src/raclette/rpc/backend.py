"""What the RPC needs of the process it runs in. The live host implements it; tests bring their own."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from raclette.node.host import Notice
from raclette.node.view import NodeView
from raclette.primitives.errors import Refused


class NoticeStream(Protocol):
    """Notices from the moment it was made, until it is closed."""

    def __aiter__(self) -> AsyncIterator[Notice]: ...

    def close(self) -> None:
        """End it. Idempotent."""


class Backend(Protocol):
    """A running host. Everything is called from the host's own event loop."""

    @property
    def view(self) -> NodeView:
        """The node's read side."""

    async def submit(self, raw: bytes) -> bytes:
        """Take a transaction into the mempool; returns its hash (32 bytes). Raises Refused."""

    async def submit_many(self, raws: list[bytes]) -> list[bytes | Refused]:
        """As `submit`, for each in order; decoded together, in threads. Never raises Refused, but returns it."""

    async def find_peer(self, name: str) -> dict[str, Any] | None:
        """The peer of that name, as the host's tracker knows it, with `account` and `account_key` (0x text or None)."""

    async def fund(self, address: bytes, amount: int, *, name: str, request: str, client: str) -> dict[str, Any]:
        """Money for a newcomer, if this host has a faucet: `hash`, `amount` and `again`. Raises Refused."""

    def subscribe(self, *kinds: type) -> NoticeStream:
        """Notices of these types from now on."""

    def host_info(self) -> dict[str, Any]:
        """What the host says about itself: addresses, uptime and so on. JSON-able."""
