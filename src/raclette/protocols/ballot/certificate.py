"""Votes as a proof: what a block's certificate is, how it is written, and what it must show.

BAL-25: a certificate holds the votes of one round of one height, those for other candidates too, so that turnout and
majority can be counted again by anybody who knows the register. The weight written in it is for the reader's own store:
it is compared with what the votes give, never believed.
"""

from collections.abc import Iterable
from typing import NamedTuple

from raclette.chain.header import Header
from raclette.chain.roll import MEMBERS_MAX
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, InvalidCertificate
from raclette.primitives.rlp import Encodable, as_bytes, as_list, bytes_to_int, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.ballot.book import ROUNDS_MAX
from raclette.protocols.ballot.election import is_decisive, tally
from raclette.protocols.ballot.fractions import Fraction
from raclette.protocols.ballot.messages import Vote, vote_digest
from raclette.protocols.ballot.weights import Register

# A voter with its signature takes 101 bytes; each may name a candidate of its own.
CERTIFICATE_BYTES_MAX = MEMBERS_MAX * (NODE_ID_BYTES + SIGNATURE_BYTES + 64) + 64


class Certificate(NamedTuple):
    """`votes` in the order of (candidate, voter); `weight` (tenths) is that of the elected candidate's."""

    weight: int
    round: int
    votes: tuple[Vote, ...]


def make_certificate(weight: int, round_number: int, votes: Iterable[Vote]) -> Certificate:
    """In canonical order."""
    return Certificate(weight, round_number, tuple(sorted(votes, key=lambda vote: (vote.block_hash, vote.voter))))


def encode_certificate(certificate: Certificate) -> bytes:
    """RLP of [weight, round, [[candidate, [[voter, signature]...]]...]]."""
    groups: dict[bytes, list[Encodable]] = {}
    for vote in certificate.votes:
        groups.setdefault(vote.block_hash, []).append([vote.voter, vote.claim.signature])
    listed: list[Encodable] = [[block_hash, voters] for block_hash, voters in groups.items()]
    return rlp.encode([int_to_bytes(certificate.weight), int_to_bytes(certificate.round), listed])


def decode_certificate(chain_id: int, height: int, data: bytes) -> Certificate:
    """BAL-26: well-formed, in order, no signer twice. Raises InvalidCertificate."""
    if len(data) > CERTIFICATE_BYTES_MAX:
        raise InvalidCertificate("certificate-size", f"{len(data)} bytes, at most {CERTIFICATE_BYTES_MAX}")
    try:
        weight, round_item, groups = rlp.decode_list(data, 3)
        round_number = bytes_to_int(round_item, size_max=8)
        votes: list[Vote] = []
        for group in as_list(groups):
            votes += _group(chain_id, height, round_number, as_list(group))
        certificate = Certificate(bytes_to_int(weight, size_max=8), round_number, tuple(votes))
    except DecodeError as error:
        raise InvalidCertificate(error.reason, error.detail) from error
    if not votes:
        raise InvalidCertificate("certificate-empty", "no votes")
    if len(votes) > MEMBERS_MAX or round_number > ROUNDS_MAX:
        raise InvalidCertificate("certificate-size", f"{len(votes)} votes of round {round_number}")
    if len({vote.voter for vote in votes}) < len(votes):
        raise InvalidCertificate("repeated-signer", "a voter stands twice in it")
    if make_certificate(certificate.weight, round_number, votes) != certificate:
        raise InvalidCertificate("certificate-order", "votes are not in the order of candidate and voter")
    return certificate


def _group(chain_id: int, height: int, round_number: int, items: list[rlp.Item]) -> list[Vote]:
    if len(items) != 2 or not as_list(items[1]):
        raise DecodeError("certificate-group", "a candidate and its voters belong here")
    block_hash = as_bytes(items[0], 32)
    digest = vote_digest(chain_id, height, round_number, block_hash)
    votes = []
    for item in as_list(items[1]):
        pair = as_list(item)
        if len(pair) != 2:
            raise DecodeError("certificate-vote", "a voter and a signature belong here")
        claim = Claim(as_bytes(pair[0], NODE_ID_BYTES), digest, as_bytes(pair[1], SIGNATURE_BYTES))
        votes.append(Vote(height, round_number, block_hash, claim))
    return votes


def claims_of(certificate: Certificate) -> tuple[Claim, ...]:
    """What must hold for it to be true."""
    return tuple(vote.claim for vote in certificate.votes)


def check_certificate(certificate: Certificate, header: Header, register: Register, needed: Fraction) -> None:
    """BAL-26: that its votes elect `header`, by the register at its parent. Raises InvalidCertificate."""
    votes = {vote.voter: vote for vote in certificate.votes}
    strangers = [voter for voter in votes if voter not in register.weights]
    if strangers:
        known = "on the roll without stake" if strangers[0] in register.unweighted else "not on the roll"
        raise InvalidCertificate("unweighted-signer", f"{strangers[0].hex()[:16]} is {known}")
    if certificate.round and not is_decisive(needed):  # BAL-32
        raise InvalidCertificate("certificate-round", f"round {certificate.round} where there is only one")
    outcome = tally(votes, register, needed)
    if outcome is None:
        raise InvalidCertificate("no-quorum", f"{len(votes)} of {register.size} voters elect nobody")
    if outcome.block_hash != header.hash:
        raise InvalidCertificate("not-elected", "its votes elect another candidate")
    if outcome.weight != certificate.weight:
        raise InvalidCertificate("certificate-weight", f"says {certificate.weight}, its votes give {outcome.weight}")
