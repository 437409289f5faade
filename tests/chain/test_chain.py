"""The chain's stories: building, checking, adopting, finalising, and what it refuses."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from chain_kit import EACH, GAS, LEDGER, MINER, NAMES, Maker, Pool, TinyLedger, account, genesis, open_chain, pay

from raclette.chain.block import Block
from raclette.chain.chain import Chain
from raclette.chain.header import Header
from raclette.chain.ledger import BlockContext, Execution, StateWriter, Transaction
from raclette.chain.limits import ChainLimits
from raclette.chain.roots import ordered_root
from raclette.engine.contract import Draft
from raclette.primitives.errors import InvalidBlock, InvariantBroken, Misuse, UnknownParent
from raclette.store.contract import Table
from raclette.store.memory import MemoryStore

ALICE, BOB, CAROL = NAMES[:3]


def maker_and_chain(limits: ChainLimits | None = None) -> tuple[Maker, Chain]:
    return Maker(MemoryStore()), open_chain(MemoryStore(), limits=limits)


def grow(maker: Maker, chain: Chain, count: int, *, final: bool = False) -> list[Header]:
    """`count` blocks on the chain's head, each paying one coin from Alice to Bob."""
    found = []
    for _ in range(count):
        nonce, _ = account(maker.chain.state(chain.head.hash).get(ALICE))
        block = maker.block(chain.head, [pay(ALICE, BOB, 1, nonce)])
        chain.check(block)
        chain.adopt(block.hash)
        if final:
            chain.finalize(block.hash, b"proof")
        found.append(block.header)
    return found


class Counting(TinyLedger):
    """Counts how often a block is executed."""

    def __init__(self) -> None:
        self.executions = 0

    def execute(
        self, context: BlockContext, transactions: Iterable[Transaction], state: StateWriter, *, strict: bool
    ) -> Execution:
        self.executions += 1
        return super().execute(context, transactions, state, strict=strict)


def counting_chain(pool: Pool) -> tuple[Chain, Counting]:
    block, state = genesis()
    ledger = Counting()
    return Chain.open(MemoryStore(), block, state, ledger, chain_id=7, candidates=pool.candidates), ledger


def test_a_block_changes_the_state_it_says_and_nothing_before_it_is_adopted() -> None:
    maker, chain = maker_and_chain()
    block = maker.block(chain.genesis, [pay(ALICE, BOB, 5, 0), pay(BOB, CAROL, EACH + 5, 0)])
    chain.check(block)
    assert chain.head == chain.genesis
    assert chain.canonical(1) is None
    assert account(chain.state(block.hash).get(CAROL)) == (0, 2 * EACH + 5)
    assert account(chain.state(chain.head.hash).get(CAROL)) == (0, EACH)
    moved = chain.adopt(block.hash)
    assert chain.head == block.header
    assert [executed.header for executed in moved.added] == [block.header]
    assert chain.adopt(block.hash).added == ()
    receipts = chain.receipts(block.hash)
    assert receipts is not None
    assert [receipt.cumulative_gas for receipt in receipts] == [GAS, 2 * GAS]
    assert chain.locate(LEDGER.decode(block.transactions[1]).hash) == (block.header, 1)
    assert chain.locate(bytes(32)) is None


def test_checking_what_one_built_executes_nothing_again() -> None:
    pool = Pool()
    chain, ledger = counting_chain(pool)
    pool.waiting = [LEDGER.decode(pay(ALICE, BOB, 1, 0))]
    block = chain.build(chain.genesis, Draft(1, MINER))
    assert chain.header(block.hash) == block.header
    assert chain.block(block.hash) == block
    sealed = Block(block.header.sealed_with(b"\7" * 8), block.transactions)
    chain.check(sealed)
    chain.check(block)
    chain.check(block)
    assert ledger.executions == 1
    assert sealed.hash != block.hash
    chain.adopt(sealed.hash)
    assert account(chain.state(sealed.hash).get(BOB)) == (0, EACH + 1)
    assert chain.executed(sealed.hash).header == sealed.header


def test_both_fields_that_no_seal_covers_are_the_engines_business() -> None:
    pool = Pool()
    chain, ledger = counting_chain(pool)
    pool.waiting = [LEDGER.decode(pay(ALICE, BOB, 1, 0))]
    block = chain.build(chain.genesis, Draft(1, MINER, mix_hash=b"\6" * 32, nonce=b"\7" * 8))
    assert (block.header.mix_hash, block.header.nonce) == (b"\6" * 32, b"\7" * 8)
    chain.check(block)
    assert ledger.executions == 1
    other, _ = counting_chain(Pool())
    other.check(block)
    other.adopt(block.hash)
    assert other.head == block.header
    again = chain.build(chain.genesis, Draft(1, MINER, mix_hash=b"\5" * 32))
    chain.check(Block(again.header, again.transactions))
    assert chain.header(again.hash) == again.header != block.header


