"""Watching real nodes: every node's new heads, finality and counters, put together into the record of a run.

The same record as the simulator's (`sim.record.RunRecord`), so the same figures can be drawn of both. Times are those
at which news reached the watcher, about a millisecond after they happened.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from raclette.cli.client import RpcClient, RpcError, Unreachable
from raclette.cli.network import LocalNode
from raclette.sim.record import NEVER, UNKNOWN, BlockRecord, Finality, HeadChange, RunRecord

# Between tries to reach a node that is down.
RETRY_S = 0.1
# After so long without news the node is asked.
QUIET_S = 0.5


class Observatory:
    """Follows `nodes` until it is closed. `start` is the moment (monotonic ns) from which times count."""

    def __init__(self, nodes: Sequence[LocalNode], record: RunRecord, miners: Mapping[str, int]) -> None:
        """`miners`: which node a block's beneficiary (lower-case hex) is."""
        self.record = record
        self.executed: dict[str, int] = {}
        self.start = time.monotonic_ns()
        self._nodes = nodes
        self._miners = miners
        self._places: dict[str, int] = {}
        self._transactions: dict[int, list[str]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._locks = [asyncio.Lock() for _ in nodes]
        self._final = [0] * len(nodes)

    @property
    def now(self) -> int:
        """Ns since the start."""
        return time.monotonic_ns() - self.start

    async def open(self) -> None:
        """Take genesis from the first node, and begin."""
        genesis = await self._nodes[0].client.call("eth_getBlockByNumber", "0x0", False)
        self._add(genesis, 0)
        self.record.reached[0] = [0] * self.record.nodes
        self._tasks = [asyncio.create_task(self._follow(index)) for index in range(len(self._nodes))]

    async def close(self) -> None:
        """Stop following. Raises what went wrong in watching, if something did."""
        for task in self._tasks:
            task.cancel()
        for end in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(end, Exception):
                raise end

    async def _follow(self, index: int) -> None:
        """Every head of one node, through all its crashes."""
        client = self._nodes[index].client
        while True:
            with suppress(Unreachable, RpcError, TimeoutError):
                async with client.socket() as socket, aclosing(socket.heads()) as heads:
                    await self._listen(index, client, heads)
            await asyncio.sleep(RETRY_S)

    async def _listen(self, index: int, client: RpcClient, heads: AsyncGenerator[dict[str, Any], None]) -> None:
        """Take what the node announces, and look for oneself when it is quiet: what it adopted before it heard of the
        subscription is announced to nobody."""
        while True:
            coming = asyncio.ensure_future(anext(heads, None))
            try:
                while not (await asyncio.wait({coming}, timeout=QUIET_S))[0]:
                    await self._take(index, client, await client.call("eth_getBlockByNumber", "latest", False))
                head = await coming
            finally:
                coming.cancel()
                await asyncio.wait({coming})
            if head is None:
                return
            await self._take(index, client, head)

    async def _take(self, index: int, client: RpcClient, head: Mapping[str, Any]) -> None:
        """`head` is the head of node `index` now."""
        now = self.now
        async with self._locks[index]:
            place = await self._place(client, head["hash"], now)
            before = next((c.block for c in reversed(self.record.heads) if c.node == index), 0)
            if place != before:
                self.record.heads.append(HeadChange(now, index, place, self._given_up(before, place)))
            cursor = place
            while cursor > 0 and self.record.reached[cursor][index] == NEVER:
                self.record.reached[cursor][index] = now
                for item in self._transactions[cursor]:
                    self.executed.setdefault(item, now)
                cursor = self.record.blocks[cursor].parent
            final = await client.call("eth_getBlockByNumber", "finalized", False)
            height = int(final["number"], 16)
            if height > self._final[index]:
                self._final[index] = height
                self.record.finals.append(Finality(self.now, index, await self._place(client, final["hash"], now)))

    def _given_up(self, before: int, after: int) -> int:
        """Blocks of the branch of `before` that are not on that of `after`."""
        blocks, count = self.record.blocks, 0
        branch = {after}
        while after > 0:
            after = blocks[after].parent
            branch.add(after)
        while before not in branch and before >= 0:
            before, count = blocks[before].parent, count + 1
        return count

    async def _place(self, client: RpcClient, block_hash: str, now: int) -> int:
        """The number of a block; ancestors that nobody has shown yet come before it."""
        missing: list[Mapping[str, Any]] = []
        while block_hash not in self._places:
            block = await client.call("eth_getBlockByHash", block_hash, False)
            if block is None:
                raise Unreachable(f"a node does not know its own block {block_hash}")
            missing.append(block)
            block_hash = block["parentHash"]
        for block in reversed(missing):
            if block["hash"] not in self._places:
                self._add(block, now)
        return self._places[missing[0]["hash"] if missing else block_hash]

    def _add(self, block: Mapping[str, Any], born: int) -> None:
        place = self._places[block["hash"]] = len(self.record.blocks)
        self._transactions[place] = list(block["transactions"])
        self.record.blocks.append(
            BlockRecord(
                hash=block["hash"],
                parent=self._places.get(block["parentHash"], UNKNOWN),
                height=int(block["number"], 16),
                miner=self._miners.get(block["miner"].lower(), UNKNOWN),
                born=born,
                bytes=int(block["size"], 16),
                transactions=len(block["transactions"]),
                work=int(block["difficulty"], 16),
            )
        )
        self.record.reached.append([NEVER] * self.record.nodes)

    # Looking at what is there

    def head(self, index: int) -> int:
        """The block that is the head of a node, as far as is known."""
        return next((c.block for c in reversed(self.record.heads) if c.node == index), 0)

    def branch(self, block: int) -> list[int]:
        """That block and its ancestors, newest first."""
        found = []
        while block >= 0:
            found.append(block)
            block = self.record.blocks[block].parent
        return found

    def transactions(self, block: int) -> list[str]:
        """Hashes of the block's transactions."""
        return self._transactions[block]

    def finish(self) -> RunRecord:
        """Mark what won and what is final."""
        record = self.record
        record.end = self.now
        lowest = min((self.head(index) for index in range(record.nodes)), key=lambda b: record.blocks[b].height)
        for block in self.branch(lowest):
            record.blocks[block].canonical = True
        for finality in record.finals:
            for block in self.branch(finality.block):
                if record.blocks[block].final:
                    break
                record.blocks[block].final = True
        record.blocks[0].final = True
        return record


async def count_frames(nodes: Sequence[LocalNode], record: RunRecord) -> None:
    """Frames and bytes that each living node has sent since it started, by kind, from its metrics page."""
    async with httpx.AsyncClient(timeout=10.0) as web:
        for index, node in enumerate(nodes):
            if not node.running:
                continue
            try:
                page = (await web.get(f"{node.metrics_url}/metrics")).text
            except httpx.HTTPError:
                continue  # it does not answer; that it should is for the verdict on liveness
            for family in text_string_to_metric_families(page):
                into = {"raclette_frames": record.sent, "raclette_frame_bytes": record.sent_bytes}.get(family.name)
                for sample in family.samples if into is not None else ():
                    if sample.labels.get("direction") == "out" and into is not None:
                        row = into.setdefault(sample.labels["kind"], [0] * record.nodes)
                        row[index] += int(sample.value)
