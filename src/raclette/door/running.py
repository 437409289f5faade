"""An event loop on a thread of its own, and a live node on it: what a `Peer` is made of.

Everything that belongs to the node happens on that thread. Others hand it functions and wait for the answers.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from typing import Any, TypeVar

import uvloop

from raclette.primitives.errors import Misuse, RacletteError

T = TypeVar("T")

# An answer of a node's own thread takes milliseconds; one that takes this long will not come.
CALL_SECONDS_MAX = 120.0


class NotRunning(Misuse):
    """The peer was closed, or its node has failed."""


class Background:
    """A loop on a daemon thread. `close` ends it; nothing runs on it afterwards."""

    def __init__(self, name: str) -> None:
        self._loop = uvloop.new_event_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"raclette-{name}", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = CALL_SECONDS_MAX) -> T:
        """Its result, waited for on the caller's thread. Raises NotRunning, TimeoutError, and what `work` raises."""
        if self._closed:
            work.close()
            raise NotRunning("this peer is closed")
        if threading.current_thread() is self._thread:
            work.close()
            raise Misuse("this is the peer's own thread (a rule, perhaps): it cannot wait for itself")
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(timeout)
        except FutureTimeout:
            future.cancel()
            raise TimeoutError(f"no answer of the peer's thread in {timeout:.0f} s") from None

    def call(self, function: Callable[[], T]) -> T:
        """As `run`, for a plain function."""

        async def work() -> T:
            return function()

        return self.run(work())

    def close(self) -> None:
        """Stop the loop and join the thread. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()


class NotConnected(RacletteError):
    """Nobody of this chain answers there. The message says what was tried, and what came of it."""
