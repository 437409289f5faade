"""From COMMITs of a quorum of seats to a final block, whoever's COMMITs they are and however they reached us.

A certificate shows its own senate, and the header commits to that senate; so the gate can check signatures and weights
before it knows the parent. That the header names the *true* senate, the one that the parent's state and seed give, is
checked here, when the block's turn comes: blocks become final one by one, each on a parent whose state is at hand.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Adopt, Finalize, Publish
from raclette.primitives.errors import InvalidCertificate, PeerFault
from raclette.protocols.senate.core import Core
from raclette.protocols.senate.directing import Directing
from raclette.protocols.senate.messages import Committed, Votes


class Finality:
    """Finalises blocks, oldest first."""

    def __init__(self, core: Core, directing: Directing) -> None:
        self.core = core
        self.directing = directing

    def on_quorum(self, round_number: int, block_hash: bytes, votes: Votes) -> bool:
        """COMMITs counted by ourselves. True if the block is final now."""
        core, work = self.core, self.core.work
        block = core.chain.block(block_hash)
        if block is None:
            core.want(block_hash, next(node for node, _ in votes if node != core.me))
            return False
        certificate = core.codec.encode_finality(round_number, work.senate.owners, votes)
        # SENATE-42: announced to everybody by the leader that brought it about, and by the block's director.
        speaks = core.me in (work.senate.leader(round_number), self._director(block.header))
        self.finalize(block.header, certificate)
        if speaks:
            claims = core.codec.decode_finality(block.header, certificate).claims
            core.emit(Publish(Committed(block.header, certificate, claims, block)))
        return True

    def _director(self, header: Header) -> bytes:
        return self.core.statements.lots(header)[0].author

    def on_committed(self, peer: bytes, message: Committed) -> None:
        """Somebody shows a final block."""
        core, work = self.core, self.core.work
        if message.header.number > work.height:
            # SENATE-44: too far ahead: fetch it with its ancestors.
            core.want(message.header.hash, peer)
        elif message.header.number == work.height and message.block is not None:
            self._take(peer, message.block, message.certificate)

    def on_block(self, peer: bytes | None, block: Block, certificate: bytes) -> None:
        """Sync delivers a block, with its certificate or one that we asked for."""
        core, work = self.core, self.core.work
        if block.number == work.height and certificate:
            self._take(peer, block, certificate)
        elif block.number == work.height and block.hash in core.wanted and block.parent_hash == work.parent.hash:
            self._checked(block)
        if core.chain.header(block.hash) is not None:
            core.wanted.pop(block.hash, None)

    def _take(self, peer: bytes | None, block: Block, certificate: bytes) -> None:
        """SENATE-43: the certificate of the height we work on; its signatures are verified, its senate is not yet."""
        core, work = self.core, self.core.work
        blamed = peer if peer is not None else core.me
        try:
            proof = core.codec.decode_finality(block.header, certificate)
        except InvalidCertificate as fault:
            core.accuse(blamed, fault.reason)
            return
        if block.parent_hash != work.parent.hash or proof.owners != work.senate.owners:
            core.accuse(blamed, "false-senate")
            return
        if self.directing.judge(block.header, blamed) is not None and self._checked(block):
            self.finalize(block.header, certificate)

    def finalize(self, header: Header, certificate: bytes) -> None:
        """Adopt and finalise the block of this height, and begin the next."""
        core = self.core
        core.emit(Adopt(header.hash))
        core.emit(Finalize(header.hash, certificate))
        core.final = header
        core.forget_bodies(header.number)
        core.wanted.clear()

    def _checked(self, block: Block) -> bool:
        try:
            self.core.chain.check(block)
        except PeerFault:
            return False
        return True
