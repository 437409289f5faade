"""What can be asked of poll: the data of an Ethereum transaction to `POLL_ADDRESS`, as wallets make them.

RLP [1, name, question, [choice, ...], opens, closes, reveals, [voter, ...]]    open an election
RLP [2, name, [voter, ...]]                                                     enrol more voters
RLP [3, name, choice]                                                           vote (the choice's number, from 0)
RLP [4, name, commitment]                                                       vote in a secret election
RLP [5, name, choice, salt]                                                     reveal that vote
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from raclette.chain.roll import GAS_PER_ENTRY, ROLL_ADDRESS
from raclette.chain.transaction import AccessList, intrinsic_gas, sign_transaction
from raclette.ledgers.poll.election import Election, check_election
from raclette.ledgers.poll.limits import (
    GAS_PER_BALLOT,
    GAS_PER_ELECTION,
    GAS_PER_VOTER,
    SALT_BYTES,
    VOTERS_PER_ACTION_MAX,
)
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, Refused
from raclette.primitives.keys import ADDRESS_BYTES, AccountKey
from raclette.primitives.rlp import Encodable, Item, as_bytes, as_list, bytes_to_int, int_to_bytes

# An address nobody has the key of: sixteen zero bytes and a word.
POLL_ADDRESS = bytes(16) + b"poll"


class Open(NamedTuple):
    """A new election, whose organiser is the sender."""

    election: Election
    voters: tuple[bytes, ...]


class Enrol(NamedTuple):
    """More voters."""

    name: bytes
    voters: tuple[bytes, ...]


class Vote(NamedTuple):
    """A ballot of an open election."""

    name: bytes
    choice: int


class Commit(NamedTuple):
    """A ballot of a secret election."""

    name: bytes
    commitment: bytes


class Reveal(NamedTuple):
    """What a commitment hides."""

    name: bytes
    choice: int
    salt: bytes


Action: TypeAlias = Open | Enrol | Vote | Commit | Reveal
_KINDS: tuple[type[Action], ...] = (Open, Enrol, Vote, Commit, Reveal)
_FIELDS = (7, 2, 2, 2, 3)


def encode_action(action: Action) -> bytes:
    """The data of the transaction."""
    kind: Encodable = int_to_bytes(1 + _KINDS.index(type(action)))
    match action:
        case Open(election, voters):
            times = map(int_to_bytes, (election.opens, election.closes, election.reveals))
            return rlp.encode([kind, election.name, election.question, election.choices, *times, voters])
        case Enrol(name, voters):
            return rlp.encode([kind, name, voters])
        case Vote(name, choice):
            return rlp.encode([kind, name, int_to_bytes(choice)])
        case Commit(name, hidden):
            return rlp.encode([kind, name, hidden])
        case Reveal(name, choice, salt):
            return rlp.encode([kind, name, int_to_bytes(choice), salt])


def decode_action(data: bytes, sender: bytes) -> Action:
    """What a transaction's data asks. Raises Refused if it is malformed."""
    try:
        kind, *fields = rlp.decode_list(data) or [b""]
        number = bytes_to_int(kind, size_max=1)
        if not 1 <= number <= len(_KINDS) or len(fields) != _FIELDS[number - 1]:
            raise Refused("bad-action", f"poll: no action {number} with {len(fields)} fields")
        return _read(_KINDS[number - 1], fields, sender)
    except DecodeError as wrong:
        raise Refused("bad-action", f"poll: {wrong}") from None


def _read(kind: type[Action], fields: list[Item], sender: bytes) -> Action:
    name = as_bytes(fields[0])
    if kind is Open:
        opens, closes, reveals = (bytes_to_int(field, size_max=8) for field in fields[3:6])
        choices = tuple(as_bytes(choice) for choice in as_list(fields[2]))
        election = Election(name, as_bytes(fields[1]), choices, opens, closes, reveals, sender)
        return Open(check_election(election), _voters(fields[6]))
    if kind is Enrol:
        return Enrol(name, _voters(fields[1]))
    if kind is Commit:
        return Commit(name, as_bytes(fields[1], 32))
    choice = bytes_to_int(fields[1], size_max=4)
    return Vote(name, choice) if kind is Vote else Reveal(name, choice, as_bytes(fields[2], SALT_BYTES))


def _voters(item: Item) -> tuple[bytes, ...]:
    voters = tuple(as_bytes(voter, ADDRESS_BYTES) for voter in as_list(item))
    if len(voters) > VOTERS_PER_ACTION_MAX:
        raise Refused("bad-action", f"poll: {len(voters)} voters; accepted are {VOTERS_PER_ACTION_MAX}")
    if len(set(voters)) < len(voters):
        raise Refused("bad-action", "poll: a voter stands twice")
    return voters


def gas_for(to: bytes | None, data: bytes, access_list: AccessList = ()) -> int:
    """Gas that such a transaction uses: known before it is signed. Raises Refused if it asks for nothing."""
    gas = intrinsic_gas(data, access_list)
    if to == ROLL_ADDRESS:
        return gas + GAS_PER_ENTRY
    if to != POLL_ADDRESS:
        raise Refused("no-money", f"the poll ledger has ballots only, for 0x{POLL_ADDRESS.hex()}")
    action = decode_action(data, bytes(ADDRESS_BYTES))
    if isinstance(action, Open):
        gas += GAS_PER_ELECTION
    if isinstance(action, (Open, Enrol)):
        return gas + GAS_PER_VOTER * len(action.voters)
    return gas + GAS_PER_BALLOT


def sign_action(key: AccountKey, *, chain_id: int, nonce: int, action: Action) -> bytes:
    """A raw transaction of `key`'s account that asks for `action`. It costs no money."""
    data = encode_action(action)
    gas = gas_for(POLL_ADDRESS, data)
    return sign_transaction(key, chain_id=chain_id, nonce=nonce, to=POLL_ADDRESS, data=data, gas=gas)


__all__: Sequence[str] = [
    "POLL_ADDRESS",
    "Action",
    "Commit",
    "Enrol",
    "Open",
    "Reveal",
    "Vote",
    "decode_action",
    "encode_action",
    "gas_for",
    "sign_action",
]
