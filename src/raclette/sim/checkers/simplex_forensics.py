"""Guilt in Simplex: two statements about one iteration of which no honest replica signs both.

1. Two VOTEs, or two FINALIZEs, for different blocks.
2. DUMMY and FINALIZE.

If two honest replicas finalise different blocks at one height, these convict the owners of f+1 seats. Let B be
finalised in iteration h and C, which is not above B, in an iteration g >= h. Among C and its ancestors take the lowest
of an iteration p >= h that is not B or above it; its voters held the notarization of its parent and of every dummy
block between. If p = h, two quorums of VOTEs for different blocks share f+1 seats (1). Else the parent is of an
iteration below h, so the dummy block of h was notarized, by a quorum that shares f+1 seats with those who finalised B
(2).
"""

from typing import Any

from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import InvalidCertificate
from raclette.protocols.parameters import parse_parameters
from raclette.protocols.simplex.codec import Codec
from raclette.protocols.simplex.evidence import check_evidence, contradicts
from raclette.protocols.simplex.messages import Finalized, Notarized, Proposal, Vote
from raclette.protocols.simplex.parameters import Parameters
from raclette.protocols.simplex.statements import Certificate, Committee, Phase
from raclette.sim.checkers.fork import Fork, Reading
from raclette.sim.checkers.seats import too_few


class SimplexForensics:
    """Implements `Forensics`, for a committee that stands in genesis or one that was elected."""

    def __init__(self, committee: Committee) -> None:
        self.committee = committee
        self._codec = Codec(committee)
        # (iteration, replica) -> what it said there.
        self._said: dict[tuple[int, int], dict[tuple[Phase, bytes], None]] = {}
        self._read: set[Certificate] = set()

    @classmethod
    def of(cls, genesis: Genesis) -> "SimplexForensics":
        """Raises ConfigError."""
        parameters = parse_parameters(Parameters, genesis.protocol_parameters)
        return cls(Committee(parameters.node_ids, genesis.chain_id, parameters.weights))

    def hear(self, content: Any) -> None:
        """Write down who said what."""
        if not isinstance(content, EngineSaid):
            return
        message = content.message
        if isinstance(message, Proposal):
            for certificate in message.certificates:
                self._certificate(certificate)
            message = message.vote
        if isinstance(message, Vote):
            self._note(message.iteration, message.sender, message.phase, message.block_hash)
        elif isinstance(message, Notarized):
            self._certificate(message.certificate)
        elif isinstance(message, Finalized):
            self.certified(message.header, message.certificate)

    def certified(self, header: Header, certificate: bytes) -> None:
        """Its FINALIZEs, each of its own author."""
        if not certificate:
            return
        try:
            self._certificate(self._codec.decode_finality(header, certificate).certificate)
        except InvalidCertificate:
            return  # that it proves nothing is for another checker to say

    def convict(self, evidence: bytes) -> tuple[Reading, ...]:
        """As the protocol's own evidence module says."""
        return (check_evidence(self.committee, evidence),)

    def culprits(self) -> dict[bytes, str]:
        """By the two rules of the module."""
        guilty: dict[int, str] = {}
        for (iteration, sender), said in self._said.items():
            statements = list(said)
            for place, first in enumerate(statements):
                for second in statements[place + 1 :]:
                    if contradicts(*first, *second):
                        crime = f"{first[0].name} and {second[0].name} in iteration {iteration}"
                        guilty.setdefault(sender, crime)
        return {self.committee.ids[sender]: guilty[sender] for sender in sorted(guilty)}

    def lacking(self, fork: Fork) -> str:
        """The owners of f+1 seats, wherever they lied: one iteration's lies show at the heights of another."""
        return too_few(self.committee, self.culprits())

    def _certificate(self, certificate: Certificate) -> None:
        if certificate not in self._read:
            self._read.add(certificate)
            for number, _ in certificate.votes:
                self._note(certificate.iteration, number, certificate.phase, certificate.block_hash)

    def _note(self, iteration: int, sender: int, phase: Phase, block_hash: bytes) -> None:
        self._said.setdefault((iteration, sender), {})[phase, block_hash] = None
