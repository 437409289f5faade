"""Engines with a known, published bug each. The explorer or a directed story must catch every one of them."""

from typing import Any

from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Effect, Persist
from raclette.engine.events import Event
from raclette.protocols.pbft import PbftEngine, ordering
from raclette.protocols.pbft.log import Filing
from raclette.protocols.pbft.messages import Commit, NewView, Prepare, Vote
from raclette.protocols.pbft.views import Base


class SmallQuorum(PbftEngine):
    """P1: f+1 votes pass for a quorum."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.core.committee.quorum = self.core.committee.faults + 1


class CountsDuplicates(PbftEngine):
    """P2: messages are counted instead of voters: a repeated vote passes for another replica's."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self._repeats = 0
        honest = self.ordering.on_vote

        def on_vote(vote: Prepare | Commit) -> Filing:
            filing = honest(vote)
            slot = self.core.slots.get(vote.height)
            if filing is Filing.OLD and slot is not None and vote.sender != self.core.me:
                votes: dict[int, Any] = slot.prepares if isinstance(vote, Prepare) else slot.commits
                self._repeats += 1
                votes[-self._repeats] = vote
                self.core.touched.add(vote.height)
            return filing

        self.ordering.on_vote = on_vote  # type: ignore[method-assign]


class MixesViews(PbftEngine):
    """P3: votes are added together whatever their view or hash."""

    def __init__(self, setup: EngineSetup) -> None:
        super().__init__(setup)
        self.ordering.__class__ = _MixingOrdering


class _MixingOrdering(ordering.Ordering):
    def _check_prepared(self, height: int, me: int) -> None:
        self._mixed(super()._check_prepared, height, me)

    def _check_committed(self, height: int) -> None:
        self._mixed(super()._check_committed, height)

    def _mixed(self, check: Any, *arguments: int) -> None:
        honest = ordering.signatures_for
        ordering.signatures_for = _any_signatures
        try:
            check(*arguments)
        finally:
            ordering.signatures_for = honest


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
    def on_pre_prepare(self, message: Any) -> None:
        core = self.core
        height = message.header.number
        slot = core.slots.get(height)
        voted = core.voted.get(height)
        if slot is not None and voted is not None and voted != message.header.hash and message.view == core.view:
            parent: Header | None = core.chain.header(message.header.parent_hash)
            if parent is not None and message.block is not None and height > core.final.number:
                del core.voted[height]
                slot.committed_view = -1
                core.tip = parent
                slot.prepares[message.sender] = message.vote
                slot.proposal = message
                return
        super().on_pre_prepare(message)


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


def votes_of(messages: list[Any]) -> dict[tuple[str, int, int, int], set[bytes]]:
    """(kind, view, height, sender) -> hashes voted for."""
    found: dict[tuple[str, int, int, int], set[bytes]] = {}
    for message in messages:
        if isinstance(message, Vote):
            found.setdefault((message.kind, message.view, message.height, message.sender), set()).add(
                message.block_hash
            )
    return found
