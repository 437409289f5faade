"""Bytes on the wire: one byte for the kind, then RLP of a fixed shape. Strict: one encoding per message.

Decoding is bounded before it starts: each kind has a largest size that follows from the committee and from how many
certificates a proposal may carry.
"""

from collections.abc import Callable
from typing import NamedTuple

from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, InvalidCertificate, Misuse
from raclette.primitives.rlp import Encodable, Item, as_bytes, as_list, bytes_to_int, int_to_bytes
from raclette.primitives.signing import SIGNATURE_BYTES, Claim
from raclette.protocols.committee import Votes, decode_sender, decode_votes, encode_votes
from raclette.protocols.decided import read_decided
from raclette.protocols.simplex.messages import Finalized, Notarized, Proposal, Status, Vote, make_vote
from raclette.protocols.simplex.statements import DUMMY_HASH, EXTRA_BYTES, Certificate, Committee, Phase, iteration_of
from raclette.protocols.wire import expect, frame, read, u64

# A header with our 40 bytes of extra data has about 630 bytes; the rest is room for large integers.
HEADER_BYTES_MAX = 1_024
# A vote: kind, iteration, hash, number, signature, RLP prefixes: 112 bytes at most.
VOTE_BYTES_MAX = 160
# Certificates in one proposal: the parent's, and those of the dummy blocks between. More are sent ahead of it, one by
# one. With 128 validators this makes half a megabyte, far below a frame.
PROOFS_MAX = 64
# Headers in the certificate of a block that became final with a descendant: so many notarized blocks in a row that
# nobody finalized. Ancestors further down have no certificate of their own, and come by sync with those above them.
DESCENDANTS_MAX = 256

PROPOSAL, VOTE, DUMMY, FINALIZE, NOTARIZED, FINALIZED, STATUS = range(1, 8)
_KIND_OF_PHASE = {Phase.NOTARIZED: VOTE, Phase.DUMMY: DUMMY, Phase.FINALIZED: FINALIZE}


class FinalityProof(NamedTuple):
    """A parsed finality certificate of a block: the quorum's FINALIZEs are for `top`, the last of `descendants` (the
    headers after the block, oldest first) or the block itself."""

    votes: Votes
    descendants: tuple[Header, ...]
    top: Header
    claims: tuple[Claim, ...]

    @property
    def certificate(self) -> Certificate:
        """The finalization of `top`."""
        return Certificate(Phase.FINALIZED, iteration_of(self.top), self.top.hash, self.votes)


