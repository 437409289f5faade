"""The live host: feeds a node what happens and does what it asks, strictly in order.

    transport --frame--> gatehouse --parcel--> node.handle --effects--> EffectQueue --> transport, notices, drops
                                                  ^    `--timers, sealing (at once)
                              timers, links, nonces, clients

Two kinds of effect differ in when they happen. What can be seen from outside (frames, drops, notices) waits behind
every `Flush` before it. Timers and nonce searches are the process's own affair and take effect at once, so that a timer
which the node has cancelled can never fire while the cancellation waits for a disk.

An exception in the node that is not a refusal means that its state can no longer be trusted: the host stops (`failure`
says why) and does nothing more in its name.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.engine.effects import CancelTimer, Seal, SetTimer, StopSealing
from raclette.live.contract import PeerHello, Role, Service, Transport
from raclette.live.effects import EffectQueue
from raclette.live.gatehouse import Gatehouse
from raclette.live.hostinfo import describe
from raclette.live.logs import traceback_of
from raclette.live.notices import NOTICES_MAX, NoticeHub, Subscription
from raclette.live.sealing import Sealer, SearcherFactory
from raclette.live.submissions import Submissions
from raclette.node.host import (
    Accepted,
    Connected,
    Delivered,
    Disconnected,
    Drop,
    Fired,
    Flush,
    HostedNode,
    HostEffect,
    Lane,
    Misbehaved,
    NewFinal,
    NewHead,
    NodeEvent,
    NodeStarted,
    NonceFound,
    Noted,
    Parcel,
    Transmit,
)
from raclette.node.view import NodeView
from raclette.primitives.errors import Misuse, Refused
from raclette.primitives.signing import Ed25519Verifier, Verifier
from raclette.primitives.units import SECOND
from raclette.store.contract import Store

_log = structlog.get_logger(room="host")

# Effects that may wait for the disk before the gate holds further frames back: about a second's worth under full load.
EFFECTS_WAITING_MAX = 20_000
# How often the loop's lag is measured, and the lag that is worth a line in the log.
LAG_INTERVAL_SECONDS = 0.25
LAG_SECONDS_NOTABLE = 0.5
# How long a stopping host waits for effects that are still behind a sync.
DRAIN_SECONDS_MAX = 10.0


@dataclass(frozen=True, slots=True)
class HostSettings:
    """`gate_threads` check signatures beside the loop; with 0 the loop does it, which costs the least processor time
    where processes outnumber cores."""

    name: str = ""
    gate_threads: int = 1


class TrackerHandler(Protocol):
    """Who speaks with the tracker for this host (`tracker.client`)."""

    def on_tracker_up(self, hello: PeerHello) -> bool:
        """The link to a tracker is up. False if it is not ours."""

    def on_tracker_down(self, peer: bytes) -> bool:
        """A link is down; True if it was the tracker's."""

    def on_tracker_frame(self, peer: bytes, frame: bytes) -> None:
        """A frame of the tracker service."""

    def info(self) -> dict[str, Any]:
        """For people. JSON-able."""

    async def whois(self, name: str) -> dict[str, Any] | None:
        """Whose name this is among the peers, as they say themselves. JSON-able; None if nobody's."""


class FaucetHandler(Protocol):
    """Who pays newcomers for this host (`faucet`)."""

    async def give(self, address: bytes, amount: int, *, name: str, request: str, client: str) -> dict[str, Any]:
        """Pay, within limits; the transaction. JSON-able. Raises Refused."""

    def info(self) -> dict[str, Any]:
        """For people. JSON-able."""


