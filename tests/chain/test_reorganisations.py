"""Random trees of blocks, reorganisations of any depth, restarts between: the chain is always what a replay gives."""

import random

import pytest
from chain_kit import EACH, LEDGER, MINER, NAMES, Maker, account, open_chain, pay

from raclette.chain.block import Block
from raclette.chain.chain import Chain, Reorganisation
from raclette.chain.header import Header
from raclette.chain.limits import ChainLimits
from raclette.chain.state import FlatState, StateJournal, StateLayer
from raclette.chain.trie import root_of_mapping
from raclette.chain.trie_proof import verify_proof
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Batch, Table
from raclette.store.memory import MemoryStore

REWARD = 3
# Small enough that the base moves, undo records are needed and side layers are dropped within a few dozen blocks.
TIGHT = ChainLimits(
    layers_kept=4, flush_blocks=3, flush_keys=20, bodies_kept=2, side_layers_max=3, built_max=2, trie_nodes_max=8
)


class World:
    """A maker that knows every block, and the chain under test."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.maker = Maker(MemoryStore(), reward=REWARD)
        self.blocks: dict[bytes, Block] = {}
        self.store = MemoryStore()
        self.chain = open_chain(self.store, reward=REWARD, limits=TIGHT)
        self.deepest = 0

    def grow(self, parent: Header) -> Block:
        """A block of random transfers on `parent`, some of which empty an account."""
        state = self.maker.chain.state(parent.hash)
        raws, nonces = [], dict[bytes, int]()
        for _ in range(self.draw.randrange(4)):
            sender = self.draw.choice(NAMES)
            nonce, balance = account(state.get(sender))
            if sender in nonces:
                nonce, amount = nonces[sender], 0
            else:
                amount = balance if self.draw.random() < 0.1 else self.draw.randrange(balance + 1)
            raws.append(pay(sender, self.draw.choice(NAMES), amount, nonce))
            nonces[sender] = nonce + 1
        block = self.maker.block(parent, raws, tag=self.draw.randbytes(4))
        self.blocks[block.hash] = block
        return block

    def branch(self, header: Header) -> list[Block]:
        """Blocks from 1 up to `header`."""
        found = []
        while header.number:
            found.append(self.blocks[header.hash])
            header = self.maker.chain.header(header.parent_hash) or header
        return found[::-1]

    def offer(self, block: Block) -> None:
        """Give the chain a block, and its ancestors if it does not have them."""
        for each in self.branch(block.header):
            if self.chain.header(each.hash) is None:
                self.chain.check(each)

    def adopt(self, block: Block) -> Reorganisation:
        moved = self.chain.adopt(block.hash)
        self.deepest = max(self.deepest, len(moved.removed))
        return moved

    def restart(self) -> None:
        self.chain = open_chain(self.store, reward=0, limits=TIGHT)
        # The reward that a block paid is kept with it: opening again does not need the engine.
        self.claim_all()
        self.chain.reward_of = lambda number: REWARD

    def replay(self, header: Header) -> dict[bytes, bytes]:
        """State after `header`, from nothing."""
        fresh = open_chain(MemoryStore(), reward=REWARD)
        for block in self.branch(header):
            fresh.check(block)
            fresh.adopt(block.hash)
        return state_of(fresh, header)

    def claim_all(self) -> None:
        """The chain is what a replay of the head's branch gives: state, root, proofs, numbers, index, money."""
        chain, head = self.chain, self.chain.head
        state = self.replay(head)
        assert state_of(chain, head) == state
        assert root_of_mapping(state) == head.state_root
        assert LEDGER.supply(state.items()) == EACH * len(NAMES) + REWARD * head.number
        for name in (NAMES[0], MINER, b"nobody"):
            proof = chain.prove(head.hash, name)
            assert proof is not None
            assert verify_proof(head.state_root, keccak256(name), proof) == state.get(name)
        indexed = {}
        for block in self.branch(head):
            assert chain.canonical(block.number) == block.header
            assert chain.block(block.hash) == block
            assert chain.receipts(block.hash) is not None
            for index, raw in enumerate(block.transactions):
                indexed[keccak256(raw)] = block.hash + index.to_bytes(4, "big")
        assert dict(self.store.scan(Table.INDEX)) == indexed
        assert chain.canonical(head.number + 1) is None
        assert list(chain.verify()) == []


