"""Liars twist what an honest node does, and only that."""

from collections.abc import Callable

import pytest
from stub import StubNode, transaction

from raclette.node.host import HostedNode
from raclette.primitives.errors import ConfigError
from raclette.primitives.randomness import Random
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.liars import Delay, LiarSpec, Scene, SelectiveSilence, Silent, Twins, find_liar, make_liar
from raclette.sim.topology import full_mesh
from raclette.sim.world import CONNECT_NS, World, WorldSetup
from raclette.store.memory import MemoryStore

IDS = [StubNode(i, MemoryStore()).node_id for i in range(4)]


def scene(make: Callable[[str], HostedNode], seed: int = 1) -> Scene:
    """Node 0's."""
    signer = IdealSignatures(bytes(32)).signer(IDS[0])
    return Scene(make=make, index=0, ids=IDS, signer=signer, protocol="pbft", random=Random(seed, 4 << 24))


def world_with(liar: str, seed: int = 1) -> World:
    """Node 0 lies."""

    def factory(index: int, store: MemoryStore) -> HostedNode:
        if index:
            return StubNode(index, store)
        disks = {"": store, "twin": MemoryStore()}
        return make_liar(LiarSpec(liar), scene(lambda disk: StubNode(0, disks[disk]), seed))

    world = World(WorldSetup(graph=full_mesh(4)), factory)
    world.run_until(2 * CONNECT_NS)
    return world


def heard(world: World, index: int) -> list[bytes]:
    node = world.hosts[index].node
    assert isinstance(node, StubNode)
    return node.heard


def test_a_silent_node_hears_and_says_nothing() -> None:
    world = world_with("silent")
    world.submit(0, transaction(b"kept"))
    world.submit(1, transaction(b"said"))
    world.run_until(SECOND)
    assert [heard(world, i) for i in (1, 2, 3)] == [[b"said"]] * 3
    liar = world.hosts[0].node
    assert isinstance(liar, Silent)
    assert isinstance(liar.inner, StubNode)
    assert liar.inner.heard == [b"kept", b"said"]


def test_selective_silence_shuns_some_and_not_all() -> None:
    for seed in range(5):
        world = world_with("selective", seed)
        liar = world.hosts[0].node
        assert isinstance(liar, SelectiveSilence)
        assert 1 <= len(liar.shunned) <= 2
        sent_to: set[int] = set()
        world.network.on_lost = None
        world.submit(0, transaction(b"said"))
        world.run_until(2 * CONNECT_NS + MILLISECOND)
        sent_to = {i for i in (1, 2, 3) if heard(world, i)}
        assert sent_to >= {i for i in (1, 2, 3) if IDS[i] not in liar.shunned}
        assert world.network.traffic.messages["flood"] < 12


def test_a_delaying_node_says_everything_late() -> None:
    world = world_with("delay")
    liar = world.hosts[0].node
    assert isinstance(liar, Delay)
    start = world.kernel.now
    world.submit(0, transaction(b"late"))
    world.run_until(start + liar.delay)
    assert heard(world, 1) == []
    world.run_until(start + liar.delay + 2 * MILLISECOND)
    assert heard(world, 1) == [b"late"]


def test_twins_tell_different_peers_different_things() -> None:
    views = ([IDS[1]], [IDS[2]])

    def factory(index: int, store: MemoryStore) -> HostedNode:
        return Twins(StubNode(0, store), StubNode(0, MemoryStore()), views) if index == 0 else StubNode(index, store)

    world = World(WorldSetup(graph=[[1, 2, 3], [0], [0], [0]]), factory)
    world.run_until(2 * CONNECT_NS)
    for number in range(8):
        world.submit(0, transaction(b"%d" % number))
    world.run_until(SECOND)
    first, second, neither = (heard(world, i) for i in (1, 2, 3))
    assert first
    assert second
    assert not set(first) & set(second)
    assert len(first) + len(second) == 8
    assert neither == []


def test_every_peer_of_drawn_twins_hears_one_of_them() -> None:
    for seed in range(20):
        twins = make_liar(LiarSpec("twins"), scene(lambda disk: StubNode(0, MemoryStore()), seed))
        assert isinstance(twins, Twins)
        assert all(any(peer in view for view in twins._views) for peer in IDS[1:])


def test_twins_have_one_id() -> None:
    with pytest.raises(ValueError, match="one id"):
        Twins(StubNode(0, MemoryStore()), StubNode(1, MemoryStore()), ([], []))


def test_an_unknown_behaviour_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"liars: 'polite' is unknown; accepted are silent, selective"):
        find_liar("polite")


@pytest.mark.parametrize(
    ("given", "message"), [({"late_ms": 1}, "liars.0.late_ms: unknown"), ({"delay_ms": 0}, "integers from 1")]
)
def test_a_wrong_parameter_is_named_with_its_path(given: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_liar(LiarSpec.of("delay", **given), scene(lambda disk: StubNode(0, MemoryStore())))
