"""Carrying effects out strictly in order, with group commit.

A `Flush` in the queue is a barrier: nothing behind it happens before `sync` has returned. The loop does not wait: it
goes on handling events, whose effects queue up behind the barrier. When a sync begins, every `Flush` that is in the
queue at that moment is covered by it (what they protect was written before); so the busier a node is, the more votes
share one fsync.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from typing import Generic, TypeAlias, TypeVar

from raclette.node.host import Flush

E = TypeVar("E")

_Entry: TypeAlias = "E | Flush | asyncio.Future[None]"


class EffectQueue(Generic[E]):
    """Effects wait here for their turn. Used from the event loop; `sync` runs in `executor`."""

    def __init__(
        self,
        carry: Callable[[E], None],
        sync: Callable[[], None],
        executor: Executor,
        on_failure: Callable[[BaseException], None],
    ) -> None:
        """`carry` does one effect (it may add more, which go to the end); `on_failure` hears what `carry` or `sync`
        raised, after which the queue stands still for good."""
        self._carry = carry
        self._sync = sync
        self._executor = executor
        self._on_failure = on_failure
        self._waiting: deque[_Entry[E]] = deque()
        self._flushes_waiting = 0
        self._covered = 0
        self._syncing = False
        self._draining = False
        self._failed = False
        self.syncs = 0
        self.flushes = 0
        self.sync_seconds: Callable[[float], None] = lambda seconds: None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, effects: Iterable[E | Flush]) -> None:
        """Queue, and carry out what may be."""
        for effect in effects:
            if type(effect) is Flush:
                self._flushes_waiting += 1
                self.flushes += 1
            self._waiting.append(effect)
        if not self._draining and not self._syncing:
            self._drain()

    def mark(self) -> "asyncio.Future[None]":
        """Done when everything queued up to now has been carried out. Cancelled if the queue fails."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._failed:
            future.cancel()
        elif self._waiting or self._syncing:
            self._waiting.append(future)
        else:
            future.set_result(None)
        return future

    def _drain(self) -> None:
        self._draining = True
        waiting = self._waiting
        try:
            while waiting and not self._failed:
                entry = waiting.popleft()
                if isinstance(entry, Flush):
                    if not self._covered:
                        waiting.appendleft(entry)
                        self._begin_sync()
                        return
                    self._covered -= 1
                    self._flushes_waiting -= 1
                elif isinstance(entry, asyncio.Future):
                    if not entry.done():
                        entry.set_result(None)
                else:
                    self._carry(entry)
        except Exception as error:
            self._fail(error)
        finally:
            self._draining = False

    def _begin_sync(self) -> None:
        self._syncing = True
        self._covered = self._flushes_waiting
        started = time.perf_counter()
        future = asyncio.get_running_loop().run_in_executor(self._executor, self._sync)
        future.add_done_callback(lambda done: self._on_synced(done, started))

    def _on_synced(self, done: "asyncio.Future[None]", started: float) -> None:
        self._syncing = False
        error = done.exception() if not done.cancelled() else asyncio.CancelledError()
        if error is not None:
            self._fail(error)
            return
        self.syncs += 1
        self.sync_seconds(time.perf_counter() - started)
        self._drain()

    def _fail(self, error: BaseException) -> None:
        self._failed = True
        for entry in self._waiting:
            if isinstance(entry, asyncio.Future):
                entry.cancel()
        self._waiting.clear()
        self._on_failure(error)
