"""Bytes on the wire: one byte for the kind, then RLP of a fixed shape. Strict: one encoding per message.

Decoding is bounded before it starts: each kind has a largest size that follows from the committee and the window. A
replica travels as its number; the certificate's signers as a bit field, so that no certificate with a repeated signer
can even be written down.
"""

from collections.abc import Callable
from typing import NamedTuple

from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, InvalidCertificate, Misuse
from raclette.primitives.rlp import Encodable, Item, as_bytes, as_list, int_to_bytes
from raclette.primitives.signing import SIGNATURE_BYTES, Claim
from raclette.protocols.committee import decode_sender, decode_votes, encode_votes
from raclette.protocols.decided import read_decided
from raclette.protocols.pbft.messages import (
    CheckpointVote,
    Commit,
    Committed,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
    Vote,
)
from raclette.protocols.pbft.quorum import Certificate, Committee
from raclette.protocols.wire import expect, frame, read, u64

# A header with a node id in extra_data has about 620 bytes; the rest is room for large integers.
HEADER_BYTES_MAX = 1_024
# A vote: kind, two 8-byte integers, hash, number, signature, RLP prefixes: 121 bytes at most.
VOTE_BYTES_MAX = 160

PRE_PREPARE, PREPARE, COMMIT, CHECKPOINT, VIEW_CHANGE, NEW_VIEW, COMMITTED, STATUS = range(1, 9)


class FinalityProof(NamedTuple):
    """A parsed commit certificate of a block: the quorum's COMMITs are for `top`, a descendant (or the block itself) at
    the end of `descendants` (the headers after the block, oldest first)."""

    view: int
    votes: tuple[tuple[int, bytes], ...]
    descendants: tuple[Header, ...]
    top: Header
    claims: tuple[Claim, ...]


