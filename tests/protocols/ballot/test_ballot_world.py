"""Ballot in whole nodes: it goes on, agrees, convicts, and forks only where the page says that it may."""

from fractions import Fraction
from typing import Any

import pytest

from raclette.lab.experiments.ballot_quorum import liar_share
from raclette.lab.experiments.ballot_spenders import Spenders, config_of
from raclette.primitives.units import SECOND
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import SimReport, Simulation, view_of


def run(seconds: int = 20, **changes: Any) -> tuple[Simulation, SimReport]:
    """A small network with short windows."""
    parameters = {"window_ms": 1_000, "claim_bound_ms": 500, "block_interval_s": 1} | changes.pop("parameters", {})
    config = SimConfig(
        protocol="ballot",
        nodes=changes.pop("nodes", 7),
        duration=seconds * SECOND,
        parameters=parameters,
        workload=Workload(count=30, interval=SECOND // 4),
        **changes,
    )
    simulation = Simulation(config)
    return simulation, simulation.run()


@pytest.mark.parametrize("quorum", ["1/3", "2/3"])
def test_a_quiet_network_elects_a_block_a_window_and_pays_everybody(quorum: str) -> None:
    simulation, report = run(parameters={"quorum": quorum})
    assert report.agreed
    assert report.transactions == 30
    assert report.height > 10
    view = view_of(simulation.world.hosts[0])
    assert view.finalized.number == (report.height if quorum == "2/3" else 0)
    assert all(len(view.block(header.hash).transactions) <= 10 for header in branch(view))  # type: ignore[union-attr]


def branch(view: Any) -> list[Any]:
    """The headers of the head's branch, without genesis."""
    return [view.canonical(number) for number in range(1, view.head.number + 1)]


def test_the_same_seed_gives_the_same_run() -> None:
    assert run(8, seed=3)[1].to_json() == run(8, seed=3)[1].to_json()


def test_who_votes_twice_is_convicted_and_the_others_go_on() -> None:
    _, report = run(nodes=10, liars={4: LiarSpec.of("equivocate", open_percent=100)}, parameters={"quorum": "2/3"})
    assert report.agreed
    assert report.evidence >= 1
    assert report.height > 10


def test_voters_who_crash_all_at_once_find_their_votes_and_candidates_again() -> None:
    faults = tuple(Crash(at=5 * SECOND + node, node=node, lasting=2 * SECOND) for node in range(7))
    _, report = run(faults=faults, parameters={"quorum": "2/3"})
    assert report.agreed
    assert report.crashes == 7
    assert report.height > 8


def test_the_network_falls_apart_and_only_a_low_quorum_loses_what_it_wrote() -> None:
    """The world of the experiment `ballot-quorum`, for fifteen blocks."""
    share = liar_share(12, 2)

    def found(quorum: Fraction) -> Any:
        config = config_of(quorum, nodes=12, liars=2, faults=share, apart=6, blocks=15, seed=1)
        return Spenders(config, (1,)).found()

    safe = found(Fraction(2, 3))
    assert (safe.stale, safe.succeeded[1], safe.broken, safe.stalled) == (0, 0, (), ())
    assert safe.attempted > 10
    assert safe.convicted


def test_two_halves_of_a_third_each_write_two_chains_and_one_is_lost() -> None:
    config = config_of(Fraction(1, 3), nodes=12, liars=2, faults=Fraction(0), apart=6, blocks=15, seed=1)
    found = Spenders(config, (1,)).found()
    assert found.stale > 0, "the price of a low quorum"
    assert found.succeeded[1] > 0
    assert found.broken == (), "and yet every chain that remains is valid"
