"""Stored before sent, repeated until acknowledged, and recognised by the receiver."""

import pytest

from raclette.engine.effects import SetTimer
from raclette.node.inbox import Inbox
from raclette.node.outbox import Anybody, Dispatch, Dropped, Outbox, OutboxEffect, OutboxLimits, Write
from raclette.primitives.errors import Misuse, Refused, StoreDamaged
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.primitives.units import HOUR, MINUTE, SECOND
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

ANN, BOB, CAT = b"a" * 32, b"b" * 32, b"c" * 32


def carry(store: MemoryStore, effects: tuple[OutboxEffect, ...]) -> list[Dispatch]:
    """Do the writes; return what would be sent."""
    out = []
    for effect in effects:
        if isinstance(effect, Write):
            store.write(effect.batch)
        elif isinstance(effect, Dispatch):
            out.append(effect)
    return out


def open_box(store: MemoryStore, limits: OutboxLimits | None = None) -> Outbox:
    return Outbox(store, Random(1), limits)


def delay_of(effects: tuple[OutboxEffect, ...]) -> int:
    (timer,) = [effect for effect in effects if isinstance(effect, SetTimer)]
    return timer.delay


def test_an_entry_is_stored_before_it_is_sent() -> None:
    store = MemoryStore()
    box = open_box(store)
    box.up(0, ANN)
    effects = box.put(0, [b"hello"], ANN)
    kinds = [type(effect) for effect in effects]
    assert kinds.index(Write) < kinds.index(Dispatch)
    assert carry(store, effects) == [Dispatch((ANN,), sha256(b"hello"), b"hello")]


def test_what_was_promised_survives_a_crash_and_goes_out_when_the_peer_is_back() -> None:
    store = MemoryStore()
    carry(store, open_box(store).put(0, [b"hello"], ANN))
    box = open_box(store)
    assert carry(store, box.start(10)) == []
    assert carry(store, box.up(20, ANN)) == [Dispatch((ANN,), sha256(b"hello"), b"hello")]
    carry(store, box.acknowledged(30, [sha256(b"hello")], ANN))
    assert len(box) == 0
    assert len(open_box(store)) == 0


def test_repetitions_come_ever_later_up_to_a_cap_and_never_at_once() -> None:
    store = MemoryStore()
    box = open_box(store)
    box.up(0, ANN)
    effects = box.put(0, [b"hello"], ANN)
    now, gaps = 0, []
    for _ in range(14):
        delay = delay_of(effects)
        gaps.append(delay)
        now += delay
        effects = box.fired(now, "retry")
        assert len(carry(store, effects)) == 1
    limits = box.limits
    for attempt, gap in enumerate(gaps):
        full = min(limits.retry_first << attempt, limits.retry_max)
        assert full * 3 // 4 - 1 <= gap <= full
    assert len(set(gaps[8:])) > 1, "jitter"


def test_an_acknowledgement_by_somebody_else_does_not_count() -> None:
    store = MemoryStore()
    box = open_box(store)
    box.put(0, [b"hello"], ANN)
    box.acknowledged(1, [sha256(b"hello"), sha256(b"never heard")], BOB)
    assert len(box) == 1
    box.acknowledged(1, [sha256(b"hello")])
    assert len(box) == 0


def test_any_two_peers_means_two_different_ones_that_acknowledge() -> None:
    store = MemoryStore()
    box = open_box(store)
    for peer in (ANN, BOB, CAT):
        box.up(0, peer)
    (first,) = carry(store, box.put(0, [b"news"], Anybody(2)))
    assert len(set(first.peers)) == 2
    name = sha256(b"news")
    carry(store, box.acknowledged(1, [name], first.peers[0]))
    carry(store, box.acknowledged(1, [name], first.peers[0]))
    assert len(box) == 1
    # The one that has it is remembered across a restart and not asked again.
    box = open_box(store)
    box.start(2)
    for peer in (ANN, BOB, CAT):
        again = carry(store, box.up(3, peer))
        assert all(first.peers[0] not in sent.peers for sent in again)
    carry(store, box.acknowledged(4, [name], first.peers[1]))
    assert len(box) == 0


