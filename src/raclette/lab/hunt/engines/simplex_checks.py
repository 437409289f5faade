"""What Simplex's replicas owe each other beside agreement, recomputed here from the committee's size alone.

The figures come from Chan & Pass 2023 (protocol: section 2; why it is consistent: section 3), so that a wrong engine
cannot vouch for itself.
"""

from collections.abc import Sequence
from typing import Any

from raclette.chain.block import Block
from raclette.engine.effects import Effect
from raclette.engine.events import Event
from raclette.engine.message import Message
from raclette.lab.hunt.engines import invariants
from raclette.lab.hunt.engines.pbft_checks import require_quorum
from raclette.lab.hunt.engines.world import Checker, Replica, Violation
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.signing import Claim
from raclette.protocols.core import WANTED_MAX
from raclette.protocols.simplex.evidence import check_evidence
from raclette.protocols.simplex.messages import BlockVote, Notarized, Proposal, Vote
from raclette.protocols.simplex.statements import Phase, iteration_of


class Certificates(Checker):
    """Every block is finalised with true signatures of a quorum of distinct replicas, and what a replica holds
    notarized is signed by one too."""

    def __init__(self) -> None:
        # Certificates looked at already: their objects are kept by their replicas for as long as they matter.
        self._seen: dict[int, object] = {}

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
        for book in (core.notarized, core.dummies):
            for iteration, certificate in book.items():
                if self._seen.get(id(certificate)) is not certificate:
                    self._seen[id(certificate)] = certificate
                    claims = core.codec.claims_of(certificate)
                    require_quorum(replica, claims, f"iteration {iteration}")


class Honesty(Checker):
    """What no honest replica does, crash or not: vote for or finalize two blocks in an iteration; vote for the dummy
    block and finalize in one iteration; say anything new about an iteration that it has left; vote for a block on a
    parent that is not notarized, or with an iteration between that has no notarized dummy block."""

    def __init__(self) -> None:
        self.said_hash: dict[tuple[int, int, Phase], bytes] = {}
        self.left: dict[int, int] = {}

    def said(self, replica: Replica, message: Message) -> None:
        if isinstance(message, Notarized):
            left = max(message.certificate.iteration, self.left.get(replica.number, 0))
            self.left[replica.number] = left
            return
        vote = message.vote if isinstance(message, Proposal) else message
        if isinstance(vote, Vote):
            self._vote(replica, vote)

    def _vote(self, replica: Replica, vote: Vote) -> None:
        place = (replica.number, vote.iteration, vote.phase)
        is_new = place not in self.said_hash
        if self.said_hash.setdefault(place, vote.block_hash) != vote.block_hash:
            self._fail(replica, f"signed {vote.kind} twice in iteration {vote.iteration}")
        if (vote.phase, True) in ((Phase.DUMMY, is_new), (Phase.FINALIZED, is_new)):
            other = Phase.FINALIZED if vote.phase is Phase.DUMMY else Phase.DUMMY
            if (replica.number, vote.iteration, other) in self.said_hash:
                self._fail(replica, f"voted for the dummy block and finalized in iteration {vote.iteration}")
        if not is_new or vote.phase is Phase.FINALIZED:
            return
        if vote.iteration <= self.left.get(replica.number, 0):
            self._fail(replica, f"said {vote.kind} in iteration {vote.iteration} after leaving it")
        if isinstance(vote, BlockVote):
            self._check_chain(replica, vote)

    def _check_chain(self, replica: Replica, vote: BlockVote) -> None:
        core = replica.engine.core
        header = replica.chain.header(vote.block_hash)
        if header is None or vote.iteration <= core.final_iteration:
            return
        parent = replica.chain.header(header.parent_hash)
        begun = iteration_of(parent, replica.chain.genesis.number) if parent is not None else -1
        known = core.notarized.get(begun)
        if begun > core.final_iteration and (known is None or known.block_hash != header.parent_hash):
            self._fail(replica, f"voted in iteration {vote.iteration} on a parent that is not notarized", "view-base")
        first = max(begun, core.final_iteration) + 1
        if any(iteration not in core.dummies for iteration in range(first, vote.iteration)):
            self._fail(replica, f"voted in iteration {vote.iteration} over one that has no dummy block", "view-base")

    def _fail(self, replica: Replica, detail: str, checker: str = "equivocation") -> None:
        raise Violation(checker, f"{replica.name} {detail}", replica.number)


class Evidence(invariants.Evidence):
    """Of this protocol."""

    def claims(self, replica: Replica, evidence: bytes) -> Sequence[Claim]:
        return check_evidence(replica.engine.core.committee, evidence)


class Memory(Checker):
    """Votes are kept for a window of iterations around the replica's own, certificates for those since the last final
    block, and bodies for at most one block in each of these."""

    def after(self, replica: Replica, event: Event, effects: tuple[Effect, ...]) -> None:
        if not replica.honest:
            return
        core = replica.engine.core
        window, size = core.parameters.window, len(core.committee.ids)
        open_iterations = core.iteration - core.final_iteration
        sizes: Sequence[tuple[str, Any, int]] = (
            ("iterations", core.slots, 2 * window),
            ("notarized blocks", core.notarized, open_iterations),
            ("dummy blocks", core.dummies, open_iterations),
            ("wanted blocks", core.wanted, WANTED_MAX),
            ("bodies", core.bodies, open_iterations),
        )
        for what, book, most in sizes:
            if len(book) > most:
                raise Violation("memory", f"{replica.name} keeps {len(book)} {what} of {most}", replica.number)
        votes = sum(len(said) for slot in core.slots.values() for said in slot.votes.values())
        if votes > len(Phase) * size * 2 * window:
            raise Violation("memory", f"{replica.name} keeps {votes} votes", replica.number)
