"""Certificates: what an honest node holds final is signed for by enough of those who may sign. Always.

Who may, what each signature weighs, and how much is enough is counted in `electorates`; every signature is verified
again. Only the newest block of those announced together is looked at; it commits to the others.
"""

from raclette.node.host import NewFinal, Notice
from raclette.node.node import Node
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.signing import SIGNATURE_BYTES, Claim
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.electorates import ELECTORATES, Proved
from raclette.sim.host import Host
from raclette.sim.world import World


class Certificates(Base):
    """For protocols in which every final block has a certificate. `counted` is how many have been found right."""

    name = "certificates"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self.counted = 0
        self._count = ELECTORATES[subject.genesis.protocol](subject.genesis)
        self._right: set[tuple[bytes, bytes]] = set()

    def observe(self, world: World, host: Host, notice: Notice) -> None:
        if not isinstance(notice, NewFinal) or not host.honest or not isinstance(host.node, Node):
            return
        header, view = notice.header, self.view_of(host)
        certificate = view.certificate(header.hash)
        if (header.hash, certificate) in self._right:
            return
        try:
            claims = host.node.engine.check_certificate(header, certificate)
        except InvalidCertificate as fault:
            self.report(world, host.index, f"height {header.number} is final by no certificate: {fault}")
            return
        signers = tuple(dict.fromkeys(claim.author for claim in claims if _signs(world, claim)))
        count = self._count(Proved(host.node, view, header, certificate, signers))
        if count is None:
            return
        if count.held < count.needed:
            found = f"{count.held} of {count.total} {count.unit}"
            self.report(world, host.index, f"height {header.number} is final by {found}")
            return
        self.counted += 1
        self._right.add((header.hash, certificate))


def _signs(world: World, claim: Claim) -> bool:
    """A true signature. A lot (the senate's draws are claims too) is none."""
    return len(claim.signature) == SIGNATURE_BYTES and world.verifier.holds(claim)
