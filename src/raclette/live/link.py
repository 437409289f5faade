"""One TLS connection: handshake check, hello, frames in, lanes out, liveness.

    OPENING --hello accepted--> UP --lost a tie-break--> RETIRED --both said goodbye--> CLOSED
       `---------------------------refused, silent, faulty, dropped------------------------^

The dialler says hello first; the acceptor answers with its own hello only if it accepts, so a dialler never believes
in a link that the other side has refused (in TLS 1.3 alone it would: the client finishes before the server has looked
at the client's certificate). A retired link still reads, so that nothing already sent is lost.
"""

import asyncio
import time
from enum import Enum, auto
from typing import Protocol, cast

from raclette.live.contract import ChainIdentity, PeerAddress, PeerHello
from raclette.live.controls import (
    Goodbye,
    Greeting,
    Ping,
    Pong,
    check_greeting,
    decode_control,
    encode_goodbye,
    encode_hello,
    encode_ping,
    encode_pong,
)
from raclette.live.frames import CONTROL_TAG, FrameReader, frame_head
from raclette.live.lanes import Lanes
from raclette.live.limits import HELLO_BYTES_MAX, SOCKET_BYTES_HIGH, WRITE_BYTES, TransportLimits
from raclette.live.tls import node_id_of
from raclette.node.host import Lane
from raclette.primitives.errors import PeerFault
from raclette.primitives.units import SECOND

# Pongs that may wait for a peer that pings and does not read.
PONGS_MAX = 16

# Why a link's reading is paused; they add up.
_PAUSED_BY_HOST = 1
_PAUSED_BY_RATE = 2


class State(Enum):
    """See the diagram above."""

    OPENING = auto()
    UP = auto()
    RETIRED = auto()
    CLOSED = auto()


class LinkOwner(Protocol):
    """What a link needs of its transport."""

    hello: PeerHello
    chain: ChainIdentity
    limits: TransportLimits

    def admit(self, link: "Link") -> bool:
        """May this link, which has just had a proper hello, come up? True if its peer was not linked before.
        Raises PeerFault."""

    def on_link_up(self, link: "Link") -> None:
        """A peer that was not linked before now is."""

    def on_link_frame(self, link: "Link", tag: int, payload: bytes) -> None:
        """A frame that is not the transport's own. Raises PeerFault."""

    def on_link_fault(self, link: "Link", fault: PeerFault) -> None:
        """An up link broke a rule; it closes after this."""

    def on_link_closed(self, link: "Link") -> None:
        """`link.reason` says why."""


