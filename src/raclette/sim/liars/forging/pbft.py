"""How to lie in PBFT: the adapter of `protocols.pbft`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.node.host import Delivered
from raclette.node.node import Node
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.messages import (
    CheckpointVote,
    Commit,
    NewView,
    Prepare,
    PrePrepare,
    Status,
    ViewChange,
    Vote,
)
from raclette.protocols.pbft.quorum import Certificate
from raclette.sim.liars.forging.contract import Forged, Round
from raclette.sim.liars.forging.craft import FAR, heard, keep, read_own, rival_block, rival_hash
from raclette.sim.liars.forging.numbered import NumberedForger
from raclette.sim.liars.forging.pbft_forgeries import BELIEVED, REFUSED
from raclette.sim.liars.forging.steps import mutate_field


class PbftForger(NumberedForger):
    """Implements `Forger` for the replica inside."""

    votes: tuple[str, ...] = ("prepare", "commit", "checkpoint", "view-change")

    def __init__(self, node: Node) -> None:
        """Raises Misuse if the node runs something else."""
        if not isinstance(node.engine, PbftEngine):
            raise Misuse(f"lies in pbft, not in {node.engine.name}")
        self.core = core = node.engine.core
        self.committee = core.committee
        super().__init__(node, core.committee.numbers.get(core.signer.public_key))
        self.certificates: dict[Certificate, None] = {}
        self.checkpoints: dict[Certificate, None] = {}
        # The latest VIEW-CHANGEs, those that our own node has forgotten among them.
        self.changes: dict[tuple[int, int], ViewChange] = {}

    # --- frames ---------------------------------------------------------------------------------------------------

    def open(self, frame: bytes) -> Message | None:
        """What our own node says, and what it has by then."""
        message = read_own(self.node, frame, whole=(PrePrepare,))
        if message is not None and not isinstance(message, PrePrepare):
            self._remember_own()
        return message

    def round_of(self, message: Message) -> Round:
        """By kind, view and height."""
        height = message.header.number if isinstance(message, PrePrepare) else getattr(message, "height", 0)
        return Round(message.kind, getattr(message, "view", 0), height)

    def hear(self, event: Delivered) -> None:
        """Keep hashes, certificates and VIEW-CHANGEs."""
        message = heard(event)
        if isinstance(message, (Vote, CheckpointVote)):
            keep(self.hashes, message.block_hash, None)
        elif isinstance(message, ViewChange):
            keep(self.changes, (message.view, message.sender), message)
            if message.prepared is not None:
                keep(self.certificates, message.prepared, None)
            if message.checkpoint is not None:
                keep(self.checkpoints, message.checkpoint, None)

    def _remember_own(self) -> None:
        if self.core.prepared is not None:
            keep(self.certificates, self.core.prepared, None)
        if self.core.checkpoint is not None:
            keep(self.checkpoints, self.core.checkpoint, None)

    # --- signing as ourselves -------------------------------------------------------------------------------------

    def signed(self, message: Message) -> Message | None:
        """`message` with our signature over what it now says; None if it is not ours to sign."""
        core, me = self.core, self.me
        if isinstance(message, Status):
            return message
        if me is None:
            return None
        if isinstance(message, Prepare):
            return core.own_prepare(message.view, message.height, message.block_hash, me)
        if isinstance(message, Commit):
            return core.own_commit(message.view, message.height, message.block_hash, me)
        if isinstance(message, CheckpointVote):
            return core.own_checkpoint(message.height, message.block_hash, me)
        if isinstance(message, PrePrepare):
            claim = core.own_prepare(message.view, message.header.number, message.header.hash, me).claim
            return replace(message, sender=me, claim=claim)
        if isinstance(message, ViewChange):
            return core.own_view_change(message.view, message.checkpoint, message.prepared, me)
        if isinstance(message, NewView):
            return core.own_new_view(message.view, message.view_changes)
        return None

    # --- small steps ----------------------------------------------------------------------------------------------

    def mutate(self, message: Message, random: Random) -> Message | None:
        """One field, one step. The author of a PRE-PREPARE or NEW-VIEW follows from its view, so there the next view is
        the next one that is ours."""
        hashes, own_views = tuple(self.hashes), (self.committee.size,)
        known: dict[str, Sequence[Any]]
        if not self.is_ours(message):
            return None
        if isinstance(message, PrePrepare):
            if random.chance(1, 3):
                known = {"view": own_views}
            else:
                return self.with_spoilt_block(message, random)
        elif isinstance(message, Vote):
            known = {"view": (), "height": (), "block_hash": hashes}
        elif isinstance(message, CheckpointVote):
            known = {"height": (self.core.parameters.checkpoint_interval,), "block_hash": hashes}
        elif isinstance(message, ViewChange):
            known = {"view": (), "checkpoint": (None, *self.checkpoints), "prepared": (None, *self.certificates)}
        elif isinstance(message, NewView):
            known = {"view": own_views, "view_changes": ()}
        elif isinstance(message, Status):
            known = {"view": (), "active": (), "final": (), "tip": (), "low": ()}
        else:
            return None
        changed = mutate_field(message, known, random)
        return None if changed == message else self.signed(changed)

    # --- two of a kind --------------------------------------------------------------------------------------------

    def rival(self, message: Message, book: dict[bytes, Any], random: Random) -> Message | None:
        """A proposal has a second, as valid block for its rival, and votes follow the book; a vote for a block without
        one has a block that does not exist."""
        if self.me is None or not self.is_ours(message):
            return None
        if isinstance(message, PrePrepare):
            block = rival_block(self.core.chain, message.header, book, empty=False)
            return None if block is None else self.with_block(message, block)
        if isinstance(message, (Vote, CheckpointVote)):
            return self.signed(replace(message, block_hash=rival_hash(book, message.block_hash)))
        return self.twist(message, random)

    def twist(self, message: Message, random: Random) -> Message | None:
        """A VIEW-CHANGE that shows an older certificate or none; a NEW-VIEW from another quorum's VIEW-CHANGEs."""
        if self.me is None or not self.is_ours(message):
            return None
        if isinstance(message, ViewChange):
            older = [None, *(known for known in self.certificates if known.view < message.view)]
            stale = [None, *self.checkpoints]
            changed = replace(message, prepared=random.choice(older), checkpoint=random.choice(stale))
        elif isinstance(message, NewView):
            changes = {change.sender: change for change in message.view_changes}
            changes |= {sender: change for (view, sender), change in self.changes.items() if view == message.view}
            chosen = random.sample([changes[sender] for sender in sorted(changes)], self.committee.quorum)
            return self.core.own_new_view(message.view, tuple(sorted(chosen, key=lambda change: change.sender)))
        else:
            return None
        return self.signed(changed)

    # --- from nothing ---------------------------------------------------------------------------------------------

    def forge(self, random: Random, *, refused: bool) -> Forged | None:
        """See `pbft_forgeries`."""
        return None if self.me is None else random.choice(REFUSED if refused else BELIEVED)(self, self.me, random)

    def junk(self, random: Random) -> Message:
        """Votes and proposals that nothing can come of, near and far."""
        core, me, final = self.core, self.me, self.core.final.number
        view = random.choice((core.view, core.view + 1 + random.below(100), random.below(FAR)))
        height = random.choice((final + 1 + random.below(core.parameters.window), random.below(FAR)))
        block_hash = random.bytes(32)
        if me is None:
            return Status(view, True, height, height, height)
        match random.below(6):
            case 0:
                return core.own_commit(view, height, block_hash, me)
            case 1:
                return core.own_checkpoint(height - height % core.parameters.checkpoint_interval, block_hash, me)
            case 2:
                header = Header(block_hash, height, core.final.timestamp, extra_data=self.committee.ids[me])
                own_view = view - view % self.committee.size + me
                claim = core.own_prepare(own_view, height, header.hash, me).claim
                return PrePrepare(own_view, header, me, claim, Block(header, ()))
            case 3:
                return Status(view, True, height, height, height)
            case 4:
                return core.own_view_change(view + 1, core.checkpoint, core.prepared, me)
            case _:
                return core.own_prepare(view, height, block_hash, me)
