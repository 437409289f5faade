"""The pool: order, replacement, bounds, blocks and reorganisations."""

from dataclasses import replace

import pytest
from pool_ledger import State, TinyLedger, make

from raclette.chain.ledger import Transaction
from raclette.chain.mempool import Mempool, MempoolLimits
from raclette.primitives.errors import Misuse, Refused
from raclette.primitives.randomness import Random

ANN, BOB, CAT = b"ann", b"bob", b"cat"


def pool(**limits: int) -> Mempool:
    return Mempool(TinyLedger(), MempoolLimits(**limits))


def names(transactions: list[Transaction]) -> list[tuple[bytes, int | None]]:
    return [(item.sender, item.nonce) for item in transactions]


def refusal(waiting: Mempool, transaction: Transaction, state: State | None = None) -> Refused:
    with pytest.raises(Refused) as caught:
        waiting.add(transaction, state or State({}))
    return caught.value


def test_best_fee_goes_first_but_never_before_its_senders_earlier_nonces() -> None:
    waiting, state = pool(), State({})
    for item in (make(ANN, 0, 5), make(ANN, 1, 99), make(BOB, 0, 7), make(CAT, 0, 6), make(CAT, 1, 6)):
        waiting.add(item, state)
    assert names(list(waiting.candidates())) == [(BOB, 0), (CAT, 0), (CAT, 1), (ANN, 0), (ANN, 1)]


def test_equal_fees_go_in_order_of_arrival() -> None:
    waiting, state = pool(), State({})
    for sender in (CAT, ANN, BOB):
        waiting.add(make(sender, 0, 5), state)
    assert names(list(waiting.candidates())) == [(CAT, 0), (ANN, 0), (BOB, 0)]


def test_a_gapped_transaction_is_queued_until_the_gap_is_filled() -> None:
    waiting, state = pool(), State({})
    waiting.add(make(ANN, 2, 5), state)
    waiting.add(make(ANN, 1, 5), state)
    assert list(waiting.candidates()) == []
    assert (waiting.stats()["pending"], waiting.stats()["queued"]) == (0, 2)
    assert waiting.next_nonce(ANN, state) == 0
    waiting.add(make(ANN, 0, 5), state)
    assert names(list(waiting.candidates())) == [(ANN, 0), (ANN, 1), (ANN, 2)]
    assert waiting.next_nonce(ANN, state) == 3
    assert waiting.next_nonce(BOB, State({BOB: (4, 1)})) == 4


def test_what_unadopted_ancestors_hold_is_skipped_and_its_successors_stay_eligible() -> None:
    waiting, state = pool(), State({})
    lane = [make(ANN, nonce, 5) for nonce in range(4)]
    for item in lane:
        waiting.add(item, state)
    assert list(waiting.candidates(skip={lane[0].hash, lane[1].hash})) == lane[2:]


def test_refusals_use_the_words_that_wallets_look_for() -> None:
    waiting = pool(gap_max=4, price_bump=10, transaction_bytes_max=200, fee_min=2)
    known = make(ANN, 0, 100)
    waiting.add(known, State({}))
    assert str(refusal(waiting, known)) == "already known"
    assert str(refusal(waiting, make(ANN, 0, 109))) == "replacement transaction underpriced"
    assert "nonce too low: next nonce 7" in str(refusal(waiting, make(BOB, 1, 5), State({BOB: (7, 100)})))
    assert "nonce too high" in str(refusal(waiting, make(ANN, 6, 5)))
    assert "oversized data" in str(refusal(waiting, make(BOB, 0, 5, size=300)))
    assert "transaction underpriced" in str(refusal(waiting, make(BOB, 0, 1)))
    assert "insufficient funds" in str(refusal(waiting, make(ANN, 1, 5, gas=1_000_000)))
    assert len(waiting) == 1


def test_a_replacement_must_pay_the_bump_and_takes_the_place() -> None:
    waiting, state = pool(price_bump=10), State({})
    old, new = make(ANN, 0, 100), make(ANN, 0, 110)
    after = make(ANN, 1, 1)
    waiting.add(old, state)
    waiting.add(after, state)
    assert waiting.add(new, state) is old
    assert old.hash not in waiting
    assert list(waiting.candidates()) == [new, after]


