"""The records of the state.

address (20)                       -> the account: Ethereum's record with nonce and balance, as the bank's
0x08 | name                        -> RLP [question, [choice, ...], opens, closes, reveals, organiser]
0x09 | name                        -> RLP [enrolled, ballots cast, [votes of each choice]]
0x0a | keccak256(name) | address   -> RLP [standing, what it holds]: a voter's ballot (below)
0x0b | address                     -> 0x01: may open elections
0x0c "height"                      -> the height of the block whose state this is
0x0c "elections"                   -> RLP [name, ...], in the order in which they were opened
"""

from typing import NamedTuple

from raclette.chain.ledger import StateReader, StateWriter
from raclette.ledgers.poll.election import Election
from raclette.primitives import rlp
from raclette.primitives.hashing import keccak256
from raclette.primitives.rlp import as_bytes, as_list, bytes_to_int, int_to_bytes

HEIGHT_KEY = b"\x0cheight"
ELECTIONS_KEY = b"\x0celections"

# A ballot's standing: enrolled and not cast; a choice (number); a commitment (32 bytes); a revealed choice (number).
ENROLLED, CAST, COMMITTED, REVEALED = range(4)


class Ballot(NamedTuple):
    """What a voter has done. `held` is the choice's number or the commitment, as bytes."""

    standing: int
    held: bytes = b""


class Tally(NamedTuple):
    """`counts` are the votes of each choice that count so far."""

    enrolled: int
    cast: int
    counts: tuple[int, ...]


def organiser_key(account: bytes) -> bytes:
    """State key of the permission to open elections."""
    return b"\x0b" + account


def read_height(state: StateReader) -> int:
    """Height of the block whose state this is."""
    return int.from_bytes(state.get(HEIGHT_KEY) or b"")


def write_height(state: StateWriter, height: int) -> None:
    """The other way round."""
    state.set(HEIGHT_KEY, height.to_bytes(8))


def read_names(state: StateReader) -> list[bytes]:
    """Names of all elections, oldest first."""
    record = state.get(ELECTIONS_KEY)
    return [] if record is None else [as_bytes(name) for name in rlp.decode_list(record)]


def write_names(state: StateWriter, names: list[bytes]) -> None:
    """The other way round."""
    state.set(ELECTIONS_KEY, rlp.encode(names))


def read_election(name: bytes, state: StateReader) -> Election | None:
    """The election called `name`."""
    record = state.get(b"\x08" + name)
    if record is None:
        return None
    question, choices, opens, closes, reveals, organiser = rlp.decode_list(record, 6)
    return Election(
        name,
        as_bytes(question),
        tuple(as_bytes(choice) for choice in as_list(choices)),
        bytes_to_int(opens),
        bytes_to_int(closes),
        bytes_to_int(reveals),
        as_bytes(organiser),
    )


def write_election(election: Election, state: StateWriter) -> None:
    """The other way round."""
    times = map(int_to_bytes, (election.opens, election.closes, election.reveals))
    record = rlp.encode([election.question, election.choices, *times, election.organiser])
    state.set(b"\x08" + election.name, record)


def read_tally(name: bytes, state: StateReader) -> Tally | None:
    """Where the election stands."""
    record = state.get(b"\x09" + name)
    if record is None:
        return None
    enrolled, cast, counts = rlp.decode_list(record, 3)
    return Tally(bytes_to_int(enrolled), bytes_to_int(cast), tuple(bytes_to_int(item) for item in as_list(counts)))


def write_tally(name: bytes, tally: Tally, state: StateWriter) -> None:
    """The other way round."""
    counts = [int_to_bytes(count) for count in tally.counts]
    state.set(b"\x09" + name, rlp.encode([int_to_bytes(tally.enrolled), int_to_bytes(tally.cast), counts]))


def read_ballot(name: bytes, voter: bytes, state: StateReader) -> Ballot | None:
    """A voter's ballot; None for who is not enrolled."""
    record = state.get(_ballot_key(name, voter))
    if record is None:
        return None
    standing, held = rlp.decode_list(record, 2)
    return Ballot(bytes_to_int(standing), as_bytes(held))


def write_ballot(name: bytes, voter: bytes, ballot: Ballot, state: StateWriter) -> None:
    """The other way round."""
    state.set(_ballot_key(name, voter), rlp.encode([int_to_bytes(ballot.standing), ballot.held]))


def _ballot_key(name: bytes, voter: bytes) -> bytes:
    return b"\x0a" + keccak256(name) + voter
