"""Hybrid as real processes: miners elect committees day after day, and transactions do not wait for it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from raclette.cli.load import ClosedLoop
from raclette.cli.network import LocalNetwork, LocalNode, NetworkPlan
from raclette.ledgers.bank.samples import sample_transfers
from raclette.ledgers.samples import sample_turns_of

ACCOUNTS, COUNT, OUTSTANDING = 50, 300, 50
# A snail block about each third of a second: a day is a few seconds.
PARAMETERS = {
    "initial_difficulty": 1 << 22,
    "block_interval_s": 1,
    "committee_size": 4,
    "stable_depth": 2,
    "patience": 8,
}
PATIENCE_S = 30.0


async def state(node: LocalNode) -> dict[str, Any]:
    found: dict[str, Any] = await node.client.call("raclette_consensusState")
    return found


async def until(network: LocalNetwork, holds: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not await holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


@pytest.mark.live
def test_days_pass_while_one_is_killed_and_one_joins_late(tmp_path: Path) -> None:
    asyncio.run(story(LocalNetwork(NetworkPlan(tmp_path, 4, 1, "hybrid", accounts=ACCOUNTS, parameters=PARAMETERS))))


async def story(network: LocalNetwork) -> None:
    first, victim, latecomer = network.nodes[0], network.nodes[2], network.members[-1]
    raws = sample_transfers(COUNT, 1, network.genesis.chain_id, accounts=ACCOUNTS)
    turns = sample_turns_of("bank", COUNT, ACCOUNTS)
    async with network:
        loop = ClosedLoop([node.client for node in network.nodes[:2]], raws, turns, OUTSTANDING)
        load = asyncio.create_task(loop.run(first.client))

        async def second_day() -> bool:
            return bool((await state(first))["day"] >= 2)

        await until(network, second_day)
        await victim.kill()
        await asyncio.gather(latecomer.start(), victim.start(), load)
        assert not loop.refused
        assert len(loop.committed) == COUNT
        days = (await state(first))["newest_day"]
        last: dict[str, Any] = {}

        async def all_agree() -> bool:
            found = [await node.client.call("eth_getBlockByNumber", "finalized", False) for node in network.members]
            last.update(found[0])
            states = [await state(node) for node in network.members]
            later = all(found["day"] > days for found in states)
            return later and len({block["hash"] for block in found}) == 1

        await until(network, all_agree)
        assert int(last["number"], 16) > 10
        for node in network.members:
            assert (await state(node))["conflicts"] == 0
