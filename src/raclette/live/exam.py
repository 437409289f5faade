"""The exam of a transport: `check_transport(make)` passes for every implementation that keeps the contract.

`make(index, limits)` returns a fresh transport that can reach the others made by the same call, and
`address_of(transport)` where they may dial it once it has started.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from raclette.live.contract import PeerAddress, PeerHello, Service, Transport
from raclette.live.limits import TransportLimits
from raclette.node.host import Lane
from raclette.primitives.units import SECOND

T = TypeVar("T", bound=Transport)

# Patience with one expectation; a healthy transport needs milliseconds.
PATIENCE_SECONDS = 20.0


class Listener:
    """A handler that remembers everything and lets a test wait for a condition."""

    def __init__(self) -> None:
        self.up: dict[bytes, PeerHello] = {}
        self.downs: list[tuple[bytes, str]] = []
        self.frames: list[tuple[bytes, Service, Lane, bytes]] = []
        self.faults: list[tuple[bytes, str]] = []
        self._changed = asyncio.Event()

    def on_up(self, hello: PeerHello) -> None:
        """See TransportHandler."""
        if hello.node_id in self.up:
            raise AssertionError("up twice without a down between")
        self.up[hello.node_id] = hello
        self._changed.set()

    def on_down(self, peer: bytes, reason: str) -> None:
        """See TransportHandler."""
        if peer not in self.up:
            raise AssertionError("down without an up")
        del self.up[peer]
        self.downs.append((peer, reason))
        self._changed.set()

    def on_frame(self, peer: bytes, service: Service, lane: Lane, frame: bytes) -> None:
        """See TransportHandler."""
        if peer not in self.up:
            raise AssertionError("a frame from a peer that is not up")
        self.frames.append((peer, service, lane, frame))
        self._changed.set()

    def on_fault(self, peer: bytes, reason: str) -> None:
        """See TransportHandler."""
        self.faults.append((peer, reason))
        self._changed.set()

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Return when `condition()` holds; AssertionError after PATIENCE_SECONDS."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"waited in vain: {what}") from None


async def check_transport(make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress]) -> None:
    """Run every check. Raises AssertionError naming the promise that was broken."""
    await _check_frames_arrive_whole_and_in_order(make, address_of)
    await _check_a_lower_lane_overtakes(make, address_of)
    await _check_a_full_lane_drops(make, address_of)
    await _check_a_lost_peer_is_dialled_again(make, address_of)
    await _check_a_banned_peer_stays_away(make, address_of)
    await _check_both_dial_one_link(make, address_of)


def _expect(condition: bool, promise: str) -> None:
    if not condition:
        raise AssertionError(promise)


async def _linked(
    make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress], limits: TransportLimits
) -> tuple[T, Listener, T, Listener]:
    """Two started transports, the first having dialled the second, up on both sides."""
    alice, bob = make(0, limits), make(1, limits)
    at_alice, at_bob = Listener(), Listener()
    await alice.start(at_alice)
    await bob.start(at_bob)
    alice.want(address_of(bob))
    await at_alice.until(lambda: bob.node_id in at_alice.up, "the dialled peer comes up")
    await at_bob.until(lambda: alice.node_id in at_bob.up, "the dialling peer comes up")
    return alice, at_alice, bob, at_bob


async def _check_frames_arrive_whole_and_in_order(
    make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress]
) -> None:
    alice, at_alice, bob, at_bob = await _linked(make, address_of, TransportLimits())
    sizes = [0, 1, 5, 70_000, 3, 1_000_000, 2]
    frames = [bytes([number]) * size for number, size in enumerate(sizes)]
    for frame in frames:
        alice.send((bob.node_id,), Lane.BLOCKS, frame, "test")
    bob.send((alice.node_id,), Lane.CONSENSUS, b"back", "test", Service.TRACKER)
    await at_bob.until(lambda: len(at_bob.frames) == len(frames), "all frames arrive")
    _expect([frame for _, _, _, frame in at_bob.frames] == frames, "frames of a lane arrive whole and in order")
    _expect(
        all(entry[:3] == (alice.node_id, Service.NODE, Lane.BLOCKS) for entry in at_bob.frames),
        "a frame arrives with its sender, service and lane",
    )
    await at_alice.until(lambda: bool(at_alice.frames), "links work both ways")
    _expect(
        at_alice.frames == [(bob.node_id, Service.TRACKER, Lane.CONSENSUS, b"back")], "the answer is as it was sent"
    )
    alice.send((b"?" * 32,), Lane.BLOCKS, b"to nobody", "test")
    await bob.stop()
    await at_alice.until(lambda: bob.node_id not in at_alice.up, "a stopped peer goes down")
    await alice.stop()


async def _check_a_lower_lane_overtakes(
    make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress]
) -> None:
    alice, _, bob, at_bob = await _linked(make, address_of, TransportLimits())
    flood = 2_000
    bob.pause(alice.node_id)
    for _ in range(flood):
        alice.send((bob.node_id,), Lane.TRANSACTIONS, bytes(2_000), "transactions")
    alice.send((bob.node_id,), Lane.CONSENSUS, b"vote", "vote")
    bob.resume(alice.node_id)
    await at_bob.until(lambda: len(at_bob.frames) == flood + 1, "the flood and the vote arrive")
    _expect(at_bob.frames[0][3] == b"vote", "a vote overtakes a flood that was queued before it")
    await alice.stop()
    await bob.stop()


async def _check_a_full_lane_drops(
    make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress]
) -> None:
    limits = TransportLimits(lane_frames_max=(10, 10, 10))
    alice, _, bob, at_bob = await _linked(make, address_of, limits)
    for number in range(25):
        alice.send((bob.node_id,), Lane.BLOCKS, bytes([number]), "test")
    _expect(alice.links()[0].dropped == 15, "a full lane drops and counts what does not fit")
    await at_bob.until(lambda: len(at_bob.frames) == 10, "what fitted arrives")
    _expect([frame[0] for *_, frame in at_bob.frames] == list(range(10)), "a full lane drops the newest")
    await alice.stop()
    await bob.stop()


async def _check_a_lost_peer_is_dialled_again(
    make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress]
) -> None:
    alice, at_alice, bob, at_bob = await _linked(make, address_of, TransportLimits(redial_first=SECOND // 50))
    bob.drop(alice.node_id, "test", 0)
    await at_alice.until(lambda: len(at_alice.downs) == 1, "a dropped peer hears of it")
    await at_alice.until(lambda: bob.node_id in at_alice.up, "a wanted peer is dialled again")
    await at_bob.until(lambda: alice.node_id in at_bob.up, "and is up on the other side")
    await alice.stop()
    await bob.stop()


async def _check_a_banned_peer_stays_away(
    make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress]
) -> None:
    limits = TransportLimits(redial_first=SECOND // 100, redial_last=SECOND // 50)
    alice, at_alice, bob, at_bob = await _linked(make, address_of, limits)
    loop = asyncio.get_running_loop()
    banned_at = loop.time()
    bob.drop(alice.node_id, "test", SECOND // 2)
    await at_bob.until(lambda: len(at_bob.downs) == 1, "a banned peer goes down")
    await at_alice.until(lambda: bob.node_id not in at_alice.up, "and hears of it")
    await at_bob.until(lambda: alice.node_id in at_bob.up, "a ban ends")
    _expect(loop.time() - banned_at >= 0.49, "a ban lasts as long as was said")
    await alice.stop()
    await bob.stop()


async def _check_both_dial_one_link(
    make: Callable[[int, TransportLimits], T], address_of: Callable[[T], PeerAddress]
) -> None:
    alice, bob = make(0, TransportLimits()), make(1, TransportLimits())
    at_alice, at_bob = Listener(), Listener()
    await alice.start(at_alice)
    await bob.start(at_bob)
    alice.want(address_of(bob))
    bob.want(address_of(alice))
    await at_alice.until(lambda: bob.node_id in at_alice.up, "a peer that dials and is dialled comes up")
    await at_bob.until(lambda: alice.node_id in at_bob.up, "on both sides")
    for number in range(100):
        alice.send((bob.node_id,), Lane.BLOCKS, bytes([number]), "test")
        bob.send((alice.node_id,), Lane.BLOCKS, bytes([number]), "test")
        await asyncio.sleep(0)
    await at_bob.until(lambda: len(at_bob.frames) == 100, "nothing is lost when both dial")
    await at_alice.until(lambda: len(at_alice.frames) == 100, "in either direction")
    _expect(len(alice.links()) == len(bob.links()) == 1, "one link per pair")
    _expect(not at_alice.downs and not at_bob.downs, "a tie between two connections is no loss of the peer")
    await alice.stop()
    await bob.stop()
