"""The miner: threads that search a nonce until it is found, replaced or no longer wanted.

Each thread works in chunks of a few milliseconds, outside the interpreter lock, and looks between chunks whether its
task is still the current one. No lock is held while hashing, so a new head stops the search within one chunk.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from raclette.chain.header import NONCE_BYTES, Header
from raclette.live.miner.kernel import NONCE_SPAN, Kernel, make_kernel

# Time a thread works before it looks up. Short against a block's way through the network, long against the call.
CHUNK_SECONDS = 0.004
# First chunk, before the kernel's speed is known: about a millisecond of the hashlib loop.
FIRST_CHUNK = 1 << 10
CHUNK_MAX = 1 << 22
# Window over which the hash rate is reported.
RATE_SECONDS = 5.0


@dataclass(slots=True)
class Task:
    """One header's search; threads take disjoint ranges of nonces from it."""

    header: Header
    target: int
    next_nonce: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, count: int) -> int:
        """The first nonce of a range of `count` that is the caller's alone."""
        with self.lock:
            start = self.next_nonce
            self.next_nonce = start + count
            return start


class Miner:
    """Searches one header at a time with `threads` threads; `on_found` gets the sealed header, on a miner's thread."""

    def __init__(self, on_found: Callable[[Header], None], *, threads: int = 1, kernel: Kernel | None = None) -> None:
        self._on_found = on_found
        self._kernel = kernel
        self._task: Task | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._making = threading.Lock()
        self._done: deque[tuple[float, int]] = deque()
        self._threads = [
            threading.Thread(target=self._work, name=f"miner-{index}", daemon=True) for index in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def start(self, header: Header, target: int) -> None:
        """Search for `header`, in place of whatever was searched before. Returns at once."""
        with self._changed:
            self._task = Task(header, target)
            self._changed.notify_all()

    def stop(self) -> None:
        """Search nothing. Returns at once; threads stop within a chunk, and nothing is found afterwards."""
        with self._changed:
            self._task = None

    def close(self) -> None:
        """Stop and join the threads. Idempotent."""
        with self._changed:
            self._task = None
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join()

    @property
    def searching(self) -> bool:
        """Is there a task?"""
        return self._task is not None

    @property
    def hashes_per_s(self) -> int:
        """All threads together, over the last few seconds."""
        now = time.monotonic()
        with self._changed:
            done = [count for at, count in self._done if now - at <= RATE_SECONDS]
            since = now - self._done[0][0] if self._done else 0.0
        return round(sum(done) / min(max(since, CHUNK_SECONDS), RATE_SECONDS))

    def _work(self) -> None:
        kernel = self._make_kernel()
        chunk = FIRST_CHUNK
        while (task := self._wait()) is not None:
            start = task.take(chunk)
            began = time.perf_counter()
            nonce = kernel.search(task.header.prehash, task.target, start, chunk) if start < NONCE_SPAN else None
            took = time.perf_counter() - began
            self._count(chunk if nonce is None else nonce - start + 1)
            if nonce is not None:
                self._report(task, nonce)
            elif start >= NONCE_SPAN:
                self._give_up(task)
            else:
                chunk = _next_chunk(chunk, took)

    def _make_kernel(self) -> Kernel:
        """Made on a miner's thread, so that compiling delays nobody; one for all threads."""
        with self._making:
            self._kernel = self._kernel or make_kernel()
            return self._kernel

    def _wait(self) -> Task | None:
        """The current task, as soon as there is one; None once closed."""
        with self._changed:
            while self._task is None and not self._closed:
                self._changed.wait()
            return None if self._closed else self._task

    def _report(self, task: Task, nonce: int) -> None:
        """The first to find reports, unless the task was replaced meanwhile."""
        if self._give_up(task):
            self._on_found(task.header.sealed_with(nonce.to_bytes(NONCE_BYTES, "big")))

    def _give_up(self, task: Task) -> bool:
        with self._changed:
            if self._task is not task:
                return False
            self._task = None
            return True

    def _count(self, hashes: int) -> None:
        now = time.monotonic()
        with self._changed:
            self._done.append((now, hashes))
            while now - self._done[0][0] > RATE_SECONDS:
                self._done.popleft()


def _next_chunk(chunk: int, took: float) -> int:
    """Aim at `CHUNK_SECONDS`, at most doubling or halving at a time."""
    wanted = int(chunk * CHUNK_SECONDS / max(took, 1e-6))
    return max(min(wanted, 2 * chunk, CHUNK_MAX), chunk // 2, FIRST_CHUNK // 16)