def test_a_block_built_on_an_unadopted_one_leaves_out_its_transactions() -> None:
    """PBFT proposes several blocks ahead of the head."""
    pool = Pool()
    chain, _ = counting_chain(pool)
    pool.waiting = [LEDGER.decode(pay(ALICE, BOB, 1, nonce)) for nonce in range(2)]
    assert chain.has_pending(chain.genesis)
    first = chain.build(chain.genesis, Draft(1))
    assert len(first.transactions) == 2
    assert not chain.has_pending(first.header)
    pool.waiting.append(LEDGER.decode(pay(ALICE, BOB, 1, 2)))
    assert chain.has_pending(first.header)
    second = chain.build(first.header, Draft(2))
    assert second.transactions == (pay(ALICE, BOB, 1, 2),)
    third = chain.build(second.header, Draft(3))
    assert third.transactions == ()
    chain.adopt(third.hash)
    assert chain.head == third.header
    assert account(chain.state(third.hash).get(ALICE)) == (3, EACH - 3)


def test_what_a_proposer_leaves_out_is_told() -> None:
    pool = Pool()
    chain, _ = counting_chain(pool)
    told: list[tuple[Transaction, str]] = []
    chain.on_refused = told.extend
    good, poor = (LEDGER.decode(pay(ALICE, BOB, amount, 0)) for amount in (1, EACH + 1))
    pool.waiting = [poor]
    assert not chain.has_pending(chain.genesis), "nothing that could be executed waits"
    pool.waiting = [poor, good]
    assert chain.build(chain.genesis, Draft(1)).transactions == (good.raw,)
    assert told == [(poor, "invalid-transaction")]


@pytest.mark.parametrize("limits", [ChainLimits(transactions_max=2), ChainLimits(bytes_max=100)])
def test_blocks_are_built_and_checked_within_the_limits(limits: ChainLimits) -> None:
    pool = Pool()
    chain = open_chain(MemoryStore(), pool, limits=limits)
    raws = [pay(ALICE, BOB, 1, nonce) for nonce in range(3)]
    pool.waiting = [LEDGER.decode(raw) for raw in raws]
    assert len(chain.build(chain.genesis, Draft(1)).transactions) == 2
    with pytest.raises(InvalidBlock) as refused:
        chain.check(Maker(MemoryStore()).block(chain.genesis, raws))
    assert refused.value.reason in ("transactions-count", "block-size")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"number": 2}, "number"),
        ({"gas_limit": 1}, "gas-limit"),
        ({"base_fee": 1}, "base-fee"),
        ({"gas_used": GAS * 3}, "gas-used"),
        ({"gas_used": 2**62}, "gas-used"),
        ({"uncles_hash": b"\1" * 32}, "uncles"),
        ({"logs_bloom": b"\1" * 256}, "logs-bloom"),
        ({"extra_data": bytes(5000)}, "extra-data"),
        ({"transactions_root": b"\1" * 32}, "transactions-root"),
        ({"receipts_root": b"\1" * 32}, "receipts-root"),
        ({"state_root": b"\1" * 32}, "state-root"),
        ({"parent_hash": b"\1" * 32}, "unknown-parent"),
    ],
)
def test_a_header_that_lies_is_refused_by_name(change: dict[str, int | bytes], reason: str) -> None:
    maker, chain = maker_and_chain()
    good = maker.block(chain.genesis, [pay(ALICE, BOB, 5, 0)])
    bad = Block(replace(good.header, **change), good.transactions)  # type: ignore[arg-type]  # names are the fields'
    for _ in range(2):
        with pytest.raises(InvalidBlock) as refused:
            chain.check(bad)
        assert refused.value.reason == reason
    assert chain.header(bad.hash) is None
    chain.check(good)


@pytest.mark.parametrize(
    ("raws", "reason"),
    [
        ((pay(ALICE, BOB, EACH + 1, 0),), "invalid-transaction"),
        ((pay(ALICE, BOB, 1, 1),), "invalid-transaction"),
        ((b"short",), "transaction-size"),
        ((b"",), "transaction-empty"),
    ],
)
def test_a_block_with_a_bad_transaction_is_refused(raws: tuple[bytes, ...], reason: str) -> None:
    maker, chain = maker_and_chain()
    good = maker.block(chain.genesis)
    root = ordered_root(raws) if all(raws) else good.header.transactions_root
    with pytest.raises(InvalidBlock) as refused:
        chain.check(Block(replace(good.header, transactions_root=root), raws))
    assert refused.value.reason == reason


def test_a_false_body_does_not_spoil_the_true_one() -> None:
    """The hash is the header's: somebody who sends it with another body must not get the block banned."""
    maker, chain = maker_and_chain()
    good = maker.block(chain.genesis, [pay(ALICE, BOB, 5, 0)])
    with pytest.raises(InvalidBlock):
        chain.check(Block(good.header, (pay(ALICE, BOB, 6, 0),)))
    chain.check(good)
    assert chain.block(good.hash) == good


