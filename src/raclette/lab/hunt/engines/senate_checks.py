"""What senators and directors owe each other beside agreement, recomputed here from headers and stakes alone.

None of this asks the engine who sits where or how many seats are a quorum: the walk below is the slow one that a reader
would do by hand (spec/senate.md, SENATE-11 to SENATE-13), so that a wrong engine cannot vouch for itself.
"""

from collections.abc import Mapping, Sequence

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.effects import Effect
from raclette.engine.events import Event
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.lab.hunt.engines import invariants
from raclette.lab.hunt.engines.world import Checker, Replica, Violation
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.hashing import sha256
from raclette.primitives.signing import LOT_BYTES, SIGNATURE_BYTES, Claim, Lot, digest_of
from raclette.protocols.senate.evidence import check_evidence
from raclette.protocols.senate.messages import Candidate, Prepare, Proposal, Timeout, Vote
from raclette.protocols.senate.statements import Extra, read_extra


def true_seed(chain: LightChain, parent: Header) -> bytes:
    """Of the height above `parent`."""
    if parent.number == 0:
        return digest_of("raclette/senate/first-seed", chain.chain_id, chain.genesis.hash)
    return sha256(Lot(b"", b"", read_extra(parent).next_lot).output)


def true_weights(stakes: Mapping[bytes, int], seed: bytes, seats: int) -> dict[bytes, int]:
    """Seats of each owner."""
    total, weights, q = sum(stakes.values()), dict.fromkeys(sorted(stakes), 0), seed
    drawn = 0
    while drawn < seats:
        q = sha256(q)
        number = int.from_bytes(q, "big")
        if number >= (1 << 256) // total * total:
            continue
        drawn += 1
        rest = number % total
        for node in weights:
            rest -= stakes[node]
            if rest < 0:
                weights[node] += 1
                break
    return {node: weight for node, weight in weights.items() if weight}


class Certificates(Checker):
    """A block is final by true COMMITs of owners of a quorum of the true seats, and its director drew its ticket and
    the next seed with its own key."""

    def __init__(self) -> None:
        self._right: set[tuple[bytes, bytes]] = set()

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        if (block.hash, certificate) in self._right:
            return
        world, chain = replica.world, replica.chain
        parent = chain.header(block.parent_hash)
        if parent is None:
            raise Violation("certificates", f"block {block.number} is final without its parent", replica.number)
        seed, extra = true_seed(chain, parent), read_extra(block.header)
        if extra.seed != seed:
            raise Violation("seed", f"block {block.number} is on a seed that its parent's director did not draw")
        self._check_lots(replica, block.header, extra)
        try:
            claims = replica.engine.check_certificate(block.header, certificate)
        except InvalidCertificate as fault:
            raise Violation("certificates", f"block {block.number}: {fault}", replica.number) from fault
        signed = [claim for claim in claims if len(claim.signature) == SIGNATURE_BYTES]
        if not all(world.signatures.holds(claim) for claim in signed):
            raise Violation("certificates", f"block {block.number}: a false signature", replica.number)
        seats = world.parameters["seats"]
        stakes = {member.node_id: member.stake for member in chain.members(parent.hash)}
        weights = true_weights(stakes, seed, seats)
        weight = sum(weights.get(author, 0) for author in {claim.author for claim in signed})
        if weight < seats - (seats - 1) // 3:
            detail = f"block {block.number}: final by {weight} of {seats} seats"
            raise Violation("certificates", detail, replica.number)
        self._right.add((block.hash, certificate))

    def _check_lots(self, replica: Replica, header: Header, extra: Extra) -> None:
        chain_id = replica.chain.chain_id
        inputs = (
            (extra.ticket, digest_of("raclette/senate/ticket", chain_id, header.number, extra.seed)),
            (extra.next_lot, digest_of("raclette/senate/seed", chain_id, header.number, extra.seed)),
        )
        for lot, alpha in inputs:
            if len(lot) != LOT_BYTES or not replica.world.signatures.holds(Lot(extra.director, alpha, lot)):
                raise Violation("lots", f"block {header.number}: its director did not draw this", replica.number)


