"""Whole nodes: days that follow each other, committees that vanish, come back, or fall silent.

Replay a story: each runs from the seed in its config.
"""

from typing import Any, NamedTuple

import pytest

from raclette.node.node import Node
from raclette.primitives.units import SECOND
from raclette.protocols.hybrid import HybridEngine
from raclette.protocols.hybrid.almanac import Almanac, End
from raclette.protocols.hybrid.day import day_of
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash, Fault
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import SimReport, Simulation
from raclette.sim.world import node_ids

QUICK = {"committee_size": 5, "stable_depth": 2, "patience": 6, "block_interval_s": 1, "timeout_ms": 300}


class Story(NamedTuple):
    """A run and what came of it."""

    simulation: Simulation
    result: SimReport


def simulate(
    *,
    seed: int = 1,
    nodes: int = 5,
    seconds: int = 40,
    count: int = 30,
    faults: tuple[Fault, ...] = (),
    liars: dict[int, LiarSpec] | None = None,
    committee: int = 0,
    **parameters: Any,
) -> Story:
    """A finished run. The first `committee` nodes are the first day's; all, if it is 0."""
    chosen: dict[str, Any] = QUICK | parameters
    if committee:
        chosen["validators"] = ["0x" + node_id.hex() for node_id in node_ids(nodes, seed)[:committee]]
    config = SimConfig(
        protocol="hybrid",
        nodes=nodes,
        seed=seed,
        network="lan",
        parameters=chosen,
        workload=Workload(count=count, interval=seconds * SECOND // count),
        faults=faults,
        liars=liars or {},
        duration=seconds * SECOND,
        settle=120 * SECOND,
    )
    simulation = Simulation(config)
    return Story(simulation, simulation.run())


def engines(run: Story) -> list[HybridEngine]:
    alive = [host.node for host in run.simulation.world.hosts if host.alive]
    found = [node.engine for node in alive if isinstance(node, Node)]
    return [engine for engine in found if isinstance(engine, HybridEngine)]


def ends(almanac: Almanac) -> list[End]:
    past, found = almanac.past, []
    while past is not None:
        found.append(past.end)
        past = past.before
    return found[::-1]


def days_of_log(engine: HybridEngine) -> list[int]:
    chain = engine.core.chain
    headers = [chain.canonical(number) for number in range(1, chain.finalized.number + 1)]
    return [day_of(header) for header in headers if header is not None]


@pytest.mark.parametrize(("inner", "fruits"), [("pbft", 0), ("simplex", 0), ("pbft", 3)])
def test_each_day_another_committee_orders_and_all_follow_one_log(inner: str, fruits: int) -> None:
    run = simulate(inner=inner, fruits=fruits)
    assert run.result.agreed
    assert run.result.violations == []
    first, *others = engines(run)
    days = days_of_log(first)
    assert days == sorted(days)
    assert days[-1] >= 4
    assert not any(end.forced for end in ends(first.snail.chain.almanac()))
    assert all(days_of_log(other) == days for other in others)
    assert all(engine.log.abandoned == engine.log.conflicts == 0 for engine in (first, *others))
    # One day for each position, and the same seats for each day, everywhere.
    seats = {day.number: day.seats for day in first.snail.chain.almanac(QUICK["stable_depth"]).days()}
    for other in others:
        almanac = other.snail.chain.almanac(QUICK["stable_depth"])
        assert all(seats.get(day.number, day.seats) == day.seats for day in almanac.days())


def test_a_day_ends_though_nobody_pays_anything() -> None:
    run = simulate(count=1)
    engine = engines(run)[0]
    assert days_of_log(engine)[-1] >= 4
    chain = engine.core.chain
    blocks = [chain.block(header.hash) for number in range(1, 5) if (header := chain.canonical(number)) is not None]
    assert [bool(block.transactions) for block in blocks if block is not None].count(False) >= 3


@pytest.mark.parametrize("inner", ["pbft", "simplex"])
def test_when_a_whole_committee_vanishes_the_next_one_goes_on_behind_what_is_recorded(inner: str) -> None:
    gone = tuple(Crash(3 * SECOND, node, "clean") for node in range(3))
    run = simulate(inner=inner, nodes=8, committee=4, faults=gone, seconds=90)
    survivors = engines(run)
    assert len(survivors) == 5
    heights = {engine.log.final.hash for engine in survivors}
    assert len(heights) == 1
    settled = ends(survivors[0].snail.chain.almanac())
    assert settled[0].forced
    assert any(not end.forced for end in settled)
    assert days_of_log(survivors[0])[-1] > settled[0].day
    checkers = {violation["checker"] for violation in run.result.violations}
    assert checkers <= {"liveness"}  # whoever is down for good has not settled


@pytest.mark.parametrize("seed", [3, 5])
def test_a_committee_that_was_away_signs_nothing_before_it_knows_that_its_day_is_over(seed: int) -> None:
    """Found by this story: three of four came back together, still a quorum of day 1, on a snail chain of long ago."""
    away = tuple(Crash(3 * SECOND, node, "clean", 60 * SECOND) for node in range(3))
    run = simulate(seed=seed, inner="simplex", nodes=8, committee=4, faults=away, seconds=100)
    assert run.result.agreed
    assert run.result.violations == []
    assert run.result.misbehaved == {}
    assert ends(engines(run)[0].snail.chain.almanac())[0].forced


def test_a_third_that_complains_has_the_next_committee_elected_early() -> None:
    gone = tuple(Crash(3 * SECOND, node, "clean") for node in range(2))
    run = simulate(nodes=7, committee=4, faults=gone, seconds=60, committee_size=12, complain_ms=2_000)
    almanac = engines(run)[0].snail.chain.almanac()
    second = almanac.find(2)
    assert second is not None
    assert second.elected < 12
    assert days_of_log(engines(run)[0])[-1] >= 2


def test_a_node_with_an_empty_disk_learns_the_snail_chain_first_and_then_the_log() -> None:
    wiped = (Crash(20 * SECOND, 6, "clean", 10 * SECOND, wipe=True),)
    run = simulate(nodes=7, faults=wiped, seconds=50, committee=4)
    assert run.result.agreed
    assert run.result.violations == []
    assert run.result.misbehaved == {}
    newcomer, other = engines(run)[6], engines(run)[0]
    assert days_of_log(newcomer) == days_of_log(other)


def test_a_restart_of_everybody_loses_nothing_that_was_ordered() -> None:
    down = tuple(Crash(15 * SECOND, node, "lose", 3 * SECOND) for node in range(5))
    run = simulate(faults=down)
    assert run.result.agreed
    assert run.result.violations == []


def test_what_an_inner_engine_orders_on_top_of_the_end_is_not_of_the_log() -> None:
    """Found by a drawn schedule: the end was final first, and the block on top of it a moment later."""
    crashes = (
        Crash(32 * SECOND, 2, "clean", 14 * SECOND),
        Crash(36 * SECOND, 0, "lose", 10 * SECOND),
        Crash(40 * SECOND, 0, "tear", 22 * SECOND),
    )
    run = simulate(seed=107, inner="simplex", seconds=80, faults=crashes, stable_depth=6, patience=8, committee_size=4)
    assert run.result.agreed
    assert run.result.violations == []
    engine = engines(run)[0]
    headers = [engine.core.chain.canonical(number) for number in range(1, engine.log.final.number + 1)]
    marks = [(day_of(header), header.mix_hash) for header in headers if header is not None]
    # Of each day one block, the last, names another election than those before it.
    for day in {day for day, _ in marks}:
        assert len({mark for of, mark in marks if of == day}) <= 2
        last = [mark for of, mark in marks if of == day][-1]
        assert sum(mark == last for of, mark in marks if of == day) == 1 or len({m for o, m in marks if o == day}) == 1
