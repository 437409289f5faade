"""Who is mined first and who is evicted first: lanes of transactions in two heaps.

The heaps are kept lazily: `heads` (best first, one entry per lane) and `tails` (worst first). An entry that is no
longer its lane's head or tail is skipped when it comes up, and a heap is rebuilt when most of it is stale: amortised
constant work. Reading in order does not disturb the heap: it walks it as a tree, with a second heap of what comes next.
"""

from collections.abc import Container, Iterator, Mapping
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from raclette.chain.ledger import Transaction
from raclette.primitives.errors import Misuse

# A heap or queue is rebuilt when it is this much longer than twice what is alive in it.
SLACK = 64


class Entry:
    """A waiting transaction. `in_heads`, `in_tails`: it is listed in that heap. `floor` is the least fee among it and
    those right before it, which must all be mined first: a dear tail does not protect a cheap lane."""

    __slots__ = ("arrival", "cost", "floor", "gone", "in_heads", "in_tails", "lane", "since", "transaction")

    def __init__(self, transaction: Transaction, lane: "Lane", arrival: int, since: int, cost: int) -> None:
        self.transaction = transaction
        self.lane = lane
        self.arrival = arrival
        self.since = since
        self.cost = cost
        before = lane.entries.get((transaction.nonce or 0) - 1)
        self.floor: int = transaction.fee if before is None else min(transaction.fee, before.floor)
        self.in_heads = False
        self.in_tails = False
        self.gone = False


class Lane:
    """One sender's transactions. Nonces in [next, end) are all present: they are pending."""

    __slots__ = ("bytes", "cost", "end", "entries", "key", "next", "nonces")

    def __init__(self, key: bytes, next_nonce: int) -> None:
        self.key = key
        self.next = next_nonce
        self.end = next_nonce
        self.entries: dict[int, Entry] = {}
        self.nonces: list[int] = []
        self.bytes = 0
        self.cost = 0


# (-fee, arrival, entry): unique by arrival, so entries are never compared.
_Head: TypeAlias = tuple[int, int, Entry]
# (pending?, floor, -arrival, entry)
_Tail: TypeAlias = tuple[bool, int, int, Entry]


def is_pending(entry: Entry) -> bool:
    """Executable once those before it are?"""
    lane = entry.lane
    return lane.next <= (entry.transaction.nonce or 0) < lane.end


class Ranking:
    """Orders the lanes of a pool. The pool says when an entry becomes a head or a tail, and when anything changed."""

    def __init__(self, lanes: Mapping[bytes, Lane]) -> None:
        self._lanes = lanes
        self._heads: list[_Head] = []
        self._tails: list[_Tail] = []
        # Counts the changes of the pool, so that a stale reading is noticed.
        self.version = 0

    def in_order(self, skip: Container[bytes]) -> Iterator[Transaction]:
        """Executable transactions, best first, a sender's in nonce order, without those in `skip`. Raises Misuse if the
        pool changes meanwhile."""
        heads, version = self._heads, self.version
        # The heap is walked as the binary tree it is: (-fee, arrival, index or -1, entry).
        ahead: list[tuple[int, int, int, Entry]] = []
        if heads:
            ahead.append((heads[0][0], heads[0][1], 0, heads[0][2]))
        while ahead:
            _, _, index, entry = heappop(ahead)
            lane = entry.lane
            transaction = entry.transaction
            nonce = transaction.nonce or 0
            if index >= 0:
                for child in (2 * index + 1, 2 * index + 2):
                    if child < len(heads):
                        fee, arrival, below = heads[child]
                        heappush(ahead, (fee, arrival, child, below))
                if entry.gone or nonce != lane.next:
                    continue
            following = lane.entries.get(nonce + 1)
            if following is not None:
                heappush(ahead, (-following.transaction.fee, following.arrival, -1, following))
            if transaction.hash in skip:
                continue
            yield transaction
            if version != self.version:
                raise Misuse("the pool changed while its candidates were read")

    def list_head(self, entry: Entry) -> None:
        """This entry is its lane's first executable one now."""
        if not entry.in_heads:
            if len(self._heads) > 2 * len(self._lanes) + SLACK:
                self._rebuild_heads()
                if entry.in_heads:
                    return
            entry.in_heads = True
            heappush(self._heads, (-entry.transaction.fee, entry.arrival, entry))

    def drop_stale_heads(self) -> None:
        """Off the top, where a block takes its transactions; what is stale further down waits its turn."""
        heads = self._heads
        while heads:
            entry = heads[0][2]
            if not entry.gone and (entry.transaction.nonce or 0) == entry.lane.next:
                break
            heappop(heads)
            entry.in_heads = False
        if len(heads) > 2 * len(self._lanes) + SLACK:
            self._rebuild_heads()

    def list_tail(self, entry: Entry) -> None:
        """This entry is its lane's last one now."""
        if not entry.in_tails:
            if len(self._tails) > 2 * len(self._lanes) + SLACK:
                self._rebuild_tails()
                if entry.in_tails:
                    return
            entry.in_tails = True
            heappush(self._tails, (is_pending(entry), entry.floor, -entry.arrival, entry))

    def worst(self) -> Entry | None:
        """The tail to evict first: queued before pending, then by fee, then the youngest."""
        while self._tails:
            was_pending, _, _, entry = self._tails[0]
            lane = entry.lane
            nonce = entry.transaction.nonce or 0
            if entry.gone or lane.nonces[-1] != nonce:
                heappop(self._tails)
                entry.in_tails = False
            elif was_pending != is_pending(entry):
                heappop(self._tails)
                entry.in_tails = False
                self.list_tail(entry)
            else:
                return entry
        return None

    def _rebuild_heads(self) -> None:
        for _, _, entry in self._heads:
            entry.in_heads = False
        self._heads = []
        for lane in self._lanes.values():
            head = lane.entries.get(lane.next)
            if head is not None:
                head.in_heads = True
                self._heads.append((-head.transaction.fee, head.arrival, head))
        heapify(self._heads)

    def _rebuild_tails(self) -> None:
        for *_, entry in self._tails:
            entry.in_tails = False
        self._tails = []
        for lane in self._lanes.values():
            tail = lane.entries[lane.nonces[-1]]
            tail.in_tails = True
            self._tails.append((is_pending(tail), tail.floor, -tail.arrival, tail))
        heapify(self._tails)
