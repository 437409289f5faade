"""What a lying Simplex replica says. It signs with its own key only, so a lie is a choice of content, not a forgery.

The lies are those that the argument of Chan & Pass 2023, section 3 must survive: two blocks in one iteration, votes for
all of them, a vote for the dummy block beside a finalize, a proposal that skips a notarized block, words about other
iterations; and small changes of single fields (Winter et al., OOPSLA 2023).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.lab.hunt.engines.lying import Mind, below, moved, note, remember
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.randomness import Random
from raclette.protocols.simplex.core import Core
from raclette.protocols.simplex.messages import Finalized, Notarized, Proposal, Status, Vote
from raclette.protocols.simplex.statements import DUMMY_HASH, Certificate, Phase, extra_data, iteration_of

_VOTES = ("vote", "finalize")
LIES: Mapping[str, Sequence[str]] = {
    "other-block": ("proposal", *_VOTES),
    "both-blocks": ("proposal", *_VOTES),
    "other-parent": ("proposal",),
    "over-notarized": ("proposal",),
    "no-proofs": ("proposal",),
    "old-proofs": ("proposal",),
    "false-root": ("proposal",),
    "wrong-time": ("proposal",),
    "foreign-author": ("proposal",),
    "other-iteration": (*_VOTES, "dummy"),
    "dummy-too": ("vote", "finalize"),
    "finalize-too": ("vote", "dummy"),
    "repeat": (*_VOTES, "dummy", "notarization"),
    "old-notarization": ("notarization",),
    "thin-certificate": ("finalized",),
    "ahead": ("status",),
    "behind": ("status",),
}
RETORTS: Sequence[str] = ("echo-vote", "eager-finalize", "eager-dummy")


class SimplexTrickster(Mind[Core]):
    """See `adapter.Trickster`."""

    def __init__(self, replica: Replica, random: Random) -> None:
        super().__init__(replica, random)
        self.hashes: dict[int, dict[bytes, None]] = {}
        self.certificates: dict[Certificate, None] = {}

    @property
    def me(self) -> int:
        """The liar's number."""
        return self.replica.number

    def overhear(self, message: Message) -> None:
        if isinstance(message, Proposal):
            note(self.hashes, message.iteration, message.header.hash, None)
            for certificate in message.certificates:
                remember(self.certificates, certificate, None)
        elif isinstance(message, Vote) and message.phase is not Phase.DUMMY:
            note(self.hashes, message.iteration, message.block_hash, None)
        elif isinstance(message, Notarized):
            remember(self.certificates, message.certificate, None)

    def lies(self, name: str, message: Message) -> Sequence[Message]:
        if isinstance(message, Proposal):
            return self._false_proposals(name, message)
        if isinstance(message, Vote):
            return self._false_votes(name, message)
        if isinstance(message, Notarized):
            if name == "repeat":
                return [message] * 3
            old = self.random.choice([*self.certificates, message.certificate])
            return [self.core.codec.make_notarized(old)]
        if isinstance(message, Finalized):
            return self._thin_certificate(message.header, message.block)
        if isinstance(message, Status):
            step = 1_000 if name == "ahead" else -message.final
            return [Status(message.iteration + max(step, 0), message.final + step, message.gap + max(step, 0))]
        return [message]

    # Proposals

    def _false_proposals(self, name: str, proposal: Proposal) -> Sequence[Message]:
        header, block = proposal.header, proposal.block
        if block is None:
            return [proposal]
        certificates = proposal.certificates
        match name:
            case "other-block" | "both-blocks":
                rival = self._propose(replace(header, timestamp=header.timestamp + 1), block, certificates)
                return [proposal, rival] if name == "both-blocks" else [rival]
            case "other-parent" | "over-notarized":
                return [self._on_other_parent(proposal, block, sideways=name == "other-parent")]
            case "no-proofs":
                certificates = ()
            case "old-proofs":
                certificates = tuple(self.certificates)[:3]
            case "false-root":
                header = replace(header, state_root=bytes(32))
            case "wrong-time":
                header = replace(header, timestamp=header.timestamp + self.random.choice((-1_000, 1_000)))
            case "foreign-author":
                author = self.random.choice(self.core.committee.ids)
                header = replace(header, extra_data=extra_data(author, proposal.iteration))
        return [self._propose(header, block, certificates)]

    def _propose(self, header: Header, block: Block, certificates: tuple[Certificate, ...]) -> Message:
        core = self.core
        note(self.hashes, iteration_of(header), header.hash, None)
        digest = core.committee.digest(Phase.NOTARIZED, iteration_of(header), header.hash)
        message = core.codec.make_proposal(header, core.sign(digest).signature, certificates)
        return message.with_block(Block(header, block.transactions))

    def _on_other_parent(self, proposal: Proposal, block: Block, *, sideways: bool) -> Message:
        """The same transactions on a rival of the parent that somebody voted for, or on a block below the parent: one
        that is not yet overtaken by the final one, if there is any."""
        chain = self.core.chain
        parent: Header | None = chain.header(proposal.header.parent_hash)
        if parent is None:
            return proposal
        rivals = [
            header
            for known in self.hashes.values()
            for rival in known
            if (header := chain.header(rival)) is not None
            and header.hash != parent.hash
            and iteration_of(header) < proposal.iteration
        ]
        unfinal = self.core.path_from_final(parent) or []
        if sideways and rivals:
            parent = self.random.choice(rivals)
        elif unfinal:
            parent = self.random.choice([self.core.final, *unfinal[:-1]])
        else:
            parent = below(chain, parent, self.random.between(1, 3))
        header = moved(proposal.header, parent, block.transactions)
        return self._propose(header, block, tuple(self.certificates)[-8:])

    def _thin_certificate(self, header: Header, block: Block | None) -> Sequence[Message]:
        """A block shown as final by this liar's FINALIZE alone."""
        core = self.core
        digest = core.committee.digest(Phase.FINALIZED, iteration_of(header), header.hash)
        votes = ((self.me, core.sign(digest).signature),)
        return [Finalized(header, core.codec.encode_finality(votes, ()), core.committee.claims(digest, votes), block)]

    # Votes

    def _vote(self, phase: Phase, iteration: int, block_hash: bytes) -> Message:
        return self.core.own_vote(phase, iteration, DUMMY_HASH if phase is Phase.DUMMY else block_hash, self.me)

    def _false_votes(self, name: str, vote: Vote) -> Sequence[Message]:
        phase, iteration = vote.phase, vote.iteration
        known = list(self.hashes.get(iteration, {}))
        others = [block_hash for block_hash in known if block_hash != vote.block_hash]
        match name:
            case "other-block":
                return [self._vote(phase, iteration, self.random.choice(others or [b"\x01" * 32]))]
            case "both-blocks":
                return [vote, *(self._vote(phase, iteration, other) for other in others)]
            case "other-iteration":
                step = self.random.choice((-1, 1, 2, 1_000))
                return [self._vote(phase, max(1, iteration + step), vote.block_hash)]
            case "dummy-too":
                return [self._vote(Phase.DUMMY, iteration, DUMMY_HASH), vote]
            case "finalize-too":
                return [vote, *(self._vote(Phase.FINALIZED, iteration, block_hash) for block_hash in known)]
        return [vote] * 3

    def retorts(self, name: str, message: Message) -> Sequence[Message]:
        vote = message.vote if isinstance(message, Proposal) else message
        if not isinstance(vote, Vote) or vote.sender == self.me:
            return []
        if name == "eager-dummy":
            return [self._vote(Phase.DUMMY, vote.iteration, DUMMY_HASH)]
        if vote.phase is Phase.DUMMY:
            return []
        phase = Phase.NOTARIZED if name == "echo-vote" else Phase.FINALIZED
        return [self._vote(phase, vote.iteration, vote.block_hash)]


__all__ = ["LIES", "RETORTS", "SimplexTrickster"]
