"""From a quorum of COMMITs to a final block, whoever's COMMITs they are and however they reached us.

A certificate for a block is one for all its ancestors: none of them can be missing from any chain a quorum ever
prepares. So blocks are finalised as soon as one above them is, always oldest first.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Adopt, Finalize, Publish
from raclette.primitives.errors import InvalidCertificate, PeerFault
from raclette.protocols.pbft.checkpoints import Checkpoints
from raclette.protocols.pbft.codec import FinalityProof
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.messages import Committed
from raclette.protocols.pbft.views import enter_view


class Finality:
    """Finalises blocks, oldest first, each with a certificate that stands alone."""

    def __init__(self, core: Core, checkpoints: Checkpoints) -> None:
        self.core = core
        self.checkpoints = checkpoints
        # The highest certified block that is not at hand: (height, hash, proof's view and votes).
        self.missing: tuple[int, bytes, int, tuple[tuple[int, bytes], ...]] | None = None
        # Certificates that contradict what we finalised: with at most f liars there are none.
        self.conflicts = 0

    def on_quorum(self, view: int, height: int, block_hash: bytes, votes: tuple[tuple[int, bytes], ...]) -> None:
        """COMMITs of a quorum for (view, height, block_hash), counted by ourselves."""
        # PBFT-24: Castro & Liskov 1999, 4.2, committed-local; the view need not be ours.
        header = self.core.chain.header(block_hash)
        if header is None:
            if self.missing is None or height > self.missing[0]:
                self.missing = (height, block_hash, view, votes)
            self.core.want(block_hash, self.core.committee.ids[votes[0][0]])
            return
        self.finalize(header, FinalityProof(view, votes, (), header, ()))

    def on_committed(self, peer: bytes, message: Committed) -> None:
        """Somebody shows a final block."""
        core = self.core
        header = message.header
        if self._is_no_news(header, message.certificate):
            return
        proof = core.codec.decode_finality(header, message.certificate)
        if header.number > core.final.number and core.chain.header(header.hash) is None:
            if message.block is None or core.chain.header(header.parent_hash) is None:
                # PBFT-46: too far ahead: fetch it with its ancestors.
                core.want(header.hash, peer)
                return
            if not self._checked(message.block):
                return
        self.finalize(header, proof)

    def _is_no_news(self, header: Header, certificate: bytes) -> bool:
        """Final here already, and decided in no later view than ours: n - 1 of n replicas hear of each block so."""
        core = self.core
        if header.number > core.final.number or (core.me is not None and not core.active):
            return False
        return core.codec.finality_view(certificate) <= core.view and not self._tip_is_stale()

    def on_block(self, block: Block, certificate: bytes) -> None:
        """Sync delivers a block, with its certificate or on the way to one that we asked for."""
        core = self.core
        header = block.header
        if certificate:
            try:
                proof = core.codec.decode_finality(header, certificate)
            except InvalidCertificate:
                return
            if header.number > core.final.number and self._checked(block):
                self.finalize(header, proof)
        elif core.final.number < header.number <= core.final.number + core.parameters.window and core.wanted:
            # PBFT-47: without a certificate only while we asked for something, and only within a window.
            self._checked(block)
        if core.chain.header(header.hash) is not None:
            core.wanted.pop(header.hash, None)
        if self.missing is not None and core.chain.header(self.missing[1]) is not None:
            height, block_hash, view, votes = self.missing
            self.missing = None
            self.on_quorum(view, height, block_hash, votes)

    def finalize(self, header: Header, proof: FinalityProof) -> None:
        """Adopt and finalise `header` and its unfinal ancestors, then follow the certificate to its view."""
        core = self.core
        if header.number > core.final.number:
            path = core.path_from_final(header)
            if path is None:
                self.conflicts += 1
                return
            # PBFT-25: oldest first, each with its own proof.
            for place, step in enumerate(path):
                self._finalize_one(step, (*path[place + 1 :], *proof.descendants), proof)
            self._settle(path)
        self._follow_view(header, proof)

    def overtaken(self) -> None:
        """PBFT-76: an engine around us has made more final than we have seen decided. What this view is based on, if it
        lies no higher, is final too, so the view goes on from there."""
        core, final = self.core, self.core.chain.finalized
        path = core.path_from_final(final) if final.number > core.final.number else None
        if not path:
            return
        self._settle(path)
        if core.me is not None and self._tip_is_stale() and core.base_height <= final.number:
            core.tip = final

    def _settle(self, path: list[Header]) -> None:
        """These blocks are final now, oldest first: what was kept for their sake goes."""
        core = self.core
        core.final = path[-1]
        core.progressed = True
        for block_hash in [known for known, height in core.bodies.items() if height <= core.final.number]:
            core.forget_body(block_hash)
        for step in path:
            core.wanted.pop(step.hash, None)
        if self.missing is not None and self.missing[0] <= core.final.number:
            self.missing = None
        self.checkpoints.on_final(path)

    def _finalize_one(self, step: Header, descendants: tuple[Header, ...], proof: FinalityProof) -> None:
        core = self.core
        certificate = b""
        if len(descendants) <= core.parameters.window:
            certificate = core.codec.encode_finality(proof.view, proof.votes, descendants)
        core.emit(Adopt(step.hash))
        core.emit(Finalize(step.hash, certificate))
        if core.is_primary and proof.view == core.view and certificate:
            # PBFT-48: one announcement for everybody without a vote, by the primary that decided it.
            top = descendants[-1] if descendants else step
            digest = core.committee.commit_digest(proof.view, top.number, top.hash)
            claims = core.committee.claims(digest, proof.votes)
            core.emit(Publish(Committed(step, certificate, claims, core.chain.block(step.hash))))

    def _follow_view(self, header: Header, proof: FinalityProof) -> None:
        core = self.core
        if core.me is None:
            core.view = max(core.view, proof.view)
            return
        top = proof.top
        if proof.view > core.view or (proof.view == core.view and not core.active):
            # PBFT-37: a quorum committed in that view, so it exists; the committed block is as good a base as its own.
            if top.number >= core.final.number:
                enter_view(core, proof.view, top.number, top.hash, None)
        elif proof.view == core.view and top is header and self._tip_is_stale():
            # PBFT-15: what a quorum committed in this view stands in for what we did not see proposed.
            core.tip = header

    def _tip_is_stale(self) -> bool:
        tip = self.core.tip
        return tip is None or self.core.path_from_final(tip) is None

    def _checked(self, block: Block) -> bool:
        try:
            self.core.chain.check(block)
        except PeerFault:
            return False
        return True
