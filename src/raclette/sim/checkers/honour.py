"""The honour of the honest: no evidence is kept against one, and none is banned by another. Always.

An honest node may be slow, old or unlucky, and is scored for that; it must never be taken for a liar, or liars could
have the honest shut each other out. A validator that came back with an empty disk is excepted: it may contradict what
it forgot, and counts among the liars until it has caught up (`Subject.forgetful`).
"""

from raclette.node.node import Node
from raclette.primitives.errors import DecodeError
from raclette.primitives.units import SECOND
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.forensics import FORENSICS
from raclette.sim.world import World


class NoFalseAccusation(Base):
    """Every proof of guilt in an honest node's keeping convicts whom it accuses, and that is no honest node."""

    name = "no-false-accusation"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        make = FORENSICS.get(subject.genesis.protocol)
        self._judge = make(subject.genesis) if make is not None else None
        self._forgetful = subject.forgetful

    def finish(self, world: World) -> None:
        index = {host.node_id: host.index for host in world.hosts}
        for host in world.hosts:
            if not (host.honest and host.alive):
                continue
            for record in self.view_of(host).evidence():
                accused = index.get(bytes.fromhex(record["accused"][2:]), -1)
                self._look(world, host.index, accused, record["reason"], bytes.fromhex(record["proof"][2:]))

    def _look(self, world: World, holder: int, accused: int, reason: str, proof: bytes) -> None:
        if accused >= 0 and world.hosts[accused].honest and accused not in self._forgetful:
            self.report(world, accused, f"n{holder:02d} holds evidence of {reason} against an honest node")
        if self._judge is None:
            return
        try:
            claims = self._judge.convict(proof)
        except DecodeError as fault:
            self.report(world, holder, f"evidence of {reason} convicts nobody: {fault}")
            return
        if not all(world.verifier.holds(claim) for claim in claims):
            self.report(world, holder, f"evidence of {reason} rests on a false signature")


class NoHonestBan(Base):
    """No honest node is unwelcome at another. Looked for once a second."""

    name = "no-honest-ban"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._forgetful = subject.forgetful
        self._looked = -SECOND
        self._known: set[tuple[int, int]] = set()

    def look(self, world: World) -> None:
        if world.kernel.now < self._looked + SECOND:
            return
        self._looked = world.kernel.now
        honest = [host for host in world.hosts if host.honest and host.index not in self._forgetful]
        for host in honest:
            if not host.alive or not isinstance(host.node, Node):
                continue
            conduct = host.node.conduct
            for other in honest:
                ban = conduct.banned_for(other.node_id)
                if ban and (host.index, other.index) not in self._known:
                    self._known.add((host.index, other.index))
                    reasons = ", ".join(f"{reason} {count}" for reason, count in conduct.counts().items())
                    self.report(world, other.index, f"banned by n{host.index:02d} for {ban // SECOND} s ({reasons})")
