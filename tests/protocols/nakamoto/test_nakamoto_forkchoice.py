"""Which branch is the chain."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pow_world import GENESIS, SEAL

from raclette.chain.header import Header
from raclette.protocols.nakamoto.forkchoice import BlockTree


class Family:
    """Headers by a short name, each with a weight, on a parent's name."""

    def __init__(self, *, ghost: bool = False, window: int = 1_024) -> None:
        self.by_name: dict[str, Header] = {"genesis": GENESIS}
        self.by_hash: dict[bytes, Header] = {GENESIS.hash: GENESIS}
        self.final = 0
        self.tree = self.restart(ghost=ghost, window=window)

    def restart(self, *, head: str = "genesis", ghost: bool = False, window: int = 1_024) -> BlockTree:
        self.tree = BlockTree(
            self.by_name[head],
            ghost=ghost,
            weight=lambda header: header.difficulty,
            lookup=self.by_hash.get,
            lowest=lambda: self.final,
            window=window,
        )
        return self.tree

    def make(self, name: str, parent: str, weight: int = 10) -> Header:
        above = self.by_name[parent]
        header = Header(above.hash, above.number + 1, above.timestamp + 1, difficulty=weight, extra_data=name.encode())
        self.by_name[name] = self.by_hash[header.hash] = header
        return header

    def grow(self, name: str, parent: str, weight: int = 10) -> bool:
        return self.tree.add(self.make(name, parent, weight))

    def line(self, prefix: str, parent: str, count: int, weight: int = 10) -> str:
        for index in range(count):
            self.grow(f"{prefix}{index}", parent if index == 0 else f"{prefix}{index - 1}", weight)
        return f"{prefix}{count - 1}"

    @property
    def head(self) -> str:
        return self.by_hash[self.tree.head].extra_data.decode() or "genesis"


def test_the_branch_with_more_work_wins_over_the_longer_one() -> None:
    """Mutant N1, fork choice by height, would stay on the long branch."""
    family = Family()
    assert family.line("long", "genesis", 10, weight=10) == family.head
    family.line("heavy", "genesis", 3, weight=33)
    assert family.head == "long9", "99 is less than 100"
    family.grow("heavy3", "heavy2", 2)
    assert family.head == "heavy3"


def by_height(headers: list[Header]) -> Header:
    """Mutant N1."""
    return max(headers, key=lambda header: header.number)


def test_the_mutant_that_counts_blocks_follows_a_branch_of_cheap_ones() -> None:
    family = Family()
    family.line("cheap", "genesis", 10, weight=1)
    family.line("real", "genesis", 5, weight=10)
    assert by_height(list(family.by_name.values())).extra_data == b"cheap9"
    assert family.head == "real4"


@pytest.mark.parametrize("ghost", [False, True])
def test_a_draw_keeps_what_was_seen_first(ghost: bool) -> None:
    family = Family(ghost=ghost)
    assert family.grow("first", "genesis")
    assert not family.grow("second", "genesis")
    assert family.head == "first"
    assert family.grow("third", "second")
    assert family.head == "third"
    assert not family.grow("fourth", "first")
    assert family.head == "third"


@pytest.mark.parametrize("ghost", [False, True])
def test_a_reorganisation_of_any_depth_is_followed_and_measured(ghost: bool) -> None:
    family = Family(ghost=ghost, window=50)
    old = family.line("a", "genesis", 300)
    family.line("b", "genesis", 299)
    assert family.head == old
    family.grow("b299", "b298")
    assert family.head == old
    family.grow("b300", "b299")
    assert family.head == "b300"
    assert family.tree.fork_depth(family.by_name["a299"].hash) == 300


def test_after_a_restart_branches_compare_as_before() -> None:
    """The tree starts at the head alone and knows only differences; deeper blocks come from the chain."""
    family = Family()
    family.line("a", "genesis", 40, weight=10)
    family.line("b", "a9", 29, weight=10)
    family.restart(head="a39")
    assert not family.grow("b29", "b28", 10)
    assert family.head == "a39"
    assert family.grow("b30", "b29", 1)
    assert family.head == "b30"


