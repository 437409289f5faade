"""Liars with false bodies and false headers: honest nodes see through both, and go on."""

from dataclasses import replace

import pytest

from raclette.chain.mempool import SHORT_ID_BYTES
from raclette.lab.mutants import find_mutant
from raclette.lab.mutants.ledger import _tree_of_pairs
from raclette.node.host import Lane, Transmit
from raclette.node.wire import encode_engine
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.liars import LiarSpec
from raclette.sim.liars.bodies import WAYS, Bodies, blind_tail
from raclette.sim.liars.false_headers import FalseHeaders
from raclette.sim.simulate import Simulation, simulate

# Several transactions a block, so that there is something to lie about.
LOAD = Workload(count=40, interval=20 * MILLISECOND, start=SECOND // 4)
MINING = SimConfig(
    protocol="nakamoto",
    accounts=10,
    workload=LOAD,
    parameters={"block_interval_s": 1},
    duration=8 * SECOND,
    settle=600 * SECOND,
)


@pytest.mark.parametrize("protocol", ["pbft", "nakamoto"])
@pytest.mark.parametrize("seed", [1, 2])
def test_false_bodies_do_not_take_the_place_of_true_ones(protocol: str, seed: int) -> None:
    config = replace(MINING, protocol=protocol, seed=seed, liars={1: LiarSpec.of("bodies", percent=80)})
    report = simulate(config if protocol == "nakamoto" else replace(config, parameters={}))
    assert report.agreed, report.violations
    assert report.transactions == LOAD.count


def test_a_tree_of_pairs_is_blind_to_the_tail_that_the_liar_repeats() -> None:
    for count in (3, 5, 6, 7, 12):
        items = [bytes([number + 1]) for number in range(count)]
        assert _tree_of_pairs(items + items[-blind_tail(count) :]) == _tree_of_pairs(items)
    assert _tree_of_pairs([b"a", b"b", b"a", b"b"]) != _tree_of_pairs([b"a", b"b"])


def test_a_hash_with_two_lists_of_transactions_gets_two_verdicts() -> None:
    """CVE-2012-2459: with Bitcoin's tree the fooled replica finds invalid what the others execute."""
    load = replace(LOAD, interval=2 * MILLISECOND)
    liars = {0: LiarSpec.of("bodies", percent=100)}
    config = SimConfig(accounts=10, workload=load, duration=2 * SECOND, settle=60 * SECOND, liars=liars, network="wan")
    found: set[str] = set()
    for seed in range(4):
        assert simulate(replace(config, seed=seed)).agreed
        with find_mutant("pbft", "N6").plant():
            found |= {violation["checker"] for violation in simulate(replace(config, seed=seed)).violations}
    assert "one-verdict" in found


def test_the_liar_tells_some_the_truth_and_leaves_lists_of_one_alone() -> None:
    """Who hears something else than the others is cut off by it; a block that nobody can read is only lost."""
    run = Simulation(replace(MINING, seed=1, liars={1: LiarSpec.of("bodies", percent=100)}))
    liar = run.world.hosts[1].node
    assert isinstance(liar, Bodies)
    peers = tuple(host.node_id for host in run.world.hosts if host.index != 1)
    for count in (1, 3, 7):
        ids = b"".join(bytes([number + 1]) * SHORT_ID_BYTES for number in range(count))
        frame = encode_engine(b"said", ids, public=False)
        told = liar.twist(0, (Transmit(peers, Lane.CONSENSUS, frame, "block"),))
        heard = {peer: effect.frame for effect in told if isinstance(effect, Transmit) for peer in effect.peers}
        assert set(heard) == set(peers)
        assert frame in heard.values()
        assert (set(heard.values()) == {frame}) == (count == 1)


def test_half_of_these_liars_say_only_what_a_weak_tree_does_not_see() -> None:
    ways = [make_bodies(seed).ways for seed in range(40)]
    assert 12 < sum(some == [WAYS[-1]] for some in ways) < 32
    assert {len(some) for some in ways} == set(range(1, len(WAYS) + 1))
    assert {way for some in ways for way in some} == set(WAYS)
    items = [b"a", b"b", b"c", b"d"]
    WAYS[-1](items, Random(1))
    assert len(items) == 4


def make_bodies(seed: int) -> Bodies:
    """The liar of a run of this seed."""
    node = Simulation(replace(MINING, seed=seed, liars={1: LiarSpec.of("bodies")})).world.hosts[1].node
    assert isinstance(node, Bodies)
    return node


def test_blocks_with_false_headers_are_on_nobodys_chain() -> None:
    run = Simulation(replace(MINING, seed=3, liars={1: LiarSpec.of("false-headers", percent=100)}))
    report = run.run()
    assert report.agreed, report.violations
    liar = run.world.hosts[1]
    assert isinstance(liar.node, FalseHeaders)
    assert liar.seals > 0