def test_what_is_too_old_is_dropped_and_said_so() -> None:
    store = MemoryStore()
    box = open_box(store, OutboxLimits(age_max=1 * HOUR))
    effects = box.put(0, [b"hello"], ANN)
    now = 0
    while len(box):
        carry(store, effects)
        now += delay_of(effects)
        effects = box.fired(now, "retry")
    assert Dropped(sha256(b"hello"), "too-old") in effects
    assert 1 * HOUR < now <= 1 * HOUR + 6 * MINUTE
    carry(store, effects)
    assert list(store.scan(Table.OUTBOX)) == []


def test_bounds_refuse_and_change_nothing() -> None:
    store = MemoryStore()
    box = open_box(store, OutboxLimits(count_max=3, bytes_max=100, payload_bytes_max=60))
    box.put(0, [b"1", b"2"], ANN)
    for payloads, reason in (([b"3", b"4"], "outbox-full"), ([bytes(61)], "oversized")):
        with pytest.raises(Refused) as caught:
            box.put(0, payloads, ANN)
        assert caught.value.reason == reason
    box.put(0, [bytes(60)], ANN)
    with pytest.raises(Misuse):
        box.put(0, [b"x"], ANN, hashes=[b"short"])
    assert box.stats() == {"entries": 3, "bytes": 62, "limit": 3}
    box.put(0, [b"1", b"2"], ANN)  # promised already: nothing new
    assert len(box) == 3


def test_a_reconnection_does_not_flood_the_link() -> None:
    store = MemoryStore()
    box = open_box(store, OutboxLimits(burst_max=10))
    carry(store, box.put(0, [b"%d" % number for number in range(35)], ANN))
    effects = box.up(5 * MINUTE, ANN)
    sizes, now = [], 5 * MINUTE
    while sent := carry(store, effects):
        sizes.append(len(sent))
        if len(sizes) == 4:
            break
        now += delay_of(effects)
        effects = box.fired(now, "retry")
    assert sizes == [10, 10, 10, 5]


def test_a_damaged_entry_is_named() -> None:
    store = MemoryStore()
    batch = Batch()
    batch.put(Table.OUTBOX, b"out/" + bytes(32), b"\xff\xff")
    store.write(batch)
    with pytest.raises(StoreDamaged, match="outbox"):
        open_box(store)


def test_the_receiver_takes_each_content_once_also_after_a_restart_and_within_bounds() -> None:
    store = MemoryStore()
    inbox = Inbox(store, seen_max=10)
    names = [sha256(b"%d" % number) for number in range(25)]
    for name in names:
        assert inbox.is_new(name)
        assert not inbox.is_new(name)
    store.write(inbox.take_batch())
    assert len(list(store.scan(Table.OUTBOX))) == 10
    again = Inbox(store, seen_max=10)
    assert [again.is_new(name) for name in names[-10:]] == [False] * 10
    assert again.is_new(names[0])
    assert len(again) == 10


def test_at_least_once_meets_at_most_once_through_loss_and_crashes() -> None:
    """Both ends crash at random, messages and acknowledgements get lost; in the end each payload arrived once."""
    for seed in range(20):
        random = Random(seed)
        sender_store, receiver_store = MemoryStore(), MemoryStore()
        box, inbox = open_box(sender_store), Inbox(receiver_store)
        arrived: list[bytes] = []
        promised: list[bytes] = []
        now, sends = 0, carry(sender_store, box.up(0, ANN))
        for turn in range(600):
            now += 1 * SECOND
            if turn < 100:
                payload = b"%d" % turn
                promised.append(payload)
                sends += carry(sender_store, box.put(now, [payload], ANN))
            sends += carry(sender_store, box.fired(now, "retry"))
            for sent in sends:
                if random.chance(1, 2):
                    continue
                fresh = inbox.is_new(sent.content_hash)
                receiver_store.write(inbox.take_batch())
                if fresh:
                    arrived.append(sent.payload)
                if random.chance(1, 2):
                    carry(sender_store, box.acknowledged(now, [sent.content_hash], ANN))
            sends = []
            if random.chance(1, 50):
                box = open_box(sender_store)
                sends = carry(sender_store, box.start(now)) + carry(sender_store, box.up(now, ANN))
            if random.chance(1, 50):
                inbox = Inbox(receiver_store)
        assert sorted(arrived) == sorted(promised), f"seed {seed}"
        assert len(box) == 0
