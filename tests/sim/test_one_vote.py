"""The recount of polls: it agrees with the tally, and sees whoever had more than a vote, or none."""

import pytest

from raclette.chain.genesis import Genesis
from raclette.chain.ledger import StateWriter
from raclette.chain.presets import SAMPLE_BALANCE, even_alloc, sample_key
from raclette.ledgers.poll import execution, poll
from raclette.ledgers.poll.actions import Action, Commit, Enrol, Reveal, Vote
from raclette.ledgers.poll.records import Tally, write_tally
from raclette.primitives.units import SECOND
from raclette.sim.checkers.one_vote import Recount
from raclette.sim.config import SimConfig, Workload
from raclette.sim.simulate import Simulation

ANN, BEN, EVE = (sample_key(index).address for index in range(3))
OPEN, CLUB = b"open", b"club"
GENESIS = Genesis(
    protocol="pbft",
    ledger="poll",
    ledger_parameters={
        "elections": [
            {"id": "open", "question": "What?", "choices": ["a", "b"], "voters": "alloc"},
            {"id": "club", "question": "What?", "choices": ["a", "b"], "voters": []},
        ]
    },
    alloc=even_alloc(2, SAMPLE_BALANCE),
)


def recount(*said: tuple[bytes, Action]) -> Recount:
    found = Recount(GENESIS)
    for voter, action in said:
        found.take(voter, action)
    return found


def test_votes_are_counted_by_choice() -> None:
    found = recount((ANN, Vote(OPEN, 1)), (BEN, Vote(OPEN, 1)), (ANN, Enrol(CLUB, (EVE,))), (EVE, Vote(CLUB, 0)))
    assert found.faults == []
    assert found.counts(OPEN, 2) == [0, 2]
    assert found.counts(CLUB, 2) == [1, 0]


def test_a_commitment_counts_when_it_is_revealed_and_once() -> None:
    hidden = (ANN, Commit(OPEN, bytes(32)))
    assert recount(hidden).counts(OPEN, 2) == [0, 0]
    shown = (ANN, Reveal(OPEN, 1, bytes(32)))
    assert recount(hidden, shown).faults == []
    assert [fault.partition(" has ")[2] for fault in recount(hidden, shown, shown).faults] == ["voted twice"]


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (((ANN, Vote(OPEN, 0)), (ANN, Vote(OPEN, 1))), "has voted twice"),
        (((ANN, Commit(OPEN, bytes(32))), (ANN, Commit(OPEN, bytes(32)))), "has committed to two ballots"),
        (((ANN, Reveal(OPEN, 0, bytes(32))),), "has revealed what it never committed to"),
        (((EVE, Vote(OPEN, 0)),), "is no voter and has voted"),
        (((ANN, Vote(CLUB, 0)),), "is no voter and has voted"),
    ],
)
def test_what_is_more_than_a_vote_is_a_fault(said: tuple[tuple[bytes, Action], ...], fault: str) -> None:
    assert any(fault in found for found in recount(*said).faults)


def broken_by(seed: int = 1) -> list[str]:
    load = Workload(count=20, start=SECOND // 4, mischief=6)
    simulation = Simulation(SimConfig(ledger="poll", seed=seed, accounts=9, workload=load, duration=3 * SECOND))
    simulation.run()
    return [v.detail for checker in simulation.checkers if checker.name == "one-vote" for v in checker.violations]


def test_an_honest_ledger_breaks_nothing_and_a_tally_that_is_not_the_sum_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert broken_by() == []
    perform = execution.perform

    def with_a_thumb_on_the_scale(action: Action, sender: bytes, state: StateWriter) -> None:
        perform(action, sender, state)
        if isinstance(action, Vote):
            tally = execution._tally(action.name, state)
            write_tally(action.name, Tally(tally.enrolled, tally.cast, (tally.counts[0] + 1, *tally.counts[1:])), state)

    monkeypatch.setattr(poll, "perform", with_a_thumb_on_the_scale)
    assert "a recount gives" in broken_by()[0]
