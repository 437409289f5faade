"""Proof that a replica broke a rule that no honest one breaks: two of its signatures about one iteration.

Either the same statement about two blocks (two votes, two finalizes), or a vote for the dummy block beside a finalize:
the one pair on which the protocol's safety rests. A vote for a block beside one for the dummy block is no offence.
"""

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import as_bytes, bytes_to_int, int_to_bytes
from raclette.primitives.signing import SIGNATURE_BYTES, Claim
from raclette.protocols.committee import decode_sender
from raclette.protocols.simplex.messages import Vote
from raclette.protocols.simplex.statements import DUMMY_HASH, Committee, Phase
from raclette.protocols.wire import u64


def contradicts(first: Phase, first_hash: bytes, second: Phase, second_hash: bytes) -> bool:
    """SIM-50: may no honest replica say both about one iteration?"""
    if first is second:
        return first is not Phase.DUMMY and first_hash != second_hash
    return {first, second} == {Phase.DUMMY, Phase.FINALIZED}


def encode_evidence(first: Vote, second: Vote) -> bytes:
    """RLP of [iteration, replica number, phase, hash, signature, phase, hash, signature]."""
    return rlp.encode(
        [
            int_to_bytes(first.iteration),
            int_to_bytes(first.sender),
            int_to_bytes(first.phase),
            first.block_hash,
            first.claim.signature,
            int_to_bytes(second.phase),
            second.block_hash,
            second.claim.signature,
        ]
    )


def check_evidence(committee: Committee, evidence: bytes) -> tuple[Claim, Claim]:
    """The two claims that, if they hold, convict their author. For anybody: needs only the committee.

    Raises DecodeError if the evidence could not convict whatever its signatures.
    """
    items = rlp.decode_list(evidence, 8)
    iteration, sender = u64(items[0]), decode_sender(committee, items[1])
    said: list[tuple[Phase, bytes, bytes]] = []
    for place in (2, 5):
        number = bytes_to_int(items[place], size_max=1)
        if number > max(Phase):
            raise DecodeError("evidence", "does not name a statement")
        phase, block_hash = Phase(number), as_bytes(items[place + 1], 32)
        if (phase is Phase.DUMMY) != (block_hash == DUMMY_HASH):
            raise DecodeError("evidence", "a dummy block has no hash, others have one")
        said.append((phase, block_hash, as_bytes(items[place + 2], SIGNATURE_BYTES)))
    (first, first_hash, first_sign), (second, second_hash, second_sign) = said
    if not contradicts(first, first_hash, second, second_hash):
        raise DecodeError("evidence", "does not show a contradiction")
    author = committee.ids[sender]
    return (
        Claim(author, committee.digest(first, iteration, first_hash), first_sign),
        Claim(author, committee.digest(second, iteration, second_hash), second_sign),
    )
