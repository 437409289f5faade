"""Proof that somebody contradicted himself: two of his signatures that no honest node gives together.

RLP of [kind, height, round, author, first, signature, second, signature]:

- PREPARE, COMMIT: `first` and `second` are two block hashes in one round;
- PROPOSAL: `first` and `second` are [hash, reason] of two blocks in one round, `reason` as the leader signed it;
- CANDIDATE: two block hashes of one director at one height (round 0);
- AMNESIA: `first` is [round, hash] of a COMMIT, `second` [lock rank, lock hash] of a TIMEOUT for `round`, which is not
  below the COMMIT's and names a lock below it: what he was locked on he must show.
"""

from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError
from raclette.primitives.rlp import Encodable, as_bytes, as_list, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.senate.codec import HASH_BYTES, reason_of
from raclette.protocols.senate.messages import Candidate, Commit, Prepare, Proposal, Timeout, Vote
from raclette.protocols.senate.statements import Statements

PREPARE, COMMIT, PROPOSAL, CANDIDATE, AMNESIA = range(1, 6)


def two_votes(first: Vote, second: Vote) -> bytes:
    """SENATE-5: of one senator in one phase and round."""
    kind = PREPARE if isinstance(first, Prepare) else COMMIT
    return _encode(kind, first.height, first.round, first.claim, first.block_hash, second.claim, second.block_hash)


def two_proposals(first: Proposal, second: Proposal) -> bytes:
    """Of one leader in one round."""
    shown: list[Encodable] = [[one.header.hash, reason_of(one.justification)] for one in (first, second)]
    return _encode(PROPOSAL, first.header.number, first.round, first.claim, shown[0], second.claim, shown[1])


def two_candidates(first: Candidate, second: Candidate) -> bytes:
    """Of one director at one height."""
    a, b = first.header, second.header
    return _encode(CANDIDATE, a.number, 0, first.claim, a.hash, second.claim, b.hash)


def shows_amnesia(commit: Commit, timeout: Timeout) -> bool:
    """SENATE-26: a COMMIT, and a TIMEOUT for its round or a later one that does not show the lock behind it."""
    return _forgets(commit.round, commit.block_hash, timeout.round, timeout.excuse.lock_rank, timeout.excuse.lock_hash)


def _forgets(committed: int, block_hash: bytes, timed_out: int, lock_rank: int, lock_hash: bytes) -> bool:
    is_older = lock_rank < committed + 1
    is_other = lock_rank == committed + 1 and lock_hash != block_hash
    return timed_out >= committed and (is_older or is_other)


def amnesia(commit: Commit, timeout: Timeout) -> bytes:
    """A senator that forgot what it was locked on."""
    excuse = timeout.excuse
    first = [int_to_bytes(commit.round), commit.block_hash]
    second = [int_to_bytes(excuse.lock_rank), excuse.lock_hash]
    return _encode(AMNESIA, commit.height, timeout.round, commit.claim, first, timeout.claim, second)


def _encode(
    kind: int, height: int, round_number: int, a: Claim, first: Encodable, b: Claim, second: Encodable
) -> bytes:
    place: list[Encodable] = [int_to_bytes(kind), int_to_bytes(height), int_to_bytes(round_number), a.author]
    return rlp.encode([*place, first, a.signature, second, b.signature])


def check_evidence(statements: Statements, evidence: bytes) -> tuple[Claim, Claim]:
    """The two claims that, if they hold, convict their author. Raises DecodeError if it could not convict whatever its
    signatures."""
    kind_item, height_item, round_item, author_item, first, sign_a, second, sign_b = rlp.decode_list(evidence, 8)
    kind, height = bytes_to_int(kind_item, size_max=1), bytes_to_int(height_item, size_max=8)
    round_number, author = bytes_to_int(round_item, size_max=8), as_bytes(author_item, NODE_ID_BYTES)
    if kind == AMNESIA:
        digests = _amnesia_digests(statements, height, round_number, as_list(first), as_list(second))
    elif kind == PROPOSAL:
        digests = _proposal_digests(statements, height, round_number, as_list(first), as_list(second))
    else:
        a, b = as_bytes(first, 32), as_bytes(second, 32)
        if a == b:
            raise DecodeError("evidence", "does not show a contradiction")
        digests = (
            _digest(statements, kind, height, round_number, a),
            _digest(statements, kind, height, round_number, b),
        )
    return (
        Claim(author, digests[0], as_bytes(sign_a, SIGNATURE_BYTES)),
        Claim(author, digests[1], as_bytes(sign_b, SIGNATURE_BYTES)),
    )


def _digest(statements: Statements, kind: int, height: int, round_number: int, block_hash: bytes) -> bytes:
    if kind == CANDIDATE and round_number == 0:
        return statements.candidate_digest(height, block_hash)
    if kind in (PREPARE, COMMIT):
        phase = Prepare.kind if kind == PREPARE else Commit.kind
        return statements.vote_digest(phase, height, round_number, block_hash)
    raise DecodeError("evidence", f"kind {kind}")


def _proposal_digests(
    statements: Statements, height: int, round_number: int, first: list[rlp.Item], second: list[rlp.Item]
) -> tuple[bytes, bytes]:
    if len(first) != 2 or len(second) != 2:
        raise DecodeError("evidence", "a proposal is a hash and a reason")
    a, b = as_bytes(first[0], HASH_BYTES), as_bytes(second[0], HASH_BYTES)
    if a == b:
        raise DecodeError("evidence", "does not show a contradiction")
    size = HASH_BYTES if round_number else 0
    return (
        statements.proposal_digest(height, round_number, a, as_bytes(first[1], size)),
        statements.proposal_digest(height, round_number, b, as_bytes(second[1], size)),
    )


def _amnesia_digests(
    statements: Statements, height: int, round_number: int, first: list[rlp.Item], second: list[rlp.Item]
) -> tuple[bytes, bytes]:
    if len(first) != 2 or len(second) != 2:
        raise DecodeError("evidence", "a lock is a round and a hash")
    committed, rank = bytes_to_int(first[0], size_max=8), bytes_to_int(second[0], size_max=8)
    block_hash, lock_hash = as_bytes(first[1], 32), as_bytes(second[1], 32 if rank else 0)
    if not _forgets(committed, block_hash, round_number, rank, lock_hash):
        raise DecodeError("evidence", "the timeout shows the lock")
    return (
        statements.vote_digest(Commit.kind, height, committed, block_hash),
        statements.timeout_digest(height, round_number, rank, lock_hash),
    )
