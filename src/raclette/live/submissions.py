"""Transactions of this process's own clients, on their way to the node."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from raclette.chain.ledger import Transaction
from raclette.live.effects import EffectQueue
from raclette.node.host import HostEffect
from raclette.primitives.errors import Refused

# Transactions decoded in one go on the loop, when there is no thread for it: about two milliseconds.
DECODE_SLICE = 32


class Submissions:
    """Decodes (67 us of signature recovery each), hands over, and answers when what the node did in consequence has
    been carried out, its `Flush` included: what a client was told "yes" about is on disk."""

    def __init__(
        self,
        decode: Callable[[bytes], Transaction],
        submit: Callable[[Transaction], None],
        effects: EffectQueue[HostEffect],
        has_failed: Callable[[], bool],
        *,
        threaded: bool,
    ) -> None:
        """`submit` gives one transaction to the node. Raises Refused."""
        self._decode = decode
        self._submit = submit
        self._effects = effects
        self._has_failed = has_failed
        self._decoder = ThreadPoolExecutor(1, "decode") if threaded else None

    async def one(self, raw: bytes) -> bytes:
        """The transaction's hash. Raises Refused."""
        transaction = self._decode(raw)
        self._submit(transaction)
        await self._settled()
        return transaction.hash

    async def many(self, raws: Sequence[bytes]) -> list[bytes | Refused]:
        """Hash or refusal of each, in order."""
        results: list[bytes | Refused] = []
        if self._decoder is not None:
            loop = asyncio.get_running_loop()
            decoded = await loop.run_in_executor(self._decoder, self._decode_all, raws)
            results = [self._try(one) for one in decoded]
        else:
            for start in range(0, len(raws), DECODE_SLICE):
                results += [self._try(one) for one in self._decode_all(raws[start : start + DECODE_SLICE])]
                await asyncio.sleep(0)
        await self._settled()
        return results

    def close(self) -> None:
        """Decode nothing more."""
        if self._decoder is not None:
            self._decoder.shutdown(wait=False, cancel_futures=True)

    def _decode_all(self, raws: Sequence[bytes]) -> list[Transaction | Refused]:
        decoded: list[Transaction | Refused] = []
        for raw in raws:
            try:
                decoded.append(self._decode(raw))
            except Refused as refusal:
                decoded.append(refusal)
        return decoded

    def _try(self, decoded: Transaction | Refused) -> bytes | Refused:
        if isinstance(decoded, Refused):
            return decoded
        try:
            self._submit(decoded)
        except Refused as refusal:
            return refusal
        return decoded.hash

    async def _settled(self) -> None:
        """Raises Refused if the node fails before its effects are out."""
        if not len(self._effects):
            return
        try:
            await self._effects.mark()
        except asyncio.CancelledError:
            if not self._has_failed():
                raise
            raise Refused("node-failed", "the node has stopped") from None
