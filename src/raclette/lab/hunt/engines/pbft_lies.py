"""What a lying PBFT replica says. It signs with its own key only, so a lie is a choice of content, not a forgery.

The lies are those of which the papers' attacks are made: votes for another block, of another view or height (Castro &
Liskov 1999, section 4), forgotten or outdated certificates in a VIEW-CHANGE, a NEW-VIEW from chosen or too few
VIEW-CHANGEs (4.4), small changes of single fields (Winter et al., "Randomized Testing of Byzantine Fault Tolerant
Algorithms", OOPSLA 2023: bounded mutations find what arbitrary ones miss).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.lab.hunt.engines.lying import Mind, below, moved, note
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.randomness import Random
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.messages import (
    CheckpointVote,
    Commit,
    Committed,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
    Vote,
)
from raclette.protocols.pbft.quorum import Certificate
from raclette.protocols.pbft.views import choose_base

_VOTES = ("prepare", "commit")
LIES: Mapping[str, Sequence[str]] = {
    "other-block": ("pre-prepare", *_VOTES),
    "other-parent": ("pre-prepare",),
    "false-root": ("pre-prepare",),
    "wrong-time": ("pre-prepare",),
    "foreign-author": ("pre-prepare",),
    "thin-certificate": ("committed",),
    "other-view": _VOTES,
    "other-height": _VOTES,
    "both-blocks": ("pre-prepare", *_VOTES),
    "repeat": ("prepare", "commit", "checkpoint", "view-change"),
    "other-digest": ("checkpoint",),
    "far-checkpoint": ("checkpoint",),
    "forgotten-prepared": ("view-change",),
    "old-prepared": ("view-change",),
    "wrong-prepared": ("view-change",),
    "own-prepared": ("view-change",),
    "later-view": ("view-change",),
    "chosen-quorum": ("new-view",),
    "small-quorum": ("new-view",),
    "repeated-quorum": ("new-view",),
    "ahead": ("status",),
}
RETORTS: Sequence[str] = ("eager-commit", "echo-vote", "lonely-commit", "second-new-view")


def _rank_of(certificate: Certificate | None) -> tuple[int, int]:
    return (-1, -1) if certificate is None else certificate.rank


def _rank_shown(change: ViewChange) -> tuple[int, int]:
    return _rank_of(change.prepared)


class PbftTrickster(Mind[Core]):
    """See `adapter.Trickster`."""

    def __init__(self, replica: Replica, random: Random) -> None:
        super().__init__(replica, random)
        self.hashes: dict[int, dict[bytes, None]] = {}
        self.changes: dict[int, dict[int, ViewChange]] = {}
        self.certificates: dict[tuple[int, int], Certificate] = {}

    @property
    def me(self) -> int:
        """The liar's number."""
        return self.replica.number

    def overhear(self, message: Message) -> None:
        if isinstance(message, Vote):
            note(self.hashes, message.height, message.block_hash, None)
        elif isinstance(message, PrePrepare):
            note(self.hashes, message.header.number, message.header.hash, None)
        elif isinstance(message, ViewChange):
            self._note_change(message)
        elif isinstance(message, NewView):
            for change in message.view_changes:
                self._note_change(change)

    def _note_change(self, change: ViewChange) -> None:
        note(self.changes, change.view, change.sender, change)
        if change.prepared is not None:
            self.certificates.setdefault(change.prepared.rank, change.prepared)

    def _own_certificates(self) -> list[Certificate]:
        if self.core.prepared is not None:
            self.certificates.setdefault(self.core.prepared.rank, self.core.prepared)
        return list(self.certificates.values())

    def lies(self, name: str, message: Message) -> Sequence[Message]:
        if isinstance(message, PrePrepare):
            return self._false_proposals(name, message)
        if isinstance(message, Committed):
            return self._thin_certificate(message.header, message.block)
        if isinstance(message, Prepare | Commit):
            return self._false_votes(name, message)
        if isinstance(message, CheckpointVote):
            return self._false_checkpoint(name, message)
        if isinstance(message, ViewChange):
            self._note_change(message)
            return [self._false_change(name, message)] * (3 if name == "repeat" else 1)
        if isinstance(message, NewView):
            return [self._false_new_view(name, message)]
        if isinstance(message, Status) and name == "ahead":
            return [Status(message.view, True, message.final + 1_000, message.tip + 1_000, message.low)]
        return [message]

    def _vote(self, like: Message, view: int, height: int, block_hash: bytes) -> Message:
        make = self.core.own_prepare if isinstance(like, Prepare) else self.core.own_commit
        return make(view, height, block_hash, self.me)

    def _false_proposals(self, name: str, proposal: PrePrepare) -> Sequence[Message]:
        """Blocks that a primary should not propose; the first two are valid by themselves."""
        header, block = proposal.header, proposal.block
        if block is None:
            return [proposal]
        match name:
            case "other-block" | "both-blocks":
                rival = self._propose(proposal, replace(header, timestamp=header.timestamp + 1), block)
                return [proposal, rival] if name == "both-blocks" else [rival]
            case "other-parent":
                return [self._on_other_parent(proposal)]
            case "false-root":
                header = replace(header, state_root=bytes(32))
            case "wrong-time":
                header = replace(header, timestamp=header.timestamp + self.random.choice((-1_000, 1_000)))
            case "foreign-author":
                header = replace(header, extra_data=self.random.choice(self.core.committee.ids))
        return [self._propose(proposal, header, block)]

    def _propose(self, like: PrePrepare, header: Header, block: Block) -> PrePrepare:
        core = self.core
        note(self.hashes, header.number, header.hash, None)
        claim = core.sign(core.committee.prepare_digest(like.view, header.number, header.hash))
        return PrePrepare(like.view, header, self.me, claim, Block(header, block.transactions))

    def _on_other_parent(self, proposal: PrePrepare) -> PrePrepare:
        """The same transactions on a known rival of the block they belong on, or on one up to three below."""
        chain, block = self.core.chain, proposal.block
        parent: Header | None = chain.header(proposal.header.parent_hash)
        if parent is None or block is None:
            return proposal
        known = [chain.header(rival) for rival in self.hashes.get(parent.number, {}) if rival != parent.hash]
        rivals = [header for header in known if header is not None]
        parent = self.random.choice(rivals) if rivals else below(chain, parent, self.random.between(1, 3))
        return self._propose(proposal, moved(proposal.header, parent, block.transactions), block)

    def _thin_certificate(self, header: Header, block: Block | None) -> Sequence[Message]:
        """A block shown as final by this liar's COMMIT alone."""
        core = self.core
        digest = core.committee.commit_digest(core.view, header.number, header.hash)
        votes = ((self.me, core.sign(digest).signature),)
        certificate = core.codec.encode_finality(core.view, votes, ())
        return [Committed(header, certificate, core.committee.claims(digest, votes), block)]

    def _false_votes(self, name: str, vote: Prepare | Commit) -> Sequence[Message]:
        view, height = vote.view, vote.height
        others = [known for known in self.hashes.get(height, {}) if known != vote.block_hash]
        if name == "other-block":
            return [self._vote(vote, view, height, self.random.choice(others or [bytes(32)]))]
        if name == "both-blocks":
            return [vote, *(self._vote(vote, view, height, other) for other in others)]
        if name == "other-view":
            return [self._vote(vote, max(0, view + self.random.choice((-1, 1))), height, vote.block_hash)]
        if name == "other-height":
            return [self._vote(vote, view, max(1, height + self.random.choice((-1, 1))), vote.block_hash)]
        return [vote] * 3 if name == "repeat" else [vote]

    def _false_checkpoint(self, name: str, vote: CheckpointVote) -> Sequence[Message]:
        core = self.core
        if name == "other-digest":
            others = [known for known in self.hashes.get(vote.height, {}) if known != vote.block_hash]
            return [core.own_checkpoint(vote.height, self.random.choice(others or [bytes(32)]), self.me)]
        if name == "far-checkpoint":
            ahead = vote.height + core.parameters.checkpoint_interval * self.random.between(1, 3)
            return [vote, core.own_checkpoint(ahead, bytes(32), self.me)]
        return [vote] * 3 if name == "repeat" else [vote]

    def _false_change(self, name: str, change: ViewChange) -> ViewChange:
        core, view, checkpoint, prepared = self.core, change.view, change.checkpoint, change.prepared
        if name == "forgotten-prepared":
            checkpoint = prepared = None
        elif name == "old-prepared":
            known = sorted(self._own_certificates(), key=lambda certificate: certificate.rank)
            prepared = known[self.random.below(len(known))] if known else None
        elif name == "wrong-prepared" and prepared is not None:
            # An absurdly high rank whose signatures are of another statement: must be ignored by itself (4.4).
            prepared = prepared._replace(view=max(0, view - 1), height=prepared.height + 1)
        elif name == "own-prepared":
            # True and worthless: nobody's signature but its own, under a rank above all others.
            height, block_hash = core.final.number + self.random.between(1, 8), self.random.bytes(32)
            claim = core.own_prepare(view - 1, height, block_hash, self.me).claim
            prepared = Certificate(view - 1, height, block_hash, ((self.me, claim.signature),))
        elif name == "later-view":
            view += self.random.choice((1, 2, 1_000_000))
        return self.core.own_view_change(view, checkpoint, prepared, self.me)

    def _false_new_view(self, name: str, message: NewView) -> NewView:
        core = self.core
        known = {change.sender: change for change in message.view_changes}
        for sender, change in self.changes.get(message.view, {}).items():
            if sender != self.me:
                known[sender] = change
        known[self.me] = core.own_view_change(message.view, None, None, self.me)
        everybody = list(known.values())
        if name == "small-quorum":
            chosen = [known[self.me]]
        elif name == "repeated-quorum":
            chosen = [known[self.me]] * core.committee.quorum
        else:
            others = self.random.sample([change for change in everybody if change.sender != self.me], len(everybody))
            chosen = [known[self.me], *others[: core.committee.quorum - 1]]
            chosen.sort(key=lambda change: change.sender)
        return core.own_new_view(message.view, tuple(chosen))

    def _second_new_view(self, first: NewView) -> NewView:
        """From a quorum that shows another block prepared than the first one did, if there is one: those who know
        least or those who know most, with what the liar itself knows or without it."""
        core, view = self.core, first.view
        known = {change.sender: change for change in first.view_changes} | self.changes.get(view, {})
        known.pop(self.me, None)
        others = sorted(known.values(), key=_rank_shown)
        own = [None, *(certificate for certificate in self._own_certificates() if certificate.view < view)]
        size = core.committee.quorum - 1
        start = core.chain.genesis
        before = choose_base(first.view_changes, start)[:2]
        quorums = [
            (core.own_view_change(view, None, prepared, self.me), *chosen)
            for prepared in (own[0], max(own, key=_rank_of))
            for chosen in (others[:size], others[len(others) - size :])
        ]
        different = [changes for changes in quorums if choose_base(changes, start)[:2] != before]
        changes = sorted(self.random.choice(different or quorums), key=lambda change: change.sender)
        return core.own_new_view(view, tuple(changes))

    def retorts(self, name: str, message: Message) -> Sequence[Message]:
        core = self.core
        if name == "eager-commit" and isinstance(message, PrePrepare):
            view, height, block_hash = message.view, message.header.number, message.header.hash
            return [
                core.own_prepare(view, height, block_hash, self.me),
                core.own_commit(view, height, block_hash, self.me),
            ]
        if name == "second-new-view" and isinstance(message, Prepare | Commit) and core.is_primary:
            # Another quorum for the view that all are in (4.4: a view has one NEW-VIEW).
            return [] if core.new_view is None else [self._second_new_view(core.new_view)]
        if name == "echo-vote" and isinstance(message, Prepare | Commit):
            return [self._vote(message, message.view, message.height, message.block_hash)]
        if name == "lonely-commit" and isinstance(message, PrePrepare):
            return self._thin_certificate(message.header, message.block)
        return []
