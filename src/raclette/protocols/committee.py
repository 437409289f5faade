"""A fixed committee: who votes, how many are enough, and what a set of their signatures proves.

n seats, one a replica as a rule, of which f = floor((n-1)/3) may be liars'. A quorum is ceil((n+f+1)/2): any two share
at least f+1 seats, so at least one honest replica, and the n-f honest seats always suffice for one. For n = 3f+1 this
is the literature's 2f+1.

A replica may own several seats: its vote then weighs as much, and it leads as often in each round. Nothing else
changes, for every argument about quorums counts seats. A heavy replica that fails takes all its seats with it.

A certificate is a quorum of signatures over one statement. On the wire its signers are a bit field, so that a repeated
signer cannot even be written down. Shared by the protocols whose validators stand in genesis.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator

from raclette.primitives.errors import DecodeError, Misuse
from raclette.primitives.rlp import Item, as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.parameters import ProtocolParameters

# Votes grow with the square of the committee, proofs of several certificates with it: beyond this they pass a frame.
VALIDATORS_MAX = 128
# Seats of all replicas together. Leaders go round the seats, and up to a third of a round may be led by liars, one view
# or iteration after another: with more seats that could last for days.
SEATS_MAX = 1_024

# (replica number, signature), numbers ascending and distinct.
Votes: TypeAlias = tuple[tuple[int, bytes], ...]


class Committee:
    """The replicas in genesis order; a replica's number is its place. `size` counts replicas; `seats`, `faults` and
    `quorum` count seats. `weights` are the seats of each replica (empty: one each); `equal` if all have one; `turns`
    is the replica of each seat, in order.

    Raises Misuse for weights that do not fit.
    """

    __slots__ = ("chain_id", "equal", "faults", "ids", "numbers", "quorum", "seats", "size", "turns", "weights")

    def __init__(self, ids: Sequence[bytes], chain_id: int, weights: Sequence[int] = ()) -> None:
        self.ids = tuple(ids)
        self.chain_id = chain_id
        self.numbers = {node_id: number for number, node_id in enumerate(self.ids)}
        self.size = len(self.ids)
        self.weights = tuple(weights) or (1,) * self.size
        if len(self.weights) != self.size or min(self.weights, default=1) < 1:
            raise Misuse(f"{len(self.weights)} weights for {self.size} replicas, or one below 1")
        self.equal = all(weight == 1 for weight in self.weights)
        self.turns = tuple(number for number, weight in enumerate(self.weights) for _ in range(weight))
        self.seats = len(self.turns)
        self.faults = (self.seats - 1) // 3
        self.quorum = (self.seats + self.faults + 2) // 2

    def weigh(self, numbers: Collection[int]) -> int:
        """The seats of these replicas (each named once)."""
        # What is counted most is counted by its length.
        if self.equal:
            return len(numbers)
        return sum([self.weights[number] for number in numbers])

    def weigh_votes(self, votes: Votes) -> int:
        """The seats of those who signed."""
        if self.equal:
            return len(votes)
        return sum([self.weights[number] for number, _ in votes])

    def fewest(self, numbers: Iterable[int]) -> list[int]:
        """Of a quorum, as few replicas as still are one: the heaviest, then those of lower number. Ascending."""
        if self.equal:
            return sorted(numbers)[: self.quorum]
        chosen: list[int] = []
        seats = 0
        for number in sorted(numbers, key=lambda number: (-self.weights[number], number)):
            if seats >= self.quorum:
                break
            chosen.append(number)
            seats += self.weights[number]
        return sorted(chosen)

    def fewest_votes(self, votes: Votes) -> Votes:
        """Of a quorum's votes (ascending), as few as still are a quorum's."""
        if self.equal:
            return votes[: self.quorum]
        chosen = frozenset(self.fewest([number for number, _ in votes]))
        return tuple(vote for vote in votes if vote[0] in chosen)

    def claims(self, digest: bytes, votes: Iterable[tuple[int, bytes]]) -> tuple[Claim, ...]:
        """One claim per vote (replica number, signature) over `digest`."""
        return tuple(Claim(self.ids[number], digest, signature) for number, signature in votes)

    @property
    def votes_bytes_max(self) -> int:
        """Largest encoding of a certificate's votes: signatures, bit field, RLP prefixes."""
        return self.size * (SIGNATURE_BYTES + 1) + 20


