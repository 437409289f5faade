"""Where votes weigh by stake: a fork is proved against more than the protocol bears, or is nobody's crime."""

from dataclasses import replace
from typing import Any

import pytest

from raclette.node.view import NodeView
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.ballot import certificate, polls
from raclette.protocols.ballot.election import Outcome, Votes, support
from raclette.protocols.ballot.fractions import Fraction
from raclette.protocols.ballot.weights import Register
from raclette.protocols.senate.codec import Codec
from raclette.protocols.senate.seats import Senate
from raclette.sim.checkers import Accountability
from raclette.sim.checkers.ballot_forensics import BallotForensics
from raclette.sim.checkers.senate_forensics import SenateForensics
from raclette.sim.config import SimConfig, Workload
from raclette.sim.faults import Crash, Impair, Partition
from raclette.sim.liars import LiarSpec
from raclette.sim.simulate import Simulation, view_of

LOAD = Workload(count=20, interval=100 * MILLISECOND, start=200 * MILLISECOND)
SENATE = SimConfig(
    protocol="senate",
    nodes=4,
    accounts=10,
    workload=LOAD,
    parameters={"seats": 100, "round_timeout_ms": 500, "round_timeout_cap_ms": 2_000, "entry_window_ms": 100},
    duration=4 * SECOND,
    settle=SECOND,
)
# Six voters: the one of most stake weighs 2.5, each of the others 1.
BALLOT = SimConfig(
    protocol="ballot",
    nodes=6,
    accounts=10,
    workload=LOAD,
    parameters={
        "quorum": "2/3",
        "candidates": 6,
        "block_interval_s": 1,
        "window_ms": 500,
        "claim_bound_ms": 200,
        "time_refresh_ms": 200,
        "round_ms": 500,
        "round_cap_ms": 4_000,
    },
    duration=12 * SECOND,
    settle=SECOND,
)
LIES = LiarSpec.of("equivocate", lie_percent=100, open_percent=0)


def found(simulation: Simulation) -> dict[str, list[str]]:
    simulation.run()
    out: dict[str, list[str]] = {}
    for checker in simulation.checkers:
        for violation in checker.violations:
            out.setdefault(checker.name, []).append(violation.detail)
    return out


def judge_of(simulation: Simulation) -> Any:
    return next(checker.judge for checker in simulation.checkers if isinstance(checker, Accountability))


@pytest.mark.parametrize(
    ("config", "liars"), [(replace(SENATE, seed=2), (1, 2)), (replace(BALLOT, seed=2), (0, 1, 2, 3))]
)
def test_a_fork_by_conspirators_is_proved_against_them_and_nobody_else(
    config: SimConfig, liars: tuple[int, ...]
) -> None:
    simulation = Simulation(replace(config, liars=dict.fromkeys(liars, LIES)))
    broken = found(simulation)
    assert "agreement" in broken
    assert not {"accountability", "no-false-accusation"} & set(broken)
    hosts = simulation.world.hosts
    guilty = {host.index for host in hosts if host.node_id in judge_of(simulation).culprits()}
    assert guilty
    assert guilty <= set(liars)


def test_a_fork_by_too_small_a_quorum_of_seats_is_nobodys_crime(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves of an honest network, each with two fifths of the seats: no signature contradicts another."""
    make_senate, make_codec = Senate.__init__, Codec.__init__

    def few_seats(self: Senate, *arguments: Any) -> None:
        make_senate(self, *arguments)
        self.quorum = 40

    def few_signers(self: Codec, *arguments: Any) -> None:
        make_codec(self, *arguments)
        self.quorum = 40

    monkeypatch.setattr(Senate, "__init__", few_seats)
    monkeypatch.setattr(Codec, "__init__", few_signers)
    halves = Partition(0, ((0, 1), (2, 3)), lasting=4 * SECOND)
    broken = found(Simulation(replace(SENATE, faults=(halves,))))
    assert "agreement" in broken
    assert broken["accountability"] == [
        "a fork at height 1 is proved against nobody, not against the owners of 34 seats"
    ]


def test_a_fork_by_too_small_a_quorum_of_weight_is_nobodys_crime(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_a_third(votes: Votes, register: Register, needed: Fraction) -> Outcome | None:
        weights = support(votes, register)
        elected = min(weights, key=lambda block_hash: (-weights[block_hash], block_hash), default=b"")
        if 3 * weights.get(elected, 0) <= register.total:
            return None
        return Outcome(elected, weights[elected])

    monkeypatch.setattr(polls, "tally", by_a_third)
    monkeypatch.setattr(certificate, "tally", by_a_third)
    halves = Partition(0, ((0, 1, 2), (3, 4, 5)), lasting=12 * SECOND)
    broken = found(Simulation(replace(BALLOT, faults=(halves,))))
    assert "agreement" in broken
    assert broken["accountability"] == [
        "a fork at height 1 is proved against nobody, not against more than 1/9 of the weight"
    ]


@pytest.mark.parametrize("config", [SENATE, BALLOT])
def test_nobody_is_guilty_of_storms(config: SimConfig) -> None:
    storm = (Impair(SECOND // 2, SECOND, loss_ppm=300_000), Crash(SECOND, 1, lasting=SECOND))
    simulation = Simulation(replace(config, faults=storm, settle=120 * SECOND))
    assert found(simulation) == {}
    assert judge_of(simulation).culprits() == {}


def test_the_judges_read_the_certificates_of_the_chain() -> None:
    """Not only what was sent: what a node keeps as proof is heard as well."""
    for config, judge_class in ((SENATE, SenateForensics), (BALLOT, BallotForensics)):
        simulation = Simulation(config)
        simulation.run()
        view: NodeView = view_of(simulation.world.hosts[0])
        judge = judge_class(simulation.genesis)
        header = view.canonical(1)
        assert header is not None
        judge.certified(header, view.certificate(header.hash))
        other = replace_hash(judge, header.number)
        assert other in judge.culprits()


def replace_hash(judge: Any, height: int) -> bytes:
    """Let the first signer of the certificate have signed for another block too; its node id."""
    said: dict[tuple[Any, ...], set[bytes]] = judge._votes if isinstance(judge, BallotForensics) else judge._said
    place = next(place for place in said if place[0] == height)
    said[place].add(bytes(32))
    signer: bytes = place[-1]
    return signer
