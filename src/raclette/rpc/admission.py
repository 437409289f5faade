"""How many bodies are answered at once, and how many may wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from raclette.rpc.config import RpcLimits
from raclette.rpc.errors import LIMIT_EXCEEDED, RpcError


class Admission:
    """A counting gate with a bounded queue."""

    def __init__(self, limits: RpcLimits) -> None:
        self._places = asyncio.Semaphore(limits.in_flight_max)
        self._waiting_max = limits.waiting_max
        self.waiting = 0
        self.turned_away = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place. Raises RpcError at once if too many wait already."""
        if self._places.locked():
            if self.waiting >= self._waiting_max:
                self.turned_away += 1
                raise RpcError(LIMIT_EXCEEDED, "limit exceeded: too many requests at once, try again later")
            self.waiting += 1
            try:
                await self._places.acquire()
            finally:
                self.waiting -= 1
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()