# --- parameters -------------------------------------------------------------------------------------------------------


def parse_node_id(text: str) -> bytes:
    """A node id written as 0x and 64 hex digits. Raises ValueError."""
    node_id = bytes.fromhex(text[2:]) if text[:2] == "0x" else b""
    if len(node_id) != NODE_ID_BYTES:
        raise ValueError(f"{text!r} is not a node id (0x and {2 * NODE_ID_BYTES} hex digits)")
    return node_id


def _as_list(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _distinct_node_ids(texts: list[str]) -> list[str]:
    if len({parse_node_id(text) for text in texts}) != len(texts):
        raise ValueError("a node id is listed twice")
    return texts


# The parameter that lists a committee, for a protocol's model.
ValidatorList: TypeAlias = Annotated[
    list[str],
    BeforeValidator(_as_list),
    AfterValidator(_distinct_node_ids),
    Field(
        min_length=1,
        max_length=VALIDATORS_MAX,
        description="Node ids, 0x and 64 hex digits each; the order gives the replicas their numbers.",
    ),
]

# The parameter that gives the replicas of a committee their seats.
WeightList: TypeAlias = Annotated[
    list[Annotated[int, Field(ge=1, le=VALIDATORS_MAX)]],
    BeforeValidator(_as_list),
    Field(
        max_length=VALIDATORS_MAX,
        description=f"Seats of each validator, 1 to {VALIDATORS_MAX}, in the same order; empty: one each.",
    ),
]


class CommitteeParameters(ProtocolParameters):
    """Base of the parameters of a protocol with a committee in genesis."""

    validators: ValidatorList
    weights: WeightList = Field([])

    @field_validator("weights")
    @classmethod
    def _fits(cls, weights: list[int], info: ValidationInfo) -> list[int]:
        validators = info.data.get("validators", weights)
        if weights and len(weights) != len(validators):
            raise ValueError(f"{len(weights)} weights for {len(validators)} validators; accepted: one each, or none")
        if sum(weights) > SEATS_MAX:
            raise ValueError(f"{sum(weights)} seats; accepted: at most {SEATS_MAX}")
        return weights

    @property
    def node_ids(self) -> tuple[bytes, ...]:
        """The validators as bytes."""
        return tuple(parse_node_id(text) for text in self.validators)


# --- the wire ---------------------------------------------------------------------------------------------------------


def encode_votes(votes: Votes) -> tuple[bytes, bytes]:
    """(bit field of the signers, their signatures joined in ascending order)."""
    bits = sum([1 << number for number, _ in votes])
    return int_to_bytes(bits), b"".join([signature for _, signature in votes])


def decode_votes(committee: Committee, signers: Item, signatures: Item) -> Votes:
    """Inverse of `encode_votes`: distinct replicas with the seats of a quorum, or it is not a certificate. Raises
    DecodeError."""
    bits = bytes_to_int(signers, size_max=(committee.size + 7) // 8)
    if bits >> committee.size:
        raise DecodeError("certificate-signer", "number outside the committee")
    numbers = [number for number in range(committee.size) if bits >> number & 1]
    seats = committee.weigh(numbers)
    if seats < committee.quorum:
        raise DecodeError("certificate-quorum", f"signers with {seats} seats where {committee.quorum} are needed")
    joined = as_bytes(signatures, SIGNATURE_BYTES * len(numbers))
    return tuple(
        (number, joined[place * SIGNATURE_BYTES : (place + 1) * SIGNATURE_BYTES])
        for place, number in enumerate(numbers)
    )


def decode_sender(committee: Committee, item: Item) -> int:
    """A replica's number. Raises DecodeError."""
    number = bytes_to_int(item, size_max=2)
    if number >= committee.size:
        raise DecodeError("sender", f"{number} in a committee of {committee.size}")
    return number