def test_a_block_that_failed_is_not_executed_twice() -> None:
    maker = Maker(MemoryStore())
    chain, ledger = counting_chain(Pool())
    good = maker.block(chain.genesis, [pay(ALICE, BOB, 5, 0)])
    bad = Block(replace(good.header, state_root=bytes(32)), good.transactions)
    for _ in range(3):
        with pytest.raises(InvalidBlock, match="state-root"):
            chain.check(bad)
    assert ledger.executions == 1


def test_the_final_block_stays_and_losers_are_forgotten() -> None:
    maker, chain = maker_and_chain()
    trunk = grow(maker, chain, 3)
    rival = maker.block(trunk[0], tag=b"rival")
    heir = maker.block(rival.header, tag=b"heir")
    for block in (rival, heir):
        chain.check(block)
    assert [block.hash for block in chain.beside()] == [rival.hash, heir.hash]
    with pytest.raises(InvariantBroken):
        chain.finalize(rival.hash, b"proof")
    with pytest.raises(InvariantBroken):
        chain.finalize(b"\1" * 32, b"proof")
    assert chain.finalize(trunk[1].hash, b"proof") is True
    assert chain.finalize(trunk[1].hash, b"proof") is False
    assert chain.finalize(trunk[0].hash, b"earlier") is False
    assert chain.finalized == trunk[1]
    assert (chain.certificate(trunk[1].hash), chain.certificate(trunk[2].hash)) == (b"proof", b"")
    for block in (rival, heir):
        assert chain.header(block.hash) is None
        assert chain.state_or_none(block.hash) is None
        with pytest.raises(Misuse):
            chain.adopt(block.hash)
    with pytest.raises(InvalidBlock, match="below-final"):
        chain.check(rival)
    with pytest.raises(UnknownParent):
        chain.check(heir)
    with pytest.raises(InvariantBroken):
        chain.adopt(trunk[0].hash)
    assert list(chain.verify()) == []


def test_certificates_can_be_kept_for_any_block() -> None:
    maker, chain = maker_and_chain()
    header = grow(maker, chain, 1)[0]
    chain.keep_certificate(header.hash, b"votes")
    assert chain.certificate(header.hash) == b"votes"
    with pytest.raises(Misuse):
        chain.keep_certificate(bytes(32), b"votes")


def test_ancestry_and_ranges() -> None:
    maker, chain = maker_and_chain()
    trunk = grow(maker, chain, 5)
    side = maker.block(trunk[1], tag=b"side")
    chain.check(side)
    assert chain.is_ancestor(trunk[1].hash, trunk[4].hash)
    assert chain.is_ancestor(trunk[1].hash, side.hash)
    assert chain.is_ancestor(side.hash, side.hash)
    assert not chain.is_ancestor(trunk[2].hash, side.hash)
    assert not chain.is_ancestor(trunk[4].hash, trunk[1].hash)
    assert not chain.is_ancestor(bytes(32), trunk[1].hash)
    assert chain.headers_from(3, 10) == trunk[2:]
    assert chain.headers_from(0, 2) == [chain.genesis, trunk[0]]
    assert chain.headers_from(6, 2) == []


def test_a_final_chain_keeps_undo_records_only_as_deep_as_history_is_promised() -> None:
    limits = ChainLimits(flush_blocks=2, history_depth=5)
    store = MemoryStore()
    maker, chain = Maker(MemoryStore()), open_chain(store, limits=limits)
    trunk = grow(maker, chain, 20, final=True)
    assert sum(1 for _ in store.scan(Table.UNDO)) == 6
    for header in trunk:
        layer = chain.state_or_none(header.hash)
        assert (layer is not None) == (header.number >= 15)
        if layer is not None:
            assert account(layer.get(BOB)) == (0, EACH + header.number)
    assert chain.prove(trunk[0].hash, BOB) is None
    with pytest.raises(Misuse):
        chain.state(trunk[0].hash)
    assert list(chain.verify()) == []
    grow(maker, open_chain(store, limits=limits), 4, final=True)
    assert sum(1 for _ in store.scan(Table.UNDO)) == 6


def test_flush_leaves_nothing_to_execute_on_opening() -> None:
    store = MemoryStore()
    maker, chain = Maker(MemoryStore()), open_chain(store)
    grow(maker, chain, 5, final=True)
    assert sum(1 for _ in store.scan(Table.UNDO)) == 0, "five small blocks are not worth a write"
    chain.flush()
    block, state = genesis()
    ledger = Counting()
    again = Chain.open(store, block, state, ledger, chain_id=7)
    assert account(again.state(again.head.hash).get(BOB)) == (0, EACH + 5)
    assert ledger.executions == 0
    assert list(again.verify()) == []