class Honesty(Checker):
    """An honest node never signs two votes, proposals or blocks for one place, crash or not; it does not vote in a
    round that it has declared over, and its TIMEOUTs never show a lower lock than before."""

    def __init__(self) -> None:
        self.said_hash: dict[tuple[str, int, int, int], bytes] = {}
        # (node, height) -> (round, rank of the lock) of its last TIMEOUT.
        self.over: dict[tuple[int, int], tuple[int, int]] = {}

    def said(self, replica: Replica, message: Message) -> None:
        if isinstance(message, Vote):
            self._say(replica, message.kind, message.height, message.round, message.block_hash)
            last = self.over.get((replica.number, message.height), (-1, 0))[0]
            if message.kind == "prepare" and message.round <= last:
                raise Violation("equivocation", f"{replica.name} voted in round {message.round} after its end")
        elif isinstance(message, Proposal) and message.sender == replica.node_id:
            self._say(replica, message.kind, message.header.number, message.round, message.header.hash)
        elif isinstance(message, Candidate):
            self._say(replica, message.kind, message.header.number, 0, message.header.hash)
        elif isinstance(message, Timeout):
            place = (replica.number, message.height)
            round_number, rank = self.over.get(place, (-1, 0))
            if message.excuse.lock_rank < rank:
                raise Violation("equivocation", f"{replica.name} forgot its lock of round {rank - 1}")
            self.over[place] = (max(round_number, message.round), message.excuse.lock_rank)

    def _say(self, replica: Replica, kind: str, height: int, round_number: int, block_hash: bytes) -> None:
        first = self.said_hash.setdefault((kind, height, round_number, replica.number), block_hash)
        if first != block_hash:
            detail = f"{replica.name} signed two {kind}s for height {height}, round {round_number}"
            raise Violation("equivocation", detail, replica.number)


class Rounds(Checker):
    """A round begins by TIMEOUTs of owners of a quorum of the true seats, and whoever votes in it votes for the highest
    lock that these name."""

    def __init__(self) -> None:
        self.seen: dict[int, object] = {}

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest or not effects:
            return
        work = replica.engine.core.work
        proof = work.justification
        if proof is not None and self.seen.get(replica.place) is not proof:
            self.seen[replica.place] = proof
            seats = replica.world.parameters["seats"]
            stakes = {member.node_id: member.stake for member in replica.chain.members(work.parent.hash)}
            weights = true_weights(stakes, true_seed(replica.chain, work.parent), seats)
            weight = sum(weights.get(sender, 0) for sender in {excuse.sender for excuse in proof.excuses})
            if weight < seats - (seats - 1) // 3:
                detail = f"{replica.name} entered round {proof.round} by {weight} of {seats} seats"
                raise Violation("view-quorum", detail, replica.number)

    def said(self, replica: Replica, message: Message) -> None:
        if not isinstance(message, Prepare):
            return
        proposal = replica.engine.core.work.proposal
        proof = proposal.justification if proposal is not None else None
        if proof is None or proof.round != message.round:
            return
        highest = max(proof.excuses, key=lambda excuse: excuse.lock_rank)
        if highest.lock_rank and highest.lock_hash != message.block_hash:
            detail = f"{replica.name} voted in round {message.round} against a lock of round {highest.lock_rank - 1}"
            raise Violation("view-base", detail, replica.number)


class Evidence(invariants.Evidence):
    """Of this protocol."""

    def claims(self, replica: Replica, evidence: bytes) -> Sequence[Claim]:
        return check_evidence(replica.engine.core.statements, evidence)


class Memory(Checker):
    """One of a kind for each holder, and a few blocks."""

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest:
            return
        work, size = replica.engine.core.work, len(replica.world.ids)
        kept = (work.prepares, work.commits, work.timeouts, work.entries, work.candidates)
        if any(len(book) > size for book in kept) or len(replica.engine.core.bodies) > 4 * size:
            raise Violation("memory", f"{replica.name} keeps more than one word of a kind for each holder")
