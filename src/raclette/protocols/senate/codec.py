"""Bytes on the wire: one byte for the kind, then RLP of a fixed shape. Strict: one encoding per message.

Decoding is bounded before it starts: each kind has a largest size that follows from the number of seats. Lists of
signers are in ascending order of node id, so that a repeated signer cannot be written down.
"""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.primitives import rlp
from raclette.primitives.errors import DecodeError, InvalidCertificate, Misuse
from raclette.primitives.hashing import sha256
from raclette.primitives.rlp import Encodable, Item, as_bytes, as_list, bytes_to_int, int_to_bytes
from raclette.primitives.signing import LOT_BYTES, NODE_ID_BYTES, SIGNATURE_BYTES, Claim, Lot
from raclette.protocols.decided import read_decided
from raclette.protocols.senate.messages import (
    Candidate,
    Commit,
    Committed,
    Entry,
    Excuse,
    Inquiry,
    Justification,
    Lock,
    Prepare,
    Proposal,
    RoundChange,
    Timeout,
    Vote,
    Votes,
)
from raclette.protocols.senate.statements import Statements, read_extra
from raclette.protocols.wire import expect, frame, read, u64

# A header with its lots has about 960 bytes; the rest is room for large integers.
HEADER_BYTES_MAX = 1_280
# The parts of a message that do not grow with the senate, and RLP prefixes.
FIXED_BYTES_MAX = 512
# In a list: a node, a signature, prefixes; of an excuse also rank and hash.
VOTE_BYTES_MAX = NODE_ID_BYTES + SIGNATURE_BYTES + 8
EXCUSE_BYTES_MAX = VOTE_BYTES_MAX + 48
# In a certificate: a node, its seats, prefixes.
OWNER_BYTES_MAX = NODE_ID_BYTES + 8
HASH_BYTES = 32

ENTRY, CANDIDATE, PROPOSAL, PREPARE, COMMIT, TIMEOUT, ROUND_CHANGE, COMMITTED, INQUIRY = range(1, 10)


class Finality(NamedTuple):
    """A certificate that fits its header: the senate it names, and the COMMITs of a quorum of its seats in `round`."""

    round: int
    owners: tuple[tuple[bytes, int], ...]
    votes: Votes
    claims: tuple[Claim, ...]


