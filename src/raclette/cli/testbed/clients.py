"""The scenario's clients against real nodes: the same transfers at the same times, and the same insistence."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from raclette.cli.client import RpcError, Unreachable
from raclette.cli.network import LocalNode
from raclette.cli.testbed.observe import Observatory
from raclette.primitives.hashing import keccak256
from raclette.primitives.units import SECOND
from raclette.sim.record import NEVER, Order

# A node that does not answer a submission within this is passed over, as a client would do.
SUBMIT_S = 2.0


class Clients:
    """`raws` go out at `times` (ns since the start), each to the next node in turn, and again to another one every
    `patience` ns until some node has executed it."""

    def __init__(
        self,
        nodes: Sequence[LocalNode],
        raws: Sequence[bytes],
        times: Sequence[int],
        patience: int,
        observatory: Observatory,
    ) -> None:
        self.hashes = ["0x" + keccak256(raw).hex() for raw in raws]
        self.refused: dict[str, int] = {}
        self._nodes = nodes
        self._raws = raws
        self._times = times
        self._patience = patience
        self._seen = observatory
        self._submitted = [NEVER] * len(raws)

    async def run(self) -> None:
        """Until everything is executed; cancelled when the run's patience ends."""
        await asyncio.gather(*(self._insist(number) for number in range(len(self._raws))))

    @property
    def waiting(self) -> int:
        """Transactions that nobody has executed."""
        return sum(1 for item in self.hashes if item not in self._seen.executed)

    def orders(self) -> list[Order]:
        """As a record holds them."""
        pairs = zip(self._submitted, self.hashes, strict=True)
        return [Order(sent, self._seen.executed.get(item, NEVER)) for sent, item in pairs]

    async def _insist(self, number: int) -> None:
        await asyncio.sleep(max(0, self._times[number] - self._seen.now) / SECOND)
        attempt = number
        while self.hashes[number] not in self._seen.executed:
            if self._submitted[number] == NEVER:
                self._submitted[number] = self._seen.now
            await self._submit(self._nodes[attempt % len(self._nodes)], self._raws[number])
            attempt += 1
            until = self._seen.now + self._patience
            while self._seen.now < until and self.hashes[number] not in self._seen.executed:
                await asyncio.sleep(0.02)

    async def _submit(self, node: LocalNode, raw: bytes) -> None:
        with suppress(Unreachable, TimeoutError):
            try:
                await asyncio.wait_for(node.client.call("eth_sendRawTransaction", "0x" + raw.hex()), SUBMIT_S)
            except RpcError as error:
                self.refused[str(error)] = self.refused.get(str(error), 0) + 1
