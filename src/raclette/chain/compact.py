"""Compact blocks: a body as a list of short ids, filled from the mempool, with the rest asked for.

Source: BIP 152, "Compact Block Relay" (the idea; the encoding is ours).

A short id is the first SHORT_ID_BYTES of the transaction's hash. BIP 152 keys its ids per block, so that nobody can
prepare two transactions that collide; a receiver then has to hash its whole pool for every block. Ours are looked up
in an index that the pool keeps anyway. A prepared pair (2**32 hashes of work) costs what a lost packet costs: the root
does not match, the whole body is asked for. Nothing but the transactions root decides what a block contains.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from raclette.chain.block import BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, Block
from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.chain.mempool import SHORT_ID_BYTES
from raclette.chain.roots import ordered_root
from raclette.primitives.errors import DecodeError, InvalidBlock
from raclette.primitives.hashing import keccak256

Lookup: TypeAlias = Callable[[bytes], Transaction | None]
Root: TypeAlias = Callable[[Sequence[bytes]], bytes]


def encode_short_ids(transaction_hashes: Iterable[bytes]) -> bytes:
    """The short ids of a body, packed in order."""
    return b"".join([transaction_hash[:SHORT_ID_BYTES] for transaction_hash in transaction_hashes])


class Reassembly:
    """One block on its way from short ids to whole.

    `block()` gives it once everything is there and the root matches; `missing()` says what to ask for until then;
    `fill` takes the answers. Memory is bounded by BLOCK_TRANSACTIONS_MAX and BLOCK_BYTES_MAX.
    """

    __slots__ = ("_bytes", "_ids", "_raws", "_root", "_whole", "header")

    def __init__(self, header: Header, ids: bytes, lookup: Lookup, root: Root = ordered_root) -> None:
        """`ids` packed as by `encode_short_ids`; `lookup` is `Mempool.by_short_id`. Raises DecodeError."""
        if len(ids) % SHORT_ID_BYTES:
            raise DecodeError("short-id-size", f"{len(ids)} bytes are not whole ids")
        count = len(ids) // SHORT_ID_BYTES
        if count > BLOCK_TRANSACTIONS_MAX:
            raise DecodeError("short-id-count", f"{count}, at most {BLOCK_TRANSACTIONS_MAX}")
        self.header = header
        self._root = root
        self._ids = [ids[i : i + SHORT_ID_BYTES] for i in range(0, len(ids), SHORT_ID_BYTES)]
        self._bytes = 0
        # Everything comes from the peer now: what is wrong is the peer's fault.
        self._whole = False
        self._raws: list[bytes | None] = []
        for short in self._ids:
            known = lookup(short)
            self._raws.append(None if known is None else known.raw)
            self._bytes += 0 if known is None else len(known.raw)

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> list[bytes]:
        """The short ids, in order."""
        return self._ids

    def missing(self) -> tuple[int, ...]:
        """Indexes still to be asked for, in order; all of them after a mismatch."""
        return tuple(index for index, raw in enumerate(self._raws) if raw is None)

    def missing_ids(self) -> dict[bytes, int]:
        """Short id -> index of what is still to come."""
        return {self._ids[index]: index for index in self.missing()}

    def fill(self, items: Mapping[int, bytes]) -> None:
        """Take raw transactions by index. Those we have already are ignored.

        Raises InvalidBlock (bad-index, wrong-transaction, block-too-large); what fitted before it stays.
        """
        for index, raw in items.items():
            if not 0 <= index < len(self._ids):
                raise InvalidBlock("bad-index", f"{index} of {len(self._ids)} transactions")
            if self._raws[index] is not None:
                continue
            if keccak256(raw)[:SHORT_ID_BYTES] != self._ids[index]:
                raise InvalidBlock("wrong-transaction", f"the one at {index} does not have the id announced")
            if self._bytes + len(raw) > BLOCK_BYTES_MAX:
                raise InvalidBlock("block-too-large", f"more than {BLOCK_BYTES_MAX} bytes")
            self._raws[index] = raw
            self._bytes += len(raw)

    def block(self) -> Block | None:
        """The block if it is whole, else None. A mismatch drops what came from the pool, once; then it is a fault.

        Raises InvalidBlock (body-root) if a body that came whole from peers does not match the header.
        """
        raws = [raw for raw in self._raws if raw is not None]
        if len(raws) < len(self._raws):
            return None
        if self._root(raws) == self.header.transactions_root:
            return Block(self.header, tuple(raws))
        guilty = self._whole or not raws
        self.forget_all()
        if guilty:
            raise InvalidBlock("body-root", f"of block {self.header.number}")
        return None

    def forget_all(self) -> None:
        """Start again, from nothing: everything is missing."""
        self._raws = [None] * len(self._ids)
        self._bytes = 0
        self._whole = True


__all__ = ["SHORT_ID_BYTES", "Lookup", "Reassembly", "Root", "encode_short_ids"]
