"""Blocks on their way from short ids to whole: what waits for missing transactions, and whom to ask.

A message about a block waits here until its body is complete. First the peer that sent it is asked for exactly what the
mempool lacks; if it is silent, or the ids collided (the root does not match), the whole body is asked for, from each
peer that mentioned the block in turn.
"""

from collections import OrderedDict
from typing import NamedTuple, TypeAlias

from raclette.chain.block import Block
from raclette.chain.compact import Reassembly
from raclette.chain.ledger import Transaction
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


class Ready(NamedTuple):
    """The block is whole: these messages can go to the engine."""

    block: Block
    waiting: tuple[Waiting, ...]


class _Pending:
    __slots__ = ("asked", "attempts", "peers", "reassembly", "waiting")

    def __init__(self, reassembly: Reassembly) -> None:
        self.reassembly = reassembly
        self.waiting: list[Waiting] = []
        self.peers: list[bytes] = []
        self.asked: bytes = b""
        self.attempts = 0


class Assemblies:
    """All blocks that wait for transactions, oldest first."""

    def __init__(self) -> None:
        self._pending: OrderedDict[bytes, _Pending] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, waiting: Waiting, reassembly: Reassembly) -> Ask | Ready | None:
        """A message arrived whose block is not here. None: wait for what is asked for already."""
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
        return self._step(block_hash, pending)

    def answered(self, peer: bytes, block_hash: bytes, items: Items) -> Ask | Ready | None:
        """Transactions came. Unasked answers are ignored. Raises PeerFault if they do not fit."""
        pending = self._pending.get(block_hash)
        if pending is None or peer != pending.asked:
            return None
        pending.asked = b""
        pending.reassembly.fill({index: transaction.raw for index, transaction in items})
        return self._step(block_hash, pending)

    def timed_out(self, block_hash: bytes) -> Ask | Ready | None:
        """Nobody answered in time: ask the next one for all of it."""
        pending = self._pending.get(block_hash)
        if pending is None:
            return None
        pending.reassembly.forget_all()
        return self._step(block_hash, pending)

    def arrived(self, block: Block) -> tuple[Waiting, ...]:
        """The block came some other way: release what waited for it."""
        pending = self._pending.pop(block.hash, None)
        return tuple(pending.waiting) if pending is not None else ()

    def _step(self, block_hash: bytes, pending: _Pending) -> Ask | Ready | None:
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
