"""Faults may overlap: the end of one never ends another. Each can be written down and read back."""

import json
from itertools import pairwise

import pytest
from stub import HEARTBEAT, StubNode, transaction

from raclette.node.host import Fired
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import (
    FAULTS,
    Churn,
    Crash,
    CutLink,
    DriftClock,
    Fault,
    FullDisk,
    Impair,
    Partition,
    Pause,
    SkewClock,
    SlowDisk,
    SlowLink,
    fault_from_json,
    fault_to_json,
    plan_faults,
    quiet_from,
)
from raclette.sim.network import PERFECT, LinkFaults
from raclette.sim.simulate import Simulation, view_of
from raclette.sim.topology import full_mesh
from raclette.sim.world import World, WorldSetup

EVERY: list[Fault] = [
    Crash(1, 2, "tear", 3, wipe=True),
    Pause(1, 2, 3),
    Churn(1, 9, 3, (0, 1)),
    Partition(1, ((0, 1), (2, 3)), 5, one_way=True),
    CutLink(1, 0, 2, 5),
    Impair(1, 5, loss_ppm=7, nodes=(1, 2)),
    Impair(1, 5, reorder_ppm=7, link=(1, 2)),
    SlowLink(1, 0, 2, 5, extra=6),
    SkewClock(1, 2, 3, skew=-5),
    DriftClock(1, 2, 3, drift_ppm=-40),
    SlowDisk(1, 2, 3, fsync=9),
    FullDisk(1, 2, 3),
]


def make_world(nodes: int = 3, faults: list[Fault] | None = None) -> World:
    world = World(WorldSetup(graph=full_mesh(nodes)), StubNode)
    plan_faults(world, faults or [])
    return world


def heard(world: World, index: int) -> list[bytes]:
    node = world.hosts[index].node
    assert isinstance(node, StubNode)
    return node.heard


@pytest.mark.parametrize("fault", EVERY, ids=lambda fault: fault.kind)
def test_a_fault_is_the_same_after_it_was_written_down(fault: Fault) -> None:
    assert fault_from_json(json.loads(json.dumps(fault_to_json(fault))), nodes=4) == fault


def test_every_kind_has_a_name_of_its_own() -> None:
    assert {fault.kind for fault in EVERY} == set(FAULTS)


