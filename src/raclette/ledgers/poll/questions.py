"""What can be asked of the poll ledger: see `Poll.query`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from raclette.chain.ledger import StateReader
from raclette.ledgers.bank import directory
from raclette.ledgers.bank.account import decode_account
from raclette.ledgers.poll.election import CLOSED, Election, winners
from raclette.ledgers.poll.limits import NEVER
from raclette.ledgers.poll.records import (
    CAST,
    COMMITTED,
    ENROLLED,
    REVEALED,
    read_ballot,
    read_election,
    read_height,
    read_names,
    read_tally,
)
from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.keys import ADDRESS_BYTES, checksum_address, parse_address

Question = Callable[[Sequence[Any], StateReader], Any]
_STANDINGS = {ENROLLED: "enrolled", CAST: "cast", COMMITTED: "committed", REVEALED: "revealed"}


def _address(argument: Any) -> bytes:
    if isinstance(argument, str):
        try:
            return parse_address(argument)
        except DecodeError as wrong:
            raise Misuse(str(wrong)) from None
    if not isinstance(argument, bytes) or len(argument) != ADDRESS_BYTES:
        raise Misuse(f"an address is {ADDRESS_BYTES} bytes or hex text, not {argument!r:.60}")
    return argument


def _name(argument: Any) -> bytes:
    if not isinstance(argument, (str, bytes)):
        raise Misuse(f"a name is text, not {argument!r:.60}")
    return argument if isinstance(argument, bytes) else argument.encode("utf-8", "replace")


def _elections(arguments: Sequence[Any], state: StateReader) -> list[str]:
    return [name.decode() for name in read_names(state)]


def _head(election: Election, state: StateReader) -> dict[str, Any]:
    height = read_height(state)
    return {
        "id": election.name.decode(),
        "question": election.question.decode(),
        "choices": [choice.decode() for choice in election.choices],
        "secret": election.is_secret,
        "height": height,
        # Of the block that comes next: what a ballot sent now would meet.
        "phase": election.phase(height + 1),
    }


def _election(arguments: Sequence[Any], state: StateReader) -> dict[str, Any] | None:
    election = read_election(_name(arguments[0]), state)
    if election is None:
        return None
    return {
        **_head(election, state),
        "opens": election.opens,
        "closes": None if election.closes == NEVER else election.closes,
        "reveals": election.reveals or None,
        "organiser": checksum_address(election.organiser) if election.organiser else None,
    }


def _tally(arguments: Sequence[Any], state: StateReader) -> dict[str, Any] | None:
    name = _name(arguments[0])
    election, tally = read_election(name, state), read_tally(name, state)
    if election is None or tally is None:
        return None
    head = _head(election, state)
    is_final = head["phase"] == CLOSED
    return {
        **head,
        "counts": {choice.decode(): count for choice, count in zip(election.choices, tally.counts, strict=True)},
        "enrolled": tally.enrolled,
        "cast": tally.cast,
        # Votes that were committed to and do not count: not yet, or, in a final tally, never.
        "unrevealed": tally.cast - sum(tally.counts),
        "final": is_final,
        "winners": winners(election.choices, tally.counts) if is_final else [],
    }


def _ballot(arguments: Sequence[Any], state: StateReader) -> dict[str, Any] | None:
    name, voter = _name(arguments[0]), _address(arguments[1])
    election, ballot = read_election(name, state), read_ballot(name, voter, state)
    if election is None or ballot is None:
        return None
    shows = ballot.standing in (CAST, REVEALED)
    return {
        "standing": _STANDINGS[ballot.standing],
        "choice": election.choices[int.from_bytes(ballot.held)].decode() if shows else None,
        "commitment": "0x" + ballot.held.hex() if ballot.standing == COMMITTED else None,
    }


def _balance(arguments: Sequence[Any], state: StateReader) -> int:
    return decode_account(state.get(_address(arguments[0])))[1]


def _nonce(arguments: Sequence[Any], state: StateReader) -> int:
    return decode_account(state.get(_address(arguments[0])))[0]


def _public_key(arguments: Sequence[Any], state: StateReader) -> str | None:
    entry = directory.read_entry(_address(arguments[0]), state)
    return None if entry is None else "0x" + entry.public_key.hex()


def _whois(arguments: Sequence[Any], state: StateReader) -> dict[str, Any] | None:
    name = _name(arguments[0]).decode("utf-8", "replace")
    owner = directory.read_owner(name, state)
    if owner is None:
        return None
    return {"address": checksum_address(owner), "name": name, "public_key": _public_key([owner], state)}


# Name: (answer, number of arguments).
QUERIES: Mapping[str, tuple[Question, int]] = {
    "elections": (_elections, 0),
    "election": (_election, 1),
    "tally": (_tally, 1),
    "ballot": (_ballot, 2),
    "balance": (_balance, 1),
    "nonce": (_nonce, 1),
    "public_key": (_public_key, 1),
    "whois": (_whois, 1),
}
