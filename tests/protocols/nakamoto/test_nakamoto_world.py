"""Several miners on a network: they agree, part, and agree again."""

from typing import Any

import pytest
from pow_world import World

from raclette.engine.effects import Accuse

SMALL: dict[str, Any] = {"initial_difficulty": 4_000, "block_interval_s": 5, "half_life_s": 100}


def heads(world: World) -> set[bytes]:
    return {node.chain.head.hash for node in world.nodes}


@pytest.mark.parametrize("fork_choice", ["heaviest", "ghost"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_miners_agree_on_all_but_the_last_blocks(fork_choice: str, seed: int) -> None:
    world = World([200, 200, 400], seed=seed, parameters={**SMALL, "fork_choice": fork_choice})
    world.run_for(600)
    lowest = min(node.chain.head.number for node in world.nodes)
    assert 90 < lowest < 150
    deep = {header.hash for node in world.nodes if (header := node.chain.canonical(lowest - 6))}
    assert len(deep) == 1
    # Sometimes: the claim is idle unless there were forks.
    assert sum(node.engine.status()["reorganisations"] for node in world.nodes) > 0
    assert not any(isinstance(effect, Accuse) for node in world.nodes for effect in node.done)


def test_after_a_partition_the_side_with_more_work_wins_however_deep_the_other_was() -> None:
    world = World([500, 200, 400], seed=5, parameters=SMALL)
    world.run_for(100)
    world.part(0)
    world.run_for(400)
    alone, together = world.nodes[0].chain.head, world.nodes[1].chain.head
    assert alone.number > 40
    winner = max((alone, together), key=lambda head: sum(h.difficulty for h in _branch(world, head.hash)))
    world.heal()
    world.run_for(60)
    for node in world.nodes:
        assert node.chain.canonical(winner.number) == winner
    assert max(node.engine.status()["deepest_reorganisation"] for node in world.nodes) > 25


def _branch(world: World, head: bytes) -> list[Any]:
    for node in world.nodes:
        if node.chain.head.hash == head:
            return list(node.chain.branch())
    return []


def test_the_same_seed_gives_the_same_chain() -> None:
    runs = []
    for _ in range(2):
        world = World([300, 300], seed=9, parameters=SMALL)
        world.run_for(200)
        world.pend(0, b"pay")
        world.run_for(50)
        runs.append([node.chain.head.hash for node in world.nodes])
    assert runs[0] == runs[1]


def test_blocks_are_shared_in_proportion_to_hash_power() -> None:
    world = World([100, 300], seed=11, parameters=SMALL)
    world.run_for(3_000)
    miners = [header.beneficiary[0] for header in world.nodes[0].chain.branch() if header.number]
    assert len(miners) > 450
    assert 0.19 < miners.count(0) / len(miners) < 0.31


def test_difficulty_follows_a_miner_that_joins_and_leaves() -> None:
    world = World([400, 0], seed=13, parameters=SMALL)
    world.run_for(500)
    alone = world.nodes[0].engine.status()["difficulty"]
    world.power[1] = 1_200
    world.run_for(800)
    joined = world.nodes[0].engine.status()["difficulty"]
    world.power[1] = 0
    world.run_for(1_200)
    left = world.nodes[0].engine.status()["difficulty"]
    assert joined > 2 * alone
    assert left < joined / 2
    number = world.nodes[0].chain.head.number
    assert abs(number - 500) < 80, "2,500 seconds at one block in five"