def test_only_what_can_be_done_to_a_process_says_so() -> None:
    assert not Crash(1, 0, "tear").on_processes
    assert Crash(1, 0, "clean").on_processes
    assert Crash(1, 0, "lose", wipe=True).on_processes
    possible = {fault.kind for fault in EVERY if fault.on_processes}
    assert possible == {"crash", "pause", "churn", "partition", "cut-link", "impair", "slow-link"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"kind": "flood"}, r"faults\.kind: 'flood' is unknown; accepted are crash, pause"),
        ("crash", r"faults\.kind: None is unknown"),
        ({"kind": "pause", "at": 1, "node": 0}, r"faults\.lasting: missing"),
        (
            {"kind": "pause", "at": 1, "node": 0, "lasting": 1, "hard": 1},
            r"faults\.hard: unknown; accepted are at, node",
        ),
        ({"kind": "pause", "at": -1, "node": 0, "lasting": 1}, r"faults\.at: -1; accepted are integers of at least 0"),
        ({"kind": "pause", "at": True, "node": 0, "lasting": 1}, r"faults\.at: True; accepted are integers"),
        ({"kind": "pause", "at": 1, "node": 9, "lasting": 1}, r"names a node beyond 3"),
        (
            {"kind": "crash", "at": 1, "node": 0, "mode": "soft"},
            r"faults\.mode: 'soft'; accepted are clean, lose, tear",
        ),
        ({"kind": "crash", "at": 1, "node": 0, "wipe": 1}, r"faults\.wipe: 1; accepted are true and false"),
        ({"kind": "partition", "at": 1, "groups": [[0], ["x"]], "lasting": 1}, r"faults\.groups\[1\]\[0\]: 'x'"),
        ({"kind": "partition", "at": 1, "groups": 3, "lasting": 1}, r"faults\.groups: 3; accepted is a list"),
    ],
)
def test_a_bad_fault_is_named_with_its_key(data: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        fault_from_json(data, nodes=4)


def test_two_impairments_add_up_and_each_ends_for_itself() -> None:
    faults: list[Fault] = [
        Impair(SECOND, 4 * SECOND, loss_ppm=500_000),
        Impair(2 * SECOND, SECOND, loss_ppm=500_000, duplicate_ppm=100_000),
    ]
    world = make_world(faults=faults)
    seen = []
    for time in (1, 2, 3, 5):
        world.run_until(time * SECOND)
        seen.append(world.network.faults_on(0, 1))
    assert [link.loss_ppm for link in seen] == [500_000, 750_000, 500_000, 0]
    assert [link.duplicate_ppm for link in seen] == [0, 100_000, 0, 0]
    assert seen[-1] is PERFECT


def test_links_are_impaired_one_by_one_or_around_a_node() -> None:
    world = make_world(4, [Impair(0, SECOND, loss_ppm=9, link=(0, 1)), Impair(0, SECOND, loss_ppm=5, nodes=(2,))])
    world.run_until(1)
    assert world.network.faults_on(0, 1) == LinkFaults(loss_ppm=9)
    assert world.network.faults_on(1, 0) is PERFECT
    assert world.network.faults_on(2, 0).loss_ppm == world.network.faults_on(0, 2).loss_ppm == 5
    assert world.network.faults_on(0, 3) is PERFECT


def test_reordering_lets_a_later_frame_overtake_an_earlier_one() -> None:
    def order(faults: list[Fault]) -> list[bytes]:
        world = make_world(2, faults)
        world.run_until(SECOND)
        for i in range(50):
            world.submit(0, transaction(b"%02d" % i))
            world.run_until(SECOND + (i + 1) * MILLISECOND)
        world.run_until(3 * SECOND)
        return heard(world, 1)

    orderly, mixed = order([]), order([Impair(0, 4 * SECOND, reorder_ppm=300_000)])
    assert orderly == sorted(orderly)
    assert mixed != orderly
    assert sorted(mixed) == orderly


def test_slow_links_add_up_and_slow_disks_wait_for_the_slowest() -> None:
    faults: list[Fault] = [
        SlowLink(0, 0, 1, 3 * SECOND, extra=5),
        SlowLink(SECOND, 0, 1, SECOND, extra=7),
        SlowDisk(0, 0, 3 * SECOND, fsync=50),
        SlowDisk(SECOND, 0, SECOND, fsync=20),
    ]
    world = make_world(faults=faults)
    seen = []
    for time in (0, 1, 2, 3):
        world.run_until(time * SECOND)
        seen.append((world.network._slowness.get((0, 1), 0), max(world.hosts[0].slow_disks, default=0)))
    assert seen == [(5, 50), (12, 50), (5, 50), (0, 0)]


def test_a_node_that_two_faults_keep_down_comes_back_with_the_second() -> None:
    world = make_world(faults=[Crash(SECOND, 0, lasting=3 * SECOND), Crash(2 * SECOND, 0, lasting=SECOND)])
    alive = []
    for time in (1, 3, 4):
        world.run_until(time * SECOND)
        alive.append(world.hosts[0].alive)
    assert alive == [False, False, True]


def test_churn_takes_nodes_away_in_turn_and_brings_all_back() -> None:
    world = make_world(3, [Churn(SECOND, 5 * SECOND, 2 * SECOND)])
    down = []
    for time in (1, 3, 5, 6):
        world.run_until(time * SECOND + 1)
        down.append([host.index for host in world.hosts if not host.alive])
    assert down == [[0], [1], [2], []]
    assert quiet_from([Churn(SECOND, 5 * SECOND, 2 * SECOND)]) == 6 * SECOND


def test_skewed_and_drifting_clocks_are_exactly_right_again() -> None:
    faults: list[Fault] = [
        DriftClock(SECOND, 0, 3 * SECOND, drift_ppm=100_000),
        DriftClock(2 * SECOND + 7, 0, SECOND, drift_ppm=-33_333),
        SkewClock(SECOND, 0, 2 * SECOND, skew=SECOND),
    ]
    world = make_world(faults=faults)
    ahead = []
    for time in (1, 2, 3, 5):
        world.run_until(time * SECOND)
        ahead.append(world.hosts[0].now - world.epoch - world.kernel.now)
    assert ahead[:2] == [SECOND, SECOND + SECOND // 10]
    assert SECOND // 10 < ahead[2] < SECOND // 5
    assert ahead[3] == 0


def test_timers_of_a_fast_clock_run_out_early() -> None:
    world = World(WorldSetup(graph=[[], []]), lambda index, store: StubNode(index, store, heartbeat=True))
    plan_faults(world, [DriftClock(0, 0, 10 * SECOND, drift_ppm=250_000)])
    world.run_until(SECOND)
    beats = []
    for host in world.hosts:
        assert isinstance(host.node, StubNode)
        beats.append([event.now - world.epoch for event in host.node.events if isinstance(event, Fired)])
    assert [len(times) for times in beats] == [12, 10]
    # By its own clock each took as long as it should.
    assert {later - earlier for times in beats for earlier, later in pairwise(times)} == {HEARTBEAT}


def test_a_node_whose_disk_is_full_stops_and_comes_back_when_there_is_room() -> None:
    """It has acknowledged nothing that it could not write, so nobody misses anything afterwards."""
    config = SimConfig(
        nodes=4,
        accounts=20,
        workload=Workload(count=60, interval=50 * MILLISECOND, start=SECOND // 5),
        parameters={"view_timeout_ms": 300, "view_timeout_cap_ms": 2_000},
        faults=(
            FullDisk(SECOND, 0, 2 * SECOND),
            FullDisk(2 * SECOND, 2, 2 * SECOND),
            Crash(SECOND, 3, "clean", SECOND),
        ),
        duration=5 * SECOND,
        settle=60 * SECOND,
    )
    simulation = Simulation(config)
    world = simulation.world
    world.run_until(SECOND)
    before = view_of(world.hosts[0]).finalized
    world.run_until(3 * SECOND - 1)
    assert not world.hosts[0].alive
    assert world.hosts[0].failed
    assert not world.hosts[2].alive
    report = simulation.run()
    assert report.violations == []
    assert all(host.alive and not host.failed for host in world.hosts)
    assert view_of(world.hosts[0]).finalized.number > before.number


def test_a_node_does_not_even_start_on_a_full_disk_when_it_must_write() -> None:
    simulation = Simulation(SimConfig(nodes=4, accounts=5, workload=Workload(count=1)))
    world = simulation.world
    world.fill_disk(1)
    world.crash(1, "clean")
    world.restart(1, wipe=True)
    assert not world.hosts[1].alive
    assert world.hosts[1].failed
    world.free_disk(1)
    assert world.hosts[1].alive
    assert simulation.run().agreed
