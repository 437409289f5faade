"""A fixed committee: who votes, how many are enough, and what a set of their signatures proves.

n replicas of which f = floor((n-1)/3) may lie. A quorum is ceil((n+f+1)/2): any two share at least f+1 replicas, so at
least one honest one, and n-f honest replicas always suffice for one. For n = 3f+1 this is the literature's 2f+1.

A certificate is a quorum of signatures over one statement. On the wire its signers are a bit field, so that a repeated
signer cannot even be written down. Shared by the protocols whose validators stand in genesis.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field

from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import Encodable, Item, as_bytes, bytes_to_int, encode, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim

# Votes grow with the square of the committee, proofs of several certificates with it: beyond this they pass a frame.
VALIDATORS_MAX = 128

# (replica number, signature), numbers ascending and distinct.
Votes: TypeAlias = tuple[tuple[int, bytes], ...]


class Committee:
    """The replicas in genesis order; a replica's number is its place."""

    __slots__ = ("chain_id", "faults", "ids", "numbers", "quorum", "size")

    def __init__(self, ids: Sequence[bytes], chain_id: int) -> None:
        self.ids = tuple(ids)
        self.chain_id = chain_id
        self.numbers = {node_id: number for number, node_id in enumerate(self.ids)}
        self.size = len(self.ids)
        self.faults = (self.size - 1) // 3
        self.quorum = (self.size + self.faults + 2) // 2

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


# --- the wire ---------------------------------------------------------------------------------------------------------


def frame(kind: int, items: Sequence[Encodable]) -> bytes:
    """One byte for the kind, then the RLP of the fields."""
    return bytes((kind,)) + encode(items)


def expect(items: list[Item], count: int) -> list[Item]:
    """Exactly `count` fields. Raises DecodeError."""
    if len(items) != count:
        raise DecodeError("rlp-count", f"{len(items)} items where {count} belong")
    return items


def u64(item: Item) -> int:
    """A canonical integer of at most eight bytes. Raises DecodeError."""
    return bytes_to_int(item, size_max=8)


def encode_votes(votes: Votes) -> tuple[bytes, bytes]:
    """(bit field of the signers, their signatures joined in ascending order)."""
    bits = sum([1 << number for number, _ in votes])
    return int_to_bytes(bits), b"".join([signature for _, signature in votes])


def decode_votes(committee: Committee, signers: Item, signatures: Item) -> Votes:
    """Inverse of `encode_votes`: a quorum of distinct replicas, or it is not a certificate. Raises DecodeError."""
    bits = bytes_to_int(signers, size_max=(committee.size + 7) // 8)
    if bits >> committee.size:
        raise DecodeError("certificate-signer", "number outside the committee")
    numbers = [number for number in range(committee.size) if bits >> number & 1]
    if len(numbers) < committee.quorum:
        raise DecodeError("certificate-quorum", f"{len(numbers)} signers where {committee.quorum} are needed")
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
