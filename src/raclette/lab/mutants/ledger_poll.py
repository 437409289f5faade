"""The ballot box is open to more than one ballot a voter, or to people who have none.

Every replica counts the same wrong votes; what notices is a recount that knows who was enrolled and what one vote is.
"""

from collections.abc import Callable
from typing import Any

from raclette.chain.ledger import Execution, StateReader, StateWriter
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import Swap, mutant
from raclette.ledgers.poll import execution, poll
from raclette.ledgers.poll.actions import Action, Reveal
from raclette.ledgers.poll.poll import Poll
from raclette.ledgers.poll.records import Ballot, read_ballot, write_ballot

_find_obstacle = execution.find_obstacle
_perform = execution.perform
_execute = Poll.execute


def _perform_keeping_commitment(action: Action, sender: bytes, state: StateWriter) -> None:
    """The choice is counted, and the commitment can be opened again."""
    before = read_ballot(action.name, sender, state) if isinstance(action, Reveal) else None
    _perform(action, sender, state)
    if isinstance(action, Reveal) and before is not None:
        write_ballot(action.name, sender, before, state)


class _Stale:
    """Ballots as they were before the block."""

    def __init__(self) -> None:
        self.seen: dict[tuple[bytes, bytes], Ballot | None] = {}
        self.running = False

    def read(self, name: bytes, voter: bytes, state: StateReader) -> Ballot | None:
        if not self.running:
            return read_ballot(name, voter, state)
        if (name, voter) not in self.seen:
            self.seen[name, voter] = read_ballot(name, voter, state)
        return self.seen[name, voter]

    def during(self, action: Callable[[], Execution]) -> Execution:
        self.seen.clear()
        self.running = True
        try:
            return action()
        finally:
            self.running = False


STALE = _Stale()


def _read_before_block(name: bytes, voter: bytes, state: StateReader) -> Ballot | None:
    return STALE.read(name, voter, state)


def _execute_remembering(self: Poll, *arguments: Any, **keywords: Any) -> Execution:
    return STALE.during(lambda: _execute(self, *arguments, **keywords))


def _obstacle_for_the_enrolled(
    action: Action, sender: bytes, state: StateReader, height: int, chain_id: int
) -> tuple[str, str] | None:
    """Nobody is sent away for not being on the list."""
    found = _find_obstacle(action, sender, state, height, chain_id)
    return None if found is not None and found[0] == "not-enrolled" else found


def _mutants(protocol: str) -> tuple[Mutant, ...]:
    return (
        mutant(
            "E1",
            protocol,
            "a reveal leaves the commitment standing: it is revealed, and counted, again",
            source="ours: commit and reveal where a reveal does not close the commitment",
            invariants=("one-vote",),
            swaps=(Swap(poll, "perform", _perform_keeping_commitment),),
        ),
        mutant(
            "E2",
            protocol,
            "whether somebody has voted is asked of the state before the block: two votes in one block count",
            source="after CVE-2018-17144: what one transaction of a block changed, the next does not see",
            invariants=("one-vote",),
            swaps=(
                Swap(execution, "read_ballot", _read_before_block),
                Swap(Poll, "execute", _execute_remembering),
            ),
        ),
        mutant(
            "E3",
            protocol,
            "whoever is not enrolled votes, too",
            source="the course project with distributed voting, which counted any signed ballot",
            invariants=("one-vote",),
            swaps=(Swap(poll, "find_obstacle", _obstacle_for_the_enrolled),),
        ),
    )


# Every replica makes these mistakes alike, so they are the same on every protocol.
_EVERYWHERE = ("pbft", "nakamoto")
MUTANTS: tuple[Mutant, ...] = tuple(found for name in _EVERYWHERE for found in _mutants(name))
