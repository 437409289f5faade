"""The checkers find what they are there to find."""

from dataclasses import dataclass, replace
from typing import Any, cast

import pytest
from stub import StubNode

from raclette.chain.block import Block
from raclette.chain.dict_state import DictState
from raclette.chain.genesis import Genesis, even_alloc
from raclette.chain.header import Header
from raclette.chain.ledger import BlockContext
from raclette.chain.trie import root_of_mapping
from raclette.ledgers import ledger_of
from raclette.ledgers.bank.samples import sample_transfers
from raclette.node.host import NewFinal, NewHead
from raclette.node.view import NodeView
from raclette.sim.checkers import Agreement, FinalityKept, Progress
from raclette.sim.replay import Replayer, ReplayFailed
from raclette.sim.topology import full_mesh
from raclette.sim.world import World, WorldSetup

GENESIS = Genesis(protocol="pbft", ledger="bank", alloc=even_alloc(5, 10**18))
LEDGER = ledger_of(GENESIS)
REWARD = 7


@dataclass
class FakeView:
    """Headers and blocks in dictionaries."""

    genesis: Header
    headers: dict[bytes, Header]
    blocks: dict[bytes, Block]

    def header(self, block_hash: bytes) -> Header | None:
        return self.headers.get(block_hash)

    def block(self, block_hash: bytes) -> Block | None:
        return self.blocks.get(block_hash)

    def canonical(self, number: int) -> Header | None:
        return next((header for header in self.headers.values() if header.number == number), None)


def as_view(view: FakeView) -> NodeView:
    return cast(NodeView, view)


def make_chain(batches: list[list[bytes]], *, reward: int = REWARD, spoil: bool = False) -> tuple[FakeView, Header]:
    """A chain on GENESIS; with `spoil`, money appears in its last state."""
    state = DictState(LEDGER.genesis(GENESIS.alloc))
    genesis = head = Header(parent_hash=bytes(32), number=0, timestamp=0, state_root=root_of_mapping(state.entries))
    view = FakeView(genesis, {genesis.hash: genesis}, {})
    for batch in batches:
        context = BlockContext(head.number + 1, head.number + 1, bytes(20), 0, 30_000_000, reward)
        done = LEDGER.execute(context, [LEDGER.decode(raw) for raw in batch], state, strict=False)
        if spoil:
            LEDGER.execute(replace(context, reward=1), [], state, strict=False)
        head = Header(
            parent_hash=head.hash,
            number=head.number + 1,
            timestamp=head.number + 1,
            state_root=root_of_mapping(state.entries),
            gas_used=done.gas_used,
        )
        view.headers[head.hash] = head
        view.blocks[head.hash] = Block(head, tuple(batch))
    return view, head


def audit(view: FakeView, head: Header, submitted: Any = lambda raw: True) -> None:
    Replayer(GENESIS, LEDGER, lambda number: REWARD, LEDGER.decode).check(as_view(view), head, submitted)


TRANSFERS = sample_transfers(10, 1, GENESIS.chain_id, accounts=5)


def test_an_honest_chain_passes_the_audit() -> None:
    audit(*make_chain([TRANSFERS[:5], [], TRANSFERS[5:]]))


def test_money_from_nowhere_is_found() -> None:
    with pytest.raises(ReplayFailed, match="state root"):
        audit(*make_chain([TRANSFERS[:5]], spoil=True))


def test_a_reward_that_consensus_does_not_pay_is_found() -> None:
    with pytest.raises(ReplayFailed, match="state root"):
        audit(*make_chain([TRANSFERS[:5]], reward=REWARD + 1))


def test_a_transaction_that_stands_twice_is_found() -> None:
    with pytest.raises(ReplayFailed, match="second time"):
        audit(*make_chain([TRANSFERS[:5], TRANSFERS[:1]]))


def test_a_transaction_that_no_client_sent_is_found() -> None:
    with pytest.raises(ReplayFailed, match="no client"):
        audit(*make_chain([TRANSFERS[:5]]), submitted=lambda raw: raw != TRANSFERS[3])


def test_a_missing_body_is_found() -> None:
    view, head = make_chain([TRANSFERS[:5], []])
    del view.blocks[head.parent_hash]
    with pytest.raises(ReplayFailed, match="height 1: the body"):
        audit(view, head)


def small_world() -> World:
    return World(WorldSetup(graph=full_mesh(3)), StubNode)


def test_two_final_blocks_at_one_height_break_agreement_once_told_by_honest_nodes() -> None:
    (one, first), (other, second) = make_chain([[]]), make_chain([TRANSFERS[:1]])
    views = {0: as_view(one), 1: as_view(other), 2: as_view(other)}
    checker = Agreement(lambda host: views[host.index])
    world = small_world()
    world.hosts[1].honest = False
    checker.observe(world, world.hosts[0], NewFinal(first))
    checker.observe(world, world.hosts[1], NewFinal(second))
    assert checker.violations == []
    checker.observe(world, world.hosts[2], NewFinal(second))
    assert [violation.node for violation in checker.violations] == [2]
    assert "height 1" in checker.violations[0].detail


def test_a_reverted_final_block_is_found() -> None:
    view, head = make_chain([[]])
    checker = FinalityKept(lambda host: as_view(view))
    world = small_world()
    checker.observe(world, world.hosts[0], NewHead((), (head,)))
    checker.observe(world, world.hosts[0], NewFinal(head))
    assert checker.violations == []
    checker.observe(world, world.hosts[0], NewHead((head,), ()))
    assert [violation.checker for violation in checker.violations] == ["finality-kept"]


def test_a_run_without_a_transaction_made_no_progress() -> None:
    view, head = make_chain([TRANSFERS[:1]])
    world = small_world()
    idle, busy = Progress(lambda host: as_view(view)), Progress(lambda host: as_view(view))
    busy.observe(world, world.hosts[0], NewHead((), (head,)))
    for checker in (idle, busy):
        checker.finish(world)
    assert len(idle.violations) == 1
    assert busy.violations == []
