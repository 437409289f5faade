"""Attackers of proof of work around whole nodes: each does what it is for, and costs the honest no more than it may."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import pytest

from raclette.node.node import Node
from raclette.primitives.errors import ConfigError
from raclette.primitives.units import SECOND
from raclette.sim.checkers.quality import miner_tag
from raclette.sim.config import MINING_DIFFICULTY, SimConfig, Workload
from raclette.sim.faults import Crash, CutLink
from raclette.sim.liars import LiarSpec
from raclette.sim.liars.private_chain import PURCHASE
from raclette.sim.simulate import SimReport, Simulation, view_of

QUICK: Mapping[str, Any] = {"block_interval_s": 1}


def world(spec: LiarSpec, shares: tuple[int, ...], liars: tuple[int, ...] = (0,), **changes: Any) -> Simulation:
    """Miners with these shares; those in `liars` lie. A block a second, for a minute."""
    defaults: dict[str, Any] = {
        "protocol": "nakamoto",
        "nodes": len(shares),
        "hash_shares": shares,
        "liars": dict.fromkeys(liars, spec),
        "parameters": QUICK,
        "accounts": 20,
        "workload": Workload(count=20, interval=SECOND // 5),
        "duration": 60 * SECOND,
    }
    return Simulation(SimConfig(**(defaults | changes)))


def run(spec: LiarSpec, shares: tuple[int, ...], liars: tuple[int, ...] = (0,), **changes: Any) -> SimReport:
    return world(spec, shares, liars, **changes).run()


def group(report: SimReport, lie: str) -> dict[str, Any]:
    found = report.attack["groups"][lie]
    assert isinstance(found, dict)
    return found


def apart(groups: tuple[tuple[int, ...], tuple[int, ...]], seconds: int) -> tuple[CutLink, ...]:
    """All links between two groups are cut from the start."""
    return tuple(CutLink(0, a, b, seconds * SECOND) for a in groups[0] for b in groups[1])


def honest_node(simulation: Simulation, index: int) -> Node:
    node = simulation.world.hosts[index].node
    assert isinstance(node, Node)
    return node


# Pools.


def races_won(simulation: Simulation, pool: bytes) -> int:
    """Honest blocks on a block of the pool's that had an honest rival: gamma at work."""
    view = view_of(simulation.world.hosts[1])
    revenue = simulation._revenue
    assert revenue is not None
    honest = {header.parent_hash for header in revenue._seen.values() if miner_tag(header) != pool}
    won, header = 0, view.head
    while header.number > 1:
        parent = view.header(header.parent_hash)
        assert parent is not None
        contested = miner_tag(parent) == pool and parent.parent_hash in honest
        won += contested and miner_tag(header) != pool
        header = parent
    return won


def test_gamma_is_where_the_pool_sits_in_the_network() -> None:
    """Where the honest are linked through the pool alone its answer comes first; in a mesh the honest block does."""
    duration = 120
    between = apart(((1,), (2, 3)), duration) + apart(((2,), (3,)), duration)
    won = []
    for faults in (between, ()):
        simulation = world(LiarSpec("selfish"), (4, 2, 2, 2), faults=faults, duration=duration * SECOND)
        simulation.world.run_until((duration - 1) * SECOND)
        won.append(races_won(simulation, simulation.world.hosts[0].node_id[:8]))
    assert won[0] > 3
    assert won[1] == 0


def test_a_selfish_pool_earns_at_the_cost_of_honest_blocks() -> None:
    report = run(LiarSpec("selfish"), (4, 2, 2, 2), duration=120 * SECOND)
    assert report.agreed
    pool, honest = group(report, "selfish"), group(report, "honest")
    assert pool["hash_share"] == 0.4
    assert pool["main"] + honest["main"] == report.attack["height"]
    assert pool["found"] == pool["main"] + pool["stale"]
    assert honest["stale"] > 5
    assert sum(report.attack["reorganisations"].values()) > 5


def test_accomplices_mine_on_each_others_hidden_blocks() -> None:
    simulation = world(LiarSpec("withhold"), (3, 3, 2, 2), (0, 1))
    simulation.world.run_until(60 * SECOND)
    (plot,) = simulation._plots.values()
    hidden = plot["pool"].hidden
    tags = [miner_tag(block.header) for block in hidden]
    assert len(hidden) > 20
    assert {simulation.world.hosts[0].node_id[:8], simulation.world.hosts[1].node_id[:8]} == set(tags)
    assert any(a != b for a, b in pairwise(tags))


def test_who_withholds_has_no_block_on_the_chain() -> None:
    report = run(LiarSpec("withhold"), (2, 2, 2, 2))
    assert report.agreed
    assert group(report, "withhold")["main"] == 0
    assert group(report, "withhold")["found"] > 5


def test_a_private_chain_takes_the_payment_back() -> None:
    """After a success the merchant has nothing: the same money went back to the purse, and the audit agrees."""
    spec = LiarSpec.of("private-chain", confirmations=2, give_up=6)
    simulation = world(spec, (9, 4, 4, 4), duration=90 * SECOND)
    report = simulation.run()
    assert report.agreed
    spends = group(report, str(spec))
    assert spends["attempts"] >= spends["successes"] + spends["failures"] > 3
    assert spends["successes"] > 0
    assert max(int(depth) for depth in report.attack["reorganisations"]) >= 2
    (plot,) = simulation._plots.values()
    view = view_of(simulation.world.hosts[1])
    purse = plot[PURCHASE].payment.sender
    fates = {True: 0, False: 0}
    header = view.head
    while header.number:
        block, parent = view.block(header.hash), view.header(header.parent_hash)
        assert block is not None
        assert parent is not None
        for raw in block.transactions:
            transaction = honest_node(simulation, 1).decode(raw)
            if transaction.sender == purse:
                fates[transaction.detail.to == purse] += 1
        header = parent
    assert fates[True] > 0, "money that came back"
    assert fates[False] > 0, "money that was lost with an attempt"


