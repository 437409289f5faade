"""Blocks on their way from short ids to whole: what waits for missing transactions, and whom to ask.

A message about a block waits here until its body is complete. Proposals travel in a faster lane than transactions, so
most of what is missing is already on its way: it gets a moment to arrive. Then the peer that sent the message is asked
for exactly what the mempool lacks; if it is silent, or the ids collided (the root does not match), the whole body is
asked for, from each peer that mentioned the block in turn.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from raclette.chain.block import Block
from raclette.chain.compact import Reassembly
from raclette.chain.ledger import Transaction
from raclette.chain.mempool import SHORT_ID_BYTES
from raclette.engine.message import CarriesBlock
from raclette.node.wire import GetBlockTransactions
from raclette.primitives.errors import InvalidBlock
from raclette.primitives.units import MILLISECOND

# Timers of this part: named by the block's hash.
OWNER = "assembly"
# Most blocks waiting at once. A pipelined engine has a handful in flight; the rest is somebody's flood.
ASSEMBLIES_MAX = 64
# Most messages that wait for the same block (a proposal, its re-proposal, its announcement, by several peers).
WAITING_PER_BLOCK_MAX = 16
# How long missing transactions may take to arrive by gossip before they are asked for: a few batches' delay.
GOSSIP_GRACE = 10 * MILLISECOND
# How long a peer may take to answer: several times a bad round trip.
ANSWER_TIMEOUT = 500 * MILLISECOND
# Times a block's body is asked for before it is given up; a finality proof or sync brings it then.
ATTEMPTS_MAX = 8


Items: TypeAlias = tuple[tuple[int, Transaction], ...]


class Waiting(NamedTuple):
    """A message held back, and who sent it how."""

    peer: bytes
    message: CarriesBlock
    public: bool


class Ask(NamedTuple):
    """Send `request` to `peer`, and set the timer of this block."""

    peer: bytes
    request: GetBlockTransactions
    timeout: int = ANSWER_TIMEOUT


class Wait(NamedTuple):
    """Give gossip until `delay` nanoseconds have passed, then call `timed_out`."""

    block_hash: bytes
    delay: int


class Ready(NamedTuple):
    """The block is whole: these messages can go to the engine."""

    block: Block
    waiting: tuple[Waiting, ...]


Step: TypeAlias = Ask | Wait | Ready | None


class _Pending:
    __slots__ = ("asked", "attempts", "missing", "peers", "reassembly", "waiting")

    def __init__(self, reassembly: Reassembly) -> None:
        self.reassembly = reassembly
        self.waiting: list[Waiting] = []
        self.peers: list[bytes] = []
        self.asked: bytes = b""
        self.attempts = 0
        # Short ids that gossip may still bring, with their indexes; empty once we have asked.
        self.missing: dict[bytes, int] = {}


class Assemblies:
    """All blocks that wait for transactions, oldest first."""

    def __init__(self) -> None:
        self._pending: OrderedDict[bytes, _Pending] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, waiting: Waiting, reassembly: Reassembly) -> Step:
        """A message arrived whose block is not here. None: its body is being waited for already."""
        block_hash = waiting.message.header.hash
        pending = self._pending.get(block_hash)
        if pending is not None:
            if len(pending.waiting) < WAITING_PER_BLOCK_MAX:
                pending.waiting.append(waiting)
                pending.peers.append(waiting.peer)
            return None
        pending = _Pending(reassembly)
        pending.waiting.append(waiting)
        pending.peers.append(waiting.peer)
        self._pending[block_hash] = pending
        if len(self._pending) > ASSEMBLIES_MAX:
            self._pending.popitem(last=False)
        pending.missing = reassembly.missing_ids()
        if pending.missing:
            return Wait(block_hash, GOSSIP_GRACE)
        return self._step(block_hash, pending)

    def gossiped(self, transactions: Sequence[Transaction]) -> list[Ready]:
        """These came by gossip: which blocks do they complete?"""
        ready: list[Ready] = []
        for block_hash, pending in list(self._pending.items()):
            if not pending.missing:
                continue
            found = {}
            for transaction in transactions:
                index = pending.missing.pop(transaction.hash[:SHORT_ID_BYTES], None)
                if index is not None:
                    found[index] = transaction.raw
            if not found:
                continue
            pending.reassembly.fill(found)
            if not pending.missing:
                step = self._step(block_hash, pending)
                if isinstance(step, Ready):
                    ready.append(step)
        return ready

    def answered(self, peer: bytes, block_hash: bytes, items: Items) -> Step:
        """Transactions came. Unasked answers are ignored. Raises PeerFault if they do not fit."""
        pending = self._pending.get(block_hash)
        if pending is None or peer != pending.asked:
            return None
        pending.asked = b""
        pending.reassembly.fill({index: transaction.raw for index, transaction in items})
        return self._step(block_hash, pending)

    def timed_out(self, block_hash: bytes) -> Step:
        """Gossip had its moment: ask for what is missing. Nobody answered in time: ask the next one for all of it."""
        pending = self._pending.get(block_hash)
        if pending is None:
            return None
        pending.missing = {}
        if pending.attempts:
            pending.reassembly.forget_all()
        return self._step(block_hash, pending)

    def arrived(self, block: Block) -> tuple[Waiting, ...]:
        """The block came some other way: release what waited for it."""
        pending = self._pending.pop(block.hash, None)
        return tuple(pending.waiting) if pending is not None else ()

    def _step(self, block_hash: bytes, pending: _Pending) -> Step:
        try:
            block = pending.reassembly.block()
        except InvalidBlock:
            del self._pending[block_hash]
            raise
        if block is not None:
            del self._pending[block_hash]
            return Ready(block, tuple(pending.waiting))
        if pending.attempts >= ATTEMPTS_MAX:
            del self._pending[block_hash]
            return None
        peer = pending.peers[pending.attempts % len(pending.peers)]
        pending.attempts += 1
        pending.asked = peer
        return Ask(peer, GetBlockTransactions(block_hash, pending.reassembly.missing()))
