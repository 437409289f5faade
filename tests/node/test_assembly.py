"""Compact blocks on their way to whole: gossip first, then the sender, then everybody who mentioned the block."""

from dataclasses import dataclass
from typing import ClassVar

import pytest

from raclette.chain.block import Block
from raclette.chain.compact import Reassembly, encode_short_ids
from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.chain.roots import ordered_root
from raclette.node.assembly import (
    ASSEMBLIES_MAX,
    ASSEMBLIES_PER_PEER_MAX,
    ATTEMPTS_MAX,
    WAITING_PER_PEER_MAX,
    Ask,
    Assemblies,
    Ready,
    Wait,
    Waiting,
)
from raclette.primitives.errors import InvalidBlock
from raclette.primitives.hashing import keccak256
from raclette.primitives.signing import Claim

ALICE, BOB = b"a" * 32, b"b" * 32


@dataclass(frozen=True)
class Proposal:
    kind: ClassVar[str] = "proposal"
    header: Header
    block: Block | None = None

    def claims(self) -> tuple[Claim, ...]:
        return ()

    def with_block(self, block: Block) -> "Proposal":
        return Proposal(self.header, block)


def transaction(number: int) -> Transaction:
    raw = b"transaction %d" % number
    return Transaction(raw, keccak256(raw), b"s" * 20, number, 0, 21_000)


def block_of(*numbers: int, height: int = 1) -> Block:
    raws = tuple(transaction(number).raw for number in numbers)
    return Block(Header(bytes(32), height, 0, transactions_root=ordered_root(raws)), raws)


def begin(assemblies: Assemblies, block: Block, pool: list[int], peer: bytes = ALICE) -> Ask | Wait | Ready | None:
    known = {transaction(number).hash[:8]: transaction(number) for number in pool}
    ids = encode_short_ids([keccak256(raw) for raw in block.transactions])
    return assemblies.add(Waiting(peer, Proposal(block.header), False), Reassembly(block.header, ids, known.get))


def items(*pairs: tuple[int, int]) -> tuple[tuple[int, Transaction], ...]:
    return tuple((index, transaction(number)) for index, number in pairs)


def test_a_block_whose_transactions_are_all_pooled_is_ready_at_once() -> None:
    assemblies, block = Assemblies(), block_of(1, 2, 3)
    step = begin(assemblies, block, [1, 2, 3])
    assert isinstance(step, Ready)
    assert step.block == block
    assert len(assemblies) == 0


def test_missing_transactions_may_still_come_by_gossip() -> None:
    assemblies, block = Assemblies(), block_of(1, 2, 3)
    assert isinstance(begin(assemblies, block, [1]), Wait)
    assert assemblies.gossiped([transaction(7), transaction(3)]) == []
    (ready,) = assemblies.gossiped([transaction(2)])
    assert ready.block == block
    assert assemblies.timed_out(block.hash) is None


def test_after_a_moment_the_sender_is_asked_for_exactly_what_is_missing() -> None:
    assemblies, block = Assemblies(), block_of(1, 2, 3)
    begin(assemblies, block, [2])
    ask = assemblies.timed_out(block.hash)
    assert isinstance(ask, Ask)
    assert (ask.peer, ask.request.indexes) == (ALICE, (0, 2))
    assert assemblies.answered(BOB, block.hash, items((0, 1), (2, 3))) is None, "nobody asked Bob"
    step = assemblies.answered(ALICE, block.hash, items((0, 1), (2, 3)))
    assert isinstance(step, Ready)
    assert step.block == block


def test_a_silent_sender_is_passed_over_for_another_that_knows_the_block() -> None:
    assemblies, block = Assemblies(), block_of(1, 2)
    begin(assemblies, block, [1])
    assert begin(assemblies, block, [1], BOB) is None
    assemblies.timed_out(block.hash)
    ask = assemblies.timed_out(block.hash)
    assert isinstance(ask, Ask)
    assert (ask.peer, ask.request.indexes) == (BOB, (0, 1)), "now the whole body"
    step = assemblies.answered(BOB, block.hash, items((0, 1), (1, 2)))
    assert isinstance(step, Ready)
    assert [waiting.peer for waiting in step.waiting] == [ALICE, BOB]


