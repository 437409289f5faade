"""Who is guilty: what honest nodes heard, kept by a scribe who stands beside them, and what it proves.

Source: Sheng et al., "BFT Protocol Forensics", CCS 2021: after a fork, the messages that honest replicas hold name the
culprits, if the protocol signs the right things. Everything written down here has passed a gate, so its signatures
hold; what it says is a proof for anybody.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.primitives.signing import Claim
from raclette.sim.checkers.ballot_forensics import BallotForensics
from raclette.sim.checkers.fork import Fork
from raclette.sim.checkers.pbft_forensics import PbftForensics
from raclette.sim.checkers.senate_forensics import SenateForensics
from raclette.sim.checkers.simplex_forensics import SimplexForensics


class Forensics(Protocol):
    """The scribe and judge of one protocol."""

    def hear(self, content: Any) -> None:
        """An honest node received this from the gate."""

    def certified(self, header: Header, certificate: bytes) -> None:
        """An honest node holds this proof that a block is final."""

    def convict(self, evidence: bytes) -> tuple[Claim, ...]:
        """The claims that, if they hold, convict their one author. Raises DecodeError if nothing could."""

    def place_of(self, evidence: bytes) -> tuple[int, ...]:
        """What the evidence is about, so that it can be looked up. Raises DecodeError."""

    def culprits(self) -> dict[bytes, str]:
        """Node ids of all who are proved guilty by what was written down, each with its crime."""

    def lacking(self, fork: Fork) -> str:
        """Against how many more the fork should be proved ("against 2"); empty if the proof is against more than the
        protocol bears."""


# A new protocol is one file with its judge, and one entry here.
FORENSICS: Mapping[str, Callable[[Genesis], Forensics]] = {
    "pbft": PbftForensics,
    "simplex": SimplexForensics,
    "senate": SenateForensics,
    "ballot": BallotForensics,
}
