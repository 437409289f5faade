"""From a quorum of FINALIZEs to a final block, whoever's they are and however they reached us.

A finalization of a block is one for all its ancestors: no chain that is ever notarized misses any of them. So blocks
are finalised as soon as one above them is, always oldest first.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Adopt, Finalize, Publish
from raclette.primitives.errors import InvalidCertificate, PeerFault
from raclette.protocols.simplex.codec import DESCENDANTS_MAX, FinalityProof
from raclette.protocols.simplex.core import Core
from raclette.protocols.simplex.messages import Finalized
from raclette.protocols.simplex.records import Promises
from raclette.protocols.simplex.statements import Certificate, Phase


class Finality:
    """Finalises blocks, oldest first, each with a certificate that stands alone."""

    def __init__(self, core: Core) -> None:
        self.core = core
        # The highest finalization whose block is not at hand.
        self.missing: Certificate | None = None
        # Certificates that contradict what we finalised: with at most f liars there are none.
        self.conflicts = 0

    def on_quorum(self, certificate: Certificate) -> None:
        """SIM-23: FINALIZEs of a quorum, counted by ourselves or shown by somebody."""
        core = self.core
        if certificate.iteration <= core.final_iteration:
            return
        header = core.chain.header(certificate.block_hash)
        if header is None:
            if self.missing is None or certificate.iteration > self.missing.iteration:
                self.missing = certificate
            core.want_from(certificate)
            return
        self.finalize(header, FinalityProof(certificate.votes, (), header, ()))

    def on_finalized(self, peer: bytes, message: Finalized) -> None:
        """Somebody shows a final block."""
        core = self.core
        header = message.header
        if header.number <= core.final.number:
            return
        if core.chain.header(header.hash) is None:
            if message.block is None or core.chain.header(header.parent_hash) is None:
                # SIM-45: too far ahead: fetch it with its ancestors.
                core.want(header.hash, peer)
                return
            if not self._checked(message.block):
                return
        self.finalize(header, core.codec.decode_finality(header, message.certificate))

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
        elif core.wanted and core.final.number < header.number <= core.final.number + self._unfinal_max:
            # SIM-47: without a certificate only while we asked for something, and no higher than blocks can be.
            self._checked(block)
        if core.chain.header(header.hash) is not None:
            core.wanted.pop(header.hash, None)
        missing = self.missing
        if missing is not None and core.chain.header(missing.block_hash) is not None:
            self.missing = None
            self.on_quorum(missing)

    @property
    def _unfinal_max(self) -> int:
        """At most one block for each iteration since the final one, and a window for those who are ahead of us."""
        core = self.core
        return core.iteration - core.final_iteration + core.parameters.window

    def finalize(self, header: Header, proof: FinalityProof) -> None:
        """Adopt and finalise `header` and its unfinal ancestors, and leave the iteration that is thereby over."""
        core = self.core
        if header.number <= core.final.number:
            return
        path = core.path_from_final(header)
        if path is None:
            self.conflicts += 1
            return
        # SIM-25: oldest first, each with its own proof.
        for place, step in enumerate(path):
            self._finalize_one(step, (*path[place + 1 :], *proof.descendants), proof)
        core.final, core.final_iteration = header, core.iteration_of(header)
        core.final_proof = proof.certificate if proof.top is header else None
        for step in path:
            core.wanted.pop(step.hash, None)
        self._on_new_final()

    def _on_new_final(self) -> None:
        core = self.core
        core.progressed = True
        if self.missing is not None and self.missing.iteration <= core.final_iteration:
            self.missing = None
        if core.final_iteration >= core.iteration:
            self.skip_to(core.final_iteration + 1)
        core.forget_old()

    def overtaken(self) -> None:
        """SIM-76: an engine around us has made more final than we have seen decided."""
        core, final = self.core, self.core.chain.finalized
        if final.number <= core.final.number:
            return
        core.final, core.final_iteration, core.final_proof = final, core.iteration_of(final), None
        self._on_new_final()

    def skip_to(self, iteration: int) -> None:
        """SIM-24: a final block ends its iteration and all before it, also for those who have not seen them."""
        core = self.core
        said = core.promises
        core.promises = Promises(iteration, b"", False, said.finalized_iteration, said.finalized_hash)
        if core.me is not None:
            core.persist_promises()

    def _finalize_one(self, step: Header, descendants: tuple[Header, ...], proof: FinalityProof) -> None:
        core = self.core
        certificate = b""
        if len(descendants) <= DESCENDANTS_MAX:
            certificate = core.codec.encode_finality(proof.votes, descendants)
        core.emit(Adopt(step.hash))
        core.emit(Finalize(step.hash, certificate))
        top = descendants[-1] if descendants else step
        if core.me is not None and core.committee.leader(core.iteration_of(top)) == core.me and certificate:
            # SIM-48: one announcement for everybody without a vote, by the leader whose block decided it.
            digest = core.committee.digest(Phase.FINALIZED, core.iteration_of(top), top.hash)
            claims = core.committee.claims(digest, proof.votes)
            core.emit(Publish(Finalized(step, certificate, claims, core.chain.block(step.hash))))

    def _checked(self, block: Block) -> bool:
        try:
            self.core.chain.check(block)
        except PeerFault:
            return False
        return True
