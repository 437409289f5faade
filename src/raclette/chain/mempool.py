"""Transactions that wait: nonce order within a sender, best fee first between senders.

Idea: each sender's transactions form a lane in nonce order. The part of a lane that starts at the state's next nonce
and has no gap is *pending* (executable), the rest is *queued*. Blocks are filled from the pending heads by fee; when
the pool is full, the lane tails that pay least go first. Nothing here costs more than O(log n) per transaction.

The order itself is in `mempool_order.py`.

A ledger without nonces (`Transaction.nonce` is None) gets a lane per transaction; `conflicts` keep two transactions
that consume the same thing apart, and what needs another transaction first is held beside the lanes (`mempool_held`).

Wording of refusals follows geth's `core/txpool/errors.go`, since wallets and libraries look for it.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Container, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from raclette.chain.ledger import Early, Ledger, Standing, StateReader, Transaction
from raclette.chain.mempool_held import Held
from raclette.chain.mempool_order import SLACK, Entry, Lane, Ranking, is_pending
from raclette.chain.sampling import best_of_sample
from raclette.primitives.errors import Misuse, Refused
from raclette.primitives.randomness import Random
from raclette.primitives.units import HOUR, KIBIBYTE, MEBIBYTE

# Bytes of a transaction hash that name it in a compact block (see `compact.py`).
SHORT_ID_BYTES = 8


@dataclass(frozen=True, slots=True)
class MempoolLimits:
    """Bounds of the pool, and how blocks are chosen from it."""

    # Waiting transactions; four seconds of the fastest network we measured, and about 20 MB of memory.
    count_max: int = 10_000
    # Their bytes on the wire.
    bytes_max: int = 32 * MEBIBYTE
    # One sender's share. Enough for a payroll, small enough that filling the pool takes several funded accounts.
    sender_count_max: int = 2_500
    sender_bytes_max: int = 4 * MEBIBYTE
    # Largest transaction (geth's txMaxSize is 128 KiB).
    transaction_bytes_max: int = 128 * KIBIBYTE
    # How far beyond the sender's last executable nonce a transaction may lie: what gossip may reorder.
    gap_max: int = 1_024
    # Transactions held for others (ledgers without nonces), of all senders and of one: a long chain of payments.
    held_max: int = 1_024
    held_sender_max: int = 64
    # Least fee taken.
    fee_min: int = 0
    # Percent by which a replacement must pay more (geth's PriceBump), so that replacing is never free relay.
    price_bump: int = 10
    # Nanoseconds after which a transaction is forgotten (geth's Lifetime is three hours).
    age_max: int = 3 * HOUR
    # If `sample` is not 0: a block takes the `keep` best of `sample` randomly drawn transactions.
    sample: int = 0
    keep: int = 0


class Mempool:
    """The pool of one node. `state` arguments are the state after the adopted head."""

    def __init__(self, ledger: Ledger, limits: MempoolLimits | None = None, random: Random | None = None) -> None:
        """`random` is needed if `limits.sample` is set."""
        self.limits = limits or MempoolLimits()
        if self.limits.sample and random is None:
            raise Misuse("sampling blocks needs a seeded Random")
        self._ledger = ledger
        self._random = random
        self._entries: dict[bytes, Entry] = {}
        self._short: dict[bytes, Entry] = {}
        self._lanes: dict[bytes, Lane] = {}
        self._claims: dict[bytes, Entry] = {}
        # Per sender of loose (nonce-less) transactions: count and bytes.
        self._loose: dict[bytes, list[int]] = {}
        self._held = Held(self.limits.held_max, self.limits.held_sender_max)
        self._ranking = Ranking(self._lanes)
        self._by_age: deque[Entry] = deque()
        self._arrivals = 0
        self._bytes = 0
        self._pending = 0
        self._evicted = 0
        self._expired = 0
        self._replaced = 0

    # Questions

    def __len__(self) -> int:
        return len(self._entries) + len(self._held)

    def __contains__(self, transaction_hash: bytes) -> bool:
        return transaction_hash in self._entries or transaction_hash in self._held

    @property
    def version(self) -> int:
        """Another number after every change of what waits."""
        return self._ranking.version

    def hashes(self) -> Iterator[bytes]:
        """Hashes of all that waits, in order of arrival."""
        yield from self._entries
        yield from self._held

    def get(self, transaction_hash: bytes) -> Transaction | None:
        """The waiting transaction of that hash."""
        entry = self._entries.get(transaction_hash)
        return self._held.get(transaction_hash) if entry is None else entry.transaction

    def by_short_id(self, short_id: bytes) -> Transaction | None:
        """The waiting transaction whose hash starts with these SHORT_ID_BYTES bytes; not one that is held."""
        entry = self._short.get(short_id)
        return None if entry is None else entry.transaction

    def next_nonce(self, sender: bytes, state: StateReader) -> int:
        """First nonce after the sender's mined and pending transactions."""
        lane = self._lanes.get(sender)
        if lane is not None:
            return lane.end
        nonce: int = self._ledger.query("nonce", [sender], state)
        return nonce

    def of_sender(self, sender: bytes) -> list[Transaction]:
        """The sender's waiting transactions in nonce order, pending and queued."""
        lane = self._lanes.get(sender)
        return [] if lane is None else [lane.entries[nonce].transaction for nonce in lane.nonces]

    def best(self, limit: int) -> list[Transaction]:
        """Up to `limit` pending transactions in the order in which blocks take them."""
        out: list[Transaction] = []
        for transaction in self._ranking.in_order(()):
            if len(out) >= limit:
                break
            out.append(transaction)
        return out

    def stats(self) -> dict[str, int]:
        """Counts and bytes; `limit` is the count the pool takes."""
        return {
            "pending": self._pending,
            "queued": len(self) - self._pending,
            "bytes": self._bytes + self._held.bytes,
            "limit": self.limits.count_max,
            "senders": len(self._lanes),
            "evicted": self._evicted,
            "expired": self._expired,
            "replaced": self._replaced,
        }

    def candidates(self, skip: Container[bytes] = ()) -> Iterator[Transaction]:
        """Pending transactions for the next block: nonce order within a sender, best fee first, ties by arrival.

        `skip` holds the hashes of those in unadopted ancestors of that block; what follows them stays eligible. The
        pool must not change while the iterator is in use (raises Misuse).
        """
        if self.limits.sample and self._random is not None:
            waiting = [entry.transaction for entry in self._entries.values()]
            chosen = best_of_sample(waiting, self.of_pending, skip, self.limits.sample, self.limits.keep, self._random)
            return iter(chosen)
        return self._ranking.in_order(skip)

    def drawn(self, skip: Container[bytes], sample: int, keep: int, seed: int) -> list[Transaction]:
        """The `keep` best (all, if 0) of `sample` pending transactions, drawn by a lottery of this seed."""
        waiting = [entry.transaction for entry in self._entries.values() if is_pending(entry)]
        waiting.sort(key=lambda transaction: transaction.hash)
        return best_of_sample(waiting, self.of_pending, skip, sample, keep or sample, Random(seed))

    def has_pending_from(self, sender: bytes) -> bool:
        """Does an executable transaction of this sender wait?"""
        lane = self._lanes.get(sender)
        return sender in self._loose or (lane is not None and lane.next < lane.end)

    def of_pending(self, transaction: Transaction) -> Iterator[Transaction]:
        """The pending transactions of the same lane, in nonce order."""
        lane = self._lanes.get(_lane_key(transaction))
        if lane is not None:
            for nonce in range(lane.next, lane.end):
                yield lane.entries[nonce].transaction

    # Taking in

    def add(self, transaction: Transaction, state: StateReader, now: int = 0) -> Transaction | None:
        """Take `transaction`; returns the one it replaces, if any. `now` in nanoseconds, for expiry. One that needs
        others first is held while they wait.

        Raises Refused: already-known, oversized, underpriced, nonce-too-low, nonce-too-high, replacement-underpriced,
        conflict, insufficient-funds, account-limit, pool-full, short-id, or what `ledger.admit` says.
        """
        if transaction.hash in self:
            raise Refused("already-known", "already known")
        limits = self.limits
        size = len(transaction.raw)
        if size > limits.transaction_bytes_max:
            detail = f"oversized data: transaction size {size}, limit {limits.transaction_bytes_max}"
            raise Refused("oversized", detail)
        if transaction.fee < limits.fee_min:
            detail = f"transaction underpriced: gas tip cap {transaction.fee}, minimum needed {limits.fee_min}"
            raise Refused("underpriced", detail)
        if transaction.hash[:SHORT_ID_BYTES] in self._short:
            # Somebody spent 2**32 hashes on two transactions that look alike in compact blocks: one is enough.
            raise Refused("short-id", "already known: another transaction has the same short id")
        try:
            standing = self._ledger.admit(transaction, state)
        except Early as early:
            self._check_bounds(size)
            self._held.hold(transaction, early, self.__contains__, now)
            return None
        if transaction.nonce is None:
            replaced = self._check_loose(transaction)
        else:
            replaced = self._check_lane(transaction, transaction.nonce, standing)
        self._check_room(transaction, size, replaced)
        if replaced is not None:
            self._remove(replaced)
            self._replaced += 1
        self._insert(transaction, standing, now)
        return None if replaced is None else replaced.transaction

    def _check_lane(self, transaction: Transaction, nonce: int, standing: Standing) -> Entry | None:
        """Nonce, price and funds within the sender's lane. Returns what would be replaced."""
        next_nonce = standing.next_nonce or 0
        lane = self._lanes.get(transaction.sender)
        if nonce < next_nonce:
            raise Refused("nonce-too-low", f"nonce too low: next nonce {next_nonce}, tx nonce {nonce}")
        if lane is None:
            end, cost, count, held, old = next_nonce, 0, 0, 0, None
        else:
            if lane.next != next_nonce:
                self._settle(lane, next_nonce)
            end, cost, count, held = lane.end, lane.cost, len(lane.nonces), lane.bytes
            old = lane.entries.get(nonce)
        if nonce > end + self.limits.gap_max:
            detail = f"nonce too high: next nonce {end}, tx nonce {nonce}, at most {self.limits.gap_max} ahead"
            raise Refused("nonce-too-high", detail)
        if old is not None:
            self._check_bump(transaction, old)
            cost, count, held = cost - old.cost, count - 1, held - old.transaction.size
        if cost + standing.cost > standing.funds:
            detail = (
                "insufficient funds for gas * price + value: "
                f"balance {standing.funds}, queued cost {cost}, tx cost {standing.cost}, "
                f"overshot {cost + standing.cost - standing.funds}"
            )
            raise Refused("insufficient-funds", detail)
        self._check_share(count, held + transaction.size)
        return old

    def _check_loose(self, transaction: Transaction) -> Entry | None:
        """Conflicts of a transaction without nonce. Returns what would be replaced."""
        rivals: dict[int, Entry] = {}
        for key in transaction.conflicts:
            rival = self._claims.get(key)
            if rival is not None:
                rivals[rival.arrival] = rival
        if len(rivals) > 1:
            raise Refused("conflict", f"conflicts with {len(rivals)} waiting transactions")
        old = next(iter(rivals.values()), None)
        count, held = self._loose.get(transaction.sender, (0, 0))
        if old is not None:
            self._check_bump(transaction, old)
            if old.transaction.sender == transaction.sender:
                count, held = count - 1, held - old.transaction.size
        self._check_share(count, held + transaction.size)
        return old

    def _check_bump(self, transaction: Transaction, old: Entry) -> None:
        if transaction.fee * 100 < old.transaction.fee * (100 + self.limits.price_bump):
            raise Refused("replacement-underpriced", "replacement transaction underpriced")
        if transaction.fee <= old.transaction.fee:
            raise Refused("replacement-underpriced", "replacement transaction underpriced")

    def _check_share(self, count: int, held: int) -> None:
        """`count` transactions of the sender wait already; `held` is their bytes with the new one's."""
        if count >= self.limits.sender_count_max:
            raise Refused("account-limit", f"account limit exceeded: pooled {count} txs")
        if held > self.limits.sender_bytes_max:
            raise Refused("account-limit", f"account limit exceeded: pooled {held} bytes")

    def _check_room(self, transaction: Transaction, size: int, replaced: Entry | None) -> None:
        """Make room by evicting the cheapest tails, as long as they pay less. Raises Refused(pool-full)."""
        limits = self.limits
        credit = 0 if replaced is None else 1
        size -= 0 if replaced is None else replaced.transaction.size
        while len(self) - credit >= limits.count_max or self._bytes + self._held.bytes + size > limits.bytes_max:
            worst = self._ranking.worst()
            if worst is None or worst is replaced or worst.lane.key == _lane_key(transaction):
                raise Refused("pool-full", "txpool is full")
            if is_pending(worst) and worst.floor >= transaction.fee:
                raise Refused("pool-full", "txpool is full")
            self._remove(worst)
            self._evicted += 1

    def _check_bounds(self, size: int) -> None:
        """For what is held: it evicts nothing. Raises Refused(pool-full)."""
        if len(self) >= self.limits.count_max or self._bytes + self._held.bytes + size > self.limits.bytes_max:
            raise Refused("pool-full", "txpool is full")

    def _insert(self, transaction: Transaction, standing: Standing, now: int) -> None:
        key = _lane_key(transaction)
        nonce = transaction.nonce or 0
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key, standing.next_nonce or 0)
        self._arrivals += 1
        self._ranking.version += 1
        entry = Entry(transaction, lane, self._arrivals, now, standing.cost)
        size = len(transaction.raw)
        self._entries[transaction.hash] = entry
        self._short[transaction.hash[:SHORT_ID_BYTES]] = entry
        if len(self._by_age) > 2 * len(self._entries) + SLACK:
            self._by_age = deque(waiting for waiting in self._by_age if not waiting.gone)
        self._by_age.append(entry)
        self._bytes += size
        lane.entries[nonce] = entry
        lane.bytes += size
        lane.cost += standing.cost
        if transaction.nonce is None:
            share = self._loose.setdefault(transaction.sender, [0, 0])
            share[0] += 1
            share[1] += size
        for claim in transaction.conflicts:
            self._claims[claim] = entry
        if not lane.nonces or nonce > lane.nonces[-1]:
            lane.nonces.append(nonce)
        else:
            insort(lane.nonces, nonce)
        if nonce == lane.end:
            self._extend(lane)
        if nonce == lane.next:
            self._ranking.list_head(entry)
        if nonce == lane.nonces[-1]:
            self._ranking.list_tail(entry)

    # Taking out

    def included(self, transactions: Iterable[Transaction], state: StateReader) -> None:
        """A block with these was adopted; `state` is the state after it.

        They leave the pool, with everything that they make impossible. The first that remains of each sender is
        checked again, since the block may have taken the money it needs.
        """
        reached: dict[bytes, int] = {}
        for transaction in transactions:
            nonce = transaction.nonce
            if nonce is None:
                self._included_loose(transaction)
            elif nonce >= reached.get(transaction.sender, 0):
                reached[transaction.sender] = nonce + 1
        for sender, next_nonce in reached.items():
            lane = self._lanes.get(sender)
            if lane is not None and lane.next < next_nonce:
                self._settle(lane, next_nonce)
                self._recheck(lane, state)
        self._ranking.drop_stale_heads()
        self._release(state)

    def _release(self, state: StateReader) -> None:
        """Look again at those held whose needs have left the pool. What is dropped here may be another one's need."""
        while ready := self._held.take_ready(self.__contains__):
            for transaction, since in ready:
                with suppress(Refused):
                    self.add(transaction, state, since)

    def _included_loose(self, transaction: Transaction) -> None:
        entry = self._entries.get(transaction.hash)
        if entry is not None:
            self._remove(entry)
        self._held.discard(transaction.hash)
        for claim in transaction.conflicts:
            rival = self._claims.get(claim)
            if rival is not None:
                self._remove(rival)

    def returned(self, transactions: Iterable[Transaction], state: StateReader, now: int = 0) -> list[Transaction]:
        """A reorganisation took these out of the chain, in whose order they come; `state` is the state after the new
        head.

        Those still possible wait again; returns them. Call it before `included` for the new branch.
        """
        back: list[Transaction] = []
        for transaction in transactions:
            try:
                self.add(transaction, state, now)
            except Refused:
                continue
            back.append(transaction)
        return back

    def discard(self, transaction_hash: bytes) -> Transaction | None:
        """Forget one transaction (a proposer found it invalid). What follows it is queued until the gap is filled."""
        entry = self._entries.get(transaction_hash)
        if entry is None:
            return self._held.discard(transaction_hash)
        self._remove(entry)
        return entry.transaction

    def expire(self, now: int) -> list[Transaction]:
        """Forget what has waited longer than `age_max`."""
        out: list[Transaction] = []
        while self._by_age and (self._by_age[0].gone or now - self._by_age[0].since > self.limits.age_max):
            entry = self._by_age.popleft()
            if not entry.gone:
                self._remove(entry)
                self._expired += 1
                out.append(entry.transaction)
        late = self._held.expire(now - self.limits.age_max)
        self._expired += len(late)
        return out + late

    def _recheck(self, lane: Lane, state: StateReader) -> None:
        head = lane.entries.get(lane.next)
        if head is None:
            return
        try:
            standing = self._ledger.admit(head.transaction, state)
        except Refused:
            self._remove(head)
            return
        if standing.next_nonce is not None and standing.next_nonce != lane.next:
            self._settle(lane, standing.next_nonce)

    def _remove(self, entry: Entry) -> None:
        """Out of everything but the heaps, which notice by themselves."""
        transaction, lane = entry.transaction, entry.lane
        nonce = transaction.nonce or 0
        position = bisect_left(lane.nonces, nonce)
        was_tail = position == len(lane.nonces) - 1
        del lane.nonces[position]
        if lane.next <= nonce < lane.end:
            self._pending -= lane.end - nonce
            lane.end = nonce
        self._forget(entry, nonce)
        if not lane.nonces:
            del self._lanes[lane.key]
        elif was_tail:
            self._ranking.list_tail(lane.entries[lane.nonces[-1]])

    def _forget(self, entry: Entry, nonce: int) -> None:
        transaction, lane = entry.transaction, entry.lane
        size = len(transaction.raw)
        entry.gone = True
        self._ranking.version += 1
        self._bytes -= size
        lane.bytes -= size
        lane.cost -= entry.cost
        del lane.entries[nonce]
        del self._entries[transaction.hash]
        del self._short[transaction.hash[:SHORT_ID_BYTES]]
        if transaction.nonce is None:
            share = self._loose[transaction.sender]
            share[0] -= 1
            share[1] -= size
            if not share[0]:
                del self._loose[transaction.sender]
        for claim in transaction.conflicts:
            if self._claims.get(claim) is entry:
                del self._claims[claim]

    def _settle(self, lane: Lane, next_nonce: int) -> None:
        """The state's next nonce is this now: drop what is below, and find the pending part again."""
        below = bisect_left(lane.nonces, next_nonce)
        self._pending -= lane.end - lane.next
        for nonce in lane.nonces[:below]:
            self._forget(lane.entries[nonce], nonce)
        del lane.nonces[:below]
        moved_up = next_nonce > lane.next
        lane.next = next_nonce
        if moved_up and lane.end >= next_nonce:
            self._pending += lane.end - next_nonce
        else:
            lane.end = next_nonce
            self._extend(lane)
        if not lane.nonces:
            self._lanes.pop(lane.key, None)
            return
        head = lane.entries.get(next_nonce)
        if head is not None:
            self._ranking.list_head(head)

    def _extend(self, lane: Lane) -> None:
        end = lane.end
        entries = lane.entries
        while end in entries:
            end += 1
        self._pending += end - lane.end
        lane.end = end


def _lane_key(transaction: Transaction) -> bytes:
    return transaction.hash if transaction.nonce is None else transaction.sender
