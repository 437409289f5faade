"""Bytes on the wire: one byte for the kind, then RLP of a fixed shape. Strict: one encoding per message."""

from collections.abc import Callable

from raclette.chain.header import EXTRA_DATA_BYTES_MAX, Header
from raclette.chain.roll import MEMBERS_MAX
from raclette.engine.message import Message
from raclette.primitives.errors import DecodeError, InvalidCertificate, Misuse
from raclette.primitives.rlp import Encodable, Item, as_bytes, as_list, int_to_bytes
from raclette.primitives.signing import NODE_ID_BYTES, SIGNATURE_BYTES, Claim
from raclette.protocols.ballot.certificate import CERTIFICATE_BYTES_MAX, claims_of, decode_certificate
from raclette.protocols.ballot.messages import Ballots, Candidate, Elected, Question, Vote, vote_digest
from raclette.protocols.wire import expect, frame, read, u64

CANDIDATE, VOTE, BALLOTS, ELECTED, QUESTION = range(1, 6)
# Kind, two 8-byte integers, hash, voter, signature, prefixes: 153 bytes at most.
VOTE_BYTES_MAX = 160
# Two rounds of the largest electorate.
BALLOTS_MAX = 2 * MEMBERS_MAX
HEADER_BYTES_MAX = EXTRA_DATA_BYTES_MAX + 1_024


class Codec:
    """Encodes and decodes for one chain. Pure and thread-safe."""

    def __init__(self, chain_id: int) -> None:
        self._chain_id = chain_id
        # BAL-40: the largest payload of each kind.
        self._kinds: dict[int, tuple[int, Callable[[list[Item]], Message]]] = {
            CANDIDATE: (HEADER_BYTES_MAX + CERTIFICATE_BYTES_MAX + 16, self._candidate),
            VOTE: (VOTE_BYTES_MAX, self._vote),
            BALLOTS: (BALLOTS_MAX * VOTE_BYTES_MAX, self._ballots),
            ELECTED: (CERTIFICATE_BYTES_MAX + 64, self._elected),
            QUESTION: (VOTE_BYTES_MAX, self._question),
        }

    def encode(self, message: Message) -> bytes:
        """Without a block's body. Raises Misuse for another protocol's message."""
        if isinstance(message, Vote):
            return frame(VOTE, _vote_items(message))
        if isinstance(message, Ballots):
            return frame(BALLOTS, [_vote_items(vote) for vote in message.votes])
        if isinstance(message, Candidate):
            return frame(CANDIDATE, [message.header.encoded, message.certificate])
        if isinstance(message, Elected):
            return frame(ELECTED, [int_to_bytes(message.number), message.block_hash, message.certificate])
        if isinstance(message, Question):
            return frame(QUESTION, [int_to_bytes(message.number), message.block_hash])
        raise Misuse(f"ballot has no message {message.kind!r}")

    def decode(self, payload: bytes) -> Message:
        """Raises DecodeError."""
        return read("ballot", self._kinds, payload)

    def make_vote(self, height: int, round_number: int, block_hash: bytes, voter: bytes, signature: bytes) -> Vote:
        """From its parts."""
        digest = vote_digest(self._chain_id, height, round_number, block_hash)
        return Vote(height, round_number, block_hash, Claim(voter, digest, signature))

    def make_candidate(self, header: Header, certificate: bytes) -> Candidate:
        """With the claims of its parent's certificate. Raises DecodeError."""
        return Candidate(header, certificate, self._proof(header.number - 1, certificate))

    def make_elected(self, number: int, block_hash: bytes, certificate: bytes) -> Elected:
        """With the claims of its certificate. Raises DecodeError."""
        return Elected(number, block_hash, certificate, self._proof(number, certificate))

    def _proof(self, height: int, certificate: bytes) -> tuple[Claim, ...]:
        if not certificate:
            return ()
        try:
            return claims_of(decode_certificate(self._chain_id, height, certificate))
        except InvalidCertificate as error:
            raise DecodeError(error.reason, error.detail) from error

    def _candidate(self, items: list[Item]) -> Candidate:
        header_item, certificate = expect(items, 2)
        header = Header.decode(as_bytes(header_item))
        if header.number < 1:
            raise DecodeError("ballot-height", "block 0 is no candidate")
        return self.make_candidate(header, as_bytes(certificate))

    def _vote(self, items: list[Item]) -> Vote:
        height, round_item, block_hash, voter, signature = expect(items, 5)
        return self.make_vote(
            u64(height),
            u64(round_item),
            as_bytes(block_hash, 32),
            as_bytes(voter, NODE_ID_BYTES),
            as_bytes(signature, SIGNATURE_BYTES),
        )

    def _ballots(self, items: list[Item]) -> Ballots:
        if not 1 <= len(items) <= BALLOTS_MAX:
            raise DecodeError("ballots-count", f"{len(items)} votes, 1 to {BALLOTS_MAX} belong")
        return Ballots(tuple(self._vote(as_list(item)) for item in items))

    def _elected(self, items: list[Item]) -> Elected:
        number, block_hash, certificate_item = expect(items, 3)
        certificate = as_bytes(certificate_item)
        if not certificate:
            raise DecodeError("certificate-empty", "nothing proves it")
        return self.make_elected(u64(number), as_bytes(block_hash, 32), certificate)

    def _question(self, items: list[Item]) -> Question:
        number, block_hash = expect(items, 2)
        return Question(u64(number), as_bytes(block_hash, 32))


def _vote_items(vote: Vote) -> list[Encodable]:
    return [int_to_bytes(vote.height), int_to_bytes(vote.round), vote.block_hash, vote.voter, vote.claim.signature]
