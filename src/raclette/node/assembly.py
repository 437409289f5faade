"""Blocks on their way from short ids to whole: what waits for missing transactions, and whom to ask.

A message about a block waits here until its body is complete. Proposals travel in a faster lane than transactions, so
most of what is missing is already on its way: it gets a moment to arrive. Then the peer that sent the message is asked
for exactly what the mempool lacks; if it is silent, or the ids collided (the root does not match), the whole body is
asked for, from each peer that mentioned the block in turn.

A header is signed or worked for; the list of short ids beside it is not. So each sender's list is an offer of its own:
a false one costs its sender, and the block is filled from the others.
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
# ... and of those, by one peer's word: its flood pushes out its own, not what others announced.
ASSEMBLIES_PER_PEER_MAX = 16
# Most messages that wait for the same block (a proposal, its re-proposal, its announcement, by several peers).
WAITING_PER_BLOCK_MAX = 16
# ... and by one of them: it has few reasons to speak twice of a block that it knows we do not have.
WAITING_PER_PEER_MAX = 4
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


class _Offer:
    """One list of short ids, being filled; several peers may have sent the same."""

    __slots__ = ("missing", "reassembly")

    def __init__(self, reassembly: Reassembly) -> None:
        self.reassembly = reassembly
        # Short ids that gossip may still bring, with their indexes; empty once we have asked.
        self.missing = reassembly.missing_ids()


class _Pending:
    __slots__ = ("asked", "attempts", "offers", "owner", "waiting")

    def __init__(self, owner: bytes) -> None:
        self.owner = owner
        self.waiting: list[Waiting] = []
        # Who offered what, in the order of arrival.
        self.offers: dict[bytes, _Offer] = {}
        self.asked: bytes = b""
        self.attempts = 0

    def messages_of(self, peer: bytes) -> int:
        """How many messages of this peer wait."""
        return sum(waiting.peer == peer for waiting in self.waiting)

    def withdraw(self, peer: bytes) -> None:
        """This peer's list was wrong: forget it, and what the peer said."""
        self.offers.pop(peer, None)
        self.waiting = [waiting for waiting in self.waiting if waiting.peer != peer]


class Assemblies:
    """All blocks that wait for transactions, oldest first."""

    def __init__(self) -> None:
        self._pending: OrderedDict[bytes, _Pending] = OrderedDict()

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, waiting: Waiting, reassembly: Reassembly) -> Step:
        """A message arrived whose block is not here. None: its body is being waited for already.

        Raises InvalidBlock (body-root) if the sender's list cannot be the block's."""
        block_hash, peer = waiting.message.header.hash, waiting.peer
        pending = self._pending.get(block_hash)
        known = pending is not None
        if pending is None:
            pending = self._pending[block_hash] = _Pending(peer)
            self._make_room(peer)
        elif len(pending.waiting) >= WAITING_PER_BLOCK_MAX or pending.messages_of(peer) >= WAITING_PER_PEER_MAX:
            return None
        pending.waiting.append(waiting)
        if peer in pending.offers:
            return None
        same = (offer for offer in pending.offers.values() if offer.reassembly.ids == reassembly.ids)
        offer = next(same, None)
        if offer is not None:
            pending.offers[peer] = offer
            return None
        offer = pending.offers[peer] = _Offer(reassembly)
        ready = self._completed(block_hash, pending, peer, offer)
        if ready is not None:
            return ready
        if known:
            return None
        return Wait(block_hash, GOSSIP_GRACE) if offer.missing else self.ask(block_hash)

    def gossiped(self, transactions: Sequence[Transaction]) -> list[Ready]:
        """These came by gossip: which blocks do they complete?"""
        ready: list[Ready] = []
        for block_hash, pending in list(self._pending.items()):
            for peer, offer in list(pending.offers.items()):
                if not self._found(offer, transactions):
                    continue
                try:
                    done = self._completed(block_hash, pending, peer, offer)
                except InvalidBlock:
                    continue  # the list was wrong, not what gossip brought
                if done is not None:
                    ready.append(done)
                    break
        return ready

    def answered(self, peer: bytes, block_hash: bytes, items: Items) -> Step:
        """Transactions came. Unasked answers are ignored. Raises PeerFault if they do not fit: `ask` goes on with the
        others."""
        pending = self._pending.get(block_hash)
        if pending is None or peer != pending.asked:
            return None
        pending.asked = b""
        offer = pending.offers[peer]
        try:
            offer.reassembly.fill({index: transaction.raw for index, transaction in items})
        except InvalidBlock:
            self._withdraw(block_hash, pending, peer)
            raise
        return self._completed(block_hash, pending, peer, offer) or self.ask(block_hash)

    def timed_out(self, block_hash: bytes) -> Step:
        """Gossip had its moment: ask for what is missing. Nobody answered in time: ask the next one for all of it."""
        return self.ask(block_hash, everything=True)

    def ask(self, block_hash: bytes, *, everything: bool = False) -> Ask | None:
        """Ask the next peer for what its list lacks (or for `everything`, if somebody was asked before). None: nothing
        waits for this block (any more)."""
        pending = self._pending.get(block_hash)
        if pending is None:
            return None
        if pending.attempts >= ATTEMPTS_MAX:
            del self._pending[block_hash]
            return None
        peers = list(pending.offers)
        peer = peers[pending.attempts % len(peers)]
        offer = pending.offers[peer]
        for other in pending.offers.values():
            other.missing = {}
        if everything and pending.attempts:
            offer.reassembly.forget_all()
        pending.attempts += 1
        pending.asked = peer
        return Ask(peer, GetBlockTransactions(block_hash, offer.reassembly.missing()))

    def arrived(self, block: Block) -> tuple[Waiting, ...]:
        """The block came some other way: release what waited for it."""
        pending = self._pending.pop(block.hash, None)
        return tuple(pending.waiting) if pending is not None else ()

    def _make_room(self, peer: bytes) -> None:
        own = [block_hash for block_hash, pending in self._pending.items() if pending.owner == peer]
        if len(own) > ASSEMBLIES_PER_PEER_MAX:
            del self._pending[own[0]]
        elif len(self._pending) > ASSEMBLIES_MAX:
            self._pending.popitem(last=False)

    def _found(self, offer: _Offer, transactions: Sequence[Transaction]) -> bool:
        """Put what gossip brought in its place. True: nothing is missing now."""
        if not offer.missing:
            return False
        found = {}
        for transaction in transactions:
            index = offer.missing.pop(transaction.hash[:SHORT_ID_BYTES], None)
            if index is not None:
                found[index] = transaction.raw
        try:
            offer.reassembly.fill(found)
        except InvalidBlock:
            offer.missing = {}  # more than a block may hold: its sender will have to prove it
            return False
        return not offer.missing

    def _completed(self, block_hash: bytes, pending: _Pending, peer: bytes, offer: _Offer) -> Ready | None:
        try:
            block = offer.reassembly.block()
        except InvalidBlock:
            self._withdraw(block_hash, pending, peer)
            raise
        if block is None:
            return None
        del self._pending[block_hash]
        return Ready(block, tuple(pending.waiting))

    def _withdraw(self, block_hash: bytes, pending: _Pending, peer: bytes) -> None:
        pending.withdraw(peer)
        if not pending.offers:
            del self._pending[block_hash]
