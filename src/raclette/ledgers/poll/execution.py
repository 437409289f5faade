"""What an action needs, and what it does. `find_obstacle` is asked at admission, by proposers and by validators alike.

An action that cannot be done is not in any block: nothing is charged for it, and its nonce stays free.
"""

from raclette.chain.ledger import StateReader, StateWriter
from raclette.ledgers.poll.actions import Action, Commit, Enrol, Open, Reveal, Vote
from raclette.ledgers.poll.election import CLOSED, PENDING, REVEALING, VOTING, Election, commitment
from raclette.ledgers.poll.limits import ELECTIONS_MAX
from raclette.ledgers.poll.records import (
    CAST,
    COMMITTED,
    ENROLLED,
    REVEALED,
    Ballot,
    Tally,
    organiser_key,
    read_ballot,
    read_election,
    read_names,
    read_tally,
    write_ballot,
    write_election,
    write_names,
    write_tally,
)
from raclette.primitives.errors import StoreDamaged
from raclette.primitives.keys import checksum_address
from raclette.primitives.rlp import int_to_bytes

DUPLICATE = "Invalid/duplicate vote"


def find_obstacle(
    action: Action, sender: bytes, state: StateReader, height: int, chain_id: int
) -> tuple[str, str] | None:
    """Why a block at `height` cannot do it, as a slug and a sentence; None if it can."""
    if isinstance(action, Open):
        return _cannot_open(action, sender, state, height)
    election = read_election(action.name, state)
    if election is None:
        return "unknown-election", f"there is no election {action.name[:40]!r}"
    if isinstance(action, Enrol):
        return _cannot_enrol(action, election, sender, state, height)
    ballot = read_ballot(election.name, sender, state)
    if ballot is None:
        return "not-enrolled", f"{checksum_address(sender)} is no voter of {election.name.decode()}"
    if isinstance(action, Reveal):
        return _cannot_reveal(action, election, ballot, sender, height, chain_id)
    if ballot.standing != ENROLLED:
        return "duplicate-vote", f"{DUPLICATE}: {checksum_address(sender)} has voted in {election.name.decode()}"
    if election.is_secret != isinstance(action, Commit):
        kind = "secret: it takes commitments" if election.is_secret else "open: it takes votes"
        return "wrong-ballot", f"{election.name.decode()} is {kind}"
    if isinstance(action, Vote) and action.choice >= len(election.choices):
        return "unknown-choice", f"{election.name.decode()} has no choice {action.choice}"
    return _wrong_time(election, height, VOTING)


def _cannot_open(action: Open, sender: bytes, state: StateReader, height: int) -> tuple[str, str] | None:
    name = action.election.name
    if state.get(organiser_key(sender)) is None:
        return "no-organiser", f"{checksum_address(sender)} may not open elections"
    if read_election(name, state) is not None:
        return "election-exists", f"there is an election {name.decode()} already"
    if action.election.closes <= height:
        return "election-closed", f"{name.decode()} would close at height {action.election.closes}, before it begins"
    if len(read_names(state)) >= ELECTIONS_MAX:
        return "too-many-elections", f"there are {ELECTIONS_MAX} elections, as many as may be"
    return None


def _cannot_enrol(
    action: Enrol, election: Election, sender: bytes, state: StateReader, height: int
) -> tuple[str, str] | None:
    if sender != election.organiser:
        return "no-organiser", f"{checksum_address(sender)} is not the organiser of {election.name.decode()}"
    if height >= election.closes:
        return "election-closed", f"voting in {election.name.decode()} closed at height {election.closes}"
    for voter in action.voters:
        if read_ballot(election.name, voter, state) is not None:
            return "already-enrolled", f"{checksum_address(voter)} is a voter of {election.name.decode()} already"
    return None


def _cannot_reveal(
    action: Reveal, election: Election, ballot: Ballot, sender: bytes, height: int, chain_id: int
) -> tuple[str, str] | None:
    name = election.name.decode()
    if ballot.standing != COMMITTED:
        if ballot.standing == REVEALED:
            return "duplicate-vote", f"{DUPLICATE}: {checksum_address(sender)} has revealed its vote in {name}"
        return "nothing-to-reveal", f"{checksum_address(sender)} has committed to nothing in {name}"
    if action.choice >= len(election.choices):
        return "unknown-choice", f"{name} has no choice {action.choice}"
    if commitment(chain_id, election.name, sender, action.choice, action.salt) != ballot.held:
        return "wrong-reveal", f"this choice and salt are not what {checksum_address(sender)} committed to in {name}"
    return _wrong_time(election, height, REVEALING)


def _wrong_time(election: Election, height: int, wanted: str) -> tuple[str, str] | None:
    phase = election.phase(height)
    if phase == wanted:
        return None
    if phase == PENDING:
        return "election-pending", f"{election.name.decode()} opens at height {election.opens}; this is {height}"
    if phase == CLOSED or wanted == VOTING:
        return "election-closed", f"it is too late at height {height}: {election.name.decode()} is {phase}"
    return "election-open", f"voting in {election.name.decode()} goes on until height {election.closes}"


def perform(action: Action, sender: bytes, state: StateWriter) -> None:
    """Do what nothing is in the way of."""
    match action:
        case Open(election, voters):
            begin(election, voters, state)
        case Enrol(name, voters):
            enrol(name, voters, state)
        case Vote(name, choice):
            write_ballot(name, sender, Ballot(CAST, int_to_bytes(choice)), state)
            _count(name, state, cast=1, choice=choice)
        case Commit(name, hidden):
            write_ballot(name, sender, Ballot(COMMITTED, hidden), state)
            _count(name, state, cast=1)
        case Reveal(name, choice, _):
            write_ballot(name, sender, Ballot(REVEALED, int_to_bytes(choice)), state)
            _count(name, state, choice=choice)


def begin(election: Election, voters: tuple[bytes, ...], state: StateWriter) -> None:
    """Write a new election."""
    write_election(election, state)
    write_tally(election.name, Tally(0, 0, (0,) * len(election.choices)), state)
    write_names(state, [*read_names(state), election.name])
    enrol(election.name, voters, state)


def enrol(name: bytes, voters: tuple[bytes, ...], state: StateWriter) -> None:
    """Write new voters."""
    for voter in voters:
        write_ballot(name, voter, Ballot(ENROLLED), state)
    tally = _tally(name, state)
    write_tally(name, tally._replace(enrolled=tally.enrolled + len(voters)), state)


def _count(name: bytes, state: StateWriter, *, cast: int = 0, choice: int | None = None) -> None:
    tally = _tally(name, state)
    counts = tuple(count + (number == choice) for number, count in enumerate(tally.counts))
    write_tally(name, tally._replace(cast=tally.cast + cast, counts=counts), state)


def _tally(name: bytes, state: StateReader) -> Tally:
    tally = read_tally(name, state)
    if tally is None:
        raise StoreDamaged(f"election {name.decode()} has no tally")
    return tally
