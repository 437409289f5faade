"""Liars who speak Simplex: at most f of them change nothing that matters, f+1 of them do."""

from collections import Counter
from dataclasses import replace

import pytest

from raclette.primitives.errors import PeerFault
from raclette.primitives.randomness import Random
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash, Impair
from raclette.sim.liars import LiarSpec
from raclette.sim.liars.forge import Forge
from raclette.sim.liars.forging import SimplexForger
from raclette.sim.liars.forging.simplex import BELIEVED, REFUSED
from raclette.sim.simulate import Simulation, simulate, view_of

QUICK = SimConfig(
    protocol="simplex",
    nodes=4,
    accounts=20,
    workload=Workload(count=40, interval=50 * MILLISECOND, start=200 * MILLISECOND),
    parameters={"delta_ms": 100, "delta_cap_ms": 700, "window": 16},
    duration=4 * SECOND,
    settle=60 * SECOND,
)
# Losses make iterations end without a block, so that there is something to finalize or not.
STORM = (
    Impair(SECOND // 2, SECOND, loss_ppm=300_000),
    Crash(SECOND, 1, lasting=SECOND),
)


@pytest.mark.parametrize("kind", ["equivocate", "withhold-votes", "forge", "mutate", "spam"])
def test_one_liar_of_four_changes_nothing_that_matters(kind: str) -> None:
    report = simulate(replace(QUICK, seed=2, faults=STORM, liars={2: LiarSpec(kind)}))
    assert report.violations == []
    assert report.transactions == 40


def test_two_conspirators_of_four_fork_the_chain_and_are_seen_to() -> None:
    """Quorums of three that share only the two liars: the bound f is tight."""
    spec = LiarSpec.of("equivocate", lie_percent=100, open_percent=0)
    report = simulate(replace(QUICK, liars={1: spec, 2: spec}, settle=SECOND))
    found = {violation["checker"] for violation in report.violations}
    assert "agreement" in found
    assert "accountability" not in found  # both are convicted


def test_who_equivocates_openly_leaves_evidence_against_itself_alone() -> None:
    simulation = Simulation(replace(QUICK, liars={2: LiarSpec.of("equivocate", lie_percent=100, open_percent=100)}))
    assert simulation.run().violations == []
    guilty = "0x" + simulation.world.hosts[2].node_id.hex()
    accused = [
        record["accused"] for host in simulation.world.hosts if host.honest for record in view_of(host).evidence()
    ]
    assert set(accused) == {guilty}


def test_gates_refuse_what_is_false_and_let_pass_what_is_only_a_lie() -> None:
    simulation = Simulation(replace(QUICK, seed=3, faults=STORM, liars={3: LiarSpec("forge")}))
    simulation.run()
    world = simulation.world
    liar = world.hosts[3].node
    assert isinstance(liar, Forge)
    forger = liar.forger
    assert isinstance(forger, SimplexForger)
    assert forger.me is not None
    gate, random, outcomes = world.hosts[0].node.gate, Random(1), Counter[tuple[str, bool]]()
    for makers, refused in ((REFUSED, True), (BELIEVED, False)):
        for maker in makers:
            for _ in range(10):
                forged = maker(forger, forger.me, random)
                if forged is None:
                    continue
                try:
                    gate.open(forged.frame, world.verifier)
                    passed = True
                except PeerFault:
                    passed = False
                assert passed is not refused, forged.what
                outcomes[forged.what, passed] += 1
    assert len(outcomes) == len(REFUSED) + len(BELIEVED)
