"""A replica's state, and the few things every part of the protocol does with it: sign, persist, speak, find a slot.

The parts (ordering, finality, checkpoints, view change, recovery, timers) share one `Core` and otherwise know only what
they are given. None of them continues into another: each changes state, and at the end of an event the engine does all
that the new state allows.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Accuse, Broadcast, Effect, Fetch, Persist
from raclette.primitives.signing import Claim
from raclette.protocols.pbft import records
from raclette.protocols.pbft.codec import Codec
from raclette.protocols.pbft.log import Slot
from raclette.protocols.pbft.messages import CheckpointVote, Commit, NewView, PbftMessage, Prepare, ViewChange
from raclette.protocols.pbft.parameters import Parameters
from raclette.protocols.pbft.quorum import Certificate, Committee

# Blocks we ask for and wait for at once: the base of the view and the highest certified block, and room for one more
# generation of each.
WANTED_MAX = 4


class Core:
    """See the module. Heights are block numbers; `final` is the last block we finalised."""

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        self.parameters = parameters
        self.window = parameters.window
        self.chain = setup.chain
        self.signer = setup.signer
        self.beneficiary = setup.beneficiary
        # PBFT-70: the engine around this one.
        self.frame = setup.frame
        self.committee = Committee(parameters.node_ids, setup.chain.chain_id, parameters.weights)
        self.codec = Codec(self.committee, parameters.window)
        number = self.committee.numbers.get(setup.signer.public_key)
        # PBFT-7: without a vote (not a validator, or told to watch), a node only follows certificates.
        self.me: int | None = number if setup.active else None
        self.now = 0
        self._effects: list[Effect] = []

        self.view = 0
        self.active = True
        # PBFT-74: the number of the block that we start from; nothing at or below it is ours to vote on.
        self.start = setup.chain.genesis.number
        self.base_height = self.start
        self.base_hash = setup.chain.genesis.hash
        self.new_view: NewView | None = None
        self.view_changes: dict[int, ViewChange] = {}

        self.final = setup.chain.finalized
        # Last block of the unbroken chain accepted in this view; None until the view's base is at hand.
        self.tip: Header | None = None
        # height -> the one hash we may PREPARE there in this view.
        self.voted: dict[int, bytes] = {}
        self.slots: dict[int, Slot] = {}
        # Heights whose slot changed in this event.
        self.touched: set[int] = set()
        self.prepared: Certificate | None = None

        self.low = self.start
        self.checkpoint: Certificate | None = None
        # hash -> peer we asked last.
        self.wanted: dict[bytes, bytes] = {}
        # hash -> height of the unfinalised blocks whose bodies are among our records.
        self.bodies: dict[bytes, int] = {}
        self.stale_bodies: list[bytes] = []
        # Events of this one handling, for the timers.
        self.progressed = False
        self.entered_view = False

    # --- effects --------------------------------------------------------------------------------------------------

    def emit(self, effect: Effect) -> None:
        """Append to this event's answer."""
        self._effects.append(effect)

    def take_effects(self) -> tuple[Effect, ...]:
        """The answer, which is then empty again."""
        effects = tuple(self._effects)
        self._effects.clear()
        return effects

    def broadcast(self, message: PbftMessage) -> None:
        """To the other replicas."""
        self._effects.append(Broadcast(message))

    def persist(self, key: bytes, value: bytes) -> None:
        """PBFT-40: before the message that depends on it. Forgetting old bodies rides along with the next record."""
        for block_hash in self.stale_bodies:
            self._effects.append(Persist(records.BODY + block_hash, None))
        self.stale_bodies.clear()
        self._effects.append(Persist(key, value))

    def persist_body(self, block: Block) -> None:
        """Once per block."""
        if block.hash not in self.bodies:
            self.bodies[block.hash] = block.number
            self.persist(records.BODY + block.hash, block.encoded)

    def forget_body(self, block_hash: bytes) -> None:
        """The chain keeps it now, or nobody can need it again."""
        if self.bodies.pop(block_hash, None) is not None:
            self.stale_bodies.append(block_hash)

    def accuse(self, sender: int, reason: str, evidence: bytes = b"") -> None:
        """A replica, by number."""
        self._effects.append(Accuse(self.committee.ids[sender], reason, evidence))

    def want(self, block_hash: bytes, peer: bytes) -> None:
        """Ask `peer` for a block, once; `Recovery` asks others later."""
        if block_hash in self.wanted:
            return
        while len(self.wanted) >= WANTED_MAX:
            self.wanted.pop(next(iter(self.wanted)))
        self.wanted[block_hash] = peer
        self._effects.append(Fetch(peer, block_hash))

    # --- who and where --------------------------------------------------------------------------------------------

    @property
    def high(self) -> int:
        """PBFT-28: the high watermark."""
        return self.low + self.window

    @property
    def is_primary(self) -> bool:
        """Do we propose now?"""
        return self.active and self.me is not None and self.committee.primary(self.view) == self.me

    def in_window(self, height: int) -> bool:
        """Between the watermarks?"""
        return self.low < height <= self.high

    def slot(self, height: int) -> Slot:
        """The slot of a height in the window."""
        slot = self.slots.get(height)
        if slot is None:
            slot = self.slots[height] = Slot()
        return slot

    def raise_low(self, height: int) -> None:
        """PBFT-29: everything at or below the low mark is forgotten."""
        if height <= self.low:
            return
        self.low = height
        for old in [known for known in self.slots if known <= height]:
            del self.slots[old]
        for old in [known for known in self.voted if known <= height]:
            del self.voted[old]

    def path_from_final(self, header: Header) -> list[Header] | None:
        """Headers after `final` up to `header`, oldest first; None if `header` does not descend from it (or an
        ancestor is not at hand)."""
        path: list[Header] = []
        step: Header | None = header
        while step is not None and step.number > self.final.number:
            path.append(step)
            step = self.chain.header(step.parent_hash)
        if step is None or step.hash != self.final.hash:
            return None
        path.reverse()
        return path

    # --- our own statements ---------------------------------------------------------------------------------------

    def sign(self, digest: bytes) -> Claim:
        """Our claim over `digest`."""
        return Claim(self.signer.public_key, digest, self.signer.sign(digest))

    def own_prepare(self, view: int, height: int, block_hash: bytes, me: int) -> Prepare:
        """The same bytes each time it is made: signatures are deterministic."""
        digest = self.committee.prepare_digest(view, height, block_hash)
        return Prepare(view, height, block_hash, me, self.sign(digest))

    def own_commit(self, view: int, height: int, block_hash: bytes, me: int) -> Commit:
        """As `own_prepare`."""
        digest = self.committee.commit_digest(view, height, block_hash)
        return Commit(view, height, block_hash, me, self.sign(digest))

    def own_checkpoint(self, height: int, block_hash: bytes, me: int) -> CheckpointVote:
        """As `own_prepare`."""
        digest = self.committee.checkpoint_digest(height, block_hash)
        return CheckpointVote(height, block_hash, me, self.sign(digest))
