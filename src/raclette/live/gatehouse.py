"""Between transport and node: every frame passes the node's gate here, without blocking the loop or losing order.

Order is kept per peer and lane (the transport reorders lanes already, so more cannot be promised): votes do not wait
for the transactions that the same peer sent before them. Light frames of an idle lane are opened at once; heavy ones
go to threads in batches, consensus first, peers in turn. A peer whose backlog is full is not read from until it has
shrunk: TCP makes it wait.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import structlog

from raclette.live.contract import Transport
from raclette.node.host import Gate, Lane, Parcel
from raclette.primitives.errors import PeerFault
from raclette.primitives.signing import Verifier
from raclette.primitives.units import KIBIBYTE, MEBIBYTE

_log = structlog.get_logger(room="gate")

# What one peer may have waiting at the gate, all lanes: two of the largest frames and small change; and frames, for
# small ones have overhead too. Reading stops above and starts again below half.
BACKLOG_BYTES_MAX = 8 * MEBIBYTE
BACKLOG_FRAMES_MAX = 4_096
# One job for a thread: enough to be worth the hop (about 100 us), small enough that a vote gets its turn soon.
JOB_BYTES = 32 * KIBIBYTE
JOB_FRAMES = 32

Opened: TypeAlias = Parcel | PeerFault


@dataclass(slots=True)
class _Backlog:
    """One peer's frames that wait, by lane; `busy` lanes have a job in a thread."""

    peer: bytes
    lanes: tuple[deque[bytes], ...] = field(default_factory=lambda: tuple(deque() for _ in Lane))
    busy: list[bool] = field(default_factory=lambda: [False for _ in Lane])
    size: int = 0
    count: int = 0
    paused: bool = False
    gone: bool = False


class Gatehouse:
    """See the module's docstring. `deliver(peer, parcel)` and `accuse(peer, reason)` are called on the loop."""

    def __init__(
        self,
        gate: Gate,
        verifier: Verifier,
        transport: Transport,
        deliver: Callable[[bytes, Parcel], None],
        accuse: Callable[[bytes, str], None],
        *,
        threads: int,
    ) -> None:
        """`threads` 0: everything on the loop, one heavy frame per turn."""
        self._gate = gate
        self._verifier = verifier
        self._transport = transport
        self._deliver = deliver
        self._accuse = accuse
        self._threads = threads
        self._executor = ThreadPoolExecutor(threads, "gate") if threads else None
        self._running = 0
        self._turn_scheduled = False
        self._held = False
        self._backlogs: dict[bytes, _Backlog] = {}
        self._ready: tuple[deque[_Backlog], ...] = tuple(deque() for _ in Lane)
        self.gate_seconds: Callable[[float], None] = lambda seconds: None

    def enter(self, peer: bytes, lane: Lane, frame: bytes) -> None:
        """A frame has arrived."""
        backlog = self._backlogs.get(peer)
        if backlog is None:
            backlog = self._backlogs[peer] = _Backlog(peer)
        queue = backlog.lanes[lane]
        if not queue and not backlog.busy[lane] and not self._held and not self._gate.is_heavy(frame):
            self._hand_over(backlog, self._open(frame))
            return
        queue.append(frame)
        backlog.size += len(frame)
        backlog.count += 1
        if not backlog.paused and (backlog.size > BACKLOG_BYTES_MAX or backlog.count > BACKLOG_FRAMES_MAX):
            backlog.paused = True
            self._transport.pause(peer)
        if len(queue) == 1 and not backlog.busy[lane]:
            self._ready[lane].append(backlog)
            self._dispatch()

    def forget(self, peer: bytes) -> None:
        """The peer is gone; so is what it left."""
        backlog = self._backlogs.pop(peer, None)
        if backlog is not None:
            backlog.gone = True
            for queue in backlog.lanes:
                queue.clear()

    def hold(self, held: bool) -> None:
        """Deliver nothing for a while (the node's effects cannot leave as fast as they come), or go on."""
        self._held = held
        if not held:
            self._dispatch()

    @property
    def backlog_frames(self) -> int:
        """Frames that wait."""
        return sum(backlog.count for backlog in self._backlogs.values())

    def close(self) -> None:
        """Open nothing more."""
        self._held = True
        for peer in tuple(self._backlogs):
            self.forget(peer)
        if self._executor is not None:
            self._executor.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self) -> None:
        if self._executor is None:
            if not self._turn_scheduled and not self._held and any(self._ready):
                self._turn_scheduled = True
                asyncio.get_running_loop().call_soon(self._turn)
            return
        while self._running < self._threads and not self._held:
            job = self._next_job(JOB_FRAMES)
            if job is None:
                return
            backlog, lane, frames = job
            backlog.busy[lane] = True
            self._running += 1
            future = asyncio.get_running_loop().run_in_executor(self._executor, self._open_all, frames)
            future.add_done_callback(partial(self._on_opened, backlog, lane))

    def _next_job(self, frames_max: int) -> tuple[_Backlog, int, list[bytes]] | None:
        """Frames of one peer's lane, of the lowest lane that has any, peers in turn."""
        for lane, ready in enumerate(self._ready):
            while ready:
                backlog = ready.popleft()
                queue = backlog.lanes[lane]
                frames: list[bytes] = []
                size = 0
                while queue and len(frames) < frames_max and size < JOB_BYTES:
                    frames.append(queue.popleft())
                    size += len(frames[-1])
                if frames:
                    backlog.size -= size
                    return backlog, lane, frames
        return None

    def _turn(self) -> None:
        """Without threads: one heavy frame, then let the loop breathe."""
        self._turn_scheduled = False
        job = self._next_job(1) if not self._held else None
        if job is not None:
            backlog, lane, frames = job
            self._settle(backlog, lane, self._open_all(frames))

    def _on_opened(self, backlog: _Backlog, lane: int, done: "asyncio.Future[list[Opened]]") -> None:
        self._running -= 1
        backlog.busy[lane] = False
        if not done.cancelled():
            self._settle(backlog, lane, done.result())

    def _settle(self, backlog: _Backlog, lane: int, opened: list[Opened]) -> None:
        """Hand over the results of a job and see to what comes next."""
        for one in opened:
            self._hand_over(backlog, one)
        backlog.count -= len(opened)
        if not backlog.gone:
            if backlog.lanes[lane]:
                self._ready[lane].append(backlog)
            small = backlog.size <= BACKLOG_BYTES_MAX // 2 and backlog.count <= BACKLOG_FRAMES_MAX // 2
            if backlog.paused and small:
                backlog.paused = False
                self._transport.resume(backlog.peer)
        self._dispatch()

    def _hand_over(self, backlog: _Backlog, opened: Opened) -> None:
        if backlog.gone:
            return
        if isinstance(opened, PeerFault):
            self._accuse(backlog.peer, opened.reason)
        else:
            self._deliver(backlog.peer, opened)

    def _open_all(self, frames: list[bytes]) -> list[Opened]:
        started = time.perf_counter()
        opened = [self._open(frame) for frame in frames]
        self.gate_seconds(time.perf_counter() - started)
        return opened

    def _open(self, frame: bytes) -> Opened:
        try:
            return self._gate.open(frame, self._verifier)
        except PeerFault as fault:
            return fault
        except Exception as error:  # the gate is pure: a bug in a decoder harms nothing but this frame
            _log.error("gate-bug", error=repr(error), frame=frame[:64].hex(), exc_info=error)
            return PeerFault("gate-bug", repr(error))
