"""Who votes, how many are enough, and what a set of votes proves.

The numbers are those of any committee that stands in genesis (`protocols.committee`); the statements are PBFT's own.

A certificate is a quorum of signatures over one statement. It proves itself to anybody who knows the committee.
"""

from typing import NamedTuple

from raclette.primitives.signing import digest_of
from raclette.protocols import committee


class Committee(committee.Committee):
    """PBFT-1, PBFT-75: n, f and the quorum; and what its replicas sign."""

    __slots__ = ()

    def primary(self, view: int) -> int:
        """PBFT-2, PBFT-75: the replica that proposes in `view`: round robin, by seats."""
        return self.turns[view % self.seats]

    def prepare_digest(self, view: int, height: int, block_hash: bytes) -> bytes:
        """PBFT-3: what a PREPARE signs, and a PRE-PREPARE, which is the primary's PREPARE with the block attached."""
        return digest_of("raclette/pbft/prepare", self.chain_id, view, height, block_hash)

    def commit_digest(self, view: int, height: int, block_hash: bytes) -> bytes:
        """What a COMMIT signs."""
        return digest_of("raclette/pbft/commit", self.chain_id, view, height, block_hash)

    def checkpoint_digest(self, height: int, block_hash: bytes) -> bytes:
        """What a CHECKPOINT signs: the block's hash commits to the state after it."""
        return digest_of("raclette/pbft/checkpoint", self.chain_id, height, block_hash)

    def view_change_digest(self, content: bytes) -> bytes:
        """What a VIEW-CHANGE signs: all it says, certificates included."""
        return digest_of("raclette/pbft/view-change", self.chain_id, content)

    def new_view_digest(self, view: int, signatures: bytes) -> bytes:
        """What a NEW-VIEW signs: the VIEW-CHANGEs' signatures stand for their contents."""
        return digest_of("raclette/pbft/new-view", self.chain_id, view, signatures)


class Certificate(NamedTuple):
    """A quorum over one (view, height, hash): prepared, committed or, with view 0, checkpointed.

    `votes` are (replica number, signature), numbers ascending and distinct: the codec can express nothing else.
    """

    view: int
    height: int
    block_hash: bytes
    votes: tuple[tuple[int, bytes], ...]

    @property
    def rank(self) -> tuple[int, int]:
        """PBFT-32: certificates are compared by view first, then by height."""
        return (self.view, self.height)
