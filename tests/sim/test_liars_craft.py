"""What all forging adapters stand on: own frames are read whole or not at all, rivals are valid, memory is bounded."""

from dataclasses import replace
from functools import cache

import pytest

from raclette.chain.header import Header
from raclette.engine.contract import Draft
from raclette.node.node import Node
from raclette.node.wire import encode_transactions
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.messages import PrePrepare
from raclette.sim.config import SimConfig, Workload
from raclette.sim.liars.forging.craft import REMEMBERED_MAX, keep, read_own, rival_block, rival_hash
from raclette.sim.simulate import Simulation


@cache
def node() -> Node:
    """One that has followed a short chain."""
    workload = Workload(count=20, interval=50 * MILLISECOND, start=200 * MILLISECOND)
    simulation = Simulation(SimConfig(nodes=4, accounts=20, workload=workload, duration=2 * SECOND))
    simulation.run()
    found = simulation.world.hosts[0].node
    assert isinstance(found, Node)
    return found


def core() -> Core:
    """Its engine's."""
    found: Core = node().engine.core  # type: ignore[attr-defined]
    return found


def proposal(header: Header) -> PrePrepare:
    """Of that header's block, as its frame says it: without the body."""
    return PrePrepare(0, header, 0, core().own_prepare(0, header.number, header.hash, 0).claim)


@pytest.mark.parametrize("frame", [b"", b"\xff\xff\xff", encode_transactions([b"one"])])
def test_a_frame_that_holds_no_word_of_the_engine_is_left_alone(frame: bytes) -> None:
    assert read_own(node(), frame, public=True) is None


def test_a_proposal_is_read_with_its_block_or_not_at_all() -> None:
    head = node().chain.head
    frame = node().blocks.frame(proposal(head), public=False)
    whole, bare = read_own(node(), frame, whole=(PrePrepare,)), read_own(node(), frame)
    assert isinstance(whole, PrePrepare)
    assert isinstance(bare, PrePrepare)
    assert whole.block == node().chain.block(head.hash) is not None
    assert bare.block is None
    unknown = node().blocks.frame(proposal(replace(head, timestamp=head.timestamp + 1)), public=False)
    assert read_own(node(), unknown, whole=(PrePrepare,)) is None
    assert read_own(node(), unknown) is not None


def test_public_words_are_read_only_where_they_are_asked_for() -> None:
    vote = core().own_prepare(0, 1, bytes(32), 0)
    frame = node().blocks.frame(vote, public=True)
    assert read_own(node(), frame) is None
    assert read_own(node(), frame, public=True) == vote


def block_above(header: Header) -> Header:
    """A valid block, known to the chain and not final."""
    chain = node().chain
    block = chain.build(header, Draft(header.timestamp, extra_data=header.extra_data))
    chain.check(block)
    return block.header


def test_a_rival_is_another_valid_block_in_the_same_place_and_stays_the_same() -> None:
    chain, book = node().chain, dict[bytes, Header]()
    header = block_above(chain.head)
    rival = rival_block(chain, header, book)
    assert rival is not None
    assert rival.hash != header.hash
    assert (rival.number, rival.header.parent_hash) == (header.number, header.parent_hash)
    assert rival.header.extra_data == header.extra_data
    assert rival_hash(book, header.hash) == rival.hash
    again = rival_block(chain, header, book)
    assert again is not None
    assert again.hash == rival.hash


def test_a_rival_stands_on_the_rival_of_its_parent_unless_it_may_not_branch() -> None:
    chain, book = node().chain, dict[bytes, Header]()
    parent = block_above(chain.head)
    other = rival_block(chain, parent, book)
    branched = rival_block(chain, block_above(parent), dict(book))
    beside = rival_block(chain, block_above(parent), dict(book), branch=False)
    assert other is not None
    assert branched is not None
    assert beside is not None
    assert branched.header.parent_hash == other.hash
    assert beside.header.parent_hash == parent.hash


def test_there_is_no_rival_above_an_unknown_block_and_no_empty_one_where_none_may_be() -> None:
    chain = node().chain
    assert rival_block(chain, replace(chain.head, parent_hash=bytes(32)), {}) is None
    # Everything that waited is executed: there is nothing left to put into a block.
    above = block_above(chain.head)
    assert rival_block(chain, above, {}) is not None
    assert rival_block(chain, above, {}, empty=False) is None


def test_the_rival_of_a_block_without_one_is_no_block_but_always_the_same() -> None:
    known, unknown = bytes(32), b"\x01" * 32
    assert rival_hash({}, known) == rival_hash({}, known) not in (known, rival_hash({}, unknown))


def test_the_oldest_is_forgotten() -> None:
    memory: dict[int, str] = {}
    for number in range(REMEMBERED_MAX + 3):
        keep(memory, number, "")
    assert list(memory) == list(range(3, REMEMBERED_MAX + 3))
    keep(memory, 99, "", most=2)
    assert list(memory) == [REMEMBERED_MAX + 2, 99]
