"""A replica's state, and the few things every part of the protocol does with it: sign, persist, speak, find a slot.

The parts (ordering, finality, checkpoints, view change, recovery, timers) share one `Core` and otherwise know only what
they are given. None of them continues into another: each changes state, and at the end of an event the engine does all
that the new state allows.
"""

from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.protocols.core import CommitteeCore
from raclette.protocols.pbft.codec import Codec
from raclette.protocols.pbft.log import Slot
from raclette.protocols.pbft.messages import CheckpointVote, Commit, NewView, Prepare, ViewChange
from raclette.protocols.pbft.parameters import Parameters
from raclette.protocols.pbft.quorum import Certificate, Committee


class Core(CommitteeCore):
    """See the module. Heights are block numbers; `final` is the last block we finalised."""

    committee: Committee

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        # PBFT-7: `me`. PBFT-40: `persist`. PBFT-70: `frame`. PBFT-74: `start`.
        super().__init__(setup, Committee(parameters.node_ids, setup.chain.chain_id, parameters.weights))
        self.parameters = parameters
        self.window = parameters.window
        self.codec = Codec(self.committee, parameters.window)

        self.view = 0
        self.active = True
        self.base_height = self.start
        self.base_hash = setup.chain.genesis.hash
        self.new_view: NewView | None = None
        self.view_changes: dict[int, ViewChange] = {}

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
        # Events of this one handling, for the timers.
        self.progressed = False
        self.entered_view = False

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

    # --- our own statements ---------------------------------------------------------------------------------------

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

    def own_view_change(
        self, view: int, checkpoint: Certificate | None, prepared: Certificate | None, me: int
    ) -> ViewChange:
        """As `own_prepare`."""
        digest = self.committee.view_change_digest(self.codec.view_change_content(view, checkpoint, prepared))
        return self.codec.make_view_change(view, checkpoint, prepared, me, self.sign(digest).signature)

    def own_new_view(self, view: int, changes: tuple[ViewChange, ...]) -> NewView:
        """As `own_prepare`."""
        digest = self.committee.new_view_digest(view, b"".join(change.claim.signature for change in changes))
        return self.codec.make_new_view(view, changes, self.sign(digest).signature)
