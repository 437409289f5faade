"""Guilt in the senate: two statements of one author in one place, or a TIMEOUT that hides a lock.

1. Two PREPAREs, COMMITs or proposals of one author in one round, or two blocks of one director at one height.
2. A COMMIT in round r, and a TIMEOUT of the same senator for round r or later that names no lock of round r for that
   block, and none of a later round (SENATE-26).

If two honest nodes finalise different blocks at a height, these convict the owners of more than f of its seats
(spec/senate.md, "Why two honest nodes never finalise different blocks"): in one round the two quorums of COMMITs share
that many; across rounds the TIMEOUTs that justified the first lock beside the committed block share them with the
COMMITs. Seats are those of the certificates, whose senate the header commits to; crimes at other heights do not count.

Where this ends: whoever prepares what its justification forbids (SENATE-27) is not convicted, for the two are not
signed together. To fork the chain by that alone takes a quorum of such seats.
"""

from typing import Any

from raclette.chain.genesis import Genesis, make_genesis_block
from raclette.chain.header import Header
from raclette.chain.trie import root_of_mapping
from raclette.ledgers import ledger_of
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import InvalidCertificate
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.senate.codec import Codec
from raclette.protocols.senate.evidence import check_evidence
from raclette.protocols.senate.messages import (
    Candidate,
    Commit,
    Committed,
    Justification,
    Lock,
    Prepare,
    Proposal,
    RoundChange,
    Timeout,
)
from raclette.protocols.senate.parameters import Parameters
from raclette.protocols.senate.statements import Statements
from raclette.sim.checkers.fork import Fork, Reading

PREPARE, COMMIT, PROPOSAL, CANDIDATE = "prepare", "commit", "proposal", "block"


class SenateForensics:
    """Implements `Forensics`."""

    def __init__(self, genesis: Genesis) -> None:
        """Raises ConfigError."""
        parameters = parse_parameters(Parameters, genesis.protocol_parameters)
        block, _ = make_genesis_block(genesis, ledger_of(genesis), root_of_mapping)
        self._statements = Statements(genesis.chain_id, block.hash)
        self._codec = Codec(self._statements, parameters.seats)
        # Computed here, not asked of the engine, so that a wrong one cannot vouch for itself.
        self.faults = (parameters.seats - 1) // 3
        # (height, kind, round, author) -> the blocks it spoke for there.
        self._said: dict[tuple[int, str, int, bytes], set[bytes]] = {}
        # (height, author) -> (round, rank and hash of the lock shown) of its TIMEOUTs; rank is the lock's round plus 1.
        self._timeouts: dict[tuple[int, bytes], set[tuple[int, int, bytes]]] = {}
        # height -> seats by owner, one senate for each certificate that names another.
        self._senates: dict[int, dict[tuple[tuple[bytes, int], ...], None]] = {}

    def hear(self, content: Any) -> None:
        """Write down who said what."""
        if not isinstance(content, EngineSaid):
            return
        message = content.message
        if isinstance(message, Prepare | Commit):
            kind = PREPARE if isinstance(message, Prepare) else COMMIT
            self._note(message.height, kind, message.round, message.sender, message.block_hash)
        elif isinstance(message, Candidate):
            self._note(message.header.number, CANDIDATE, 0, message.sender, message.header.hash)
        elif isinstance(message, Proposal):
            self._proposal(message)
        elif isinstance(message, Timeout):
            excuse = message.excuse
            self._timeout(message.height, message.sender, message.round, excuse.lock_rank, excuse.lock_hash)
            self._lock(message.height, message.lock)
        elif isinstance(message, RoundChange):
            self._justification(message.height, message.justification)
        elif isinstance(message, Committed):
            self.certified(message.header, message.certificate)

    def certified(self, header: Header, certificate: bytes) -> None:
        """Its COMMITs, each of its own author."""
        if not certificate:
            return
        try:
            proof = self._codec.decode_finality(header, certificate)
        except InvalidCertificate:
            return  # that it proves nothing is for another checker to say
        self._senates.setdefault(header.number, {})[proof.owners] = None
        for sender, _ in proof.votes:
            self._note(header.number, COMMIT, proof.round, sender, header.hash)

    def convict(self, evidence: bytes) -> tuple[Reading, ...]:
        """As the protocol's own evidence module says."""
        return (check_evidence(self._statements, evidence),)

    def culprits(self) -> dict[bytes, str]:
        """By the two rules of the module."""
        guilty = {author: crime for (_, author), crime in self._crimes().items()}
        return {author: guilty[author] for author in sorted(guilty)}

    def lacking(self, fork: Fork) -> str:
        """More than f seats of the fork's height."""
        guilty = [author for height, author in self._crimes() if height == fork.height]
        senates = self._senates.get(fork.height, {})
        proved = min((sum(dict(owners).get(author, 0) for author in guilty) for owners in senates), default=0)
        return "" if proved > self.faults else f"against the owners of {self.faults + 1} seats"

    def _crimes(self) -> dict[tuple[int, bytes], str]:
        """By height and author."""
        found: dict[tuple[int, bytes], str] = {}
        commits: dict[tuple[int, bytes], list[tuple[int, bytes]]] = {}
        for (height, kind, round_number, author), hashes in self._said.items():
            if len(hashes) > 1:
                found.setdefault((height, author), f"two {kind}s at height {height}, round {round_number}")
            if kind == COMMIT:
                commits.setdefault((height, author), []).extend((round_number, each) for each in sorted(hashes))
        for place, shown in self._timeouts.items():
            for committed, block_hash in commits.get(place, ()):
                if any(_hides(committed, block_hash, *timeout) for timeout in sorted(shown)):
                    found.setdefault(place, f"committed at height {place[0]}, round {committed}, and hid it")
        return found

    def _note(self, height: int, kind: str, round_number: int, author: bytes, block_hash: bytes) -> None:
        self._said.setdefault((height, kind, round_number, author), set()).add(block_hash)

    def _timeout(self, height: int, author: bytes, round_number: int, rank: int, block_hash: bytes) -> None:
        self._timeouts.setdefault((height, author), set()).add((round_number, rank, block_hash))

    def _proposal(self, message: Proposal) -> None:
        header = message.header
        self._note(header.number, PROPOSAL, message.round, message.sender, header.hash)
        if message.director_signature:
            self._note(header.number, CANDIDATE, 0, self._statements.lots(header)[0].author, header.hash)
        self._justification(header.number, message.justification)

    def _justification(self, height: int, justification: Justification | None) -> None:
        if justification is not None:
            for excuse in justification.excuses:
                self._timeout(height, excuse.sender, justification.round - 1, excuse.lock_rank, excuse.lock_hash)
            self._lock(height, justification.lock)

    def _lock(self, height: int, lock: Lock | None) -> None:
        if lock is not None:
            for sender, _ in lock.votes:
                self._note(height, PREPARE, lock.round, sender, lock.block_hash)


def _hides(committed: int, block_hash: bytes, round_number: int, rank: int, shown: bytes) -> bool:
    """Rule 2, for a COMMIT in round `committed` and a TIMEOUT of `round_number`."""
    if round_number < committed:
        return False
    return rank < committed + 1 or (rank == committed + 1 and shown != block_hash)
