"""What PBFT's replicas owe each other beside agreement, recomputed here from the committee's size alone.

None of this asks the engine how large a quorum is or which certificate ranks higher: the figures come from Castro &
Liskov 1999 (n, f, quorum: section 3 and 4.2; choice of the new view: 4.4), so that a wrong engine cannot vouch for
itself.
"""

from collections.abc import Sequence

from raclette.chain.block import Block
from raclette.engine.effects import Effect
from raclette.engine.events import Event
from raclette.engine.message import Message
from raclette.lab.hunt.engines import invariants
from raclette.lab.hunt.engines.world import Checker, Replica, Violation
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.signing import Claim
from raclette.protocols.pbft.evidence import check_evidence
from raclette.protocols.pbft.messages import Commit, Prepare, PrePrepare, ViewChange, Vote
from raclette.protocols.pbft.quorum import Certificate


def quorum_of(replicas: int) -> int:
    """The fewest replicas of which any two sets share an honest one: ceil((n + f + 1) / 2)."""
    faults = (replicas - 1) // 3
    return -(-(replicas + faults + 1) // 2)


class Certificates(Checker):
    """Every block is finalised with true signatures of a quorum of distinct replicas, and the record of what a replica
    holds prepared is one too."""

    def finalized(self, replica: Replica, block: Block, certificate: bytes) -> None:
        if not certificate:
            return  # far below its proof: the descendants' certificates speak for it
        try:
            claims = replica.engine.check_certificate(block.header, certificate)
        except InvalidCertificate as fault:
            raise Violation("certificates", f"block {block.number}: {fault}", replica.number) from fault
        require_quorum(replica, claims, f"block {block.number}")

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest or not effects:
            return
        core = replica.engine.core
        for what, certificate in (("prepared", core.prepared), ("checkpoint", core.checkpoint)):
            if certificate is not None and len({number for number, _ in certificate.votes}) < quorum_of(
                len(replica.world.ids)
            ):
                detail = f"{replica.name} holds block {certificate.height} {what} by {len(certificate.votes)} votes"
                raise Violation("certificates", detail, replica.number)


def require_quorum(replica: Replica, claims: Sequence[Claim], what: str) -> None:
    """Raises Violation."""
    world = replica.world
    authors = {claim.author for claim in claims}
    if len(authors) < quorum_of(len(world.ids)) or not authors <= set(world.ids):
        raise Violation("certificates", f"{what}: final by the word of {len(authors)} replicas", replica.number)
    if not all(world.signatures.holds(claim) for claim in claims):
        raise Violation("certificates", f"{what}: final by a false signature", replica.number)


class Honesty(Checker):
    """An honest replica never signs two different PREPAREs or COMMITs for one (view, height), crash or not; never votes
    in a view that it has left; has one base in each view that it votes in (PBFT-34, 41); and never votes below it
    (spec/pbft.md: what makes one certificate speak for a block's whole ancestry)."""

    def __init__(self) -> None:
        self.said_hash: dict[tuple[str, int, int, int], bytes] = {}
        self.left: dict[int, int] = {}
        self.bases: dict[tuple[int, int], tuple[int, bytes]] = {}

    def said(self, replica: Replica, message: Message) -> None:
        if isinstance(message, PrePrepare):
            message = message.vote
        if isinstance(message, Prepare | Commit):
            self._vote(replica, message)
        elif isinstance(message, ViewChange):
            self.left[replica.number] = max(message.view, self.left.get(replica.number, 0))

    def _vote(self, replica: Replica, vote: Vote) -> None:
        place = (vote.kind, vote.view, vote.height, replica.number)
        first = self.said_hash.setdefault(place, vote.block_hash)
        if first != vote.block_hash:
            detail = f"{replica.name} signed two {vote.kind}s for view {vote.view}, height {vote.height}"
            raise Violation("equivocation", detail, replica.number)
        if vote.view < self.left.get(replica.number, 0):
            detail = f"{replica.name} voted in view {vote.view} after leaving it"
            raise Violation("equivocation", detail, replica.number)
        core = replica.engine.core
        if isinstance(vote, Prepare) and vote.view == core.view and vote.height < core.base_height:
            detail = f"{replica.name} voted on block {vote.height} in view {vote.view}, based on {core.base_height}"
            raise Violation("view-base", detail, replica.number)
        if vote.view == core.view and core.active:
            base = (core.base_height, core.base_hash)
            if self.bases.setdefault((replica.number, vote.view), base) != base:
                detail = f"{replica.name} votes in view {vote.view} on two bases, the second block {base[0]}"
                raise Violation("view-base", detail, replica.number)


class Evidence(invariants.Evidence):
    """Of this protocol."""

    def claims(self, replica: Replica, evidence: bytes) -> Sequence[Claim]:
        return check_evidence(replica.engine.core.committee, evidence)


class NewViews(Checker):
    """A view is entered with VIEW-CHANGEs of a quorum of distinct replicas, or a commit certificate; and it continues
    on the highest-ranked block that these VIEW-CHANGEs show prepared."""

    def __init__(self) -> None:
        self.seen: dict[int, object] = {}

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest or not effects:
            return
        core = replica.engine.core
        proof = core.new_view
        if proof is None or not core.active or proof.view != core.view or self.seen.get(replica.place) is proof:
            return  # on the way to a later view, what brought us into this one was looked at when it did
        self.seen[replica.place] = proof
        changes = proof.view_changes
        senders = {change.sender for change in changes if change.view == proof.view}
        if len(senders) < quorum_of(len(replica.world.ids)):
            detail = f"{replica.name} entered view {core.view} by the word of {len(senders)} replicas"
            raise Violation("view-quorum", detail, replica.number)
        best = best_prepared([change.prepared for change in changes])
        first = replica.chain.genesis
        wanted = (best.height, best.block_hash) if best is not None else (first.number, first.hash)
        if (core.base_height, core.base_hash) != wanted:
            detail = f"{replica.name} starts view {core.view} at block {core.base_height}, prepared is {wanted[0]}"
            raise Violation("view-base", detail, replica.number)


def best_prepared(certificates: Sequence[Certificate | None]) -> Certificate | None:
    """Castro & Liskov 1999, 4.4: of the latest view; within one view the higher block contains the lower."""
    best: Certificate | None = None
    for certificate in certificates:
        if certificate is not None and (
            best is None or (certificate.view, certificate.height) > (best.view, best.height)
        ):
            best = certificate
    return best


class Memory(Checker):
    """The log stays between the watermarks, and all other collections within the bounds that the protocol states."""

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest:
            return
        core = replica.engine.core
        window, size = core.parameters.window, len(core.committee.ids)
        if len(core.slots) > window or len(core.voted) > window:
            raise Violation("memory", f"{replica.name} keeps {len(core.slots)} heights of {window}", replica.number)
        if len(core.view_changes) > size or len(core.wanted) > size + window:
            raise Violation("memory", f"{replica.name} keeps {len(core.view_changes)} view changes", replica.number)


class Company(Checker):
    """What an honest replica votes for in a view is one chain (spec/pbft.md: from its base up, each block on the one
    before), and it never stays below a view for which f+1 others have left (Castro & Liskov 1999, 4.5.2)."""

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        core = replica.engine.core
        if not replica.honest or core.me is None:
            return
        self._check_chain(replica)
        faults = (len(replica.world.ids) - 1) // 3
        ahead = sum(change.view > core.view for sender, change in core.view_changes.items() if sender != core.me)
        if ahead > faults:
            detail = f"{replica.name} stays in view {core.view}, which {ahead} others have left"
            raise Violation("left-behind", detail, replica.number)

    def _check_chain(self, replica: Replica) -> None:
        core = replica.engine.core
        step = core.tip if core.active else None
        while step is not None and step.number > core.final.number:
            voted = core.voted.get(step.number, step.hash)
            if voted != step.hash:
                detail = f"{replica.name} voted for a block {step.number} in view {core.view} that its tip is not above"
                raise Violation("broken-chain", detail, replica.number)
            step = replica.chain.header(step.parent_hash)