class Codec:
    """Encodes and decodes for one committee that starts from a block of number `start`. Pure and thread-safe."""

    def __init__(self, committee: Committee, start: int = 0) -> None:
        self.committee = committee
        self.start = start
        certificate = committee.votes_bytes_max + 60
        self._finality_max = (DESCENDANTS_MAX + 1) * (HEADER_BYTES_MAX + 4) + certificate
        proposal = HEADER_BYTES_MAX + VOTE_BYTES_MAX + PROOFS_MAX * certificate
        # SIM-52: the largest payload of each kind.
        self._kinds: dict[int, tuple[int, Callable[[list[Item]], Message]]] = {
            PROPOSAL: (proposal, self._proposal),
            VOTE: (VOTE_BYTES_MAX, lambda items: self._vote(Phase.NOTARIZED, items)),
            DUMMY: (VOTE_BYTES_MAX, lambda items: self._vote(Phase.DUMMY, items)),
            FINALIZE: (VOTE_BYTES_MAX, lambda items: self._vote(Phase.FINALIZED, items)),
            NOTARIZED: (certificate, self._notarized),
            FINALIZED: (HEADER_BYTES_MAX + self._finality_max, self._finalized),
            STATUS: (VOTE_BYTES_MAX, self._status),
        }

    # --- to bytes -------------------------------------------------------------------------------------------------

    def encode(self, message: Message) -> bytes:
        """Without a block's body. Raises Misuse for a message that is not Simplex's."""
        if isinstance(message, Vote):
            return frame(_KIND_OF_PHASE[message.phase], self._vote_items(message))
        if isinstance(message, Proposal):
            certificates = [self.encode_certificate(certificate) for certificate in message.certificates]
            return frame(PROPOSAL, [message.header.encoded, message.claim.signature, certificates])
        if isinstance(message, Notarized):
            return frame(NOTARIZED, self.encode_certificate(message.certificate))
        if isinstance(message, Finalized):
            return frame(FINALIZED, [message.header.encoded, message.certificate])
        if isinstance(message, Status):
            return frame(STATUS, [int_to_bytes(part) for part in (message.iteration, message.final, message.gap)])
        raise Misuse(f"not a message of simplex: {message!r}")

    def _vote_items(self, vote: Vote) -> list[Encodable]:
        items: list[Encodable] = [int_to_bytes(vote.iteration), int_to_bytes(vote.sender), vote.claim.signature]
        if vote.phase is not Phase.DUMMY:
            items.append(vote.block_hash)
        return items

    def encode_certificate(self, certificate: Certificate) -> list[Encodable]:
        """[phase, iteration, hash, signers, signatures]; a dummy block has no hash."""
        block_hash = b"" if certificate.phase is Phase.DUMMY else certificate.block_hash
        return [
            int_to_bytes(certificate.phase),
            int_to_bytes(certificate.iteration),
            block_hash,
            *encode_votes(certificate.votes),
        ]

    def encode_finality(self, votes: Votes, descendants: tuple[Header, ...]) -> bytes:
        """What the chain keeps beside a block: FINALIZEs of a quorum for it or for its last descendant given."""
        return rlp.encode([*encode_votes(votes), [header.encoded for header in descendants]])

    # --- from bytes -----------------------------------------------------------------------------------------------

    def decode(self, payload: bytes) -> Message:
        """Raises DecodeError."""
        return read("simplex", self._kinds, payload)

    def decode_certificate(self, item: Item) -> Certificate:
        """Inverse of `encode_certificate`; at least a quorum of distinct replicas. Raises DecodeError."""
        phase_item, iteration_item, hash_item, signers, signatures = expect(as_list(item), 5)
        number = bytes_to_int(phase_item, size_max=1)
        if number not in (Phase.NOTARIZED, Phase.DUMMY, Phase.FINALIZED):
            raise DecodeError("certificate-phase", str(number))
        phase, iteration = Phase(number), u64(iteration_item)
        block_hash = DUMMY_HASH if phase is Phase.DUMMY else _block_hash(hash_item)
        if phase is Phase.DUMMY:
            as_bytes(hash_item, 0)
        return Certificate(phase, iteration, block_hash, decode_votes(self.committee, signers, signatures))

    def claims_of(self, certificate: Certificate) -> tuple[Claim, ...]:
        """The signatures in it."""
        phase, iteration, block_hash, votes = certificate
        return self.committee.claims(self.committee.digest(phase, iteration, block_hash), votes)

    def finality_claims(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """Of `decode_finality`. Raises InvalidCertificate."""
        return self.decode_finality(header, certificate).claims

    def decode_finality(self, header: Header, certificate: bytes) -> FinalityProof:
        """A certificate that fits `header`. Raises InvalidCertificate."""
        if len(certificate) > self._finality_max:
            raise InvalidCertificate("certificate-size", f"{len(certificate)} bytes, at most {self._finality_max}")
        try:
            signers, signatures, chain = rlp.decode_list(certificate, 3)
            votes = decode_votes(self.committee, signers, signatures)
            descendants = tuple(Header.decode(as_bytes(item)) for item in as_list(chain))
        except DecodeError as error:
            raise InvalidCertificate(error.reason, error.detail) from error
        if len(descendants) > DESCENDANTS_MAX:
            raise InvalidCertificate("certificate-chain", f"{len(descendants)} headers, at most {DESCENDANTS_MAX}")
        # SIM-25: an ancestor of a final block is final; the headers between are the proof.
        top = header
        for child in descendants:
            if child.parent_hash != top.hash or child.number != top.number + 1:
                raise InvalidCertificate("certificate-chain", f"header {child.number} does not follow {top.number}")
            top = child
        digest = self.committee.digest(Phase.FINALIZED, iteration_of(top, self.start), top.hash)
        return FinalityProof(votes, descendants, top, self.committee.claims(digest, votes))

    def _claim(self, sender: int, digest: bytes, signature: Item) -> Claim:
        return Claim(self.committee.ids[sender], digest, as_bytes(signature, SIGNATURE_BYTES))

    def _vote(self, phase: Phase, items: list[Item]) -> Vote:
        expect(items, 3 if phase is Phase.DUMMY else 4)
        iteration, sender = u64(items[0]), decode_sender(self.committee, items[1])
        block_hash = DUMMY_HASH if phase is Phase.DUMMY else _block_hash(items[3])
        claim = self._claim(sender, self.committee.digest(phase, iteration, block_hash), items[2])
        return make_vote(phase, iteration, block_hash, sender, claim)

    def _proposal(self, items: list[Item]) -> Proposal:
        header_item, signature, certificates_item = expect(items, 3)
        header = Header.decode(as_bytes(header_item))
        if len(header.extra_data) != EXTRA_BYTES or not iteration_of(header, self.start):
            raise DecodeError("proposal-extra", "extra data is not a node id and an iteration")
        listed = as_list(certificates_item)
        if len(listed) > PROOFS_MAX:
            raise DecodeError("proposal-proofs", f"{len(listed)} certificates, at most {PROOFS_MAX}")
        return self.make_proposal(
            header, as_bytes(signature, SIGNATURE_BYTES), tuple(self.decode_certificate(item) for item in listed)
        )

    def make_proposal(self, header: Header, signature: bytes, certificates: tuple[Certificate, ...]) -> Proposal:
        """Put together with all its claims. Its author is the leader of the iteration that the header names."""
        iteration = iteration_of(header)
        sender = self.committee.leader(iteration)
        claim = self._claim(sender, self.committee.digest(Phase.NOTARIZED, iteration, header.hash), signature)
        proof = [claim]
        for certificate in certificates:
            proof += self.claims_of(certificate)
        return Proposal(header, sender, claim, certificates, tuple(proof))

    def _notarized(self, items: list[Item]) -> Notarized:
        return self.make_notarized(self.decode_certificate(items))

    def make_notarized(self, certificate: Certificate) -> Notarized:
        """With its claims."""
        return Notarized(certificate, self.claims_of(certificate))

    def _finalized(self, items: list[Item]) -> Finalized:
        return Finalized(*read_decided(items, self.finality_claims))

    def _status(self, items: list[Item]) -> Status:
        iteration, final, gap = (u64(item) for item in expect(items, 3))
        return Status(iteration, final, gap)


def _block_hash(item: Item) -> bytes:
    """Of a real block. Raises DecodeError."""
    block_hash = as_bytes(item, 32)
    if block_hash == DUMMY_HASH:
        raise DecodeError("simplex-hash", "the name of no block")
    return block_hash