class Link(asyncio.Protocol):
    """See the module's docstring. Made by the transport, driven by the event loop."""

    def __init__(self, owner: LinkOwner, dialled: PeerAddress | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = owner
        self._transport: asyncio.Transport | None = None
        self._reader = FrameReader(HELLO_BYTES_MAX)
        self._pump_scheduled = False
        self._write_blocked = False
        self._paused = 0
        self._rate_checked = 0.0
        self._bytes_allowed = float(owner.limits.inbound_bytes_per_second)
        self._frames_allowed = float(owner.limits.inbound_frames_per_second)
        self._pings: dict[int, int] = {}  # nonce -> when, by a clock finer than the loop's
        self._ping_number = 0
        self._farewell: asyncio.TimerHandle | None = None
        self.dialled = dialled
        self.state = State.OPENING
        self.node_id = b""
        self.hello: PeerHello | None = None
        self.address = ""
        self.lanes = Lanes(owner.limits)
        self.reason = ""
        self.heard = self._loop.time()
        self.pinged = self.heard
        self.round_trip_ns = 0
        self.greeted: asyncio.Future[bool] = self._loop.create_future()
        self.closed: asyncio.Future[str] = self._loop.create_future()

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is done: see who it is; the dialler says hello."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=SOCKET_BYTES_HIGH)
        peername = transport.get_extra_info("peername")
        self.address = f"{peername[0]}:{peername[1]}" if peername else ""
        try:
            self.node_id = node_id_of(transport.get_extra_info("ssl_object").getpeercert(binary_form=True))
            if self.dialled is not None:
                if self.node_id != self.dialled.node_id:
                    raise PeerFault("wrong-peer", f"{self.node_id.hex()[:16]} answered")
                self._write_hello()
        except PeerFault as fault:
            self.close(fault.reason, fault.detail)

    def data_received(self, data: bytes) -> None:
        """Cut into frames and act on each; a fault ends the link."""
        if self.is_closed:
            return
        self.heard = self._loop.time()
        try:
            frames = self._reader.feed(data)
            for tag, payload in frames:
                if tag == CONTROL_TAG:
                    self._on_control(payload)
                elif self.state is State.OPENING:
                    raise PeerFault("no-hello", "a frame before the hello")
                else:
                    self._owner.on_link_frame(self, tag, payload)
                if self.is_closed:
                    return
        except PeerFault as fault:
            if self.state is not State.OPENING:
                self._owner.on_link_fault(self, fault)
            self.close(fault.reason, fault.detail)
            return
        self._charge(len(data), len(frames))

    def pause_writing(self) -> None:
        """The socket is full."""
        self._write_blocked = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._write_blocked = False
        self._schedule_pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side closed, or the network did."""
        if self._farewell is not None:
            self._farewell.cancel()
        self._finish(self.reason or ("lost" if exc is None else f"lost-{type(exc).__name__}"))

    # -- for the transport

    @property
    def is_closed(self) -> bool:
        """Over, whatever is still on its way."""
        return self.state is State.CLOSED

    @property
    def hello_instance(self) -> bytes:
        """Which life of the peer this is; empty before its hello."""
        return self.hello.instance if self.hello is not None else b""

    def push(self, lane: Lane, head: bytes, frame: bytes) -> bool:
        """Queue a frame; False if the lane is full."""
        if not self.lanes.push(lane, head, frame):
            return False
        if not self._pump_scheduled and not self._write_blocked:
            self._schedule_pump()
        return True

    def take_over(self, older: "Link") -> None:
        """Continue where `older` stood: its queued frames, and the host's wish to pause."""
        self.lanes = older.lanes
        if older._paused & _PAUSED_BY_HOST:
            self.pause()
        self._schedule_pump()

    def retire(self) -> None:
        """Another link to this peer has won: send nothing more here, read until the peer has said goodbye too."""
        if self.state is State.UP:
            self.state = State.RETIRED
            self.reason = "duplicate"
            self.lanes = Lanes(self._owner.limits)
            self._write_control(encode_goodbye("duplicate"))
            self._abort_later()

    def close(self, reason: str, detail: str = "") -> None:
        """Say goodbye and why, let the socket's buffer leave, close. Idempotent."""
        if self.state is State.CLOSED:
            return
        if self._transport is not None and not self._transport.is_closing():
            self._write_control(encode_goodbye(reason, detail))
            self._transport.close()
            self._abort_later()
        self._finish(reason)

    def abort(self, reason: str) -> None:
        """Close at once, whatever waits."""
        self._finish(reason)
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """The host wants no more frames for now."""
        self._pause_for(_PAUSED_BY_HOST)

    def resume(self) -> None:
        """The host takes frames again."""
        self.heard = self._loop.time()
        self._resume_for(_PAUSED_BY_HOST)

    def watch(self, now: float) -> None:
        """Called every so often: ask when a while has passed, give up on long silence (unless it is we who do not
        read)."""
        limits = self._owner.limits
        if self.state is not State.UP or self._paused:
            return
        if (now - self.heard) * SECOND > limits.silence_timeout:
            self.abort("silent")
        elif (now - self.pinged) * SECOND > limits.ping_interval:
            self.pinged = now
            self._ping_number += 1
            self._pings = {self._ping_number: time.perf_counter_ns()}
            self.lanes.push_control(encode_ping(self._ping_number))
            self._schedule_pump()

    # -- inside

    def _write_hello(self) -> None:
        self._write_control(encode_hello(self._owner.hello, self._owner.chain))

    def _write_control(self, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame_head(CONTROL_TAG, len(payload)) + payload)

    def _on_control(self, payload: bytes) -> None:
        match decode_control(payload):
            case Greeting() as greeting:
                self._on_greeting(greeting)
            case Goodbye(reason, detail):
                self._on_goodbye(reason, detail)
            case _ if self.state is State.OPENING:
                raise PeerFault("no-hello", "a ping before the hello")
            case Ping(nonce):
                self._answer_ping(nonce)
            case Pong(nonce):
                asked = self._pings.pop(nonce, None)
                if asked is not None:
                    self.round_trip_ns = time.perf_counter_ns() - asked

    def _answer_ping(self, nonce: int) -> None:
        if self.lanes.control_count >= PONGS_MAX:
            raise PeerFault("ping-flood", f"{PONGS_MAX} pongs wait")
        self.lanes.push_control(encode_pong(nonce))
        self._schedule_pump()

    def _on_greeting(self, greeting: Greeting) -> None:
        if self.state is not State.OPENING:
            raise PeerFault("second-hello")
        check_greeting(greeting, self._owner.chain, self.node_id)
        self.hello = greeting.hello
        self._reader.payload_max = self._owner.limits.frame_bytes_max
        is_new = self._owner.admit(self)
        if self.dialled is None:
            self._write_hello()
        self.state = State.UP
        self._schedule_pump()
        if is_new:
            self._owner.on_link_up(self)
        if not self.greeted.done():
            self.greeted.set_result(True)

    def _on_goodbye(self, reason: str, detail: str) -> None:
        if self.state is State.UP and reason == "duplicate":
            self._write_control(encode_goodbye("duplicate"))
        if self._transport is not None:
            self._transport.close()
            self._abort_later()
        self._finish(reason if self.state is not State.OPENING else f"refused-{reason}", detail)

    def _finish(self, reason: str, detail: str = "") -> None:
        if self.state is State.CLOSED:
            return
        self.reason = f"{reason}: {detail}" if detail else reason
        self.state = State.CLOSED
        if not self.greeted.done():
            self.greeted.set_result(False)
        self._owner.on_link_closed(self)
        if not self.closed.done():
            self.closed.set_result(self.reason)

    def _abort_later(self) -> None:
        transport = self._transport
        if self._farewell is None and transport is not None:
            self._farewell = self._loop.call_later(self._owner.limits.farewell_timeout / SECOND, transport.abort)

    def _schedule_pump(self) -> None:
        if not self._pump_scheduled:
            self._pump_scheduled = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        """Write one portion; come again in the next turn of the loop if more waits, so that a vote that arrives in
        between overtakes what has not been written yet."""
        self._pump_scheduled = False
        if self.state is not State.UP or self._write_blocked or self._transport is None:
            return
        data = self.lanes.take(WRITE_BYTES)
        if data:
            self._transport.write(data)
            if len(self.lanes):
                self._schedule_pump()

    def _pause_for(self, cause: int) -> None:
        if not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
        self._paused |= cause

    def _resume_for(self, cause: int) -> None:
        was = self._paused
        self._paused &= ~cause
        if was and not self._paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def _charge(self, size: int, frames: int) -> None:
        """Token buckets of one second's worth; an overdrawn one pauses reading until it is filled again."""
        limits = self._owner.limits
        passed, self._rate_checked = self.heard - self._rate_checked, self.heard
        bytes_rate, frames_rate = limits.inbound_bytes_per_second, limits.inbound_frames_per_second
        self._bytes_allowed = min(bytes_rate, self._bytes_allowed + passed * bytes_rate) - size
        self._frames_allowed = min(frames_rate, self._frames_allowed + passed * frames_rate) - frames
        if self._bytes_allowed < 0 or self._frames_allowed < 0:
            wait = max(-self._bytes_allowed / bytes_rate, -self._frames_allowed / frames_rate)
            self._pause_for(_PAUSED_BY_RATE)
            self._loop.call_later(wait, self._resume_for, _PAUSED_BY_RATE)