def test_a_free_transaction_is_not_replaced_by_another_free_one() -> None:
    waiting = pool()
    waiting.add(make(ANN, 0, 0), State({}))
    assert refusal(waiting, make(ANN, 0, 0, salt=1)).reason == "replacement-underpriced"


def test_funds_cover_all_of_a_senders_waiting_transactions() -> None:
    waiting, state = pool(), State({ANN: (0, 10)})
    waiting.add(make(ANN, 0, 5, gas=6), state)
    assert "overshot 2" in str(refusal(waiting, make(ANN, 1, 5, gas=6), state))
    waiting.add(make(ANN, 1, 5, gas=4), state)


def test_a_full_pool_evicts_the_cheapest_tail_for_a_better_payer() -> None:
    waiting, state = pool(count_max=3), State({})
    for item in (make(ANN, 0, 5), make(BOB, 0, 3), make(BOB, 1, 50)):
        waiting.add(item, state)
    assert str(refusal(waiting, make(CAT, 0, 3))) == "txpool is full"
    # Bob's dear second cannot be mined before his cheap first: the lane is worth 3.
    waiting.add(make(CAT, 0, 4), state)
    assert names(list(waiting.candidates())) == [(ANN, 0), (CAT, 0), (BOB, 0)]
    assert waiting.stats()["evicted"] == 1


def test_queued_transactions_are_evicted_before_pending_ones() -> None:
    waiting, state = pool(count_max=2), State({})
    waiting.add(make(ANN, 3, 90), state)
    waiting.add(make(BOB, 0, 1), state)
    waiting.add(make(CAT, 0, 2), state)
    assert names(list(waiting.candidates())) == [(CAT, 0), (BOB, 0)]


def test_bytes_are_bounded_like_counts() -> None:
    waiting, state = pool(bytes_max=250), State({})
    waiting.add(make(ANN, 0, 5, size=100), state)
    waiting.add(make(BOB, 0, 6, size=100), state)
    waiting.add(make(CAT, 0, 7, size=100), state)
    assert names(list(waiting.candidates())) == [(CAT, 0), (BOB, 0)]
    assert waiting.stats()["bytes"] == 200


def test_one_sender_cannot_take_more_than_its_share() -> None:
    waiting, state = pool(sender_count_max=2, sender_bytes_max=1_000), State({})
    waiting.add(make(ANN, 0, 5), state)
    waiting.add(make(ANN, 1, 5), state)
    assert refusal(waiting, make(ANN, 2, 5)).reason == "account-limit"
    waiting.add(make(ANN, 1, 50), state)  # a replacement takes no more room
    assert refusal(waiting, make(BOB, 0, 5, size=1_001)).reason == "account-limit"


def test_a_block_takes_out_what_it_contains_and_what_it_makes_impossible() -> None:
    waiting, state = pool(), State({})
    mine, rival = make(ANN, 0, 5), make(ANN, 0, 4, salt=1)
    following = make(ANN, 1, 5)
    waiting.add(mine, state)
    waiting.add(following, state)
    waiting.included([rival], State({ANN: (1, 1_000_000)}))
    assert mine.hash not in waiting
    assert list(waiting.candidates()) == [following]


def test_a_sender_drained_by_a_block_does_not_stay_pending() -> None:
    waiting, state = pool(), State({})
    lane = [make(ANN, nonce, 5, gas=10) for nonce in range(3)]
    for item in lane:
        waiting.add(item, state)
    waiting.included(lane[:1], State({ANN: (1, 9)}))
    assert list(waiting.candidates()) == []
    assert lane[1].hash not in waiting
    assert waiting.stats()["queued"] == 1


def test_a_reorganisation_brings_back_what_it_took_out() -> None:
    waiting = pool()
    lane = [make(ANN, nonce, 5) for nonce in range(4)]
    for item in lane:
        waiting.add(item, State({}))
    waiting.included(lane[:3], State({ANN: (3, 1_000_000)}))
    new_state = State({ANN: (1, 1_000_000)})
    # The new branch contains only the first.
    assert waiting.returned(lane[1:3], new_state) == lane[1:3]
    waiting.included(lane[:1], new_state)
    assert list(waiting.candidates()) == lane[1:]


