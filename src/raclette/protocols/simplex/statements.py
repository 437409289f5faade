"""What replicas of Simplex sign, who leads an iteration, and where a block keeps the iteration it was proposed in.

Three statements exist. VOTE: I have seen this block proposed for iteration h. DUMMY: my patience with iteration h is
over. FINALIZE: I have seen this block notarized in iteration h and have not said DUMMY there, nor ever will. The one
rule that everything rests on is that nobody honest says DUMMY and FINALIZE in the same iteration.
"""

from enum import IntEnum
from typing import NamedTuple

from raclette.chain.header import Header
from raclette.primitives.hashing import ZERO_HASH
from raclette.primitives.signing import NODE_ID_BYTES, digest_of
from raclette.protocols import committee
from raclette.protocols.committee import Votes

ITERATION_BYTES = 8
EXTRA_BYTES = NODE_ID_BYTES + ITERATION_BYTES
# What a vote for the dummy block names: no block has this hash.
DUMMY_HASH = ZERO_HASH


class Phase(IntEnum):
    """Of a certificate, and of the statements in it."""

    NOTARIZED = 0
    DUMMY = 1
    FINALIZED = 2


_DOMAINS = {
    Phase.NOTARIZED: "raclette/simplex/vote",
    Phase.DUMMY: "raclette/simplex/dummy",
    Phase.FINALIZED: "raclette/simplex/finalize",
}


class Committee(committee.Committee):
    """SIM-1, SIM-75: n, f and the quorum; and what its replicas sign."""

    __slots__ = ()

    def leader(self, iteration: int) -> int:
        """SIM-2, SIM-75: round robin, by seats."""
        return self.turns[iteration % self.seats]

    def digest(self, phase: Phase, iteration: int, block_hash: bytes) -> bytes:
        """SIM-3: what a statement signs: chain, phase, iteration and block (DUMMY_HASH for none)."""
        return digest_of(_DOMAINS[phase], self.chain_id, iteration, block_hash)


class Certificate(NamedTuple):
    """SIM-4: equal statements of a quorum: a notarized block, a notarized dummy block, or a finalization."""

    phase: Phase
    iteration: int
    block_hash: bytes
    votes: Votes


def extra_data(node_id: bytes, iteration: int) -> bytes:
    """SIM-5: the proposer's node id, then the iteration (8 bytes, big-endian)."""
    return node_id + iteration.to_bytes(ITERATION_BYTES, "big")


def iteration_of(header: Header, start: int = 0) -> int:
    """The iteration in which a block was proposed; 0 for a header that names none. SIM-74: 0 too for the block that the
    engine starts from, number `start`, and all below it, whatever its extra data looks like."""
    extra = header.extra_data
    if header.number <= start or len(extra) != EXTRA_BYTES:
        return 0
    return int.from_bytes(extra[NODE_ID_BYTES:], "big")