@pytest.mark.parametrize("ghost", [False, True])
def test_after_a_restart_a_block_of_the_head_s_own_branch_counts_once(ghost: bool) -> None:
    """NAK-3: heard again, it brings its parent in, and itself with it. Counted twice, it would weigh for its branch and
    its children for none."""
    family = Family(ghost=ghost)
    family.grow("low", "genesis")
    family.grow("left", "low")
    family.grow("left-1", "left", 5)
    family.restart(head="left-1", ghost=ghost)
    assert not family.tree.add(family.by_name["left"])
    family.grow("left-2", "left", 5)
    family.grow("right", "low")
    family.grow("right-1", "right", 9)
    assert len(family.tree) == 6
    assert family.head == ("left-1" if ghost else "right-1"), "20 beside 19, or 15 beside 19"
    assert family.tree.fork_depth(family.by_name["left-1"].hash) == (0 if ghost else 2)


def test_memory_is_bounded_by_the_window() -> None:
    family = Family(window=64)
    for index in range(1_000):
        family.grow(f"n{index}", f"n{index - 1}" if index else "genesis")
        family.grow(f"side{index}", f"n{index - 1}" if index else "genesis", 5)
    assert family.head == "n999"
    assert len(family.tree) <= 2 * (2 * 64 + 2)
    assert family.tree.ancestor(10) == family.by_name["n989"].hash
    assert family.tree.ancestor(900) is None


def test_what_forks_below_the_final_block_is_left_out() -> None:
    family = Family()
    family.line("a", "genesis", 10)
    family.final = 8
    family.restart(head="a9")
    assert not family.grow("rebel", "a3", 10_000)
    assert family.grow("loyal", "a8", 11)
    assert family.head == "loyal"


def test_ghost_and_heaviest_differ_where_the_attacker_s_branch_is_longest() -> None:
    """Sompolinsky and Zohar, FC 2015, figure 3: the network's many forks lose to a secret chain of six by length, but
    the subtree under the honest block 1B holds more work than the attacker's."""
    heads = []
    for ghost in (False, True):
        family = Family(ghost=ghost)
        for name, parent in (
            [("1B", "genesis")]
            + [(f"2{letter}", "1B") for letter in "BCD"]
            + [("3A", "2B"), ("3B", "2B"), ("3C", "2C"), ("3D", "2C"), ("3E", "2C"), ("3F", "2D")]
            + [("4A", "3A"), ("4B", "3C"), ("4C", "3F")]
        ):
            family.grow(name, parent)
        family.line("attack", "genesis", 6)
        heads.append(family.head)
    assert heads[0] == "attack5"
    assert heads[1] == "4B", "2C's subtree weighs most, and in it 3C's"


def test_ghost_enters_the_heavier_subtree_even_if_its_own_branch_is_shorter() -> None:
    family = Family(ghost=True)
    family.line("a", "genesis", 3)
    family.grow("b", "genesis")
    assert not family.grow("b1", "b")
    assert family.head == "a2"
    assert not family.grow("b2", "b"), "a draw: three blocks each"
    assert family.grow("b3", "b")
    assert family.head == "b1", "the first seen of the leaves"


def brute_ghost(headers: list[Header]) -> bytes:
    """The rule as the paper writes it: from genesis, over the whole tree, in order of arrival."""
    children: dict[bytes, list[Header]] = {}
    for header in headers:
        children.setdefault(header.parent_hash, []).append(header)

    def weight(header: Header) -> int:
        return header.difficulty + sum(weight(child) for child in children.get(header.hash, []))

    at = GENESIS
    while at.hash in children:
        at = max(children[at.hash], key=weight)
    return at.hash


def brute_heaviest(headers: list[Header]) -> bytes:
    total = {GENESIS.hash: 0}
    for header in headers:
        total[header.hash] = total[header.parent_hash] + header.difficulty
    return max(total, key=lambda name: total[name])


shapes = st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 5)), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None)
@given(shape=shapes)
@pytest.mark.parametrize(("ghost", "brute"), [(False, brute_heaviest), (True, brute_ghost)])
def test_the_incremental_choice_weighs_as_much_as_the_one_over_the_whole_tree(
    ghost: bool, brute: Callable[[list[Header]], bytes], shape: list[tuple[int, int]]
) -> None:
    """Draws may fall differently (first seen as a head against first in order), so odd weights make them rare and
    equal weight is accepted."""
    family = Family(ghost=ghost)
    names, headers = ["genesis"], []
    for index, (parent, weight) in enumerate(shape):
        headers.append(family.make(f"n{index}", names[parent % len(names)], (weight << 50) + (1 << index)))
        family.tree.add(headers[-1])
        names.append(f"n{index}")
    assert family.tree.head == brute(headers)


def test_a_block_on_an_unknown_parent_is_not_taken() -> None:
    family = Family()
    stranger: Any = SEAL.seal(Header(b"\x11" * 32, 5, 5))
    assert not family.tree.add(stranger)
    assert len(family.tree) == 1
