"""The world carries frames, breaks them as it is told, and repeats itself exactly."""

from hashlib import sha256

import pytest
from stub import HEARTBEAT, StubGate, StubNode, transaction

from raclette.node.host import Connected, Disconnected, HostedNode, Misbehaved
from raclette.primitives.units import MICROSECOND, MILLISECOND, SECOND
from raclette.sim.faults import Crash, CutLink, Fault, Impair, Partition, Pause, SkewClock, SlowDisk, plan_faults
from raclette.sim.models import Lan, make_model
from raclette.sim.topology import full_mesh, random_regular
from raclette.sim.world import CONNECT_NS, World, WorldSetup
from raclette.store.memory import MemoryStore


def make_world(nodes: int = 4, *, seed: int = 1, heartbeat: bool = False, setup: WorldSetup | None = None) -> World:
    def factory(index: int, store: MemoryStore) -> HostedNode:
        return StubNode(index, store, heartbeat=heartbeat)

    world = World(setup or WorldSetup(graph=full_mesh(nodes), seed=seed), factory)
    world.run_until(2 * CONNECT_NS)
    return world


def stub(world: World, index: int) -> StubNode:
    node = world.hosts[index].node
    assert isinstance(node, StubNode)
    return node


def heard(world: World) -> list[list[bytes]]:
    return [stub(world, i).heard for i in range(len(world.hosts))]


def test_what_one_node_says_reaches_all() -> None:
    world = make_world()
    world.submit(0, transaction(b"hello"))
    world.run_until(SECOND)
    assert heard(world) == [[b"hello"]] * 4
    assert world.network.traffic.messages["flood"] == 12


def test_a_frame_leaves_only_after_the_disk_has_it() -> None:
    world = make_world(setup=WorldSetup(graph=full_mesh(2), fsync=5 * MILLISECOND, model=Lan(latency=MILLISECOND)))
    start = world.kernel.now
    world.submit(0, transaction(b"hello"))
    world.run_until(start + 5 * MILLISECOND)
    assert stub(world, 0).heard == [b"hello"]
    assert stub(world, 1).heard == []
    world.run_until(start + 7 * MILLISECOND)
    assert stub(world, 1).heard == [b"hello"]


def test_a_crash_during_the_fsync_loses_what_nobody_was_told() -> None:
    world = make_world(setup=WorldSetup(graph=full_mesh(2), fsync=5 * MILLISECOND))
    world.submit(0, transaction(b"hello"))
    world.run_until(world.kernel.now + 3 * MILLISECOND)
    world.crash(0, "lose")
    world.restart(0)
    world.run_until(SECOND)
    assert heard(world) == [[], []]


def test_what_was_told_survives_a_crash() -> None:
    world = make_world()
    world.submit(0, transaction(b"hello"))
    world.run_until(world.kernel.now + 50 * MILLISECOND)
    world.submit(0, transaction(b"again"))
    world.crash(0, "lose")
    world.restart(0)
    assert stub(world, 0).heard == [b"hello"]


def test_flushes_share_an_fsync() -> None:
    world = make_world(setup=WorldSetup(graph=full_mesh(2), fsync=10 * MILLISECOND, model=Lan(latency=1)))
    start = world.kernel.now
    for i in range(5):
        world.submit(0, transaction(b"item %d" % i))
    world.run_until(start + 21 * MILLISECOND)
    assert len(stub(world, 1).heard) == 5


def test_a_crashed_node_is_missed_and_comes_back() -> None:
    world = make_world(heartbeat=True)
    plan_faults(world, [Crash(at=SECOND, node=3, lasting=SECOND)])
    world.run_until(3 * SECOND)
    lost = [event for event in stub(world, 0).events if isinstance(event, Disconnected)]
    assert [event.peer for event in lost] == [world.hosts[3].node_id]
    assert stub(world, 0).peers.count(world.hosts[3].node_id) == 1
    assert len(stub(world, 3).peers) == 3


def test_a_partition_stops_everything_between_its_groups_and_heals() -> None:
    world = make_world()
    plan_faults(world, [Partition(at=SECOND, groups=((0, 1), (2, 3)), lasting=10 * SECOND)])
    world.run_until(2 * SECOND)
    world.submit(0, transaction(b"hello"))
    world.run_until(10 * SECOND)
    assert [len(items) for items in heard(world)] == [1, 1, 0, 0]
    assert len(stub(world, 0).peers) == 1
    world.run_until(13 * SECOND)
    assert len(stub(world, 0).peers) == 3


def test_a_one_way_partition_lets_the_other_way_through() -> None:
    world = make_world(2)
    plan_faults(world, [Partition(at=SECOND, groups=((0,), (1,)), lasting=SECOND, one_way=True)])
    world.run_until(SECOND + 1)
    world.submit(0, transaction(b"unheard"))
    world.submit(1, transaction(b"heard"))
    world.run_until(2 * SECOND)
    assert heard(world) == [[b"unheard", b"heard"], [b"heard"]]