def state_of(chain: Chain, header: Header) -> dict[bytes, bytes]:
    layer = chain.state(header.hash)
    found = {name: layer.get(name) for name in (*NAMES, MINER)}
    return {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize("seed", range(8))
def test_whatever_branch_is_adopted_the_chain_equals_a_replay_of_it(seed: int) -> None:
    world = World(seed)
    tips = [world.maker.chain.genesis]
    reorganised = restarted = 0
    for step in range(50):
        far_back = step % 15 == 14
        parent = tips[0] if far_back else world.draw.choice(tips[-3:] if world.draw.random() < 0.9 else tips)
        block = world.grow(parent)
        tips.append(block.header)
        world.offer(block)
        if far_back or world.draw.random() < 0.7:
            before = world.chain.head
            moved = world.adopt(block)
            reorganised += bool(moved.removed)
            claim_moved(world, before, moved)
        if world.draw.random() < 0.1:
            world.restart()
            restarted += 1
        if step % 10 == 9:
            world.claim_all()
    assert reorganised
    assert restarted
    assert world.deepest >= TIGHT.layers_kept + TIGHT.flush_blocks, "some reorganisation must go below the base"


def claim_moved(world: World, before: Header, moved: Reorganisation) -> None:
    """The notice leads from the old head down to the fork and up to the new head, with the right transactions."""
    cursor = before
    for executed in moved.removed:
        assert executed.header == cursor
        cursor = world.maker.chain.header(cursor.parent_hash) or cursor
    for executed in moved.added:
        assert executed.header.parent_hash == cursor.hash
        cursor = executed.header
    assert cursor == world.chain.head
    for executed in (*moved.removed, *moved.added):
        assert tuple(each.raw for each in executed.transactions) == world.blocks[executed.header.hash].transactions
        assert len(executed.receipts) == len(executed.transactions)


@pytest.mark.parametrize("seed", range(4))
def test_every_state_within_reach_can_be_read_and_proven(seed: int) -> None:
    """Above the base from layers, below it from undo records, beside the head's branch by executing again."""
    world = World(100 + seed)
    trunk = [world.maker.chain.genesis]
    side: list[Header] = []
    for _ in range(25):
        block = world.grow(trunk[-1])
        trunk.append(block.header)
        world.offer(block)
        world.adopt(block)
    fork = trunk[8]
    for _ in range(10):
        block = world.grow(side[-1] if side else fork)
        side.append(block.header)
        world.offer(block)
        on_top = world.grow(trunk[-1])
        trunk.append(on_top.header)
        world.offer(on_top)
        world.adopt(on_top)
    for header in (*trunk, *side):
        expected = world.replay(header)
        assert state_of(world.chain, header) == expected
        for name in NAMES[:3]:
            proof = world.chain.prove(header.hash, name)
            assert proof is not None
            assert verify_proof(header.state_root, keccak256(name), proof) == expected.get(name)
    world.claim_all()


def test_a_reorganisation_of_hundreds_of_blocks_goes_down_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raclette.chain.chain.RETREAT_BLOCKS_MAX", 16)
    world = World(7)
    old = new = world.maker.chain.genesis
    for _ in range(60):
        block = world.grow(old)
        old = block.header
        world.offer(block)
        world.adopt(block)
    for _ in range(61):
        block = world.grow(new)
        new = block.header
        world.offer(block)
    moved = world.adopt(block)
    assert (len(moved.removed), len(moved.added)) == (60, 61)
    world.claim_all()
    world.restart()
    moved = world.adopt(world.blocks[old.hash])
    assert (len(moved.removed), len(moved.added)) == (61, 60)
    world.claim_all()


def test_side_branches_are_bounded_and_the_growing_one_survives() -> None:
    limits = ChainLimits(side_blocks_max=10, side_layers_max=2, layers_kept=4, flush_blocks=2)
    world = World(9)
    world.chain = open_chain(world.store, reward=REWARD, limits=limits)
    trunk = world.maker.chain.genesis
    for _ in range(20):
        block = world.grow(trunk)
        trunk = block.header
        world.offer(block)
        world.adopt(block)
    stale = []
    for _ in range(15):
        block = world.grow(world.maker.chain.genesis)
        stale.append(block)
        world.offer(block)
    growing = world.maker.chain.genesis
    for _ in range(22):
        block = world.grow(growing)
        growing = block.header
        world.chain.check(block)
    assert all(world.chain.header(block.hash) is None for block in stale)
    assert len(list(world.chain.beside())) == 22
    world.adopt(block)
    world.claim_all()


def test_a_journal_goes_back_to_its_checkpoint() -> None:
    journal = StateJournal(StateLayer(_flat({b"a": b"1", b"b": b"2"})))
    journal.set(b"a", b"10")
    mark = journal.checkpoint()
    journal.set(b"a", None)
    journal.set(b"b", b"")
    journal.set(b"c", b"3")
    assert [journal.get(key) for key in (b"a", b"b", b"c")] == [None, None, b"3"]
    journal.revert(mark)
    assert [journal.get(key) for key in (b"a", b"b", b"c")] == [b"10", b"2", None]
    assert journal.changes() == {b"a": b"10"}
    journal.revert(0)
    assert journal.changes() == {}


def _flat(values: dict[bytes, bytes]) -> FlatState:
    store, batch = MemoryStore(), Batch()
    for key, value in values.items():
        batch.put(Table.STATE, key, value)
    store.write(batch)
    return FlatState(store)


def test_a_layer_over_hundreds_of_blocks_reads_through_few_dictionaries() -> None:
    layer = StateLayer(_flat({}))
    for number in range(1, 301):
        layer = layer.child(number, {b"k%d" % number: b"v", b"hot": b"%d" % number})
    assert len(layer._maps) <= 9
    assert layer.get(b"hot") == b"300"
    assert layer.get(b"k1") == b"v"
    assert layer.get(b"k301") is None
    assert len(layer.difference()) == 301