class Codec:
    """Encodes and decodes for one committee. Pure and thread-safe."""

    def __init__(self, committee: Committee, window: int) -> None:
        self.committee = committee
        self.window = window
        certificate = committee.size * (SIGNATURE_BYTES + 1) + 80
        view_change = 2 * certificate + VOTE_BYTES_MAX
        # PBFT-52: the largest payload of each kind.
        self._kinds: dict[int, tuple[int, Callable[[list[Item]], Message]]] = {
            PRE_PREPARE: (HEADER_BYTES_MAX + VOTE_BYTES_MAX, self._pre_prepare),
            PREPARE: (VOTE_BYTES_MAX, self._prepare),
            COMMIT: (VOTE_BYTES_MAX, self._commit),
            CHECKPOINT: (VOTE_BYTES_MAX, self._checkpoint),
            VIEW_CHANGE: (view_change, self._view_change),
            NEW_VIEW: (committee.size * (view_change + 8) + VOTE_BYTES_MAX, self._new_view),
            COMMITTED: ((window + 2) * (HEADER_BYTES_MAX + 4) + certificate, self._committed),
            STATUS: (VOTE_BYTES_MAX, self._status),
        }

    # --- to bytes -------------------------------------------------------------------------------------------------

    def encode(self, message: Message) -> bytes:
        """Without a block's body. Raises Misuse for a message that is not PBFT's."""
        if isinstance(message, Vote):
            kind = PREPARE if isinstance(message, Prepare) else COMMIT
            return frame(
                kind,
                [
                    int_to_bytes(message.view),
                    int_to_bytes(message.height),
                    message.block_hash,
                    int_to_bytes(message.sender),
                    message.claim.signature,
                ],
            )
        if isinstance(message, PrePrepare):
            return frame(PRE_PREPARE, [int_to_bytes(message.view), message.header.encoded, message.claim.signature])
        if isinstance(message, CheckpointVote):
            return frame(
                CHECKPOINT,
                [
                    int_to_bytes(message.height),
                    message.block_hash,
                    int_to_bytes(message.sender),
                    message.claim.signature,
                ],
            )
        if isinstance(message, ViewChange):
            return bytes((VIEW_CHANGE,)) + rlp.encode(self._view_change_item(message))
        if isinstance(message, NewView):
            changes: list[Encodable] = [self._view_change_item(change) for change in message.view_changes]
            return frame(NEW_VIEW, [int_to_bytes(message.view), changes, message.claim.signature])
        if isinstance(message, Committed):
            return frame(COMMITTED, [message.header.encoded, message.certificate])
        if isinstance(message, Status):
            numbers = (message.view, int(message.active), message.final, message.tip, message.low)
            return frame(STATUS, [int_to_bytes(number) for number in numbers])
        raise Misuse(f"not a message of pbft: {message!r}")

    def encode_certificate(self, certificate: Certificate | None) -> list[Encodable]:
        """[view, height, hash, signers, signatures], or the empty list."""
        if certificate is None:
            return []
        return [
            int_to_bytes(certificate.view),
            int_to_bytes(certificate.height),
            certificate.block_hash,
            *encode_votes(certificate.votes),
        ]

    def encode_finality(
        self, view: int, votes: tuple[tuple[int, bytes], ...], descendants: tuple[Header, ...]
    ) -> bytes:
        """What the chain keeps beside a block: COMMITs of a quorum for it or for its last descendant given."""
        return rlp.encode([int_to_bytes(view), *encode_votes(votes), [header.encoded for header in descendants]])

    def view_change_content(self, view: int, checkpoint: Certificate | None, prepared: Certificate | None) -> bytes:
        """The bytes that a VIEW-CHANGE signs."""
        return rlp.encode([int_to_bytes(view), self.encode_certificate(checkpoint), self.encode_certificate(prepared)])

    def _view_change_item(self, change: ViewChange) -> list[Encodable]:
        return [
            int_to_bytes(change.view),
            self.encode_certificate(change.checkpoint),
            self.encode_certificate(change.prepared),
            int_to_bytes(change.sender),
            change.claim.signature,
        ]

    # --- from bytes -----------------------------------------------------------------------------------------------

    def decode(self, payload: bytes) -> Message:
        """Raises DecodeError."""
        return read("pbft", self._kinds, payload)

    def decode_certificate(self, item: Item) -> Certificate | None:
        """Inverse of `encode_certificate`; at least a quorum of distinct replicas. Raises DecodeError."""
        items = as_list(item)
        if not items:
            return None
        view, height, block_hash, signers, signatures = expect(items, 5)
        votes = self._votes(signers, signatures)
        return Certificate(u64(view), u64(height), as_bytes(block_hash, 32), votes)

    def finality_claims(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """Of `decode_finality`. Raises InvalidCertificate."""
        return self.decode_finality(header, certificate).claims

    def decode_finality(self, header: Header, certificate: bytes) -> FinalityProof:
        """A certificate that fits `header`. Raises InvalidCertificate."""
        size_max = (self.window + 1) * (HEADER_BYTES_MAX + 4) + self.committee.size * (SIGNATURE_BYTES + 1) + 80
        if len(certificate) > size_max:
            raise InvalidCertificate("certificate-size", f"{len(certificate)} bytes, at most {size_max}")
        try:
            view_item, signers, signatures, chain = rlp.decode_list(certificate, 4)
            view = u64(view_item)
            votes = self._votes(signers, signatures)
            descendants = tuple(Header.decode(as_bytes(item)) for item in as_list(chain))
        except DecodeError as error:
            raise InvalidCertificate(error.reason, error.detail) from error
        if len(descendants) > self.window:
            raise InvalidCertificate("certificate-chain", f"{len(descendants)} headers, at most {self.window}")
        # PBFT-25: an ancestor of a committed block is committed; the headers between are the proof.
        top = header
        for child in descendants:
            if child.parent_hash != top.hash or child.number != top.number + 1:
                raise InvalidCertificate("certificate-chain", f"header {child.number} does not follow {top.number}")
            top = child
        digest = self.committee.commit_digest(view, top.number, top.hash)
        return FinalityProof(view, votes, descendants, top, self.committee.claims(digest, votes))

    def finality_view(self, certificate: bytes) -> int:
        """The view in which a certificate says that it was decided, without reading the rest. Raises
        InvalidCertificate."""
        try:
            is_list, start, end = rlp.header_at(certificate, 0, len(certificate))
            is_nested, first, last = rlp.header_at(certificate, start, end)
        except DecodeError as error:
            raise InvalidCertificate(error.reason, error.detail) from error
        if not is_list or is_nested or last - first > 8:
            raise InvalidCertificate("certificate-view", "does not begin with a view")
        return int.from_bytes(certificate[first:last], "big")

    def _votes(self, signers: Item, signatures: Item) -> tuple[tuple[int, bytes], ...]:
        # PBFT-4: a quorum of distinct replicas, or it is not a certificate.
        return decode_votes(self.committee, signers, signatures)

    def _sender(self, item: Item) -> int:
        return decode_sender(self.committee, item)

    def _claim(self, sender: int, digest: bytes, signature: Item) -> Claim:
        return Claim(self.committee.ids[sender], digest, as_bytes(signature, SIGNATURE_BYTES))

    def _prepare(self, items: list[Item]) -> Prepare:
        view, height, block_hash, sender, signature = self._vote(items)
        digest = self.committee.prepare_digest(view, height, block_hash)
        return Prepare(view, height, block_hash, sender, self._claim(sender, digest, signature))

    def _commit(self, items: list[Item]) -> Commit:
        view, height, block_hash, sender, signature = self._vote(items)
        digest = self.committee.commit_digest(view, height, block_hash)
        return Commit(view, height, block_hash, sender, self._claim(sender, digest, signature))

    def _vote(self, items: list[Item]) -> tuple[int, int, bytes, int, Item]:
        view, height, block_hash, sender, signature = expect(items, 5)
        return u64(view), u64(height), as_bytes(block_hash, 32), self._sender(sender), signature

    def _pre_prepare(self, items: list[Item]) -> PrePrepare:
        view_item, header_item, signature = expect(items, 3)
        view, header = u64(view_item), Header.decode(as_bytes(header_item))
        sender = self.committee.primary(view)
        digest = self.committee.prepare_digest(view, header.number, header.hash)
        return PrePrepare(view, header, sender, self._claim(sender, digest, signature))

    def _checkpoint(self, items: list[Item]) -> CheckpointVote:
        height_item, hash_item, sender_item, signature = expect(items, 4)
        height, block_hash, sender = u64(height_item), as_bytes(hash_item, 32), self._sender(sender_item)
        digest = self.committee.checkpoint_digest(height, block_hash)
        return CheckpointVote(height, block_hash, sender, self._claim(sender, digest, signature))

    def _view_change(self, items: list[Item]) -> ViewChange:
        view_item, checkpoint_item, prepared_item, sender_item, signature = expect(items, 5)
        return self.make_view_change(
            u64(view_item),
            self.decode_certificate(checkpoint_item),
            self.decode_certificate(prepared_item),
            self._sender(sender_item),
            as_bytes(signature, SIGNATURE_BYTES),
        )

    def make_view_change(
        self,
        view: int,
        checkpoint: Certificate | None,
        prepared: Certificate | None,
        sender: int,
        signature: bytes,
    ) -> ViewChange:
        """Put together with all its claims."""
        committee = self.committee
        digest = committee.view_change_digest(self.view_change_content(view, checkpoint, prepared))
        claim = Claim(committee.ids[sender], digest, signature)
        proof = [claim]
        if checkpoint is not None:
            proof += committee.claims(
                committee.checkpoint_digest(checkpoint.height, checkpoint.block_hash), checkpoint.votes
            )
        if prepared is not None:
            proof += committee.claims(
                committee.prepare_digest(prepared.view, prepared.height, prepared.block_hash), prepared.votes
            )
        return ViewChange(view, checkpoint, prepared, sender, claim, tuple(proof))

    def _new_view(self, items: list[Item]) -> NewView:
        view_item, changes_item, signature = expect(items, 3)
        changes = tuple(self._view_change(as_list(item)) for item in as_list(changes_item))
        return self.make_new_view(u64(view_item), changes, as_bytes(signature, SIGNATURE_BYTES))

    def make_new_view(self, view: int, changes: tuple[ViewChange, ...], signature: bytes) -> NewView:
        """Put together with all its claims; certificates that several replicas share are listed once."""
        sender = self.committee.primary(view)
        digest = self.committee.new_view_digest(view, b"".join(change.claim.signature for change in changes))
        claim = Claim(self.committee.ids[sender], digest, signature)
        proof = dict.fromkeys((claim, *(inner for change in changes for inner in change.proof)))
        return NewView(view, changes, sender, claim, tuple(proof))

    def _committed(self, items: list[Item]) -> Committed:
        return Committed(*read_decided(items, self.finality_claims))

    def _status(self, items: list[Item]) -> Status:
        view, active, final, tip, low = (u64(item) for item in expect(items, 5))
        if active > 1:
            raise DecodeError("pbft-status", f"active is {active}")
        return Status(view, bool(active), final, tip, low)
