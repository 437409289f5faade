"""Engines with a known, published bug each. The explorer or a directed story must catch every one of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Effect, Persist
from raclette.engine.events import Event
from raclette.protocols.pbft import PbftEngine, core, ordering, quorum
from raclette.protocols.pbft.log import Filing
from raclette.protocols.pbft.messages import Commit, NewView, Prepare
from raclette.protocols.pbft.views import Base


@contextmanager
def patched(module: ModuleType, name: str, value: Any) -> Iterator[None]:
    """A name of a module, replaced for a moment."""
    honest = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, honest)


class SmallQuorum(PbftEngine):
    """P1: f+1 votes pass for a quorum."""

    def __init__(self, setup: EngineSetup) -> None:
        with patched(core, "Committee", _SmallCommittee):
            super().__init__(setup)


class _SmallCommittee(quorum.Committee):
    def __init__(self, ids: Any, chain_id: int) -> None:
        super().__init__(ids, chain_id)
        self.quorum = self.faults + 1


class CountsDuplicates(PbftEngine):
    """P2: messages are counted instead of voters: a repeated vote passes for another replica's."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.ordering.__class__ = _CountingOrdering


class _CountingOrdering(ordering.Ordering):
    def on_vote(self, vote: Prepare | Commit) -> Filing:
        filing = super().on_vote(vote)
        slot = self.core.slots.get(vote.height)
        if filing is Filing.OLD and slot is not None and vote.sender != self.core.me:
            votes: dict[int, Any] = slot.prepares if isinstance(vote, Prepare) else slot.commits
            votes[self.core.committee.size + len(votes)] = vote
            self.core.touched.add(vote.height)
        return filing

    def _check_prepared(self, height: int, me: int) -> None:
        with patched(ordering, "signatures_for", _repeated_signatures):
            super()._check_prepared(height, me)

    def _check_committed(self, height: int) -> None:
        with patched(ordering, "signatures_for", _repeated_signatures):
            super()._check_committed(height)


def _repeated_signatures(votes: Any, view: int, block_hash: bytes) -> tuple[tuple[int, bytes], ...]:
    matching = [vote for vote in votes.values() if vote.view == view and vote.block_hash == block_hash]
    return tuple((vote.sender, vote.claim.signature) for vote in matching)


class MixesViews(PbftEngine):
    """P3: votes are added together whatever their view or hash."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.ordering.__class__ = _MixingOrdering


class _MixingOrdering(ordering.Ordering):
    def _check_prepared(self, height: int, me: int) -> None:
        with patched(ordering, "signatures_for", _any_signatures):
            super()._check_prepared(height, me)

    def _check_committed(self, height: int) -> None:
        with patched(ordering, "signatures_for", _any_signatures):
            super()._check_committed(height)


def _any_signatures(votes: Any, view: int, block_hash: bytes) -> tuple[tuple[int, bytes], ...]:
    return tuple(sorted((number, vote.claim.signature) for number, vote in votes.items()))


class ForgetsPrepared(PbftEngine):
    """P5: a view change drops the prepared certificates; the new primary starts from what it has finalised."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.view_changing.choose = self._choose  # type: ignore[method-assign]

    def _choose(self, message: NewView) -> Base:
        return Base(self.core.final.number, self.core.final.hash, None)


class TrustsNewView(PbftEngine):
    """P6: a NEW-VIEW is believed without its quorum of VIEW-CHANGEs."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.view_changing.proves = lambda message: True  # type: ignore[method-assign]


class HeightBeforeView(PbftEngine):
    """P8: the prepared block is picked by height before view."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.view_changing.choose = self._choose  # type: ignore[method-assign]

    def _choose(self, message: NewView) -> Base:
        best: tuple[int, int, bytes, int] | None = None
        for change in message.view_changes:
            if change.prepared is not None:
                found = (change.prepared.height, change.prepared.view, change.prepared.block_hash, change.sender)
                best = found if best is None else max(best, found)
        if best is None:
            return Base(0, self.core.chain.genesis.hash, None)
        return Base(best[0], best[2], best[3])


class AcceptsEquivocation(PbftEngine):
    """P12: a second pre-prepare for the same view and height is accepted too."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.ordering.__class__ = _ForgetfulOrdering


class _ForgetfulOrdering(ordering.Ordering):
    def on_vote(self, vote: Prepare | Commit) -> Filing:
        with patched(ordering, "file_vote", _file_last):
            return super().on_vote(vote)

    def on_pre_prepare(self, message: Any) -> None:
        core = self.core
        height = message.header.number
        slot, voted = core.slots.get(height), core.voted.get(height)
        parent = core.chain.header(message.header.parent_hash)
        if slot is not None and parent is not None and voted not in (None, message.header.hash):
            del core.voted[height]
            slot.committed_view = -1
            core.tip = parent
        super().on_pre_prepare(message)


def _file_last(votes: Any, vote: Any) -> Filing:
    votes[vote.sender] = vote
    return Filing.NEW


class ForgetsVotes(PbftEngine):
    """P13: votes leave before they are on disk (here: they never get there)."""

    def handle(self, event: Event) -> tuple[Effect, ...]:
        return tuple(effect for effect in super().handle(event) if not isinstance(effect, Persist))


class ForgetsBase(PbftEngine):
    """Ours: in a new view the blocks below its base are voted on again, one by one, as the unchained protocol does. A
    certificate of the new view for a low block then outranks the committed higher block of the old view."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.ordering.__class__ = _ReproposingOrdering


class _ReproposingOrdering(ordering.Ordering):
    def _find_base(self, me: int) -> None:
        core = self.core
        fresh = core.tip is None and core.active and core.new_view is not None
        super()._find_base(me)
        if fresh and core.tip is not None:
            for header in core.path_from_final(core.tip) or []:
                if header.number < core.base_height and core.in_window(header.number):
                    core.broadcast(self._cast(me, header, core.chain.block(header.hash)))


# The bug, and the schedule that shows it. The explorer finds some of them by itself (see test_pbft_explorer).
CAUGHT_BY = {
    SmallQuorum: "two_primaries",
    CountsDuplicates: "repeated_votes",
    MixesViews: "votes_of_two_blocks",
    ForgetsPrepared: "committed_then_view_change",
    TrustsNewView: "lying_new_primary",
    HeightBeforeView: "higher_block_of_a_lower_view",
    ForgetsBase: "lower_block_of_a_higher_view",
    AcceptsEquivocation: "second_proposal",
    ForgetsVotes: "vote_before_a_crash",
}
