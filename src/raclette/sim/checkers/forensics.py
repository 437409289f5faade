"""Who is guilty: what honest nodes heard, kept by a scribe who stands beside them, and what it proves.

Source: Sheng et al., "BFT Protocol Forensics", CCS 2021: after a fork, the messages that honest replicas hold name the
culprits, if the protocol signs the right things. Everything written down here has passed a gate, so its signatures
hold; what it says is a proof for anybody.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.engine.contract import Engine
from raclette.sim.checkers.ballot_forensics import BallotForensics
from raclette.sim.checkers.fork import Fork, Reading
from raclette.sim.checkers.hybrid_forensics import HybridForensics
from raclette.sim.checkers.pbft_forensics import PbftForensics
from raclette.sim.checkers.senate_forensics import SenateForensics
from raclette.sim.checkers.simplex_forensics import SimplexForensics


class Forensics(Protocol):
    """The scribe and judge of one protocol."""

    def hear(self, content: Any) -> None:
        """An honest node received this from the gate."""

    def certified(self, header: Header, certificate: bytes) -> None:
        """An honest node holds this proof that a block is final."""

    def convict(self, evidence: bytes) -> tuple[Reading, ...]:
        """How it may be read, one reading as a rule: it convicts if the claims of one hold. Raises DecodeError if
        nothing could."""

    def culprits(self) -> dict[bytes, str]:
        """Node ids of all who are proved guilty by what was written down, each with its crime."""

    def lacking(self, fork: Fork) -> str:
        """Against how many more the fork should be proved ("against 2"); empty if the proof is against more than the
        protocol bears."""


@runtime_checkable
class Attending(Protocol):
    """A judge that must look at the honest nodes too, for what no message says: who had a seat, and whether what the
    protocol assumes came true."""

    def attend(self, index: int, engine: Engine) -> None:
        """That of honest node `index`, before it hears the next message."""

    def looked(self, *, forked: bool) -> None:
        """All honest nodes that are alive have been attended, at this moment. `forked`: two of them have just made
        different blocks final."""

    def remark(self, fork: Fork) -> str:
        """What there is to say about a fork that is no proof: why nobody is named, or who is merely suspected. Empty if
        there is nothing."""


# A new protocol is one file with its judge, and one entry here.
FORENSICS: Mapping[str, Callable[[Genesis], Forensics]] = {
    "pbft": PbftForensics.of,
    "simplex": SimplexForensics.of,
    "hybrid": HybridForensics,
    "senate": SenateForensics,
    "ballot": BallotForensics,
}
