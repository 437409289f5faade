"""The fairness of fruits: the compiled chain against the protocol's own rules, and bounds that hold and that break."""

from typing import Any

import numpy as np
import pytest

from raclette.chain.header import Header
from raclette.lab.experiments import find, no_progress
from raclette.lab.experiments.contract import FAIL, PASS, Result
from raclette.lab.experiments.fruits import Attack, Chain, measure, segment_bound, simulate
from raclette.lab.experiments.selfish import revenue
from raclette.primitives.randomness import Random, draw64
from raclette.protocols.hybrid.fruits import FRUITS_MAX, Claim, Fruit, ancestors, body_root, choose

MINER = bytes(31) + b"\1"
QUICK = {"alpha": "0.4", "gamma": "0.5", "depth": "32", "segments": "3"}


def quick(**chosen: str) -> Result:
    experiment = find("fruits")
    return experiment.run(experiment.settings(QUICK | chosen, seed=1, quick=True), no_progress)


class Tree:
    """A slow chain of real headers and fruits: every block chooses what it includes when it is made, by the protocol's
    own rules."""

    def __init__(self, depth: int, window: int, censors: bool) -> None:
        self.depth, self.window, self.censors = depth, window, censors
        self.genesis = Header(bytes(32), 0, 0)
        self.known = {self.genesis.hash: self.genesis}
        self.held: dict[bytes, tuple[Fruit, ...]] = {self.genesis.hash: ()}
        self.attackers: set[bytes] = set()
        self.waiting: list[Fruit] = []

    def find(self, time: int, parent: Header, pointer: Header, attacks: bool, block: bool) -> Header | None:
        """A fruit, and a block on `parent` if it is one."""
        claim = Claim(MINER, pointer.hash, time).encode()
        header = Header(parent.hash, parent.number + 1, time, transactions_root=body_root((claim,)))
        if block:
            behind = ancestors(parent, self.window, self.known.get)
            included = {fruit.hash for name in behind for fruit in self.held[name]}
            mine = [fruit for fruit in self.waiting if fruit.hash in self.attackers]
            offered = mine if attacks and self.censors else self.waiting
            self.held[header.hash] = choose(offered, header.number, self.window, behind.get, included)
            self.known[header.hash] = header
        if attacks:
            self.attackers.add(header.hash)
        self.waiting.append(Fruit.of(header, (claim,)))
        return header if block else None

    def below(self, head: Header, depth: int) -> Header:
        for _ in range(min(depth, head.number)):
            head = self.known[head.parent_hash]
        return head

    def rows(self, head: Header) -> list[tuple[int, int, int]]:
        """(attacker's?, honest fruits, attacker's fruits) from block 1 to `head`."""
        rows = []
        while head.number:
            mine = sum(fruit.hash in self.attackers for fruit in self.held[head.hash])
            rows.append((int(head.hash in self.attackers), len(self.held[head.hash]) - mine, mine))
            head = self.known[head.parent_hash]
        return rows[::-1]


def slowly(seed: int, chances: Any, finds: int, tree: Tree) -> list[tuple[int, int, int]]:
    """SM1 on the tree, with the draws of the compiled chain; the rows of what all share in the end."""
    alpha, gamma, block = (int(chance) for chance in chances)
    random = Random(0)
    random._key = draw64(seed, 0, 0)
    shared = public = private = tree.genesis
    tied = False
    for time in range(1, finds + 1):
        attacks, found = random.next64() < alpha, random.next64() < block
        if attacks:
            private = tree.find(time, private, shared, True, found) or private
            if found and tied:
                shared = public = private
                tied = False
            continue
        on_private = tied and random.next64() < gamma
        head = private if on_private else public
        made = tree.find(time, head, tree.below(head, tree.depth), False, found)
        if made is None:
            continue
        lead = private.number - public.number
        public = made
        if tied or lead <= 0:
            shared = private = public
            tied = False
        elif lead == 1:
            tied = True
        elif lead == 2:
            shared = public = private
    return tree.rows(shared)


def fast(seed: int, plan: Any, chances: Any, rules: Any, finds: int) -> list[tuple[int, ...]]:
    from raclette.lab.experiments.jit.draws import stream_key
    from raclette.lab.experiments.jit.fruits import TALLY, World, grow

    shapes = [(finds + 1, 3), (finds + 1, 2), (finds + 1, 2), (finds + 1, 3)]
    world = World(np.zeros(TALLY, np.int64), *(np.zeros(shape, np.int32) for shape in shapes))
    height = grow(stream_key(seed, 0), chances, finds, rules, plan, world)
    return [tuple(int(value) for value in row) for row in world.chain[1 : height + 1]]


