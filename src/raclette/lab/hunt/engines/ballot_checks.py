"""What voters owe each other, recomputed here from the roll and the votes alone.

None of this asks the engine what a vote weighs or how many are enough: the bands below are the slow count that a reader
would do by hand (spec/ballot.md, BAL-1 to BAL-3, BAL-22 to BAL-25), so that a wrong engine cannot vouch for itself.
"""

from collections.abc import Mapping
from fractions import Fraction

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Accuse, Adopt, Certify, Effect
from raclette.engine.events import Event
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.lab.hunt.engines import invariants
from raclette.lab.hunt.engines.world import Checker, EngineWorld, Replica, Violation
from raclette.primitives.errors import DecodeError, InvalidCertificate
from raclette.protocols.ballot.certificate import decode_certificate
from raclette.protocols.ballot.evidence import check_evidence
from raclette.protocols.ballot.messages import Vote


def true_weights(chain: LightChain) -> dict[bytes, Fraction]:
    """Of each voter on the light chain's roll, which never changes."""
    rich_first = sorted(((m.stake, m.account, m.node_id) for m in chain.roll if m.stake > 0), reverse=True)
    top, upper = (len(rich_first) * permille // 1000 for permille in (46, 318))
    return {
        node_id: Fraction("14.8") if place < top else Fraction("2.5") if place < upper else Fraction(1)
        for place, (_, _, node_id) in enumerate(rich_first)
    }


def liar_weight(world: EngineWorld) -> Fraction:
    """Share of the weight that lies."""
    weights = true_weights(world[0].chain)
    lying = sum((weights.get(world.ids[number], Fraction(0)) for number in world.liars), Fraction(0))
    return lying / sum(weights.values(), Fraction(0))


def quorum_of(world: EngineWorld) -> Fraction:
    """Of the chain."""
    return Fraction(world.parameters["quorum"])


class Agreement(invariants.Agreement):
    """Only where it is promised: liars weigh no more than `faults` says."""

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        if liar_weight(replica.world) <= Fraction(replica.world.parameters["faults"]):
            super().finalized(replica, block, certificate)


class Certificates(Checker):
    """What an honest voter keeps as a certificate elects its block: distinct voters, enough, with the weight."""

    def __init__(self) -> None:
        self._right: set[tuple[bytes, bytes]] = set()

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest:
            return
        for effect in effects:
            if isinstance(effect, Certify) and (effect.block_hash, effect.certificate) not in self._right:
                header = replica.chain.header(effect.block_hash)
                if header is None:
                    raise Violation("certificates", f"{replica.name} certifies a block that it lacks", replica.number)
                self._check(replica, header, effect.certificate)
                self._right.add((effect.block_hash, effect.certificate))

    def _check(self, replica: Replica, header: Header, data: bytes) -> None:
        try:
            certificate = decode_certificate(replica.chain.chain_id, header.number, data)
        except InvalidCertificate as fault:
            raise Violation("certificates", f"block {header.number}: {fault}", replica.number) from fault
        weights, quorum = true_weights(replica.chain), quorum_of(replica.world)
        total = sum(weights.values(), Fraction(0))
        support: dict[bytes, Fraction] = {}
        for vote in certificate.votes:
            if vote.voter not in weights:
                raise Violation("certificates", f"block {header.number}: a signer without weight", replica.number)
            if not replica.world.signatures.holds(vote.claim):
                raise Violation("certificates", f"block {header.number}: a false signature", replica.number)
            support[vote.block_hash] = support.get(vote.block_hash, Fraction(0)) + weights[vote.voter]
        own = support.get(header.hash, Fraction(0))
        few = len(certificate.votes) <= quorum * len(weights)
        light = 2 * quorum >= 1 and own <= quorum * total
        if few or light or own < max(support.values()) or certificate.weight != 10 * own:
            said = f"{len(certificate.votes)} votes, {float(own)} of {float(total)} for it, says {certificate.weight}"
            raise Violation("certificates", f"block {header.number} is elected by {said}", replica.number)


class ForkChoice(Checker):
    """The head is on the branch whose certificates weigh most of those that its node knows."""

    def __init__(self) -> None:
        self.forks: set[bytes] = set()

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest or not any(isinstance(effect, Adopt) for effect in effects):
            return
        tree = replica.engine.tree
        totals = {root: 0 for root, entry in tree._entries.items() if entry.parent is None}
        pending = [entry for entry in tree._entries.values() if entry.parent is None]
        for entry in pending:
            for child in entry.children:
                if child.weight:
                    totals[child.hash] = totals[entry.hash] + child.weight
                    pending.append(child)
        best = max(totals.values())
        self.forks.update(known for known in totals if replica.chain.header(known) is None)
        if totals[replica.chain.head.hash] < best:
            here = totals[replica.chain.head.hash]
            raise Violation("fork-choice", f"{replica.name} follows weight {here}, knows {best}", replica.number)


class Honesty(Checker):
    """An honest voter never signs two votes for one place, crash or not."""

    def __init__(self) -> None:
        self.said_hash: dict[tuple[int, int, int], bytes] = {}

    def said(self, replica: Replica, message: Message) -> None:
        if not isinstance(message, Vote) or message.voter != replica.node_id:
            return
        first = self.said_hash.setdefault((replica.number, message.height, message.round), message.block_hash)
        if first != message.block_hash:
            detail = f"{replica.name} voted twice at height {message.height}, round {message.round}"
            raise Violation("equivocation", detail, replica.number)


class Evidence(Checker):
    """Evidence convicts whom it accuses, and that is a liar."""

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest:
            return
        for effect in effects:
            if isinstance(effect, Accuse) and effect.evidence:
                self._check(replica, effect)

    def _check(self, replica: Replica, effect: Accuse) -> None:
        world = replica.world
        try:
            claims = check_evidence(replica.chain.chain_id, effect.evidence)
        except DecodeError as fault:
            raise Violation("evidence", f"{effect.reason} convicts nobody: {fault}", replica.number) from fault
        honest: Mapping[bytes, int] = {one.node_id: one.number for one in world.replicas}
        if not all(world.signatures.holds(claim) for claim in claims):
            raise Violation("evidence", f"{effect.reason} rests on a false signature", replica.number)
        if claims[0].author in honest:
            raise Violation("evidence", f"{effect.reason} against an honest voter", honest[claims[0].author])


class Rounds(Checker):
    """Who votes again holds votes that leave one candidate at most, and votes for that one (BAL-33 to BAL-35). What is
    said once more after a restart had its reasons before."""

    def __init__(self) -> None:
        self.judged: set[tuple[int, int, int]] = set()

    def said(self, replica: Replica, message: Message) -> None:
        if not isinstance(message, Vote) or message.voter != replica.node_id or not message.round:
            return
        place = (replica.number, message.height, message.round)
        if place in self.judged:
            return
        self.judged.add(place)
        held = replica.engine.polls.book.votes(message.height, message.round - 1)
        weights, quorum = true_weights(replica.chain), quorum_of(replica.world)
        total, faults = sum(weights.values(), Fraction(0)), Fraction(replica.world.parameters["faults"])
        missing = sum((weight for voter, weight in weights.items() if voter not in held), Fraction(0))
        support: dict[bytes, Fraction] = {}
        for voter, vote in held.items():
            support[vote.block_hash] = support.get(vote.block_hash, Fraction(0)) + weights.get(voter, Fraction(0))
        possible = [one for one, weight in support.items() if weight + missing + faults * total > quorum * total]
        if len(possible) > 1 or (possible and possible != [message.block_hash]):
            detail = f"{replica.name} votes in round {message.round} at height {message.height} for "
            detail += f"{message.block_hash.hex()[:8]}; elected before may be {[one.hex()[:8] for one in possible]}"
            raise Violation("rounds", detail, replica.number)
