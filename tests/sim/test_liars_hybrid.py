"""Liars on committees of the hybrid: one of four changes nothing that matters, and what convicts it is kept."""

from dataclasses import replace

import pytest

from raclette.node.node import Node
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Impair
from raclette.sim.liars import LiarSpec
from raclette.sim.liars.forge import Forge
from raclette.sim.liars.forging import HybridForger
from raclette.sim.simulate import Simulation, simulate, view_of

# Long enough for two rotations; node 2 mines next to nothing, and has a seat on the first committee alone.
QUICK = SimConfig(
    protocol="hybrid",
    nodes=4,
    accounts=20,
    workload=Workload(count=40, interval=400 * MILLISECOND, start=200 * MILLISECOND),
    parameters={
        "timeout_ms": 500,
        "block_interval_s": 1,
        "committee_size": 5,
        "stable_depth": 6,
        "patience": 10,
    },
    duration=20 * SECOND,
    settle=120 * SECOND,
    hash_shares=(100, 100, 4, 100),
)
STORM = (Impair(SECOND // 2, SECOND, loss_ppm=300_000),)


@pytest.mark.parametrize("inner", ["pbft", "simplex"])
@pytest.mark.parametrize("kind", ["equivocate", "withhold-votes", "forge", "mutate", "spam"])
def test_one_liar_of_four_on_the_committee_changes_nothing_that_matters(kind: str, inner: str) -> None:
    parameters = {**QUICK.parameters, "inner": inner}
    report = simulate(replace(QUICK, seed=2, parameters=parameters, faults=STORM, liars={2: LiarSpec(kind)}))
    assert report.violations == []
    assert report.transactions == 40


def test_who_signs_two_entries_for_one_place_leaves_evidence_against_itself_alone() -> None:
    liar = LiarSpec.of("equivocate", lie_percent=100, open_percent=100)
    simulation = Simulation(replace(QUICK, liars={2: liar}))
    assert simulation.run().violations == []
    guilty = "0x" + simulation.world.hosts[2].node_id.hex()
    records = [record for host in simulation.world.hosts if host.honest for record in view_of(host).evidence()]
    assert {record["accused"] for record in records} == {guilty}


def test_what_is_forged_is_refused_where_it_says_so() -> None:
    simulation = Simulation(replace(QUICK, liars={2: LiarSpec.of("forge", refused_percent=100)}, duration=8 * SECOND))
    simulation.run()
    liar = simulation.world.hosts[2].node
    assert isinstance(liar, Forge)
    assert isinstance(liar.forger, HybridForger)
    assert set(liar.told) == {"entry-in-anothers-name"}
    forged = liar.forger.forge(Random(1), refused=True)
    assert forged is not None
    assert forged.refused


def test_it_lies_in_hybrid_alone() -> None:
    simulation = Simulation(replace(QUICK, protocol="pbft", parameters={}, hash_shares=()))
    node = simulation.world.hosts[0].node
    assert isinstance(node, Node)
    with pytest.raises(Misuse, match="lies in hybrid"):
        HybridForger(node)
