"""PBFT forgets, while it runs, what it has promised in its log: two votes in one place, slots without bounds,
checkpoints that nobody checked."""

from typing import Any

from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, SAFETY, Swap, mutant
from raclette.protocols.pbft import ordering
from raclette.protocols.pbft.checkpoints import Checkpoints
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.engine import PbftEngine
from raclette.protocols.pbft.log import Filing
from raclette.protocols.pbft.messages import CheckpointVote, Commit, Prepare, PrePrepare
from raclette.protocols.pbft.ordering import Ordering
from raclette.protocols.pbft.quorum import Certificate

_on_pre_prepare = Ordering.on_pre_prepare
_find_base = Ordering._find_base


def _file_last(votes: dict[int, Any], vote: Any) -> Filing:
    votes[vote.sender] = vote
    return Filing.NEW


def _take_second_proposal(self: Ordering, message: PrePrepare) -> None:
    """A proposal that differs from the one we voted for takes us back to its parent."""
    core = self.core
    height = message.header.number
    slot, voted = core.slots.get(height), core.voted.get(height)
    parent = core.chain.header(message.header.parent_hash)
    if slot is not None and parent is not None and voted not in (None, message.header.hash):
        del core.voted[height]
        slot.committed_view = -1
        core.tip = parent
    _on_pre_prepare(self, message)


def _vote_below_base(self: Ordering, me: int) -> None:
    """Everything between the last final block and the base is voted on again, number by number."""
    core = self.core
    fresh = core.tip is None and core.active and core.new_view is not None
    _find_base(self, me)
    if fresh and core.tip is not None:
        for header in core.path_from_final(core.tip) or []:
            if header.number < core.base_height and core.in_window(header.number):
                core.broadcast(self._cast(me, header, core.chain.block(header.hash)))


def _above_low(self: Core, height: int) -> bool:
    return height > self.low


def _raise_low_only(self: Core, height: int) -> None:
    self.low = max(self.low, height)


def _on_vote_anywhere(self: PbftEngine, message: Prepare | Commit) -> None:
    self.ordering.on_vote(message)


def _count_any_checkpoint(self: Checkpoints, vote: CheckpointVote) -> None:
    """f+1 CHECKPOINTs for a height make it stable, whatever state they name."""
    core = self.core
    signatures = [
        (sender, self.votes[sender][vote.height].claim.signature)
        for sender in sorted(self.votes)
        if vote.height in self.votes[sender]
    ]
    if len(signatures) > core.committee.faults:
        self.learn(Certificate(0, vote.height, vote.block_hash, tuple(signatures)))


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "P9",
        "pbft",
        "no watermarks: votes are kept for any height, and below a checkpoint nothing is forgotten",
        source="Castro & Liskov 1999, 4.3",
        invariants=PROGRESS,
        swaps=(
            Swap(Core, "in_window", _above_low),
            Swap(Core, "raise_low", _raise_low_only),
            Swap(PbftEngine, "_on_vote", _on_vote_anywhere),
        ),
    ),
    mutant(
        "P10",
        "pbft",
        "a checkpoint is stable at f+1 votes whose digests are not compared",
        source="Castro & Liskov 1999, 4.3: a quorum of equal digests",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(Checkpoints, "_count", _count_any_checkpoint),),
    ),
    mutant(
        "P12",
        "pbft",
        "a second proposal for the same view and height is accepted too",
        source="Castro & Liskov 1999, 4.2: no other pre-prepare for the same view and number",
        invariants=SAFETY,
        swaps=(
            Swap(Ordering, "on_pre_prepare", _take_second_proposal),
            Swap(ordering, "file_vote", _file_last),
        ),
    ),
    mutant(
        "R1",
        "pbft",
        "a new view votes again on the blocks below its base, as the unchained protocol does",
        source="Raclette, spec/pbft.md, PBFT-33: found while the engine was designed",
        invariants=SAFETY,
        swaps=(Swap(Ordering, "_find_base", _vote_below_base),),
    ),
)
