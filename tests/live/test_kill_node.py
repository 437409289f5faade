"""A node that is killed over and over, under load, breaks no promise: everything acknowledged ends in a block, once."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from raclette.chain.genesis import sample_key
from raclette.chain.presets import SAMPLE_BALANCE
from raclette.chain.transaction import sign_transfer
from raclette.cli.client import RpcError, Unreachable
from raclette.cli.load import watch_blocks
from raclette.cli.network import LocalNetwork, LocalNode, NetworkPlan
from raclette.primitives.hashing import keccak256
from raclette.primitives.randomness import Random

# `make kill` asks for more. Seed 10 chooses the primary of the first view.
KILLS = int(os.environ.get("RACLETTE_KILLS", "12"))
SEED = int(os.environ.get("RACLETTE_SEED", "10"))
SENDERS = 40
# Transfers of one sender that no block has yet: enough that nonces are in flight through several nodes at once.
WINDOW = 4
# How long after the last kill everything acknowledged must be in a block everywhere.
SETTLE_S = 60.0


class Load:
    """Senders that hand each transfer to any node, until one says yes."""

    def __init__(self, network: LocalNetwork, victim: LocalNode) -> None:
        self.network = network
        self.victim = victim
        self.acknowledged: set[str] = set()
        self.in_blocks: Counter[str] = Counter()
        self.failed_in_flight = 0
        self.victim_said_yes = asyncio.Event()
        self.stopping = False
        self._moved = asyncio.Event()

    def seen(self, hashes: Any) -> None:
        """A block has these."""
        self.in_blocks.update(hashes)
        self._moved.set()

    async def send(self, index: int) -> None:
        """One sender, nonce after nonce."""
        random = Random(SEED, 100 + index)
        key, waiting = sample_key(index), list[str]()
        nonce = 0
        while not self.stopping:
            waiting = [name for name in waiting if name not in self.in_blocks]
            if len(waiting) >= WINDOW:
                self._moved.clear()
                await asyncio.wait({asyncio.ensure_future(self._moved.wait())}, timeout=0.5)
                continue
            to = sample_key((index + 1) % SENDERS).address
            raw = sign_transfer(key, chain_id=self.network.genesis.chain_id, nonce=nonce, to=to, value=1 + nonce)
            waiting.append(await self._hand_over(raw, random))
            nonce += 1
            await asyncio.sleep(random.below(100) / 1000)

    async def _hand_over(self, raw: bytes, random: Random) -> str:
        """Until a node takes it, or says that it is in a block already."""
        name = "0x" + keccak256(raw).hex()
        while True:
            node = random.choice(self.network.nodes)
            try:
                answer = await node.client.call("eth_sendRawTransaction", "0x" + raw.hex())
            except Unreachable:
                self.failed_in_flight += 1
                await asyncio.sleep(0.02)
                continue
            except RpcError as error:
                # Handed over before, to a node that could not answer any more: its fate is its own.
                if "nonce" in str(error) or "known" in str(error):
                    return name
                raise
            assert answer == name
            self.acknowledged.add(name)
            if node is self.victim:
                self.victim_said_yes.set()
            return name


async def kill_again_and_again(victim: LocalNode, load: Load, random: Random) -> None:
    """At any moment: in full work, just after a promise, or while it is still coming up."""
    for _ in range(KILLS):
        match random.below(3):
            case 0:
                await asyncio.sleep(random.below(800) / 1000)
            case 1:
                load.victim_said_yes.clear()
                await asyncio.wait_for(load.victim_said_yes.wait(), 20)
            case _:
                await victim.kill()
                await victim.spawn()
                await asyncio.sleep(random.below(1_000) / 1000)
        await victim.kill()
        await asyncio.sleep(random.below(600) / 1000)
        await victim.start()


async def chain_of(node: LocalNode, height: int) -> list[dict[str, Any]]:
    """Blocks 0 to `height`, with the hashes of their transactions."""
    calls = [("eth_getBlockByNumber", (hex(number), False)) for number in range(height + 1)]
    return [
        block for first in range(0, len(calls), 100) for block in await node.client.batch(calls[first : first + 100])
    ]


async def check_databases(nodes: list[LocalNode]) -> list[str]:
    """What `raclette db check` says against them."""
    complaints = []
    for node in nodes:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "raclette", "db", "check", str(node.folder), "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate()
        if process.returncode != 0 or b'"chain_verified":true' not in out:
            complaints.append(f"{node.name}: exit {process.returncode}: {out.decode()} {err.decode()}")
    return complaints


async def settled(network: LocalNetwork, load: Load) -> int:
    """Wait until every node has every acknowledged transfer in a block; the height they all have."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    while True:
        height = min([int(await node.client.call("eth_blockNumber"), 16) for node in network.nodes])
        chains = [await chain_of(node, height) for node in network.nodes]
        missing = [load.acknowledged - {name for block in chain for name in block["transactions"]} for chain in chains]
        if not any(missing):
            return height
        late = {node.name: len(names) for node, names in zip(network.nodes, missing, strict=True) if names}
        assert asyncio.get_running_loop().time() < deadline, f"acknowledged, but in no block: {late}"
        await asyncio.sleep(0.2)


@pytest.mark.live
@pytest.mark.timeout(120 + 10 * KILLS)
def test_a_node_killed_over_and_over_keeps_every_promise(tmp_path: Path) -> None:
    async def story() -> None:
        random = Random(SEED, 0)
        network = LocalNetwork(NetworkPlan(tmp_path, nodes=4, protocol="pbft", accounts=SENDERS))
        async with network:
            victim = random.choice(network.nodes)
            steady = next(node for node in network.nodes if node is not victim)
            load = Load(network, victim)
            async with watch_blocks(steady.client, load.seen):
                senders = [asyncio.create_task(load.send(index)) for index in range(SENDERS)]
                killing = asyncio.create_task(kill_again_and_again(victim, load, random))
                await asyncio.wait({killing, *senders}, return_when=asyncio.FIRST_COMPLETED)
                load.stopping = True
                await asyncio.gather(killing, *senders)
                height = await settled(network, load)
            await check_agreement(network, load, height)
            print(f"{KILLS} kills of {victim.name}: {len(load.acknowledged)} acknowledged, {height} blocks, "
                  f"{load.failed_in_flight} calls failed")  # fmt: skip
        assert await check_databases(network.nodes) == []

    asyncio.run(story())


async def check_agreement(network: LocalNetwork, load: Load, height: int) -> None:
    """One ledger everywhere, nothing twice, no money made or lost, nobody guilty."""
    assert len(load.acknowledged) > 10 * KILLS
    chains = [await chain_of(node, height) for node in network.nodes]
    for chain in chains:
        assert [block["hash"] for block in chain] == [block["hash"] for block in chains[0]]
        assert [block["stateRoot"] for block in chain] == [block["stateRoot"] for block in chains[0]]
    counts = Counter(name for block in chains[0] for name in block["transactions"])
    assert {count for name, count in counts.items() if name in load.acknowledged} == {1}
    assert max(counts.values()) == 1
    for node in network.nodes:
        supply = await node.client.call("raclette_supply")
        assert int(supply["supply"]) == SENDERS * SAMPLE_BALANCE + int(supply["issued"])
        assert await node.client.call("raclette_evidence") == []
