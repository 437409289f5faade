"""What must survive a crash, as records under short keys, and how a restarted replica reads it back.

A record is written before the message that depends on it leaves (the host keeps that order). Notarizations are kept
because nobody could make them again after everybody has crashed; bodies, because the chain promises to keep only what
is final, and a notarized block must be found again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from raclette.chain.block import Block
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.protocols.records import BODY, read_records
from raclette.protocols.simplex.codec import Codec
from raclette.protocols.simplex.statements import Certificate, Phase
from raclette.protocols.wire import expect, u64

STATE = b"state"
PROOF = b"proof/"


@dataclass
class Promises:
    """What we said last: in the current iteration, and the highest finalize. Empty hashes are none."""

    iteration: int = 1
    voted: bytes = b""
    dummied: bool = False
    finalized_iteration: int = 0
    finalized_hash: bytes = b""


@dataclass
class Restored:
    """The persisted part of a replica's state."""

    promises: Promises = field(default_factory=Promises)
    certificates: list[Certificate] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


def proof_key(certificate: Certificate) -> bytes:
    """One for each iteration and phase."""
    return PROOF + certificate.iteration.to_bytes(8, "big") + bytes((certificate.phase,))


def encode_promises(promises: Promises) -> bytes:
    """RLP of the fields, in order."""
    return rlp.encode(
        [
            int_to_bytes(promises.iteration),
            promises.voted,
            int_to_bytes(int(promises.dummied)),
            int_to_bytes(promises.finalized_iteration),
            promises.finalized_hash,
        ]
    )


def restore(codec: Codec, records: Mapping[bytes, bytes]) -> Restored:
    """Read everything back. Raises StoreDamaged naming the record."""
    state = Restored()
    read_records(records, partial(_read, codec, state))
    state.blocks.sort(key=lambda block: (block.number, block.hash))
    state.certificates.sort(key=lambda certificate: certificate.iteration)
    return state


def _read(codec: Codec, state: Restored, key: bytes, value: bytes) -> None:
    if key == STATE:
        iteration, voted, dummied, finalized, finalized_hash = expect(rlp.decode_list(value), 5)
        state.promises = Promises(
            u64(iteration),
            as_bytes(voted),
            bool(bytes_to_int(dummied, size_max=1)),
            u64(finalized),
            as_bytes(finalized_hash),
        )
    elif key.startswith(PROOF):
        certificate = codec.decode_certificate(rlp.decode(value))
        if certificate.phase is Phase.FINALIZED or key != proof_key(certificate):
            raise DecodeError("record-proof", "not the notarization that its key says")
        state.certificates.append(certificate)
    elif key.startswith(BODY):
        state.blocks.append(Block.decode(value))
    else:
        raise DecodeError("record-key", "not a record of simplex")
