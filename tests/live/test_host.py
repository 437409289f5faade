"""The live host: order of effects, group commit, lanes at the gate, failure and farewell."""

import asyncio
import threading

import pytest
import uvloop
from live_stubs import StubHost, linked, stopped, until

from raclette.engine.effects import CancelTimer, SetTimer
from raclette.node.host import (
    Connected,
    Delivered,
    Disconnected,
    Drop,
    Fired,
    Flush,
    HostEffect,
    Lane,
    Misbehaved,
    NodeEvent,
    NodeStarted,
    Noted,
    Transmit,
)
from raclette.primitives.errors import InvariantBroken, Refused, StoreDamaged
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.store.memory import MemoryStore


class SlowDisk(MemoryStore):
    """A store whose sync waits until the test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0
        self.may_finish = threading.Semaphore(0)

    def sync(self) -> None:
        assert self.may_finish.acquire(timeout=20)
        self.syncs += 1
        super().sync()


def bodies(host: StubHost) -> list[bytes]:
    return [event.parcel.content for event in host.node.events if isinstance(event, Delivered)]


def test_the_first_event_is_started_then_peers_come_and_go() -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2)
        await linked(alice, bob)
        assert isinstance(alice.node.events[0], NodeStarted)
        await bob.host.stop()
        await until(lambda: bool(alice.node.of(Disconnected)), "bob leaves")
        assert [type(event) for event in alice.node.events] == [NodeStarted, Connected, Disconnected]
        times = [event.now for event in alice.node.events]
        assert times == sorted(times)
        await alice.host.stop()

    uvloop.run(story())


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_frames_pass_the_gate_in_the_order_of_their_lane(threads: int) -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2, gate_threads=threads)
        await linked(alice, bob)
        for number in range(300):
            kind = b"heavy" if number % 3 == 0 else b"light"
            alice.say(bob, Lane.BLOCKS, kind + b":%d" % number)
        await until(lambda: len(bodies(bob)) == 300, "all parcels")
        assert bodies(bob) == [b"%d" % number for number in range(300)]
        assert bob.host.received["heavy"] == 100
        assert bob.host.received["light"] == 200
        await stopped(alice, bob)

    uvloop.run(story())


def test_a_vote_overtakes_transactions_that_wait_at_the_gate() -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2)
        await linked(alice, bob)
        bob.host.gatehouse.hold(True)
        for number in range(200):
            alice.say(bob, Lane.TRANSACTIONS, b"heavy:%d" % number)
        await until(lambda: bob.host.gatehouse.backlog_frames == 200, "the flood waits at the gate")
        alice.say(bob, Lane.CONSENSUS, b"heavy:vote")
        await until(lambda: bob.host.gatehouse.backlog_frames == 201, "the vote too")
        bob.host.gatehouse.hold(False)
        await until(lambda: len(bodies(bob)) == 201, "all are opened")
        assert bob.node.gate.opened[0] == b"heavy:vote"
        await stopped(alice, bob)

    uvloop.run(story())


def test_a_peer_with_a_full_backlog_waits_and_loses_nothing() -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2)
        await linked(alice, bob)
        bob.host.gatehouse.hold(True)
        frame = b"heavy:" + bytes(1_000_000)
        for _ in range(7):
            alice.say(bob, Lane.TRANSACTIONS, frame)
        for _ in range(30):
            alice.say(bob, Lane.BLOCKS, frame)
        await until(lambda: bob.host.gatehouse.backlog_frames >= 8, "the backlog fills")
        assert bob.host.gatehouse.backlog_frames < 20
        bob.host.gatehouse.hold(False)
        await until(lambda: len(bodies(bob)) == 37, "everything arrives once the gate opens")
        await stopped(alice, bob)

    uvloop.run(story())


def test_what_the_gate_refuses_is_reported_and_harms_nobody() -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2)
        await linked(alice, bob)
        for frame in (b"bad:1", b"bug:2", b"fine:3"):
            alice.say(bob, Lane.CONSENSUS, frame)
        await until(lambda: len(bodies(bob)) == 1, "the good frame arrives")
        faults = [(event.peer, event.reason) for event in bob.node.events if isinstance(event, Misbehaved)]
        assert faults == [(alice.id, "bad-signature"), (alice.id, "gate-bug")]
        assert bob.host.failure is None
        await stopped(alice, bob)

    uvloop.run(story())


def test_nothing_leaves_before_the_disk_has_what_it_depends_on() -> None:
    async def story() -> None:
        disk = SlowDisk()
        alice, bob = StubHost(1, store=disk), StubHost(2)
        await linked(alice, bob)
        alice.say(bob, Lane.CONSENSUS, b"before:1")
        alice.host.effects.add((Flush(), Transmit((bob.id,), Lane.CONSENSUS, b"behind:2", "test")))
        alice.say(bob, Lane.CONSENSUS, b"later:3")
        await until(lambda: len(bodies(bob)) == 1, "what stood before the barrier arrives")
        assert bodies(bob) == [b"1"]
        assert len(alice.host.effects) == 3
        disk.may_finish.release()
        await until(lambda: len(bodies(bob)) == 3, "the rest follows the sync")
        assert bodies(bob) == [b"1", b"2", b"3"]
        disk.may_finish.release()
        await stopped(alice, bob)

    uvloop.run(story())


def test_many_barriers_share_one_sync() -> None:
    async def story() -> None:
        disk = SlowDisk()
        alice, bob = StubHost(1, store=disk), StubHost(2)
        await linked(alice, bob)
        for number in range(50):
            alice.host.effects.add((Flush(), Transmit((bob.id,), Lane.CONSENSUS, b"vote:%d" % number, "test")))
        for _ in range(3):
            disk.may_finish.release()
        await until(lambda: len(bodies(bob)) == 50, "all votes")
        # The first barrier's sync began before the other 49 were queued; they share the second.
        assert disk.syncs == alice.host.effects.syncs == 2
        assert bodies(bob) == [b"%d" % number for number in range(50)]
        await stopped(alice, bob)

    uvloop.run(story())


def test_effects_that_cause_effects_keep_their_turn() -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2)

        def react(event: NodeEvent) -> tuple[HostEffect, ...]:
            return (Noted("lost", {}),) if isinstance(event, Disconnected) else ()

        alice.node.react = react
        await linked(alice, bob)
        notes = alice.host.subscribe(Noted)
        alice.host.effects.add((Drop(bob.id, "test", SECOND), Noted("after", {})))
        first, second = await notes.get(), await notes.get()
        assert isinstance(first, Noted)
        assert isinstance(second, Noted)
        assert [first.what, second.what] == ["after", "lost"]
        await stopped(alice, bob)

    uvloop.run(story())


def test_timers_fire_once_are_replaced_and_cancelled_even_behind_a_barrier() -> None:
    async def story() -> None:
        disk = SlowDisk()
        alice = StubHost(1, store=disk)

        def react(event: NodeEvent) -> tuple[HostEffect, ...]:
            if isinstance(event, NodeStarted):
                return (
                    SetTimer("cancelled", 20 * MILLISECOND),
                    SetTimer("replaced", 3600 * SECOND),
                    SetTimer("replaced", 1 * MILLISECOND),
                    Flush(),
                    CancelTimer("cancelled"),
                    SetTimer("last", 60 * MILLISECOND),
                )
            return ()

        alice.node.react = react
        await alice.host.start()
        await until(lambda: len(alice.node.of(Fired)) == 2, "two timers fire")
        assert [event.name for event in alice.node.events if isinstance(event, Fired)] == ["replaced", "last"]
        disk.may_finish.release(2)
        await alice.host.stop()

    uvloop.run(story())


def test_submitting_gives_the_hash_or_the_reason() -> None:
    async def story() -> None:
        for threads in (0, 1):
            alice = StubHost(1, gate_threads=threads)

            def admit(transaction):  # type: ignore[no-untyped-def]
                if transaction.raw == b"poor":
                    raise Refused("insufficient-funds", "0 of 5")
                return (Noted("accepted", {}),)

            alice.node.on_submit = admit
            await alice.host.start()
            assert len(await alice.host.submit(b"fine")) == 32
            with pytest.raises(Refused, match="as it says"):
                await alice.host.submit(b"no")
            raws = [b"%d" % number for number in range(100)] + [b"poor", b"no way"]
            results = await alice.host.submit_many(raws)
            assert all(isinstance(result, bytes) for result in results[:100])
            assert [result.reason for result in results[100:] if isinstance(result, Refused)] == [
                "insufficient-funds",
                "bad-transaction",
            ]
            assert alice.host.noted["accepted"] == 101
            await alice.host.stop()
            with pytest.raises(Refused, match="stopping"):
                await alice.host.submit(b"too late")

    uvloop.run(story())


def test_an_acknowledgement_waits_for_the_barrier_that_protects_it() -> None:
    async def story() -> None:
        disk = SlowDisk()
        alice = StubHost(1, store=disk)
        alice.node.on_submit = lambda transaction: (Flush(),)
        await alice.host.start()
        waiting = asyncio.create_task(alice.host.submit(b"pay"))
        await until(lambda: len(alice.host.effects) > 0, "the barrier is reached")
        assert not waiting.done()
        disk.may_finish.release()
        assert len(await waiting) == 32
        disk.may_finish.release()
        await alice.host.stop()

    uvloop.run(story())


@pytest.mark.parametrize("error", [InvariantBroken("two blocks"), StoreDamaged("table state"), KeyError("a bug")])
def test_a_node_that_breaks_is_stopped_and_never_asked_again(error: Exception) -> None:
    async def story() -> None:
        alice, bob = StubHost(1), StubHost(2)

        def react(event: NodeEvent) -> tuple[HostEffect, ...]:
            if isinstance(event, Delivered):
                raise error
            return ()

        bob.node.react = react
        await linked(alice, bob)
        alice.say(bob, Lane.CONSENSUS, b"vote:1")
        alice.say(bob, Lane.CONSENSUS, b"vote:2")
        async with asyncio.timeout(20):
            await bob.host.wait()
        assert bob.host.failure is error
        assert len(bob.node.of(Delivered)) == 1
        with pytest.raises(Refused):
            await bob.host.submit(b"pay")
        await stopped(alice, bob)

    uvloop.run(story())


def test_a_disk_that_fails_stops_the_node_and_what_waited_never_leaves() -> None:
    class Broken(MemoryStore):
        def sync(self) -> None:
            raise StoreDamaged("write-ahead log: input/output error")

    async def story() -> None:
        alice, bob = StubHost(1, store=Broken()), StubHost(2)
        await linked(alice, bob)
        alice.host.effects.add((Flush(), Transmit((bob.id,), Lane.CONSENSUS, b"vote:1", "test")))
        async with asyncio.timeout(20):
            await alice.host.wait()
        assert isinstance(alice.host.failure, StoreDamaged)
        await alice.host.stop()
        await until(lambda: bool(bob.node.of(Disconnected)), "alice is gone")
        assert bodies(bob) == []
        await bob.host.stop()

    uvloop.run(story())


def test_a_stopping_host_lets_out_what_it_has_promised() -> None:
    async def story() -> None:
        store = MemoryStore()
        alice, bob = StubHost(1, store=store), StubHost(2)
        await linked(alice, bob)
        for number in range(500):
            alice.host.effects.add((Flush(), Transmit((bob.id,), Lane.CONSENSUS, b"vote:%d" % number, "test")))
        await alice.host.stop()
        await until(lambda: bool(bob.node.of(Disconnected)), "alice is gone")
        assert len(bodies(bob)) == 500
        await bob.host.stop()

    uvloop.run(story())


def test_a_slow_subscriber_loses_the_oldest_and_is_told_how_many() -> None:
    async def story() -> None:
        alice = StubHost(1)
        await alice.host.start()
        subscription = alice.host.subscribe(Noted, limit=10)
        alice.host.effects.add([Noted("line", {"number": number}) for number in range(25)])
        assert subscription.lost == 15
        await alice.host.stop()
        kept = [notice async for notice in subscription]
        assert [notice.detail["number"] for notice in kept if isinstance(notice, Noted)] == list(range(15, 25))

    uvloop.run(story())