@pytest.mark.parametrize(("censors", "depth", "window"), [(True, 3, 12), (False, 0, 5), (True, 1, 3)])
def test_the_compiled_chain_is_the_protocols(censors: bool, depth: int, window: int) -> None:
    """Block by block the same owner and the same fruits, over forks, ties and orphans."""
    from raclette.lab.experiments.jit.draws import threshold
    from raclette.lab.experiments.jit.fruits import Chances, Plan, Rules

    finds, chances = 900, Chances(threshold(0.42), threshold(0.5), threshold(1 / 3))
    slow = slowly(5, chances, finds, Tree(depth, window, censors))
    rows = fast(5, Plan(1, int(censors), 0, 0), chances, Rules(depth, window, FRUITS_MAX), finds)
    assert rows == slow
    assert len({row[0] for row in rows}) == 2
    assert sum(row[1] for row in rows) > 50


def test_shares_and_the_worst_segment_are_counted_over_every_stretch() -> None:
    """100 blocks of two fruits, one of them the attacker's; in ten blocks both are."""
    blocks = np.array([(place % 2, 1, 1) if not 40 <= place < 50 else (1, 0, 2) for place in range(100)])
    earned = measure(blocks, 20)
    assert earned.blocks[0] == pytest.approx(0.55)
    assert earned.fruits[0] == pytest.approx(0.55)
    assert earned.worst == 1.0
    assert measure(blocks, 40).worst == pytest.approx(0.75)


def test_a_segment_is_as_long_as_the_theorem_says() -> None:
    """kappa_f = 2 q R kappa, T0 = 5 kappa_f / delta."""
    chain = Chain.of(4, 64, 17, 0.05)
    assert chain.window == 17 * 64
    assert chain.segment == 5 * 2 * 4 * 17 * 64 / 0.05


def test_the_bound_is_the_smaller_of_the_papers_two() -> None:
    assert segment_bound(0.1, 0.1) == pytest.approx(0.13)
    assert segment_bound(0.4, 0.1) == pytest.approx(0.46)
    assert segment_bound(0.3, 0.0) == pytest.approx(0.3)


def test_blocks_pay_the_attacker_more_and_fruits_its_share() -> None:
    chain = Chain.of(4, 32, 17, 0.05)
    earned = simulate(1, 1, 0.4, 1.0, chain, Attack(withholds_blocks=True, censors=True), 3)
    assert abs(earned.blocks[0] - revenue(0.4, 1.0)) < 4 * earned.blocks[1]
    assert earned.blocks[0] > 0.54
    assert 0.4 - 4 * earned.fruits[1] <= earned.fruits[0] <= 0.42
    assert earned.fruits[0] <= earned.worst <= 0.43


def test_a_hoard_is_worth_what_the_window_lets_it_hold() -> None:
    """Fruits of `hoard` blocks are published at the start of a segment of L: they push alpha (hoard / L) others out,
    of which the attacker loses only its share."""
    chain, alpha = Chain.of(4, 32, 17, 0.5), 0.4
    length, hoard = chain.segment // chain.fruits, 15 * 32
    worst = simulate(1, 2, alpha, 0.0, chain, Attack(hoard=hoard), 20).worst
    expected = alpha + alpha * (1 - alpha) * hoard / length
    spread = (alpha * (1 - alpha) / chain.segment) ** 0.5
    assert expected - spread < worst < expected + 5 * spread


def test_every_row_holds_and_every_broken_chain_is_unfair() -> None:
    result = quick()
    assert result.verdict == PASS, [row for row in result.rows if row.verdict == FAIL]
    broken = [row for row in result.rows if row.quantity.startswith("must be unfair")]
    assert len(broken) == 3
    assert all(row.published is not None and row.simulated > row.published for row in broken)
    assert all(row.tolerance == 0 for row in result.rows if "segment" in row.quantity)


def test_a_chain_whose_fruits_hang_too_high_fails() -> None:
    """Forks of an attacker with 0.45 go deeper than 8 blocks: the depth is not enough for it, and the check says so."""
    result = quick(alpha="0.45", depth="8")
    assert {row.quantity for row in result.rows if row.verdict == FAIL} >= {
        "share of fruits, blocks withheld",
        "worst segment, blocks withheld",
    }


def test_rows_are_the_same_for_the_same_seed() -> None:
    assert quick().rows == quick().rows
