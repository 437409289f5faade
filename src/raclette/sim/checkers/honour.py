"""The honour of the honest: no evidence is kept against one, and none is banned by another. Always.

An honest node may be slow, old or unlucky, and is scored for that; it must never be taken for a liar, or liars could
have the honest shut each other out. A validator that came back with an empty disk is excepted: it may contradict what
it forgot, and counts among the liars until it has caught up (`Subject.forgetful`).
"""

from raclette.node.host import Parcel
from raclette.node.node import Node
from raclette.primitives.errors import DecodeError
from raclette.primitives.units import SECOND
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.checkers.forensics import FORENSICS, Attending
from raclette.sim.host import Host
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
                accused = bytes.fromhex(record["accused"][2:])
                at = index.get(accused, -1)
                if at >= 0 and world.hosts[at].honest and at not in self._forgetful:
                    detail = f"n{host.index:02d} holds evidence of {record['reason']} against an honest node"
                    self.report(world, at, detail)
                if self._judge is not None:
                    self._look(world, host.index, accused, record["reason"], bytes.fromhex(record["proof"][2:]))

    def _look(self, world: World, holder: int, accused: bytes, reason: str, proof: bytes) -> None:
        """Does the proof convict the accused, as one of its readings has it?"""
        try:
            readings = self._judge.convict(proof) if self._judge is not None else ()
        except DecodeError as fault:
            self.report(world, holder, f"evidence of {reason} convicts nobody: {fault}")
            return
        holding = [claims for claims in readings if all(world.verifier.holds(claim) for claim in claims)]
        if not holding:
            self.report(world, holder, f"evidence of {reason} rests on a false signature")
        elif not any(all(claim.author == accused for claim in claims) for claims in holding):
            self.report(world, holder, f"evidence of {reason} convicts somebody else")


class NoFalseAccusationAttended(NoFalseAccusation):
    """The same with a judge that learns from the honest nodes which committees evidence may be about."""

    def heard(self, world: World, host: Host, peer: bytes, parcel: Parcel) -> None:
        """Let the judge look before the committee changes."""
        if host.honest and isinstance(self._judge, Attending) and isinstance(host.node, Node):
            self._judge.attend(host.index, host.node.engine)


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
