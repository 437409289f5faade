"""Where votes weigh by stake or seats: a fork is proved against more than the protocol bears, or is nobody's crime."""

from dataclasses import replace
from typing import Any

import pytest

from raclette.node.view import NodeView
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.ballot import certificate, polls
from raclette.protocols.ballot.election import Outcome, Votes, support
from raclette.protocols.ballot.fractions import Fraction
from raclette.protocols.ballot.weights import Register
from raclette.protocols.committee import Committee
from raclette.protocols.hybrid.almanac import Day
from raclette.protocols.senate.codec import Codec
from raclette.protocols.senate.seats import Senate
from raclette.sim.checkers import Accountability, Certificates
from raclette.sim.checkers.ballot_forensics import BallotForensics
from raclette.sim.checkers.bounded_views import pbft_views_max, simplex_iterations_max
from raclette.sim.checkers.seats import quorum_of, too_few
from raclette.sim.checkers.senate_forensics import SenateForensics
from raclette.sim.config import SimConfig, Workload, make_genesis
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
    assert any("of 100 seats" in detail for detail in broken["certificates"])
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
    assert any("of 75 tenths of weight" in detail for detail in broken["certificates"])
    assert broken["accountability"] == [
        "a fork at height 1 is proved against nobody, not against more than 1/9 of the weight"
    ]


@pytest.mark.parametrize("protocol", ["pbft", "simplex"])
def test_one_replica_with_more_seats_than_may_lie_forks_the_chain_alone_and_is_convicted(protocol: str) -> None:
    """Of six seats three are its own, and one may lie: one head, but enough."""
    parameters = {"weights": [3, 1, 1, 1]}
    simulation = Simulation(replace(SENATE, protocol=protocol, parameters=parameters, liars={0: LIES}))
    broken = found(simulation)
    assert "agreement" in broken
    assert not {"accountability", "certificates", "no-false-accusation"} & set(broken)
    assert list(judge_of(simulation).culprits()) == [simulation.world.hosts[0].node_id]


def test_two_heads_with_too_few_seats_are_too_few() -> None:
    ids = [bytes([number]) * 32 for number in range(4)]
    heavy, equal = Committee(ids, 1, (4, 4, 1, 1)), Committee(ids, 1)
    assert too_few(heavy, ids[2:]) == "against the owners of 4 seats"
    assert too_few(heavy, ids[:1]) == ""
    assert too_few(equal, ids[2:]) == ""
    assert too_few(equal, ids[:1]) == "against 2"


@pytest.mark.parametrize("protocol", ["pbft", "simplex"])
def test_a_certificate_of_many_heads_with_few_seats_is_none(monkeypatch: pytest.MonkeyPatch, protocol: str) -> None:
    """The engine counts heads: three light replicas of four own three seats of eight."""
    monkeypatch.setattr(Committee, "weigh", lambda self, numbers: 2 * len(numbers))
    monkeypatch.setattr(Committee, "weigh_votes", lambda self, votes: 2 * len(votes))
    monkeypatch.setattr(Committee, "fewest", lambda self, numbers: sorted(numbers))
    monkeypatch.setattr(Committee, "fewest_votes", lambda self, votes: votes)
    config = replace(SENATE, protocol=protocol, parameters={"weights": [1, 1, 1, 5]}, faults=(Crash(0, 3),))
    broken = found(Simulation(config))
    assert "final by 3 of 8 seats" in broken["certificates"][0]


def test_a_block_of_the_log_that_one_seat_of_four_signed_is_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    make = Day.__init__

    def one_is_enough(self: Day, *arguments: Any) -> None:
        make(self, *arguments)
        self.threshold = 1

    monkeypatch.setattr(Day, "__init__", one_is_enough)
    broken = found(Simulation(replace(SENATE, protocol="hybrid", parameters={"timeout_ms": 500})))
    assert "final by 1 of 4 seats" in broken["certificates"][0]


@pytest.mark.parametrize(
    "config",
    [
        SENATE,
        BALLOT,
        replace(SENATE, protocol="pbft", parameters={"weights": [3, 1, 1, 2]}),
        replace(SENATE, protocol="simplex", parameters={"weights": [3, 1, 1, 2]}),
        replace(SENATE, protocol="hybrid", parameters={"timeout_ms": 500}),
    ],
)
def test_every_certificate_of_a_quiet_run_is_counted_and_right(config: SimConfig) -> None:
    simulation = Simulation(replace(config, duration=3 * SECOND, settle=10 * SECOND))
    assert found(simulation) == {}
    height = view_of(simulation.world.hosts[0]).finalized.number
    counted = next(checker.counted for checker in simulation.checkers if isinstance(checker, Certificates))
    assert 0 < height <= counted


def test_bounds_on_views_and_quorums_count_seats() -> None:
    ids = [bytes([number]) * 32 for number in range(4)]
    # Two of seven seats may lie where one of four may.
    for protocol, bound in (("pbft", pbft_views_max), ("simplex", simplex_iterations_max)):
        heavy, equal = (
            bound(make_genesis(replace(SENATE, protocol=protocol, parameters=parameters), ids))
            for parameters in ({"weights": [3, 1, 1, 2]}, {})
        )
        assert heavy >= equal + (1 if protocol == "pbft" else 0)
    assert [quorum_of(seats) for seats in (1, 3, 4, 7, 10)] == [1, 2, 3, 5, 7]


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
