"""Transactions inside the node: from clients and peers into the mempool, out by gossip, back after a reorganisation.

A client's transaction is in the outbox (on disk) before its hash is returned, and published again from there until a
block contains it or it has become impossible: a node that crashes after saying "yes" still delivers.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from raclette.chain.ledger import Early, StateReader, Transaction
from raclette.gossip.events import Topic
from raclette.node.host import Accepted, Lane
from raclette.node.pledges import Pledges
from raclette.node.wire import TRANSACTIONS_PER_FRAME_MAX, encode_transactions
from raclette.primitives.errors import PeerFault, Refused
from raclette.primitives.units import SECOND

if TYPE_CHECKING:
    from raclette.node.node import Node

OWNER = "transactions"
# How often the mempool forgets what is too old, and local transactions that no block took are published again.
SWEEP_INTERVAL = 10 * SECOND
# Most candidates remembered as doubtful between two sweeps.
DOUBTS_MAX = 1_024
# Transactions that one peer may send between two sweeps and we refuse, over those we take. A signature costs 60 us to
# recover, so this is half a percent of a processor; what honest peers relay to us is refused far more rarely.
WORTHLESS_MAX = 1_000
# Refusals that say nothing against whoever relayed the transaction.
BLAMELESS = frozenset({"already-known", "pool-full"})
# Most pooled transactions announced to a new neighbour.
OFFER_MAX = 4_000
# Most bytes of transactions in one gossip frame: far below a frame's limit, and small enough to share a link fairly.
FRAME_TRANSACTION_BYTES = 512 * 1024


class TransactionDesk:
    """Everything that happens to a transaction before a block takes it."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._chain = node.chain
        self._mempool = node.mempool
        self._spread = node.spread
        self._out = node.out
        self._pledges = Pledges(node.store)
        self.refused: dict[str, int] = {}
        # Of each peer since the last sweep: refused, less taken.
        self._worthless: dict[bytes, int] = {}
        # Candidates that could not be executed when a block was built; looked at again in the next sweep.
        self._doubtful: dict[bytes, None] = {}
        node.chain.on_refused = self._doubt
        node.spread.serve(Topic.TRANSACTIONS, self._payloads)

    def start(self) -> None:
        """Take up again what local clients were promised before a crash."""
        self._out.set_timer(OWNER, "sweep", SWEEP_INTERVAL)
        for raw in self._pledges.recover(self._out.now):
            self._take_back(raw)

    def submit(self, transaction: Transaction) -> None:
        """A local client's transaction. Raises Refused."""
        self._mempool.add(transaction, self._state(), self._out.now)
        self._pledges.keep(transaction, self._out.now)
        self._out.emit(Accepted(transaction))
        self._spread.publish(Topic.TRANSACTIONS, (transaction.hash,))
        self._out.barrier()

    def received(self, peer: bytes, transactions: Sequence[Transaction]) -> None:
        """A peer's transactions: the new and acceptable ones go on to others."""
        by_hash = {transaction.hash: transaction for transaction in transactions}
        if self._node.blocks.waits:
            self._node.blocks.gossiped(transactions)
        fresh = self._spread.fresh(peer, Topic.TRANSACTIONS, tuple(by_hash))
        state = self._state()
        taken: list[bytes] = []
        worthless = 0
        for item in fresh:
            transaction = by_hash[item]
            try:
                self._mempool.add(transaction, state, self._out.now)
            except Refused as error:
                # Not the peer's fault, one by one: it may be a block ahead of us, or behind.
                self.refused[error.reason] = self.refused.get(error.reason, 0) + 1
                worthless += error.reason not in BLAMELESS and self._chain.locate(item) is None
                continue
            self._out.emit(Accepted(transaction))
            taken.append(item)
        if taken:
            self._spread.publish(Topic.TRANSACTIONS, tuple(taken), peer)
        self._weigh(peer, worthless - len(taken))

    def _weigh(self, peer: bytes, worthless: int) -> None:
        """By the hundred they are: a stranger signs for nothing what costs us a recovery. Raises PeerFault."""
        if self._node.sync.progress() is not None:
            return  # it is we who are behind
        total = self._worthless[peer] = max(0, self._worthless.get(peer, 0) + worthless)
        if total > WORTHLESS_MAX:
            self._worthless[peer] = 0
            raise PeerFault("worthless-transactions", f"{total} refused in {SWEEP_INTERVAL // SECOND} s")

    def greet(self, peer: bytes) -> None:
        """Tell a new neighbour what waits here; it asks for what it lacks."""
        waiting = tuple(transaction.hash for transaction in self._mempool.best(OFFER_MAX))
        self._spread.offer(peer, Topic.TRANSACTIONS, waiting)

    def head_moved(self, returned: Sequence[Transaction], included: Sequence[Transaction]) -> None:
        """The head moved: what was taken out waits again, what is in leaves."""
        state = self._state()
        if returned:
            inside = {transaction.hash for transaction in included}
            outside = [transaction for transaction in returned if transaction.hash not in inside]
            self._mempool.returned(outside, state, self._out.now)
        if included:
            self._mempool.included(included, state)
            self._pledges.settle([transaction.hash for transaction in included])

    def fired(self, name: str) -> None:
        """The sweep timer."""
        if name != "sweep":
            return
        self._out.set_timer(OWNER, "sweep", SWEEP_INTERVAL)
        self._worthless.clear()
        self._mempool.expire(self._out.now)
        self._clear_doubts()
        due = self._pledges.due(self._out.now)
        self._pledges.settle([item for item in due if item not in self._mempool])
        for frame, kind in self._payloads(due):
            self._out.transmit(self._node.links.all(), Lane.TRANSACTIONS, frame, kind)

    def _doubt(self, refused: Sequence[tuple[Transaction, str]]) -> None:
        """A proposer left these out. Perhaps only on top of blocks that never come to be, so nothing is dropped yet."""
        for transaction, _ in refused[: DOUBTS_MAX - len(self._doubtful)]:
            self._doubtful[transaction.hash] = None

    def _clear_doubts(self) -> None:
        """Drop what the head's state makes impossible: the sender's money went elsewhere."""
        doubtful, self._doubtful = self._doubtful, {}
        state = self._state()
        for item in doubtful:
            transaction = self._mempool.get(item)
            if transaction is None:
                continue
            try:
                self._node.ledger.admit(transaction, state)
            except Refused as error:
                self._mempool.discard(item)
                if isinstance(error, Early) and self._waits_again(transaction, state):
                    continue
                self._pledges.settle([item])
                self._out.note("transaction-dropped", hash=item.hex(), reason=error.reason)

    def _waits_again(self, transaction: Transaction, state: StateReader) -> bool:
        """A reorganisation has put what it needs back into the pool, and it waits behind that."""
        try:
            self._mempool.add(transaction, state, self._out.now)
        except Refused:
            return False
        return True

    def _state(self) -> StateReader:
        return self._chain.state(self._chain.head.hash)

    def _take_back(self, raw: bytes) -> None:
        transaction = self._node.decode(raw)
        try:
            self._mempool.add(transaction, self._state(), self._out.now)
        except Refused:
            self._pledges.settle([transaction.hash])  # a block took it, or its nonce, while we were away
            return
        self._spread.publish(Topic.TRANSACTIONS, (transaction.hash,))

    def _payloads(self, ids: Sequence[bytes]) -> list[tuple[bytes, str]]:
        held = [transaction.raw for item in ids if (transaction := self._mempool.get(item)) is not None]
        return [(encode_transactions(raws), "transactions") for raws in _batches(held)]


def _batches(raws: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Cut into what fits a frame, by count and by size."""
    batch: list[bytes] = []
    size = 0
    for raw in raws:
        if batch and (len(batch) == TRANSACTIONS_PER_FRAME_MAX or size + len(raw) > FRAME_TRANSACTION_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(raw)
        size += len(raw)
    if batch:
        yield batch
