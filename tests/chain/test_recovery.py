"""Death at any moment, other people's databases, and damage."""

import random
from collections.abc import Callable

import pytest
from chain_kit import EACH, LEDGER, NAMES, Maker, account, genesis, open_chain, pay
from hypothesis import given
from hypothesis import strategies as st

from raclette.chain import archive as records
from raclette.chain.archive import decode_receipts, encode_receipts, number_key
from raclette.chain.block import Block
from raclette.chain.chain import Chain
from raclette.chain.header import Header
from raclette.chain.limits import ChainLimits
from raclette.chain.receipt import Receipt
from raclette.chain.trie import root_of_mapping
from raclette.chain.undo import decode_undo, encode_undo
from raclette.primitives.errors import DecodeError, Misuse, StoreDamaged, StoreRefused
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

TIGHT = ChainLimits(layers_kept=3, flush_blocks=2, bodies_kept=1, history_depth=4)
ALICE, BOB = NAMES[:2]
REWARD = 2


def everything(chain: Chain) -> dict[bytes, bytes | None]:
    layer = chain.state(chain.head.hash)
    return {name: layer.get(name) for name in (*NAMES, b"\xee" * 20)}


def random_life(store: MemoryStore, seed: int, steps: int, *, finalize: bool) -> list[tuple[int, Header, Header]]:
    """A chain that grows and reorganises. Returns (batches written, head, finalized) after every step."""
    draw = random.Random(seed)
    maker, chain = Maker(MemoryStore(), reward=REWARD), open_chain(store, reward=REWARD, limits=TIGHT)
    seen = [(store.unsynced, chain.head, chain.finalized)]
    recent = [chain.genesis]
    for step in range(steps):
        parent = draw.choice(recent[-4:])
        if parent.number < chain.finalized.number or chain.header(parent.hash) is None:
            parent = chain.head
        sender = draw.choice(NAMES)
        nonce, balance = account(maker.chain.state(parent.hash).get(sender))
        block = maker.block(parent, [pay(sender, draw.choice(NAMES), balance // 3, nonce)], tag=b"%d" % step)
        recent.append(block.header)
        chain.check(block)
        seen.append((store.unsynced, chain.head, chain.finalized))
        if chain.is_ancestor(chain.finalized.hash, block.hash) and draw.random() < 0.8:
            chain.adopt(block.hash)
            seen.append((store.unsynced, chain.head, chain.finalized))
            if finalize and draw.random() < 0.4:
                chain.finalize((chain.canonical(chain.head.number - 1) or chain.head).hash, b"proof")
                seen.append((store.unsynced, chain.head, chain.finalized))
    return seen


@pytest.mark.parametrize(("seed", "finalize"), [(1, True), (2, True), (3, False), (4, False)])
def test_whatever_batch_is_the_last_to_survive_the_chain_opens_whole(seed: int, finalize: bool) -> None:
    store = MemoryStore(crash_model=True)
    seen = random_life(store, seed, 25, finalize=finalize)
    total = store.unsynced
    heads = set()
    for kept in range(1, total + 1):
        survivor = store.crash(kept)
        chain = open_chain(survivor, limits=TIGHT)
        assert list(chain.verify()) == [], f"after {kept} of {total} batches"
        state = {key: value for key, value in everything(chain).items() if value is not None}
        assert root_of_mapping(state) == chain.head.state_root
        assert LEDGER.supply(state.items()) == EACH * len(NAMES) + REWARD * chain.head.number
        # What had been adopted or finalised before the last surviving batch is so again.
        before = [(head, final) for count, head, final in seen if count <= kept]
        after = [(head, final) for count, head, final in seen if count >= kept]
        assert chain.head in (before[-1][0], after[0][0])
        assert chain.finalized in (before[-1][1], after[0][1])
        heads.add(chain.head.hash)
    assert len(heads) > 10


def test_a_node_goes_on_after_a_crash_as_if_nothing_had_happened() -> None:
    store = MemoryStore(crash_model=True)
    maker, chain = Maker(MemoryStore(), reward=REWARD), open_chain(store, reward=REWARD, limits=TIGHT)
    draw = random.Random(5)
    for nonce in range(30):
        block = maker.block(chain.head, [pay(ALICE, BOB, 1, nonce)])
        chain.check(block)
        if draw.random() < 0.3:
            # It had not been adopted yet, but it was promised: it is there again, with its body.
            store = store.crash(store.unsynced)
            chain = open_chain(store, reward=REWARD, limits=TIGHT)
            assert [again.hash for again in chain.beside()] == [block.hash]
            assert chain.block(block.hash) == block
        chain.adopt(block.hash)
    assert account(chain.state(chain.head.hash).get(BOB)) == (0, EACH + 30)
    assert list(chain.verify()) == []


def test_another_chains_store_is_refused() -> None:
    store = MemoryStore()
    open_chain(store)
    block, state = genesis(timestamp=5)
    with pytest.raises(StoreRefused, match="genesis"):
        Chain.open(store, block, state, LEDGER, chain_id=7)
    with pytest.raises(StoreRefused, match="chain 7, not 8"):
        open_chain(store, chain_id=8)
    _put(store, Table.META, records.FORMAT_KEY, b"\x63")
    with pytest.raises(StoreRefused, match="format 99"):
        open_chain(store)


def test_a_genesis_that_does_not_fit_its_state_is_misuse() -> None:
    block, state = genesis()
    with pytest.raises(Misuse):
        Chain.open(MemoryStore(), block, {**state, b"more": b"1"}, LEDGER, chain_id=7)
    with pytest.raises(Misuse):
        Chain.open(MemoryStore(), Block(block.header, (b"tx",)), state, LEDGER, chain_id=7)


def _put(store: MemoryStore, table: Table, key: bytes, value: bytes | None) -> None:
    batch = Batch()
    if value is None:
        batch.delete(table, key)
    else:
        batch.put(table, key, value)
    store.write(batch)


def grown(store: MemoryStore) -> list[Header]:
    maker, chain = Maker(MemoryStore()), open_chain(store, limits=TIGHT)
    for nonce in range(8):
        block = maker.block(chain.head, [pay(ALICE, BOB, 1, nonce)])
        chain.check(block)
        chain.adopt(block.hash)
    return [chain.genesis, *chain.headers_from(1, 8)]


Harm = Callable[[MemoryStore, list[Header]], tuple[Table, bytes]]


def lose(table: Table, key_of: Callable[[list[Header]], bytes]) -> Harm:
    def harm(store: MemoryStore, line: list[Header]) -> tuple[Table, bytes]:
        assert store.get(table, key_of(line)) is not None
        _put(store, table, key_of(line), None)
        return table, key_of(line)

    return harm


def spoil(table: Table, key_of: Callable[[list[Header]], bytes], value: bytes = b"\xff\xff") -> Harm:
    def harm(store: MemoryStore, line: list[Header]) -> tuple[Table, bytes]:
        assert store.get(table, key_of(line)) is not None
        _put(store, table, key_of(line), value)
        return table, key_of(line)

    return harm


@pytest.mark.parametrize(
    "harm",
    [
        lose(Table.META, lambda line: records.HEAD_KEY),
        spoil(Table.META, lambda line: records.BASE_KEY),
        lose(Table.META, lambda line: records.tree_key(line[8])),
        lose(Table.HEADERS, lambda line: line[8].hash),
        spoil(Table.HEADERS, lambda line: line[8].hash),
        lose(Table.TRIE, lambda line: b""),
        spoil(Table.TRIE, lambda line: b""),
    ],
)
def test_damage_that_opening_meets_is_named(harm: Harm) -> None:
    store = MemoryStore()
    table, key = harm(store, grown(store))
    with pytest.raises(StoreDamaged, match=f"table {table.value}, key {key.hex()}"):
        open_chain(store, limits=TIGHT)


@pytest.mark.parametrize(
    "harm",
    [
        lose(Table.BODIES, lambda line: line[8].hash),
        spoil(Table.BODIES, lambda line: line[2].hash),
        lose(Table.HEADERS, lambda line: line[2].hash),
        lose(Table.RECEIPTS, lambda line: line[2].hash),
        spoil(Table.RECEIPTS, lambda line: line[2].hash),
        spoil(Table.RECEIPTS, lambda line: line[2].hash, encode_receipts([])),
        lose(Table.UNDO, lambda line: line[2].hash),
        spoil(Table.UNDO, lambda line: line[2].hash),
        lose(Table.CANONICAL, lambda line: number_key(2)),
        spoil(Table.TRIE, lambda line: b"\x00"),
        lose(Table.INDEX, lambda line: LEDGER.decode(pay(ALICE, BOB, 1, 3)).hash),
    ],
)
def test_damage_that_an_examination_meets_is_named(harm: Harm) -> None:
    store = MemoryStore()
    line = grown(store)
    assert list(open_chain(store, limits=TIGHT).verify()) == []
    if not any(key == b"\x00" for key, _ in store.scan(Table.TRIE)):
        _put(store, Table.TRIE, b"\x00", b"garbage")
    table, key = harm(store, line)
    problems = list(open_chain(store, limits=TIGHT).verify())
    assert any(f"table {table.value}, key {key.hex()}" in problem for problem in problems), problems


def test_a_changed_balance_is_found() -> None:
    store = MemoryStore()
    grown(store)
    _put(store, Table.STATE, ALICE, bytes(12))
    assert any("table state" in problem for problem in open_chain(store, limits=TIGHT).verify())


def test_a_false_undo_record_does_not_move_the_base() -> None:
    store = MemoryStore()
    line = grown(store)
    _put(store, Table.UNDO, line[1].hash, encode_undo(0, {ALICE: b"\xff" * 12}))
    chain = open_chain(store, limits=TIGHT)
    rival = Maker(MemoryStore()).block(chain.genesis, tag=b"rival")
    with pytest.raises(StoreDamaged, match="table undo"):
        chain.check(rival)


@given(st.integers(0, 2**64), st.dictionaries(st.binary(max_size=60), st.none() | st.binary(min_size=1, max_size=300)))
def test_undo_records_round_trip(reward: int, before: dict[bytes, bytes | None]) -> None:
    assert decode_undo(encode_undo(reward, before)) == (reward, before)


def test_undo_and_receipt_records_round_trip_and_refuse_garbage() -> None:
    before = {b"a": b"1", b"b": None, bytes(32): bytes(70)}
    assert decode_undo(encode_undo(5, before)) == (5, before)
    for garbage in (b"\xc0", b"\xc1\xc0", b"\xc2\x05\x82", b"\xc2\x05\x06", b"\x05", b"\xc1\x05\x05", b""):
        with pytest.raises(DecodeError):
            decode_undo(garbage)
    receipts = (Receipt(True, 21_000), Receipt(False, 2**40, 2))
    assert decode_receipts(encode_receipts(receipts)) == receipts
    with pytest.raises(DecodeError):
        decode_receipts(b"\xc3\x82\x00\x02")