class LiveHost:
    """Hosts one node. `start`, then `wait` until it is to end (or has failed), then `stop`; all on one event loop."""

    def __init__(
        self,
        node: HostedNode,
        transport: Transport,
        store: Store,
        *,
        decode: Callable[[bytes], Transaction],
        view: NodeView | None = None,
        settings: HostSettings | None = None,
        make_searcher: SearcherFactory | None = None,
        verifier: Verifier | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        """`decode` is the ledger's (or a memo before it); `view` the node's read side, for RPC. Without `make_searcher`
        nothing is ever sealed. The store stays the caller's to close."""
        self.node = node
        self.transport = transport
        self.store = store
        self.settings = settings or HostSettings()
        self.failure: BaseException | None = None
        self.notices = NoticeHub()
        self.noted: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.received_bytes: Counter[str] = Counter()
        self.accepted = 0
        self.loop_lag_seconds = 0.0
        self.started_at = 0
        self.tracker_handler: TrackerHandler | None = None
        self.faucet: FaucetHandler | None = None
        self._view = view
        self._clock = clock
        self._now = 0
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._disk = ThreadPoolExecutor(1, "disk")
        self._sealer = Sealer(make_searcher, self._on_sealed) if make_searcher is not None else None
        self._ended = asyncio.Event()
        self._alive = False
        self._held = False
        self._lag_task: asyncio.Task[None] | None = None
        self.effects: EffectQueue[HostEffect] = EffectQueue(self._carry, store.sync, self._disk, self._fail)
        self.gatehouse = Gatehouse(
            node.gate,
            verifier or Ed25519Verifier(),
            transport,
            self._on_parcel,
            self._on_refused_frame,
            threads=self.settings.gate_threads,
        )
        self._submissions = Submissions(
            decode,
            self._submit,
            self.effects,
            lambda: self.failure is not None,
            threaded=self.settings.gate_threads > 0,
        )
        self._carriers: dict[type, Callable[[Any], None]] = {
            Transmit: self._transmit,
            Drop: self._drop,
            NewHead: self._new_head,
            NewFinal: self.notices.publish,
            Accepted: self._accepted,
            Noted: self._note,
        }

    # -- life

    async def start(self) -> None:
        """Start the node, then listen and dial. Raises ConfigError if the port cannot be had."""
        self._alive = True
        self.started_at = self.now()
        self._lag_task = asyncio.get_running_loop().create_task(self._watch_lag())
        self._happen(NodeStarted(self.now()))
        await self.transport.start(self)

    def end(self) -> None:
        """Ask `wait` to return."""
        self._ended.set()

    async def wait(self) -> None:
        """Until `end` was called or the node failed; then `failure` is set."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Take no more events, let effects out, sync, say goodbye. Idempotent. A failed node syncs nothing."""
        if self._lag_task is None:
            return
        self._alive = False
        self._lag_task.cancel()
        self._lag_task = None
        self.gatehouse.close()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._sealer is not None:
            self._sealer.close()
        if self.failure is None:
            await self._drain()
        await self.transport.stop()
        self.notices.close()
        self._disk.shutdown(wait=True)
        self._submissions.close()
        self._ended.set()

    async def _drain(self) -> None:
        self.effects.add((Flush(),))
        try:
            async with asyncio.timeout(DRAIN_SECONDS_MAX):
                await self.effects.mark()
        except TimeoutError:
            _log.warning("drain-timeout", waiting=len(self.effects))
        except asyncio.CancelledError:
            if self.failure is None:
                raise

    # -- for clients of the process (RPC, CLI)

    @property
    def view(self) -> NodeView:
        """The node's read side. Raises Misuse if the host was made without one."""
        if self._view is None:
            raise Misuse("this host was made without a view")
        return self._view

    def now(self) -> int:
        """Nanoseconds since 1970, never going back."""
        self._now = max(self._now, self._clock())
        return self._now

    async def submit(self, raw: bytes) -> bytes:
        """Decode, hand to the node; the transaction's hash. Raises Refused."""
        return await self._submissions.one(raw)

    async def submit_many(self, raws: Sequence[bytes]) -> list[bytes | Refused]:
        """As `submit` for each, in order, the signatures recovered off the loop; a refusal is returned, not raised."""
        return await self._submissions.many(raws)

    async def find_peer(self, name: str) -> dict[str, Any] | None:
        """The peer of that name, as the tracker knows it: `name`, `node_id`, `host`, `port`, `account`, `account_key`.
        None if there is none, or no tracker."""
        return await self.tracker_handler.whois(name) if self.tracker_handler is not None else None

    async def fund(self, address: bytes, amount: int, *, name: str, request: str, client: str) -> dict[str, Any]:
        """Money for a newcomer, from the operator's faucet. Raises Refused ("no-faucet", and what `Faucet.give`
        says)."""
        if self.faucet is None:
            raise Refused("no-faucet", "this node has no faucet: its configuration has no [faucet] with a key_file")
        return await self.faucet.give(address, amount, name=name, request=request, client=client)

    def subscribe(self, *kinds: type, limit: int = NOTICES_MAX) -> Subscription:
        """Notices of these types (NewHead, NewFinal, Accepted, Noted) from now on."""
        return self.notices.subscribe(*kinds, limit=limit)

    def host_info(self) -> dict[str, Any]:
        """For people and RPC. JSON-able."""
        return describe(self)

    # -- TransportHandler

    def on_up(self, hello: PeerHello) -> None:
        """A link came up."""
        if hello.role is Role.TRACKER:
            # The node keeps no score of trackers, so a stranger who calls itself one is not listened to.
            if self.tracker_handler is None or not self.tracker_handler.on_tracker_up(hello):
                self.transport.drop(hello.node_id, "not-our-tracker", 0)
            return
        self._happen(Connected(self.now(), hello.node_id))

    def on_down(self, peer: bytes, reason: str) -> None:
        """A link went down."""
        self.gatehouse.forget(peer)
        if self.tracker_handler is not None and self.tracker_handler.on_tracker_down(peer):
            return
        self._happen(Disconnected(self.now(), peer))

    def on_frame(self, peer: bytes, service: Service, lane: Lane, frame: bytes) -> None:
        """A frame: the node's through the gate, the tracker's to its client."""
        if service is Service.NODE:
            if self._alive:
                self.gatehouse.enter(peer, lane, frame)
        elif self.tracker_handler is not None:
            self.tracker_handler.on_tracker_frame(peer, frame)

    def on_fault(self, peer: bytes, reason: str) -> None:
        """A peer broke a rule of the transport."""
        self._on_refused_frame(peer, reason)

    # -- events in

    def _happen(self, event: NodeEvent) -> None:
        if not self._alive:
            return
        try:
            effects = self.node.handle(event)
        except Exception as error:
            self._fail(error)
            return
        self.take(effects)

    def take(self, effects: tuple[HostEffect, ...]) -> None:
        """Effects of an event, or of a call that was made to the node directly: timers and searches now, everything
        else in its turn."""
        if not effects:
            return
        outward = []
        for effect in effects:
            match effect:
                case SetTimer(name, delay):
                    self._set_timer(name, delay)
                case CancelTimer(name):
                    self._cancel_timer(name)
                case Seal():
                    if self._sealer is not None:
                        self._sealer.start(effect)
                case StopSealing():
                    if self._sealer is not None:
                        self._sealer.stop()
                case _:
                    outward.append(effect)
        if outward:
            self.effects.add(outward)
            if len(self.effects) > EFFECTS_WAITING_MAX and not self._held:
                self._held = True
                self.gatehouse.hold(True)
                self.effects.mark().add_done_callback(self._release)

    def _release(self, _: "asyncio.Future[None]") -> None:
        self._held = False
        if self._alive:
            self.gatehouse.hold(False)

    def _set_timer(self, name: str, delay: int) -> None:
        self._cancel_timer(name)
        self._timers[name] = asyncio.get_running_loop().call_later(max(0, delay) / SECOND, self._fire, name)

    def _cancel_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _fire(self, name: str) -> None:
        del self._timers[name]
        self._happen(Fired(self.now(), name))

    def _on_sealed(self, header: Header) -> None:
        self._happen(NonceFound(self.now(), header))

    def _on_parcel(self, peer: bytes, parcel: Parcel) -> None:
        kind = parcel.kind
        self.received[kind] += 1
        self.received_bytes[kind] += parcel.size
        self._happen(Delivered(self.now(), peer, parcel))

    def _on_refused_frame(self, peer: bytes, reason: str) -> None:
        self.faults[reason] += 1
        self._happen(Misbehaved(self.now(), peer, reason))

    def _submit(self, transaction: Transaction) -> None:
        if not self._alive:
            raise Refused("node-stopping", "the node is stopping")
        try:
            effects = self.node.submit(self.now(), transaction)
        except Refused:
            raise
        except Exception as error:
            self._fail(error)
            raise Refused("node-failed", "the node has stopped") from error
        self.take(effects)

    # -- effects out

    def _carry(self, effect: HostEffect) -> None:
        self._carriers[type(effect)](effect)

    def _transmit(self, effect: Transmit) -> None:
        self.transport.send(effect.peers, effect.lane, effect.frame, effect.kind)

    def _drop(self, effect: Drop) -> None:
        _log.warning("peer-dropped", peer=effect.peer.hex()[:16], reason=effect.reason, ban_s=effect.ban // SECOND)
        self.transport.drop(effect.peer, effect.reason, effect.ban)

    def _new_head(self, effect: NewHead) -> None:
        if effect.added:
            head = effect.added[-1]
            _log.info("new-head", number=head.number, hash=head.hash.hex()[:16], removed=len(effect.removed))
        self.notices.publish(effect)

    def _accepted(self, effect: Accepted) -> None:
        self.accepted += 1
        self.notices.publish(effect)

    def _note(self, effect: Noted) -> None:
        self.noted[effect.what] += 1
        _log.info(effect.what, **{key: value for key, value in effect.detail.items() if key != "event"})
        self.notices.publish(effect)

    # -- trouble

    def _fail(self, error: BaseException) -> None:
        """The node's state cannot be trusted any more: stop, and never guess."""
        if self.failure is None:
            self.failure = error
            _log.critical("node-failed", error=str(error), kind=type(error).__name__, exc_info=traceback_of(error))
        self._alive = False
        self._ended.set()

    async def _watch_lag(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            asked = loop.time()
            await asyncio.sleep(LAG_INTERVAL_SECONDS)
            self.loop_lag_seconds = max(0.0, loop.time() - asked - LAG_INTERVAL_SECONDS)
            if self.loop_lag_seconds > LAG_SECONDS_NOTABLE:
                _log.warning("slow-loop", lag_ms=round(self.loop_lag_seconds * 1000))