def test_a_discarded_transaction_leaves_its_successors_queued() -> None:
    waiting, state = pool(), State({})
    lane = [make(ANN, nonce, 5) for nonce in range(3)]
    for item in lane:
        waiting.add(item, state)
    assert waiting.discard(lane[1].hash) is lane[1]
    assert waiting.discard(lane[1].hash) is None
    assert list(waiting.candidates()) == lane[:1]
    waiting.add(lane[1], state)
    assert list(waiting.candidates()) == lane


def test_old_transactions_expire_in_order_of_age() -> None:
    waiting, state = pool(age_max=100), State({})
    old, young = make(ANN, 0, 5), make(BOB, 0, 5)
    waiting.add(old, state, now=0)
    waiting.add(young, state, now=80)
    assert waiting.expire(now=100) == []
    assert waiting.expire(now=101) == [old]
    assert list(waiting.candidates()) == [young]


def test_transactions_without_nonces_conflict_by_what_they_consume() -> None:
    waiting, state = pool(), State({})
    first = replace(make(ANN, None, 10), conflicts=(b"coin1", b"coin2"))
    other = replace(make(BOB, None, 10, salt=1), conflicts=(b"coin3",))
    waiting.add(first, state)
    waiting.add(other, state)
    cheap = replace(make(ANN, None, 10, salt=2), conflicts=(b"coin1",))
    assert refusal(waiting, cheap).reason == "replacement-underpriced"
    both = replace(make(ANN, None, 99, salt=3), conflicts=(b"coin1", b"coin3"))
    assert refusal(waiting, both).reason == "conflict"
    better = replace(make(ANN, None, 11, salt=4), conflicts=(b"coin2",))
    assert waiting.add(better, state) is first
    spent = replace(make(CAT, None, 1, salt=5), conflicts=(b"coin3",))
    waiting.included([spent], state)
    assert list(waiting.candidates()) == [better]


def test_loose_transactions_count_against_their_senders_share() -> None:
    waiting, state = pool(sender_count_max=2), State({})
    waiting.add(make(ANN, None, 5), state)
    waiting.add(make(ANN, None, 5, salt=1), state)
    assert refusal(waiting, make(ANN, None, 5, salt=2)).reason == "account-limit"


def test_two_transactions_with_one_short_id_do_not_wait_together() -> None:
    waiting = pool()
    first = make(ANN, 0, 5)
    twin = replace(make(BOB, 0, 5), hash=first.hash[:8] + bytes(24))
    waiting.add(first, State({}))
    assert refusal(waiting, twin).reason == "short-id"
    assert waiting.by_short_id(first.hash[:8]) is first


def test_changing_the_pool_while_reading_candidates_is_a_misuse() -> None:
    waiting, state = pool(), State({})
    waiting.add(make(ANN, 0, 5), state)
    waiting.add(make(ANN, 1, 5), state)
    reading = waiting.candidates()
    next(reading)
    waiting.discard(make(ANN, 1, 5).hash)
    with pytest.raises(Misuse):
        next(reading)


def test_a_sampled_block_keeps_the_best_of_the_drawn_in_nonce_order() -> None:
    waiting = Mempool(TinyLedger(), MempoolLimits(sample=15, keep=10), Random(7))
    state = State({})
    for sender in range(8):
        for nonce in range(4):
            waiting.add(make(b"s%d" % sender, nonce, fee=sender * 3 + (nonce * 7) % 5), state)
    blocks = [list(waiting.candidates()) for _ in range(50)]
    for block in blocks:
        assert len(block) == 10
        reached: dict[bytes, int] = {}
        for item in block:
            assert item.nonce == reached.get(item.sender, 0)
            reached[item.sender] = item.nonce + 1
    assert len({tuple(item.hash for item in block) for block in blocks}) > 10
    with pytest.raises(Misuse):
        Mempool(TinyLedger(), MempoolLimits(sample=15, keep=10))