def test_a_cut_link_is_noticed_at_once_at_both_ends() -> None:
    world = make_world()
    plan_faults(world, [CutLink(at=SECOND, a=1, b=2, lasting=SECOND)])
    world.run_until(SECOND)
    assert (len(stub(world, 1).peers), len(stub(world, 2).peers)) == (2, 2)
    world.run_until(3 * SECOND)
    assert (len(stub(world, 1).peers), len(stub(world, 2).peers)) == (3, 3)


def test_a_paused_node_catches_up_in_order() -> None:
    world = make_world()
    plan_faults(world, [Pause(at=SECOND, node=3, lasting=SECOND)])
    world.run_until(SECOND + 1)
    for i in range(3):
        world.submit(0, transaction(b"%d" % i))
    world.run_until(2 * SECOND - 1)
    assert stub(world, 3).heard == []
    world.run_until(2 * SECOND + MILLISECOND)
    assert stub(world, 3).heard == [b"0", b"1", b"2"]


def test_a_slow_disk_and_a_busy_processor_delay() -> None:
    setup = WorldSetup(graph=full_mesh(2), cpu_per_event=MILLISECOND, model=Lan(latency=MICROSECOND))
    world = make_world(setup=setup)
    plan_faults(world, [SlowDisk(at=SECOND, node=0, lasting=SECOND, fsync=100 * MILLISECOND)])
    world.run_until(SECOND)
    world.submit(0, transaction(b"slow"))
    world.run_until(SECOND + 90 * MILLISECOND)
    assert stub(world, 1).heard == []
    for i in range(10):
        world.submit(1, transaction(b"busy %d" % i))
    world.run_until(SECOND + 95 * MILLISECOND)
    assert 4 <= len(stub(world, 1).heard) <= 6


def test_a_clock_that_is_set_back_never_runs_backwards_for_its_process() -> None:
    world = make_world(heartbeat=True)
    plan_faults(world, [SkewClock(at=SECOND, node=0, lasting=SECOND, skew=-500 * MILLISECOND)])
    world.run_until(3 * SECOND)
    times = [event.now for event in stub(world, 0).events]
    assert times == sorted(times)


def test_loss_and_duplication_happen_about_as_often_as_asked() -> None:
    world = make_world(2)
    plan_faults(world, [Impair(at=SECOND, lasting=20 * SECOND, loss_ppm=300_000, duplicate_ppm=200_000)])
    world.run_until(SECOND)
    for i in range(1000):
        world.submit(0, transaction(b"%d" % i))
    world.run_until(10 * SECOND)
    assert 640 < len(stub(world, 1).heard) < 760
    delivered = world.network.traffic.messages["flood"] - world.network.traffic.lost["loss"]
    assert 0 < delivered < 1000 + len(stub(world, 1).heard)


def test_a_bad_frame_is_reported_with_its_reason() -> None:
    world = make_world(2)
    world.submit(0, transaction(b"bad bytes"))
    world.run_until(SECOND)
    reports = [event for event in stub(world, 1).events if isinstance(event, Misbehaved)]
    assert [event.reason for event in reports] == ["bad-frame"]


def test_a_broadcast_is_opened_once_for_all() -> None:
    world = make_world(6)
    world.submit(0, transaction(b"hello"))
    world.run_until(SECOND)
    gates = [stub(world, i).gate for i in range(6)]
    assert sum(gate.opened for gate in gates if isinstance(gate, StubGate)) == 1


def test_links_come_up_once_on_each_side() -> None:
    world = make_world()
    for i in range(4):
        ups = [event.peer for event in stub(world, i).events if isinstance(event, Connected)]
        assert sorted(ups) == sorted(host.node_id for host in world.hosts if host.index != i)


@pytest.mark.parametrize("network", ["lan", "wan", "internet-2019"])
def test_the_same_seed_gives_the_same_trace_and_another_seed_another(network: str) -> None:
    def digest(seed: int) -> str:
        setup = WorldSetup(graph=random_regular(12, 4, seed), seed=seed, model=make_model(network, 12, seed))
        world = make_world(setup=setup, heartbeat=True)
        faults: list[Fault] = [
            Impair(at=0, lasting=SECOND, loss_ppm=50_000, reorder_ppm=50_000),
            Crash(at=5 * HEARTBEAT, node=sha256(b"%d" % seed).digest()[0] % 12, mode="tear", lasting=HEARTBEAT),
        ]
        plan_faults(world, faults)
        world.run_until(SECOND)
        return world.kernel.digest()

    assert digest(1) == digest(1)
    assert digest(1) != digest(2)
