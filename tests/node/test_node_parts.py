"""The node's small parts: the barrier before sending, promises to clients, the memory of decoded transactions."""

import pytest

from raclette.chain.ledger import Transaction
from raclette.node.host import Flush, Lane, Transmit
from raclette.node.memo import GENERATION, DecodeMemo
from raclette.node.outbound import Outbound
from raclette.node.pledges import AGE_MAX, FIRST_WAIT, PREFIX, Pledges
from raclette.primitives.errors import Refused, StoreDamaged
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

PEER = b"p" * 32


def transaction(number: int) -> Transaction:
    raw = b"transaction %d" % number
    return Transaction(raw, keccak256(raw), b"s" * 20, number, 0, 21_000)


def test_the_barrier_stands_before_the_next_frame_and_only_once() -> None:
    out = Outbound()
    out.transmit((PEER,), Lane.CONSENSUS, b"1", "before")
    out.promise()
    out.promise()
    out.set_timer("part", "name", -5)
    out.transmit((), Lane.CONSENSUS, b"2", "to nobody")
    out.transmit((PEER,), Lane.BLOCKS, b"3", "after")
    out.transmit((PEER,), Lane.BLOCKS, b"4", "later")
    kinds = [effect.kind if isinstance(effect, Transmit) else type(effect).__name__ for effect in out.take()]
    assert kinds == ["before", "SetTimer", "Flush", "after", "later"]
    out.transmit((PEER,), Lane.BLOCKS, b"5", "next turn")
    assert not any(isinstance(effect, Flush) for effect in out.take())


def test_a_promise_outlives_a_turn_without_frames() -> None:
    out = Outbound()
    out.promise()
    assert out.take() == ()
    out.transmit((PEER,), Lane.BLOCKS, b"1", "frame")
    assert isinstance(out.take()[0], Flush)


def test_time_never_runs_backwards_inside_the_node() -> None:
    out = Outbound()
    out.begin(100)
    out.begin(50)
    assert out.now == 100


def test_pledges_survive_a_restart_in_the_order_in_which_they_were_made() -> None:
    store = MemoryStore()
    pledges = Pledges(store)
    for number, now in ((5, 30), (1, 10), (3, 20)):
        pledges.keep(transaction(number), now)
    pledges.settle([transaction(1).hash, transaction(9).hash])
    again = Pledges(store)
    assert again.recover(1_000) == [transaction(3).raw, transaction(5).raw]
    assert len(again) == 2


def test_a_pledge_is_due_again_after_twice_as_long_and_lapses_in_the_end() -> None:
    pledges = Pledges(MemoryStore())
    item = transaction(1)
    pledges.keep(item, 0)
    assert pledges.due(FIRST_WAIT - 1) == []
    assert pledges.due(FIRST_WAIT) == [item.hash]
    assert pledges.due(2 * FIRST_WAIT) == []
    assert pledges.due(3 * FIRST_WAIT) == [item.hash]
    assert pledges.due(AGE_MAX + 1) == []
    assert len(pledges) == 0


def test_a_damaged_pledge_stops_the_node() -> None:
    store = MemoryStore()
    batch = Batch()
    batch.put(Table.OUTBOX, PREFIX + keccak256(b"one"), bytes(8) + b"another")
    store.write(batch)
    with pytest.raises(StoreDamaged, match="outbox"):
        Pledges(store).recover(0)


def test_a_transaction_is_decoded_once_while_it_is_remembered() -> None:
    calls: list[bytes] = []

    def decode(raw: bytes) -> Transaction:
        calls.append(raw)
        if raw == b"bad":
            raise Refused("bad", "bad")
        return Transaction(raw, keccak256(raw), b"s" * 20, 0, 0, 0)

    memo = DecodeMemo(decode)
    assert memo(b"one") is memo(b"one")
    for number in range(GENERATION):
        memo(b"filler %d" % number)
    memo(b"one")
    assert calls.count(b"one") == 1, "what is used again moves to the young generation"
    for number in range(2 * GENERATION):
        memo(b"more %d" % number)
    memo(b"one")
    assert calls.count(b"one") == 2, "memory is bounded"
    for _ in range(2):
        with pytest.raises(Refused):
            memo(b"bad")
