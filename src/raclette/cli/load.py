"""A closed loop of signed transactions against running nodes, and what it measures.

The generator shares the machine with what it measures, so it signs beforehand, sends in batches, and learns of commits
from one node's new heads. What one account signs always goes to the same node, in order.
"""

import asyncio
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from statistics import quantiles
from typing import Any

from raclette.cli.client import RpcClient, RpcSocket
from raclette.cli.network import LocalNetwork, NetworkPlan
from raclette.ledgers.bank.samples import sample_transfers
from raclette.ledgers.samples import sample_turns_of
from raclette.primitives.errors import RacletteError
from raclette.primitives.hashing import keccak256

# Transactions handed over in one request.
BATCH = 50
# Requests measured one at a time, before the load.
SINGLES = 40
# Warm-up before the figures count: connections, caches, the gossip tree.
WARM_UP_S = 2.0
# How long after the last submission everything must be committed.
DRAIN_S = 30.0
# More than any machine of today commits in a second; only bounds what is signed beforehand.
RATE_MAX = 6_000


class LoadFailed(RacletteError):
    """Submitted transactions were refused or never committed."""


class ClosedLoop:
    """Keeps `outstanding` transfers in flight until it is stopped or has no more."""

    def __init__(
        self, clients: Sequence[RpcClient], raws: Sequence[bytes], turns: Sequence[int], outstanding: int
    ) -> None:
        """`raws`, with the number of the account that signed each (`ledgers.samples.sample_turns_of`)."""
        self._clients = list(clients)
        self._queues: list[deque[bytes]] = [deque() for _ in clients]
        for turn, raw in zip(turns, raws, strict=True):
            self._queues[turn % len(clients)].append(raw)
        self._share = max(1, outstanding // len(clients))
        self._flying = [0] * len(clients)
        self._room = [asyncio.Event() for _ in clients]
        self._sent: dict[str, tuple[float, int]] = {}
        self.committed: list[tuple[float, float]] = []  # (when, latency) in seconds
        self.submitted = 0
        self.refused: list[str] = []
        self._stopping = False
        self.on_progress: Callable[[int], None] = lambda committed: None

    async def run(self, watcher: RpcClient) -> None:
        """Until stopped or out of transactions, and everything sent is committed. Raises LoadFailed."""
        async with watch_blocks(watcher, self._block_committed):
            await asyncio.gather(*(self._send(index) for index in range(len(self._clients))))
            deadline = time.perf_counter() + DRAIN_S
            while self._sent and time.perf_counter() < deadline:
                await asyncio.sleep(0.05)
        if self._sent:
            raise LoadFailed(
                f"{len(self._sent)} of {self.submitted} transactions were not committed in {DRAIN_S:.0f} s"
            )

    def stop(self) -> None:
        """Send no more."""
        self._stopping = True
        for event in self._room:
            event.set()

    def retire(self, index: int) -> None:
        """This node is about to go away: its transactions go to another one."""
        other = (index + 1) % len(self._clients)
        self._queues[other].extend(self._queues[index])
        self._queues[index].clear()

    async def settled(self, index: int) -> None:
        """Return when this node has nothing of ours in flight that it alone might know of."""
        while any(owner == index for _, owner in self._sent.values()):
            await asyncio.sleep(0.01)

    async def _send(self, index: int) -> None:
        queue, room = self._queues[index], self._room[index]
        while queue and not self._stopping:
            free = self._share - self._flying[index]
            if free < min(BATCH, self._share):
                room.clear()
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(room.wait(), 1.0)
                continue
            batch = [queue.popleft() for _ in range(min(BATCH, free, len(queue)))]
            await self._hand_over(index, batch)

    async def _hand_over(self, index: int, batch: list[bytes]) -> None:
        now = time.perf_counter()
        for raw in batch:
            self._sent["0x" + keccak256(raw).hex()] = (now, index)
        self._flying[index] += len(batch)
        self.submitted += len(batch)
        answers = await self._clients[index].call("raclette_sendRawTransactions", ["0x" + raw.hex() for raw in batch])
        for raw, answer in zip(batch, answers, strict=True):
            if not isinstance(answer, str):
                self._sent.pop("0x" + keccak256(raw).hex(), None)
                self._flying[index] -= 1
                self.refused.append(str(answer))

    def _block_committed(self, hashes: Sequence[str]) -> None:
        now = time.perf_counter()
        for item in hashes:
            sent = self._sent.pop(item, None)
            if sent is not None:
                self.committed.append((now, now - sent[0]))
                self._flying[sent[1]] -= 1
        self.on_progress(len(self.committed))
        for event in self._room:
            event.set()


@asynccontextmanager
async def watch_blocks(client: RpcClient, seen: Callable[[Sequence[str]], None]) -> AsyncIterator[RpcSocket]:
    """Call `seen` with the transaction hashes of every new block of the head's branch. Yields the socket used."""

    async def follow(socket: RpcSocket, height: int) -> None:
        async for head in socket.heads():
            number = int(head["number"], 16)
            for missing in range(height + 1, number + 1):
                block = await socket.call("eth_getBlockByNumber", hex(missing), False)
                if block is not None:
                    seen(block["transactions"])
            height = max(height, number)

    async with client.socket() as socket:
        task = asyncio.create_task(follow(socket, int(await socket.call("eth_blockNumber"), 16)))
        try:
            yield socket
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def single_requests(client: RpcClient, raws: Sequence[bytes]) -> list[float]:
    """Seconds from handing over one transfer to its block, one after another."""
    waiting: dict[str, asyncio.Future[None]] = {}

    def seen(hashes: Sequence[str]) -> None:
        for item in hashes:
            future = waiting.pop(item, None)
            if future is not None and not future.done():
                future.set_result(None)

    latencies = []
    async with watch_blocks(client, seen) as socket:
        for raw in raws:
            future = asyncio.get_running_loop().create_future()
            waiting["0x" + keccak256(raw).hex()] = future
            start = time.perf_counter()
            await socket.call("eth_sendRawTransaction", "0x" + raw.hex())
            await asyncio.wait_for(future, DRAIN_S)
            latencies.append(time.perf_counter() - start)
    return latencies


def percentiles(latencies: Sequence[float]) -> tuple[float, float]:
    """(median, 99th percentile) in milliseconds; zeros for none."""
    if len(latencies) < 2:
        value = latencies[0] * 1000 if latencies else 0.0
        return value, value
    cuts = quantiles(latencies, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


async def measure_live(*, nodes: int, seconds: float, outstanding: int) -> dict[str, Any]:
    """Start a PBFT network, load it, and report. Raises LoadFailed."""
    accounts = 1_000
    with tempfile.TemporaryDirectory(prefix="raclette-bench-") as folder:
        async with LocalNetwork(NetworkPlan(Path(folder), nodes=nodes, protocol="pbft", accounts=accounts)) as network:
            clients = [node.client for node in network.nodes]
            chain = network.genesis.chain_id
            raws = sample_transfers(int(RATE_MAX * (seconds + WARM_UP_S)), 1, chain, accounts=accounts - 1)
            singles = sample_transfers(SINGLES, 2, chain, accounts=1, first_account=accounts - 1)
            single = await single_requests(clients[0], singles)
            turns = sample_turns_of("bank", len(raws), accounts - 1)
            loop = ClosedLoop(clients, raws, turns, outstanding)
            run = asyncio.create_task(loop.run(clients[0]))
            await asyncio.sleep(WARM_UP_S)
            start, cpu = time.perf_counter(), network.cpu_seconds()
            await asyncio.sleep(seconds)
            end, cpu = time.perf_counter(), network.cpu_seconds() - cpu
            loop.stop()
            await run
    if loop.refused:
        raise LoadFailed(f"{len(loop.refused)} transfers refused, the first: {loop.refused[0]}")
    counted = [latency for when, latency in loop.committed if start <= when < end]
    p50, p99 = percentiles(counted)
    single_p50, single_p99 = percentiles(single)
    return {
        "nodes": nodes,
        "committed_per_s": len(counted) / (end - start),
        "p50_ms": p50,
        "p99_ms": p99,
        "single_p50_ms": single_p50,
        "single_p99_ms": single_p99,
        "cpu_us_per_transaction": cpu * 1e6 / max(1, len(counted)),
        "outstanding": outstanding,
        "seconds": end - start,
        "durable": True,
    }
