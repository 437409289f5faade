"""Tracker and peers over real links: joining, finding each other, and going on alone."""

import asyncio
from pathlib import Path

import uvloop
from live_stubs import CHAIN, StubNode, address_of, decode, transport_for, until

from raclette.live.contract import Role, Service
from raclette.live.exam import Listener
from raclette.live.host import HostSettings, LiveHost
from raclette.live.limits import TransportLimits
from raclette.live.tracker.client import Membership, TrackerClient
from raclette.live.tracker.machine import TrackerLimits, TrackerMachine
from raclette.live.tracker.policy import NeighbourPolicy
from raclette.live.tracker.service import TrackerHost
from raclette.live.transport import TlsTransport
from raclette.node.host import Connected, Lane
from raclette.primitives.keys import AccountKey
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Ed25519Signer
from raclette.primitives.units import SECOND
from raclette.store.contract import Store
from raclette.store.database import open_store
from raclette.store.memory import MemoryStore

FAST = TransportLimits(redial_first=SECOND // 50, redial_last=SECOND // 10)


def tracker(store: Store, port: int = 0, ping: int = 30 * SECOND, policy: str = "all") -> TrackerHost:
    transport = TlsTransport(
        b"T" * 32, CHAIN, listen=("127.0.0.1", port), name="tracker", role=Role.TRACKER, limits=FAST
    )
    limits = TrackerLimits(ping_interval=ping)
    machine = TrackerMachine(store, CHAIN.chain_id, NeighbourPolicy.parse(policy), Random(1), limits)
    return TrackerHost(machine, transport, store)


class Peer:
    """A stub node with a tracker client."""

    def __init__(self, number: int, to: TlsTransport, *, store: Store | None = None) -> None:
        self.transport = transport_for(number, limits=FAST)
        self.node = StubNode(self.transport.node_id)
        self.number = number
        self.store = store or MemoryStore()
        self.tracker = address_of(to)
        self.host = LiveHost(
            self.node, self.transport, self.store, decode=decode, settings=HostSettings(gate_threads=0)
        )

    async def start(self) -> None:
        await self.host.start()
        membership = Membership(
            tracker=self.tracker,
            chain_id=CHAIN.chain_id,
            name=f"peer-{self.number}",
            account_key=AccountKey(bytes([self.number]) * 32).public_key,
            host="127.0.0.1",
            port=self.transport.port,
        )
        self.client = TrackerClient(membership, Ed25519Signer(bytes([self.number]) * 32), self.transport, self.store)
        self.host.tracker_handler = self.client
        self.client.start()

    async def stop(self) -> None:
        self.client.stop()
        await self.host.stop()

    @property
    def linked(self) -> list[bytes]:
        return sorted(link.hello.node_id for link in self.transport.links() if link.hello.role is Role.NODE)

    @property
    def names(self) -> list[str]:
        return [record.name for record in self.client.directory()]


def tracker_transport(host: TrackerHost) -> TlsTransport:
    assert isinstance(host.transport, TlsTransport)
    return host.transport


def test_peers_find_each_other_through_a_tracker_and_go_on_without_it() -> None:
    async def story() -> None:
        host = tracker(MemoryStore())
        await host.start()
        peers = [Peer(number, tracker_transport(host)) for number in (1, 2, 3)]
        for peer in peers:
            await peer.start()
            await until(lambda peer=peer: peer.client.joined, "joined")  # type: ignore[misc]
        await until(lambda: all(len(peer.linked) == 2 for peer in peers), "everybody is linked with everybody")
        await until(lambda: all(len(peer.names) == 2 for peer in peers), "and knows everybody by name")
        await until(lambda: len(host.machine.outbox) == 0, "every announcement is acknowledged")
        found = await peers[0].client.resolve("PEER-3")
        assert found is not None
        assert found.account == AccountKey(b"\x03" * 32).address
        assert await peers[0].client.resolve("nobody") is None
        assert await peers[0].client.refresh() == 3
        met = {event.peer for event in peers[0].node.events if isinstance(event, Connected)}
        assert met == {peer.node.node_id for peer in peers[1:]}  # the tracker is no peer of the node's

        await host.stop()
        await until(lambda: not any(peer.client.joined for peer in peers), "the tracker is gone")
        assert all(len(peer.linked) == 2 for peer in peers)
        assert (await peers[0].client.resolve("peer-2")) is not None
        store = peers[2].store
        await peers[2].stop()
        await until(lambda: len(peers[0].linked) == 1, "a peer leaves")
        back = Peer(3, tracker_transport(host), store=store)
        await back.start()
        await until(lambda: len(back.linked) == 2, "it finds the others by what it kept")
        for peer in (peers[0], peers[1], back):
            await peer.stop()

    uvloop.run(story())


def test_a_peer_that_leaves_is_struck_off_everywhere() -> None:
    async def story() -> None:
        host = tracker(MemoryStore())
        await host.start()
        alice, bob = Peer(1, tracker_transport(host)), Peer(2, tracker_transport(host))
        await alice.start()
        await until(lambda: alice.client.joined, "alice joins")
        await bob.start()
        await until(lambda: alice.names == ["peer-2"], "alice hears of bob")
        await bob.stop()
        await until(lambda: alice.names == [], "and that he left")
        await alice.stop()
        await host.stop()

    uvloop.run(story())


def test_a_peer_that_dies_is_struck_off_after_three_pings() -> None:
    async def story() -> None:
        host = tracker(MemoryStore(), ping=SECOND // 20)
        await host.start()
        alice, bob = Peer(1, tracker_transport(host)), Peer(2, tracker_transport(host))
        await alice.start()
        await until(lambda: alice.client.joined, "alice joins")
        await bob.start()
        await until(lambda: alice.names == ["peer-2"], "alice hears of bob")
        await bob.host.stop()
        await until(lambda: alice.names == [], "the tracker notices and says so")
        await alice.stop()
        await host.stop()

    uvloop.run(story())


def test_a_tracker_that_restarts_from_disk_knows_everybody(tmp_path: Path) -> None:
    async def story() -> None:
        store = open_store(tmp_path / "tracker", CHAIN.chain_id, CHAIN.genesis_hash)
        host = tracker(store)
        await host.start()
        port = tracker_transport(host).port
        alice = Peer(1, tracker_transport(host))
        await alice.start()
        await until(lambda: alice.client.joined, "alice joins")
        await host.stop()
        store.close()
        await until(lambda: not alice.client.joined, "the tracker is gone")
        store = open_store(tmp_path / "tracker", CHAIN.chain_id, CHAIN.genesis_hash)
        host = tracker(store, port)
        assert host.machine.book.by_name("peer-1") is not None
        await host.start()
        await until(lambda: alice.client.joined, "alice joins again by herself")
        await alice.stop()
        await host.stop()
        store.close()

    uvloop.run(story())


def test_a_taken_name_is_refused_and_the_peer_works_without_it() -> None:
    async def story() -> None:
        host = tracker(MemoryStore())
        await host.start()
        alice, other = Peer(1, tracker_transport(host)), Peer(2, tracker_transport(host))
        await alice.start()
        await until(lambda: alice.client.joined, "alice joins")
        other.number = 1
        await other.host.start()
        membership = Membership(other.tracker, CHAIN.chain_id, "peer-1", b"", "127.0.0.1", other.transport.port)
        other.client = TrackerClient(membership, Ed25519Signer(b"\x02" * 32), other.transport, other.store)
        other.host.tracker_handler = other.client
        other.client.start()
        await until(lambda: other.client.refusal == "name-taken", "the refusal has a reason")
        assert other.host.failure is None
        await other.stop()
        await alice.stop()
        await host.stop()

    uvloop.run(story())


def test_a_node_frame_or_nonsense_costs_a_peer_its_link_to_the_tracker() -> None:
    async def story() -> None:
        host = tracker(MemoryStore())
        await host.start()
        for number, service in ((5, Service.NODE), (6, Service.TRACKER)):
            mallory, listener = transport_for(number), Listener()
            await mallory.start(listener)
            mallory.want(address_of(tracker_transport(host)))
            await listener.until(lambda listener=listener: bool(listener.up), "linked")  # type: ignore[misc]
            mallory.send((host.transport.node_id,), Lane.BLOCKS, b"\xff\xff", "noise", service)
            await listener.until(lambda listener=listener: bool(listener.downs), "cut")  # type: ignore[misc]
            await mallory.stop()
        assert dict(host.faults) == {"not-a-node": 1, "tracker-frame-encoding": 1}
        assert host.failure is None
        await host.stop()

    uvloop.run(story())


def test_the_story_ends_even_if_the_tracker_never_answers() -> None:
    async def story() -> None:
        host = tracker(MemoryStore())
        alice = Peer(1, tracker_transport(host))
        await alice.start()
        assert await alice.client.resolve("bob") is None
        await asyncio.wait_for(alice.stop(), 10)

    uvloop.run(story())


def test_a_stranger_who_calls_itself_a_tracker_is_not_listened_to() -> None:
    async def story() -> None:
        host = tracker(MemoryStore())
        await host.start()
        peer = Peer(1, tracker_transport(host))
        await peer.start()
        await until(lambda: peer.client.joined, "the true tracker is heard")
        mallory, listener = TlsTransport(b"M" * 32, CHAIN, role=Role.TRACKER, limits=FAST), Listener()
        await mallory.start(listener)
        mallory.want(address_of(peer.transport))
        await listener.until(lambda: bool(listener.downs), "cut")
        mallory.unwant(peer.transport.node_id)
        assert peer.transport.counters.links_lost["dropped"] >= 1
        assert peer.client.joined
        assert not peer.node.of(Connected)
        await mallory.stop()
        await peer.stop()
        await host.stop()

    uvloop.run(story())
