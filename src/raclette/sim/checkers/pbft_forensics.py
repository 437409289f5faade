"""Guilt in PBFT: two votes where one is allowed, or a VIEW-CHANGE that forgets what was committed to.

1. Two PREPAREs or COMMITs of one replica for one (view, height) and different blocks, or two CHECKPOINTs for one
   height: no honest replica signs both.
2. A COMMIT for (view v, height h), and a VIEW-CHANGE for a view above v whose prepared certificate ranks below (v, h),
   or that shows none: who commits holds a certificate of that rank on disk, and shows its highest one ever after.

If two honest replicas finalise different blocks at one height, these convict the owners of f+1 seats (a replica has one
as a rule). In one view the two quorums of COMMITs share f+1 seats (1). Across views v < w, the first view above v whose
base is beside the committed block was entered by a quorum of VIEW-CHANGEs; f+1 seats of them are of replicas that had
committed in v, and each either showed less (2), or a certificate of v for another block, whose quorum of PREPAREs meets
that behind the COMMITs in f+1 (1).
"""

from typing import Any

from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.node.wire import EngineSaid
from raclette.primitives import rlp
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.rlp import bytes_to_int
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.pbft.codec import Codec
from raclette.protocols.pbft.evidence import check_evidence
from raclette.protocols.pbft.messages import CheckpointVote, Commit, Committed, NewView, Prepare, PrePrepare, ViewChange
from raclette.protocols.pbft.parameters import Parameters
from raclette.protocols.pbft.quorum import Certificate, Committee
from raclette.sim.checkers.fork import Fork, Reading
from raclette.sim.checkers.seats import too_few

PREPARE, COMMIT, CHECKPOINT = "prepare", "commit", "checkpoint"


class PbftForensics:
    """Implements `Forensics`, for a committee that stands in genesis or one that was elected."""

    def __init__(self, committee: Committee, window: int) -> None:
        self.committee = committee
        self._codec = Codec(committee, window)
        # (kind, view, height, replica) -> the blocks it voted for there.
        self._votes: dict[tuple[str, int, int, int], set[bytes]] = {}
        # replica -> (new view, rank of the certificate shown); (-1, -1) for none.
        self._changes: dict[int, set[tuple[int, tuple[int, int]]]] = {}
        self._read: set[Certificate | tuple[bytes, bytes]] = set()

    @classmethod
    def of(cls, genesis: Genesis) -> "PbftForensics":
        """Raises ConfigError."""
        parameters = parse_parameters(Parameters, genesis.protocol_parameters)
        return cls(Committee(parameters.node_ids, genesis.chain_id, parameters.weights), parameters.window)

    def hear(self, content: Any) -> None:
        """Write down who said what."""
        if not isinstance(content, EngineSaid):
            return
        message = content.message
        if isinstance(message, PrePrepare):
            message = message.vote
        if isinstance(message, Prepare):
            self._vote(PREPARE, message.view, message.height, message.sender, message.block_hash)
        elif isinstance(message, Commit):
            self._vote(COMMIT, message.view, message.height, message.sender, message.block_hash)
        elif isinstance(message, CheckpointVote):
            self._vote(CHECKPOINT, 0, message.height, message.sender, message.block_hash)
        elif isinstance(message, ViewChange):
            self._change(message)
        elif isinstance(message, NewView):
            for change in message.view_changes:
                self._change(change)
        elif isinstance(message, Committed):
            self.certified(message.header, message.certificate)

    def certified(self, header: Header, certificate: bytes) -> None:
        """Its COMMITs, each of its own author."""
        place = (header.hash, certificate)
        if not certificate or place in self._read:
            return
        self._read.add(place)
        try:
            proof = self._codec.decode_finality(header, certificate)
        except InvalidCertificate:
            return  # that it proves nothing is for another checker to say
        for number, _ in proof.votes:
            self._vote(COMMIT, proof.view, proof.top.number, number, proof.top.hash)

    def convict(self, evidence: bytes) -> tuple[Reading, ...]:
        """As the protocol's own evidence module says."""
        return (check_evidence(self.committee, evidence),)

    def place_of(self, evidence: bytes) -> tuple[int, ...]:
        """(1 for PREPARE, view, height, replica)."""
        check_evidence(self.committee, evidence)
        return tuple(bytes_to_int(item, size_max=8) for item in rlp.decode_list(evidence, 8)[:4])

    def culprits(self) -> dict[bytes, str]:
        """By the two rules of the module."""
        guilty: dict[int, str] = {}
        commits: dict[int, list[tuple[int, int]]] = {}
        for (kind, view, height, sender), hashes in self._votes.items():
            if len(hashes) > 1:
                guilty.setdefault(sender, f"two {kind}s for view {view}, height {height}")
            if kind == COMMIT:
                commits.setdefault(sender, []).append((view, height))
        for sender, changes in self._changes.items():
            for view, shown in changes:
                held = max((rank for rank in commits.get(sender, ()) if rank[0] < view), default=(-1, -1))
                if shown < held:
                    guilty.setdefault(
                        sender, f"committed in view {held[0]}, height {held[1]}, and hid it in view {view}"
                    )
        return {self.committee.ids[sender]: guilty[sender] for sender in sorted(guilty)}

    def lacking(self, fork: Fork) -> str:
        """The owners of f+1 seats, wherever they lied: what happened in one view shows at the heights of another."""
        return too_few(self.committee, self.culprits())

    def _vote(self, kind: str, view: int, height: int, sender: int, block_hash: bytes) -> None:
        place = (kind, view, height, sender)
        known = self._votes.get(place)
        if known is None:
            self._votes[place] = {block_hash}
        else:
            known.add(block_hash)

    def _change(self, change: ViewChange) -> None:
        prepared = change.prepared
        rank = prepared.rank if prepared is not None else (-1, -1)
        self._changes.setdefault(change.sender, set()).add((change.view, rank))
        for kind, certificate in ((PREPARE, prepared), (CHECKPOINT, change.checkpoint)):
            if certificate is not None and certificate not in self._read:
                self._read.add(certificate)
                for number, _ in certificate.votes:
                    self._vote(kind, certificate.view, certificate.height, number, certificate.block_hash)
