"""What must hold for any engine that makes blocks final, whatever its protocol. Liars are not asked."""

from collections.abc import Sequence

from raclette.chain.block import Block
from raclette.engine.effects import Accuse, Effect
from raclette.engine.events import Event
from raclette.lab.hunt.engines.world import Checker, Replica, Violation
from raclette.primitives.errors import DecodeError
from raclette.primitives.signing import Claim


class Agreement(Checker):
    """No two honest replicas finalise different blocks at one height, and each stands on the final one below."""

    def __init__(self) -> None:
        self.decided: dict[int, bytes] = {}

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        first = self.decided.setdefault(block.number, block.hash)
        if first != block.hash:
            here, there = block.hash.hex()[:12], first.hex()[:12]
            detail = f"height {block.number}: {replica.name} finalised {here}, another replica {there}"
            raise Violation("agreement", detail, replica.number)
        first_of_all = replica.chain.genesis
        above = block.number > first_of_all.number + 1
        below = self.decided.get(block.number - 1) if above else first_of_all.hash
        if below != block.parent_hash:
            detail = f"{replica.name} finalised block {block.number}, which does not stand on the final block below"
            raise Violation("agreement", detail, replica.number)


class FinalityKept(Checker):
    """What a replica finalised stays on the branch it has adopted, also across a crash."""

    def __init__(self) -> None:
        self.last: dict[int, tuple[int, bytes]] = {}

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        height, _ = self.last.get(replica.place, (0, b""))
        if block.number > height:
            self.last[replica.place] = (block.number, block.hash)

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not effects or not replica.honest:
            return
        height, block_hash = self.last.get(replica.place, (0, b""))
        if not height or replica.chain.head.number < height:
            return  # a restarted replica first learns again what it had not yet synced
        header = replica.chain.canonical(height)
        if header is not None and header.hash != block_hash:
            detail = f"height {height} was final at {replica.name} and is another block now"
            raise Violation("finality-kept", detail, replica.number)


class Validity(Checker):
    """A final block holds only transactions that a client sent, and none for the second time."""

    def __init__(self) -> None:
        self.executed: dict[bytes, int] = {}

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        for transaction in block.transactions:
            if transaction not in replica.world.submitted:
                raise Violation("validity", f"{transaction!r} was never submitted", replica.number)
            if self.executed.setdefault(transaction, block.number) != block.number:
                raise Violation("exactly-once", f"{transaction!r} is final in two blocks", replica.number)


class Evidence(Checker):
    """Evidence convicts: it decodes, its signatures hold, and it never convicts an honest replica."""

    def claims(self, replica: Replica, evidence: bytes) -> Sequence[Claim]:
        """What the culprit signed. Raises DecodeError."""
        raise NotImplementedError

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            if isinstance(effect, Accuse) and effect.evidence and replica.honest:
                self._check(replica, effect)

    def _check(self, replica: Replica, effect: Accuse) -> None:
        world = replica.world
        try:
            claims = self.claims(replica, effect.evidence)
        except DecodeError as fault:
            raise Violation("evidence", f"{effect.reason}: {fault}", replica.number) from fault
        if not all(world.signatures.holds(claim) for claim in claims):
            raise Violation("evidence", f"{effect.reason}: a signature is false", replica.number)
        culprit = world.ids.index(claims[0].author)
        if culprit not in world.liars:
            raise Violation("evidence", f"honest replica {culprit} is convicted of {effect.reason}", replica.number)