def test_nobody_is_asked_for_ever() -> None:
    assemblies, block = Assemblies(), block_of(1)
    begin(assemblies, block, [])
    asked = 0
    while isinstance(assemblies.timed_out(block.hash), Ask):
        asked += 1
    assert asked == ATTEMPTS_MAX
    assert len(assemblies) == 0


def test_a_wrong_transaction_is_the_answerers_fault() -> None:
    assemblies, block = Assemblies(), block_of(1)
    begin(assemblies, block, [])
    assemblies.timed_out(block.hash)
    with pytest.raises(InvalidBlock, match="wrong-transaction"):
        assemblies.answered(ALICE, block.hash, items((0, 9)))


def test_a_body_that_does_not_match_its_header_is_dropped_with_its_block() -> None:
    raws = (transaction(1).raw,)
    lie = Block(Header(bytes(32), 1, 0, transactions_root=ordered_root((b"else",))), raws)
    assemblies = Assemblies()
    begin(assemblies, lie, [1])
    ask = assemblies.timed_out(lie.hash)
    assert ask is None or isinstance(ask, Ask)
    with pytest.raises(InvalidBlock, match="body-root"):
        assemblies.answered(ALICE, lie.hash, items((0, 1)))
    assert len(assemblies) == 0


def test_a_flood_of_blocks_pushes_out_the_oldest() -> None:
    assemblies = Assemblies()
    for height in range(ASSEMBLIES_MAX + 10):
        begin(assemblies, block_of(height, height=height), [], bytes((height,)) * 32)
    assert len(assemblies) == ASSEMBLIES_MAX
    assert assemblies.timed_out(block_of(0, height=0).hash) is None


def test_one_peers_flood_pushes_out_only_its_own() -> None:
    assemblies, honest = Assemblies(), block_of(1, height=1_000)
    begin(assemblies, honest, [], BOB)
    for height in range(ASSEMBLIES_MAX + 10):
        begin(assemblies, block_of(height, height=height), [])
    assert len(assemblies) == ASSEMBLIES_PER_PEER_MAX + 1
    assert isinstance(assemblies.timed_out(honest.hash), Ask)


def false_list(assemblies: Assemblies, block: Block, *numbers: int) -> Ask | Wait | Ready | None:
    """ALICE sends the right header with somebody else's short ids."""
    ids = encode_short_ids([transaction(number).hash for number in numbers])
    return assemblies.add(
        Waiting(ALICE, Proposal(block.header), False), Reassembly(block.header, ids, lambda short: None)
    )


def test_a_false_list_that_comes_first_does_not_hide_the_block() -> None:
    assemblies, block = Assemblies(), block_of(1, 2, 3)
    false_list(assemblies, block, 8, 9)
    step = begin(assemblies, block, [1, 2, 3], BOB)
    assert isinstance(step, Ready)
    assert step.block == block


def test_each_peer_is_asked_for_what_its_own_list_lacks_and_only_the_liar_is_blamed() -> None:
    assemblies, block = Assemblies(), block_of(1, 2, 3)
    false_list(assemblies, block, 6, 7, 8, 9)
    assert begin(assemblies, block, [2], BOB) is None
    ask = assemblies.timed_out(block.hash)
    assert isinstance(ask, Ask)
    assert (ask.peer, ask.request.indexes) == (ALICE, (0, 1, 2, 3))
    with pytest.raises(InvalidBlock, match="wrong-transaction"):
        assemblies.answered(ALICE, block.hash, items((0, 1)))
    ask = assemblies.ask(block.hash)
    assert isinstance(ask, Ask)
    assert (ask.peer, ask.request.indexes) == (BOB, (0, 2))
    step = assemblies.answered(BOB, block.hash, items((0, 1), (2, 3)))
    assert isinstance(step, Ready)
    assert [waiting.peer for waiting in step.waiting] == [BOB]


def test_one_peer_cannot_take_every_place_in_the_queue_for_a_block() -> None:
    assemblies, block = Assemblies(), block_of(1)
    for _ in range(10):
        begin(assemblies, block, [])
    begin(assemblies, block, [], BOB)
    (ready,) = assemblies.gossiped([transaction(1)])
    assert [waiting.peer for waiting in ready.waiting] == [ALICE] * WAITING_PER_PEER_MAX + [BOB]
