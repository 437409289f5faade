"""Certificates: what an honest node holds final is signed for by a quorum. Always.

The quorum is computed here, ceil((n + f + 1) / 2) of n validators with f = floor((n - 1) / 3), and every signature is
verified again: an engine that counts wrongly cannot vouch for itself.
"""

from raclette.node.host import NewFinal, Notice
from raclette.node.node import Node
from raclette.primitives.errors import InvalidCertificate
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.host import Host
from raclette.sim.world import World


class Certificates(Base):
    """For protocols in which every final block has a certificate, whose claims are one signature a validator."""

    name = "certificates"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._right: set[tuple[bytes, bytes]] = set()

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if not isinstance(notice, NewFinal) or not host.honest or not isinstance(host.node, Node):
            return
        header = notice.header
        certificate = self.view_of(host).certificate(header.hash)
        if (header.hash, certificate) in self._right:
            return
        engine = host.node.engine
        try:
            claims = engine.check_certificate(header, certificate)
        except InvalidCertificate as fault:
            self.report(world, host.index, f"height {header.number} is final by no certificate: {fault}")
            return
        validators = frozenset(engine.validators())
        signers = {claim.author for claim in claims if world.verifier.holds(claim)} & validators
        n = len(validators)
        quorum = -(-(n + (n - 1) // 3 + 1) // 2)
        if len(signers) < quorum:
            self.report(world, host.index, f"height {header.number} is final by {len(signers)} of {n} validators")
            return
        self._right.add((header.hash, certificate))
