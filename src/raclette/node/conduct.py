"""How peers behave: faults lower their score, a low score cuts the link, proofs of guilt are kept."""

from raclette.node.links import Links
from raclette.node.outbound import Outbound
from raclette.node.scores import Scores
from raclette.primitives.hashing import sha256
from raclette.store.contract import Batch, Store, Table

# Largest proof of guilt kept: two signed statements about one block are a few hundred bytes.
EVIDENCE_BYTES_MAX = 64 * 1024
# Most proofs kept: the first ones convict, more of the same would only fill the disk.
EVIDENCE_COUNT_MAX = 10_000


class Conduct:
    """Scores and evidence of one node."""

    def __init__(self, store: Store, links: Links, out: Outbound) -> None:
        """Raises StoreDamaged."""
        self._store = store
        self._links = links
        self._out = out
        self._scores = Scores(store)
        self._evidence = {key for key, _ in store.scan(Table.EVIDENCE)}

    def score(self, peer: bytes) -> int:
        """0 or less."""
        return self._scores.score(self._out.now, peer)

    def counts(self) -> dict[str, int]:
        """Faults by reason since the start."""
        return self._scores.counts()

    def banned_for(self, peer: bytes) -> int:
        """Nanoseconds that the peer stays unwelcome."""
        return self._scores.banned_for(self._out.now, peer)

    def fault(self, peer: bytes, reason: str, detail: str = "") -> None:
        """A peer broke a rule: count it, and cut the link if it was one too many."""
        verdict = self._scores.penalise(self._out.now, peer, reason)
        self._out.note("fault", peer=peer.hex(), reason=reason, detail=detail, score=verdict.score)
        batch = self._scores.take_batch()
        if len(batch):
            self._store.write(batch)
        if verdict.ban and peer in self._links:
            self._out.drop(peer, reason, verdict.ban)

    def accused(self, peer: bytes, reason: str, evidence: bytes) -> None:
        """The engine accuses; what proves it to others is kept under accused and content, once."""
        if evidence and len(evidence) <= EVIDENCE_BYTES_MAX and len(self._evidence) < EVIDENCE_COUNT_MAX:
            key = peer + sha256(evidence)
            if key not in self._evidence:
                self._evidence.add(key)
                batch = Batch()
                batch.put(Table.EVIDENCE, key, reason.encode() + b"\0" + evidence)
                self._store.write(batch)
                self._out.note("evidence", accused=peer.hex(), reason=reason, bytes=len(evidence))
        self.fault(peer, reason)
