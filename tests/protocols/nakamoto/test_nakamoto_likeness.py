"""What a nakamoto engine says of its state: enough to foretell its answers, and no more."""

from hashlib import sha256
from typing import Any

import pytest

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Adopt, Effect, Seal
from raclette.engine.events import BlockReceived, Started, TimerFired
from raclette.engine.lightchain import LightChain
from raclette.engine.likeness import Comparable
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import SECOND
from raclette.protocols.nakamoto import IdealSeal, Nakamoto, make_engine
from raclette.protocols.nakamoto.mining import MINE

NOW = 1_000_000
SEAL = IdealSeal(b"likeness")
SETTINGS = {"difficulty_rule": "fixed", "initial_difficulty": 1_000, "future_limit_s": 15}


class Node:
    """An engine on a light chain, carried out by hand."""

    def __init__(self, name: str, **settings: Any) -> None:
        self.chain = LightChain(1, Header(parent_hash=bytes(32), number=0, timestamp=NOW, difficulty=1_000))
        signer = IdealSignatures(b"likeness").signer(sha256(name.encode()).digest())
        setup = EngineSetup(SETTINGS | settings, self.chain, signer, sha256(name.encode()).digest()[:20], {})
        self.engine: Nakamoto = make_engine(setup, seal_check=SEAL)
        self.candidate = self._carry_out(self.engine.handle(Started((NOW + 1) * SECOND)))

    def hear(self, block: Block, second: int = 60) -> None:
        self._carry_out(self.engine.handle(BlockReceived((NOW + second) * SECOND, b"peer", block, b"")))

    def mine(self, second: int = 60) -> Block:
        """The block that this node would find on its head; it does not hear of it."""
        self.candidate = self._carry_out(self.engine.handle(TimerFired((NOW + second) * SECOND, MINE)))
        assert self.candidate is not None
        return Block(SEAL.seal(self.candidate))

    def _carry_out(self, effects: tuple[Effect, ...]) -> Header | None:
        sealing = None
        for effect in effects:
            if isinstance(effect, Adopt):
                self.chain.adopt(effect.block_hash)
            elif isinstance(effect, Seal):
                sealing = effect.header
        return sealing


def branches() -> tuple[Block, Block, Block]:
    """Two blocks on genesis, and one on the second."""
    alice, bob = Node("alice"), Node("bob")
    first, second = alice.mine(2), bob.mine(2)
    bob.hear(second)
    return first, second, bob.mine(9)


def after(*blocks: Block, **settings: Any) -> Node:
    node = Node("carol", **settings)
    for block in blocks:
        node.hear(block)
    return node


def test_two_newcomers_are_alike_whatever_their_names() -> None:
    assert isinstance(Node("alice").engine, Comparable)
    assert Node("alice").engine.likeness() == Node("bob").engine.likeness() is not None
    assert Node("alice").engine.likeness() != Node("bob", reward=7).engine.likeness()


def test_the_order_of_blocks_shows_where_it_decides() -> None:
    first, second, third = branches()
    forth, back = after(first, second), after(second, first)
    assert forth.engine.likeness() != back.engine.likeness()  # a draw: each keeps what it saw first
    forth.hear(third)
    back.hear(third)
    assert forth.engine.likeness() == back.engine.likeness()  # decided
    by_subtree = [after(*blocks, fork_choice="ghost") for blocks in ((first, second, third), (second, first, third))]
    assert by_subtree[0].chain.head == by_subtree[1].chain.head
    assert by_subtree[0].engine.likeness() != by_subtree[1].engine.likeness()  # siblings may draw again


def test_an_orphan_shows_and_is_forgotten_with_its_parent() -> None:
    first, second, third = branches()
    whole = after(second, third)
    waiting = after(third)
    assert waiting.engine.likeness() not in (None, Node("dave").engine.likeness())
    waiting.hear(second)
    assert waiting.engine.likeness() == whole.engine.likeness()
    assert whole.engine.likeness() != after(first, second, third).engine.likeness()


@pytest.mark.parametrize("reason", ["early", "invalid", "waits", "finality"])
def test_an_engine_that_the_clock_may_change_is_like_no_other(reason: str) -> None:
    first = branches()[0]
    node = Node("erin", finality_depth=3 if reason == "finality" else 0)
    if reason == "early":
        node.hear(first, -20)
    elif reason == "invalid":
        node.hear(Block(SEAL.seal(Header(parent_hash=node.chain.genesis.hash, number=1, timestamp=NOW + 1))))
    elif reason == "waits":
        node.engine.handle(TimerFired((NOW - 40) * SECOND, MINE))
    assert node.engine.likeness() is None
    if reason == "waits":
        node.mine()
        assert node.engine.likeness() is not None
