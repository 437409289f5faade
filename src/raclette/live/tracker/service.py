"""The tracker as a process of its own: the machine, hosted over the transport.

Smaller than the node's host (`live.host`), same rules: effects in order, nothing leaves before what it depends on is
on disk, and a failure of the machine or the store stops the process.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import structlog

from raclette.engine.effects import SetTimer
from raclette.live.contract import PeerHello, Service, Transport
from raclette.live.effects import EffectQueue
from raclette.live.logs import traceback_of
from raclette.live.tracker.machine import (
    Begun,
    Fault,
    Fired,
    Happened,
    Heard,
    LinkDown,
    LinkUp,
    Reach,
    Say,
    TrackerEffect,
    TrackerEvent,
    TrackerMachine,
)
from raclette.node.host import Flush, Lane
from raclette.node.outbox import Write
from raclette.primitives.units import MINUTE, SECOND
from raclette.store.contract import Store

_log = structlog.get_logger(room="tracker")

# A peer that breaks the tracker's rules is refused for this long (ns).
FAULT_BAN = 1 * MINUTE
DRAIN_SECONDS_MAX = 5.0


class TrackerHost:
    """Runs one tracker. `start`, `wait`, `stop`, as `LiveHost`. The store stays the caller's to close."""

    def __init__(
        self, machine: TrackerMachine, transport: Transport, store: Store, *, clock: Callable[[], int] = time.time_ns
    ) -> None:
        self.machine = machine
        self.transport = transport
        self.store = store
        self.failure: BaseException | None = None
        self.faults: Counter[str] = Counter()
        self._clock = clock
        self._now = 0
        self._alive = False
        self._ended = asyncio.Event()
        self._reached: set[bytes] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._disk = ThreadPoolExecutor(1, "disk")
        self.effects: EffectQueue[TrackerEffect] = EffectQueue(self._carry, store.sync, self._disk, self._fail)

    async def start(self) -> None:
        """Listen. Raises ConfigError if the port cannot be had."""
        self._alive = True
        await self.transport.start(self)
        self._happen(Begun(self._time()))

    def end(self) -> None:
        """Ask `wait` to return."""
        self._ended.set()

    async def wait(self) -> None:
        """Until `end` was called or the tracker failed; then `failure` is set."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Let effects out, say goodbye. Idempotent."""
        self._alive = False
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self.failure is None and len(self.effects):
            await asyncio.wait([self.effects.mark()], timeout=DRAIN_SECONDS_MAX)
        await self.transport.stop()
        self._disk.shutdown(wait=True)
        self._ended.set()

    def status(self) -> dict[str, Any]:
        """For people and metrics. JSON-able."""
        return {**self.machine.status(), "faults": dict(self.faults)}

    # -- TransportHandler

    def on_up(self, hello: PeerHello) -> None:
        """See TransportHandler."""
        self._happen(LinkUp(self._time(), hello.node_id))

    def on_down(self, peer: bytes, reason: str) -> None:
        """See TransportHandler."""
        self._happen(LinkDown(self._time(), peer))

    def on_frame(self, peer: bytes, service: Service, lane: Lane, frame: bytes) -> None:
        """See TransportHandler. Nodes' frames are no business of a tracker."""
        if service is Service.TRACKER:
            self._happen(Heard(self._time(), peer, frame))
        else:
            self.on_fault(peer, "not-a-node")
            self.transport.drop(peer, "not-a-node", FAULT_BAN)

    def on_fault(self, peer: bytes, reason: str) -> None:
        """See TransportHandler."""
        self.faults[reason] += 1

    # -- inside

    def _time(self) -> int:
        self._now = max(self._now, self._clock())
        return self._now

    def _happen(self, event: TrackerEvent) -> None:
        if not self._alive:
            return
        try:
            for effect in self.machine.handle(event):
                if isinstance(effect, Write):
                    self.store.write(effect.batch)
                    self.effects.add((Flush(),))
                elif isinstance(effect, SetTimer):
                    self._set_timer(effect)
                else:
                    self.effects.add((effect,))
        except Exception as error:
            self._fail(error)

    def _set_timer(self, timer: SetTimer) -> None:
        running = self._timers.pop(timer.name, None)
        if running is not None:
            running.cancel()
        self._timers[timer.name] = asyncio.get_running_loop().call_later(timer.delay / SECOND, self._fire, timer.name)

    def _fire(self, name: str) -> None:
        self._timers.pop(name, None)
        self._happen(Fired(self._time(), name))

    def _carry(self, effect: TrackerEffect) -> None:
        match effect:
            case Say(peer, frame):
                self.transport.send((peer,), Lane.BLOCKS, frame, "tracker", Service.TRACKER)
            case Fault(peer, reason):
                self.on_fault(peer, reason)
                self.transport.drop(peer, reason, FAULT_BAN)
            case Reach(addresses):
                wanted = {address.node_id for address in addresses}
                for peer in sorted(self._reached - wanted):
                    self.transport.unwant(peer)
                for address in addresses:
                    self.transport.want(address)
                self._reached = wanted
            case Happened(what, detail):
                _log.info(what, **detail)

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
            _log.critical("tracker-failed", error=str(error), kind=type(error).__name__, exc_info=traceback_of(error))
        self._alive = False
        self._ended.set()