def test_the_same_attack_twice_leaves_the_same_trace() -> None:
    digests = {run(LiarSpec.of("stubborn", trail=1), (4, 2, 2, 2), duration=20 * SECOND).digest for _ in range(2)}
    assert len(digests) == 1


# Two faces.


def test_an_eclipsed_victim_follows_the_attackers_until_one_honest_link_is_there() -> None:
    """Heilman et al. 2015: the victim's other links are cut for 40 seconds."""
    spec = LiarSpec.of("eclipse", victim=3)
    simulation = world(spec, (3, 3, 3, 0), faults=apart(((1, 2), (3,)), 40), duration=50 * SECOND)
    simulation.world.run_until(39 * SECOND)
    liar, victim, honest = (simulation.world.hosts[index] for index in (0, 3, 1))
    seen = [view_of(victim).canonical(number) for number in range(1, view_of(victim).head.number + 1)]
    assert len(seen) > 4
    assert {miner_tag(header) for header in seen if header is not None} == {liar.node_id[:8]}
    assert view_of(honest).head.number > len(seen)
    report = simulation.run()
    assert report.agreed
    assert view_of(victim).head == view_of(honest).head
    assert group(report, str(spec))["stale"] > 4


def test_balance_keeps_two_halves_from_being_decided() -> None:
    """Natoli & Gramoli 2017: by themselves the halves drift apart; a fifth of the power keeps them even."""
    halves, drifts, kept = apart(((1, 2), (3, 4)), 200), [0], [0]
    for seed in (1, 2, 3):
        for bridge, out in ((apart(((0,), (1, 2, 3, 4)), 200), drifts), ((), kept)):
            simulation = world(LiarSpec("balance"), (2, 2, 2, 2, 2), faults=halves + bridge, seed=seed)
            simulation.world.run_until(80 * SECOND)
            weights = [honest_node(simulation, index).sync.weight for index in (1, 3)]
            out.append(abs(weights[0] - weights[1]) * 10 // MINING_DIFFICULTY)
    assert max(kept) <= 60, "tenths of a block"
    assert sum(drifts) > 2 * sum(kept), (drifts, kept)


# History.


def test_a_newcomer_shown_another_history_ends_on_the_one_with_more_work() -> None:
    """With depth taken for finality, too: the first branch shown does not bind."""
    newcomer = (Crash(25 * SECOND, 3, "lose", 20 * SECOND, wipe=True),)
    for parameters in (QUICK, {**QUICK, "finality_depth": 8}):
        report = run(LiarSpec("long-range"), (4, 4, 4, 2), faults=newcomer, parameters=parameters, seed=2)
        assert report.agreed
        assert max(int(depth) for depth in report.attack["reorganisations"]) > 8, "it did believe the other history"
        assert group(report, "long-range")["main"] == 0


def test_headers_without_work_are_refused() -> None:
    newcomer = (Crash(25 * SECOND, 3, "lose", 20 * SECOND, wipe=True),)
    spec = LiarSpec.of("long-range", forged=20)
    simulation = world(spec, (4, 4, 4, 2), faults=newcomer, seed=2)
    assert simulation.run().agreed
    assert honest_node(simulation, 3).conduct.counts().get("proof-of-work", 0) > 0


def test_more_than_half_of_the_work_rewrites_history() -> None:
    """The attack works: beyond its bound nothing that a newcomer believes is safe, and the checkers say so."""
    newcomer = (Crash(25 * SECOND, 3, "lose", 20 * SECOND, wipe=True),)
    parameters = {**QUICK, "finality_depth": 6}
    report = run(LiarSpec("long-range"), (12, 3, 3, 2), faults=newcomer, parameters=parameters, beyond=True, seed=2)
    assert not report.agreed
    assert "agreement" in {violation["checker"] for violation in report.violations}


def test_more_than_half_of_the_work_reverts_what_was_settled() -> None:
    spec = LiarSpec.of("private-chain", confirmations=26, give_up=200)
    report = run(spec, (12, 3, 3, 2), beyond=True, duration=120 * SECOND, settle=5 * SECOND)
    assert "common-prefix" in {violation["checker"] for violation in report.violations}
    assert group(report, str(spec))["successes"] > 0


def test_mining_everywhere_gains_nothing() -> None:
    report = run(LiarSpec("nothing-at-stake"), (2, 2, 2, 2), network="internet-2019", duration=60 * SECOND)
    assert report.agreed
    assert report.attack["stale"] > 0, "there were branches to choose from"
    assert group(report, "nothing-at-stake")["revenue"] < 0.35


# Bad input.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"liars": {0: LiarSpec.of("eclipse", victim=9)}}, "victim: 9 is no honest node"),
        ({"liars": {0: LiarSpec.of("eclipse", victim=0)}}, "victim: 0 is no honest node"),
        ({"liars": {0: LiarSpec.of("private-chain", confirmations=0)}}, "confirmations: 0; accepted"),
        ({"liars": {0: LiarSpec("selfish")}, "protocol": "pbft", "parameters": {}}, "makes no sense for pbft"),
    ],
)
def test_what_cannot_be_attacked_is_named(changes: dict[str, Any], message: str) -> None:
    config: dict[str, Any] = {"protocol": "nakamoto", "nodes": 4, "parameters": QUICK} | changes
    with pytest.raises(ConfigError, match=message):
        Simulation(SimConfig(**config))