class Codec:
    """Encodes and decodes for senates of `seats` seats. Pure and thread-safe."""

    def __init__(self, statements: Statements, seats: int) -> None:
        self.statements = statements
        self.seats = seats
        self.quorum = seats - (seats - 1) // 3
        lock = seats * VOTE_BYTES_MAX + FIXED_BYTES_MAX
        justification = seats * EXCUSE_BYTES_MAX + lock
        certificate = seats * (VOTE_BYTES_MAX + OWNER_BYTES_MAX) + FIXED_BYTES_MAX
        self._certificate_max = certificate
        # SENATE-51: the largest payload of each kind.
        self._kinds: dict[int, tuple[int, Callable[[list[Item]], Message]]] = {
            ENTRY: (FIXED_BYTES_MAX, self._entry),
            CANDIDATE: (HEADER_BYTES_MAX + FIXED_BYTES_MAX, self._candidate),
            PROPOSAL: (HEADER_BYTES_MAX + FIXED_BYTES_MAX + justification, self._proposal),
            PREPARE: (FIXED_BYTES_MAX, self._prepare),
            COMMIT: (FIXED_BYTES_MAX, self._commit),
            TIMEOUT: (FIXED_BYTES_MAX + lock, self._timeout),
            ROUND_CHANGE: (FIXED_BYTES_MAX + justification, self._round_change),
            COMMITTED: (HEADER_BYTES_MAX + FIXED_BYTES_MAX + certificate, self._committed),
            INQUIRY: (FIXED_BYTES_MAX, self._inquiry),
        }

    # --- to bytes -------------------------------------------------------------------------------------------------

    def encode(self, message: Message) -> bytes:
        """Without a block's body. Raises Misuse for a message that is not the senate's."""
        match message:
            case Vote():
                kind = PREPARE if isinstance(message, Prepare) else COMMIT
                place = [_n(message.height), _n(message.round), message.block_hash, message.sender]
                return frame(kind, [*place, message.claim.signature])
            case Entry():
                place = [_n(message.height), message.seed, message.sender]
                return frame(ENTRY, [*place, message.ticket.signature])
            case Candidate():
                return frame(CANDIDATE, [message.header.encoded, message.claim.signature])
            case Proposal():
                return frame(PROPOSAL, self._proposal_items(message))
            case Timeout():
                place = [_n(message.height), _n(message.round), message.sender]
                return frame(TIMEOUT, [*place, lock_items(message.lock), message.claim.signature])
            case RoundChange():
                return frame(ROUND_CHANGE, [_n(message.height), _justification_items(message.justification)])
            case Committed():
                return frame(COMMITTED, [message.header.encoded, message.certificate])
            case Inquiry():
                return frame(INQUIRY, [_n(message.height)])
        raise Misuse(f"not a message of senate: {message!r}")

    def _proposal_items(self, message: Proposal) -> list[Encodable]:
        justification = _justification_items(message.justification) if message.justification is not None else []
        return [
            _n(message.round),
            message.header.encoded,
            justification,
            message.director_signature,
            message.sender,
            message.claim.signature,
        ]

    def encode_finality(self, round_number: int, owners: tuple[tuple[bytes, int], ...], votes: Votes) -> bytes:
        """SENATE-40: what the chain keeps beside a block: the senate, and COMMITs of a quorum of its seats."""
        named: list[Encodable] = [[node, _n(count)] for node, count in owners]
        return rlp.encode([_n(round_number), named, _votes_items(votes)])

    # --- from bytes -----------------------------------------------------------------------------------------------

    def decode(self, payload: bytes) -> Message:
        """Raises DecodeError."""
        return read("senate", self._kinds, payload)

    def finality_claims(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """Of `decode_finality`. Raises InvalidCertificate."""
        return self.decode_finality(header, certificate).claims

    def decode_finality(self, header: Header, certificate: bytes) -> Finality:
        """SENATE-41: everything about a certificate that the header alone can tell. Raises InvalidCertificate."""
        if len(certificate) > self._certificate_max:
            raise InvalidCertificate("certificate-size", f"{len(certificate)} bytes, at most {self._certificate_max}")
        try:
            round_item, owner_items, vote_items = rlp.decode_list(certificate, 3)
            round_number, votes = u64(round_item), self._votes(vote_items)
            owners = self._owners(owner_items)
            lots = self.statements.lots(header)
            root = read_extra(header).senate_root
        except DecodeError as error:
            raise InvalidCertificate(error.reason, error.detail) from error
        if self.statements.senate_root(owners) != root:
            raise InvalidCertificate("certificate-senate", "not the senate that the header names")
        self._require_quorum(dict(owners), votes)
        digest = self.statements.vote_digest(Commit.kind, header.number, round_number, header.hash)
        return Finality(round_number, owners, votes, (*lots, *self.statements.claims(digest, votes)))

    def _require_quorum(self, weights: Mapping[bytes, int], votes: Votes) -> None:
        strangers = [node for node, _ in votes if node not in weights]
        if strangers:
            raise InvalidCertificate("certificate-stranger", f"{strangers[0].hex()[:16]} owns no seat")
        # SENATE-2: seats, not heads.
        weight = sum(weights[node] for node, _ in votes)
        if weight < self.quorum:
            raise InvalidCertificate("certificate-quorum", f"{weight} seats where {self.quorum} are needed")

    def _owners(self, items: Item) -> tuple[tuple[bytes, int], ...]:
        owners: list[tuple[bytes, int]] = []
        for item in as_list(items):
            node, count = expect(as_list(item), 2)
            owners.append((as_bytes(node, NODE_ID_BYTES), bytes_to_int(count, size_max=2)))
        _check_order([node for node, _ in owners], "certificate-owner")
        if sum(count for _, count in owners) != self.seats or not all(count for _, count in owners):
            raise DecodeError("certificate-seats", f"not a senate of {self.seats} seats")
        return tuple(owners)

    def _votes(self, items: Item) -> Votes:
        votes: list[tuple[bytes, bytes]] = []
        for item in as_list(items):
            node, signature = expect(as_list(item), 2)
            votes.append((as_bytes(node, NODE_ID_BYTES), as_bytes(signature, SIGNATURE_BYTES)))
        # SENATE-4: each signer once.
        _check_order([node for node, _ in votes], "repeated-signer")
        if not 1 <= len(votes) <= self.seats:
            raise DecodeError("senate-votes", f"{len(votes)} signers in a senate of {self.seats} seats")
        return tuple(votes)

    def decode_lock(self, item: Item) -> Lock | None:
        """Inverse of `lock_items`; whether its signers own a quorum of seats is not known here. Raises DecodeError."""
        items = as_list(item)
        if not items:
            return None
        round_item, block_hash, votes = expect(items, 3)
        return Lock(u64(round_item), as_bytes(block_hash, HASH_BYTES), self._votes(votes))

    def decode_justification(self, item: Item) -> Justification:
        """Raises DecodeError."""
        round_item, excuse_items, lock_item = expect(as_list(item), 3)
        round_number, excuses = u64(round_item), []
        for excuse_item in as_list(excuse_items):
            sender, rank, lock_hash, signature = expect(as_list(excuse_item), 4)
            rank_number = u64(rank)
            named = as_bytes(lock_hash, HASH_BYTES if rank_number else 0)
            excuses.append(Excuse(as_bytes(sender, NODE_ID_BYTES), rank_number, named, as_bytes(signature, 64)))
        _check_order([excuse.sender for excuse in excuses], "repeated-signer")
        if not 1 <= len(excuses) <= self.seats or round_number < 1:
            raise DecodeError("senate-justification", f"{len(excuses)} timeouts for round {round_number}")
        lock = self.decode_lock(lock_item)
        highest = max(excuse.lock_rank for excuse in excuses)
        # SENATE-25: the highest lock that is named is shown, and no other.
        if (lock.round + 1 if lock is not None else 0) != highest or highest > round_number:
            raise DecodeError("senate-justification", "does not show the highest lock that its timeouts name")
        if lock is not None and not any(e.lock_rank == highest and e.lock_hash == lock.block_hash for e in excuses):
            raise DecodeError("senate-justification", "shows a lock that none of its timeouts names")
        return Justification(round_number, tuple(excuses), lock)

    # --- messages put together with their claims ------------------------------------------------------------------

    def lock_claims(self, height: int, lock: Lock | None) -> tuple[Claim, ...]:
        """The PREPAREs of a lock."""
        if lock is None:
            return ()
        digest = self.statements.vote_digest(Prepare.kind, height, lock.round, lock.block_hash)
        return self.statements.claims(digest, lock.votes)

    def justification_claims(self, height: int, justification: Justification | None) -> tuple[Claim, ...]:
        """All signatures in it."""
        if justification is None:
            return ()
        digest_of = self.statements.timeout_digest
        excuses = tuple(
            Claim(e.sender, digest_of(height, justification.round - 1, e.lock_rank, e.lock_hash), e.signature)
            for e in justification.excuses
        )
        return excuses + self.lock_claims(height, justification.lock)

    def make_timeout(
        self, height: int, round_number: int, lock: Lock | None, sender: bytes, signature: bytes
    ) -> Timeout:
        """With all its claims."""
        rank, lock_hash = (lock.round + 1, lock.block_hash) if lock is not None else (0, b"")
        claim = Claim(sender, self.statements.timeout_digest(height, round_number, rank, lock_hash), signature)
        return Timeout(height, round_number, lock, sender, claim, (claim, *self.lock_claims(height, lock)))

    def make_proposal(
        self,
        round_number: int,
        header: Header,
        justification: Justification | None,
        director_signature: bytes,
        sender: bytes,
        signature: bytes,
    ) -> Proposal:
        """With all its claims. Raises DecodeError (extra data)."""
        height = header.number
        lots = self.statements.lots(header)
        digest = self.statements.candidate_digest(height, header.hash)
        directors = (Claim(lots[0].author, digest, director_signature),) if director_signature else ()
        reason = reason_of(justification)
        claim = Claim(sender, self.statements.proposal_digest(height, round_number, header.hash, reason), signature)
        proof = (claim, *directors, *lots, *self.justification_claims(height, justification))
        return Proposal(round_number, header, justification, director_signature, sender, claim, proof)

    def make_round_change(self, height: int, justification: Justification) -> RoundChange:
        """With all its claims."""
        return RoundChange(height, justification, self.justification_claims(height, justification))

    def _entry(self, items: list[Item]) -> Entry:
        height_item, seed_item, sender_item, ticket = expect(items, 4)
        height, seed = u64(height_item), as_bytes(seed_item, HASH_BYTES)
        sender = as_bytes(sender_item, NODE_ID_BYTES)
        lot = Lot(sender, self.statements.ticket_alpha(height, seed), as_bytes(ticket, LOT_BYTES))
        return Entry(height, seed, sender, lot)

    def _candidate(self, items: list[Item]) -> Candidate:
        header_item, signature = expect(items, 2)
        header = Header.decode(as_bytes(header_item))
        lots = self.statements.lots(header)
        digest = self.statements.candidate_digest(header.number, header.hash)
        claim = Claim(lots[0].author, digest, as_bytes(signature, SIGNATURE_BYTES))
        return Candidate(header, claim.author, claim, lots)

    def _proposal(self, items: list[Item]) -> Proposal:
        round_item, header_item, justification_item, director_signature, sender, signature = expect(items, 6)
        round_number = u64(round_item)
        justification = self.decode_justification(justification_item) if justification_item else None
        # SENATE-24: above round 0, and only there, a proposal shows why its round exists.
        if (justification.round if justification is not None else 0) != round_number:
            raise DecodeError("senate-justification", f"not one for round {round_number}")
        # A locked block was checked by a quorum, the director's signature with it; nobody need have kept that.
        is_locked = justification is not None and justification.lock is not None
        return self.make_proposal(
            round_number,
            Header.decode(as_bytes(header_item)),
            justification,
            as_bytes(director_signature, 0 if is_locked else SIGNATURE_BYTES),
            as_bytes(sender, NODE_ID_BYTES),
            as_bytes(signature, SIGNATURE_BYTES),
        )

    def _vote(self, kind: str, items: list[Item]) -> tuple[int, int, bytes, bytes, Claim]:
        height_item, round_item, hash_item, sender_item, signature = expect(items, 5)
        height, round_number = u64(height_item), u64(round_item)
        block_hash, sender = as_bytes(hash_item, HASH_BYTES), as_bytes(sender_item, NODE_ID_BYTES)
        digest = self.statements.vote_digest(kind, height, round_number, block_hash)
        return height, round_number, block_hash, sender, Claim(sender, digest, as_bytes(signature, SIGNATURE_BYTES))

    def _prepare(self, items: list[Item]) -> Prepare:
        return Prepare(*self._vote(Prepare.kind, items))

    def _commit(self, items: list[Item]) -> Commit:
        return Commit(*self._vote(Commit.kind, items))

    def _timeout(self, items: list[Item]) -> Timeout:
        height, round_item, sender, lock_item, signature = expect(items, 5)
        round_number, lock = u64(round_item), self.decode_lock(lock_item)
        if lock is not None and lock.round > round_number:
            raise DecodeError("senate-timeout", f"round {round_number} cannot know a lock of round {lock.round}")
        author, signed = as_bytes(sender, NODE_ID_BYTES), as_bytes(signature, SIGNATURE_BYTES)
        return self.make_timeout(u64(height), round_number, lock, author, signed)

    def _round_change(self, items: list[Item]) -> RoundChange:
        height, justification = expect(items, 2)
        return self.make_round_change(u64(height), self.decode_justification(justification))

    def _committed(self, items: list[Item]) -> Committed:
        return Committed(*read_decided(items, self.finality_claims))

    def _inquiry(self, items: list[Item]) -> Inquiry:
        return Inquiry(u64(expect(items, 1)[0]))


def lock_items(lock: Lock | None) -> list[Encodable]:
    """[round, hash, votes], or the empty list."""
    return [_n(lock.round), lock.block_hash, _votes_items(lock.votes)] if lock is not None else []


def reason_of(justification: Justification | None) -> bytes:
    """What a proposal signs of its justification: its hash, or nothing in round 0."""
    return sha256(rlp.encode(_justification_items(justification))) if justification is not None else b""


def _justification_items(justification: Justification) -> list[Encodable]:
    excuses: list[Encodable] = [[e.sender, _n(e.lock_rank), e.lock_hash, e.signature] for e in justification.excuses]
    return [_n(justification.round), excuses, lock_items(justification.lock)]


def _votes_items(votes: Votes) -> list[Encodable]:
    return [list(vote) for vote in votes]


def _n(number: int) -> bytes:
    return int_to_bytes(number)


def _check_order(nodes: list[bytes], reason: str) -> None:
    for before, after in pairwise(nodes):
        if before >= after:
            raise DecodeError(reason, f"{after.hex()[:16]} stands twice or out of order")
