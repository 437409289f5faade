"""PBFT changes its primary wrongly: what was prepared is lost, a lie is believed, patience is mismeasured.

The normal case of a BFT protocol is easy to get right; most published bugs are here.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, SAFETY, Swap, mutant, with_quorum
from raclette.primitives import rlp
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.rlp import Item, as_bytes, as_list, bytes_to_int
from raclette.protocols.pbft.codec import Codec, FinalityProof
from raclette.protocols.pbft.messages import NewView, ViewChange
from raclette.protocols.pbft.ordering import Ordering
from raclette.protocols.pbft.timers import Timers
from raclette.protocols.pbft.view_change import ViewChanging
from raclette.protocols.pbft.views import Base, choose_base

_start = ViewChanging.start
_on_new_view = ViewChanging.on_new_view
_choose = ViewChanging.choose
_decode_view_change = Codec._view_change
_find_base = Ordering._find_base
_accept_next = Ordering._accept_next
_refusal = Ordering._refusal
_decode_finality = Codec.decode_finality
_update = Timers.update


def _from_final(changing: ViewChanging) -> Base:
    """What a replica continues from that knows of nothing prepared."""
    final = changing.core.final
    return Base(final.number, final.hash, None)


def _choose_freely(self: ViewChanging, message: NewView) -> Base:
    return _from_final(self)


def _choose_or_final(self: ViewChanging, message: NewView) -> Base:
    """As if nothing below what is final here had to be voted on again: a view with no prepared block begins there."""
    chosen = choose_base(message.view_changes, self.core.chain.genesis)
    return chosen if chosen.holder is not None else _from_final(self)


def _start_without_lock(self: ViewChanging, view: int) -> None:
    """The VIEW-CHANGE says that nothing is prepared. The replica itself still knows."""
    prepared, self.core.prepared = self.core.prepared, None
    _start(self, view)
    self.core.prepared = prepared


def _start_and_forget(self: ViewChanging, view: int) -> None:
    """The first VIEW-CHANGE shows what is prepared, the next one in a row does not."""
    _start(self, view)
    self.core.prepared = None


def _believe(self: ViewChanging, message: NewView) -> bool:
    return True


def _choose_or_nothing(self: ViewChanging, message: NewView) -> Base:
    """The certificate of highest rank is examined; if it is none, it is as if there were no other."""
    changes = [change for change in message.view_changes if change.prepared is not None]
    best = max(changes, key=lambda change: _rank(change), default=None)
    if best is None or best.prepared is None or len(best.prepared.votes) < self.core.committee.quorum:
        return _from_final(self)
    return Base(best.prepared.height, best.prepared.block_hash, best.sender)


def _rank(change: ViewChange) -> tuple[int, int]:
    return change.prepared.rank if change.prepared is not None else (-1, -1)


def _decode_any_prepared(self: Codec, items: list[Item]) -> ViewChange:
    change: ViewChange = with_quorum(self.committee, 1, lambda: _decode_view_change(self, items))
    return change


def _choose_by_height(self: ViewChanging, message: NewView) -> Base:
    best: tuple[int, int, bytes, int] | None = None
    for change in message.view_changes:
        if change.prepared is not None:
            found = (change.prepared.height, change.prepared.view, change.prepared.block_hash, change.sender)
            best = found if best is None else max(best, found)
    return _choose(self, message) if best is None else Base(best[0], best[2], best[3])


def _on_new_view_again(self: ViewChanging, message: NewView) -> None:
    """A second NEW-VIEW for the view that we are in is entered like the first."""
    core = self.core
    active = core.active
    core.active = active and message.view != core.view
    _on_new_view(self, message)
    core.active = core.active or active


def _find_base_if_locked_on(self: Ordering, me: int) -> None:
    """Vote on a base only if it is what we have prepared, or was built on it."""
    core = self.core
    if core.tip is None and core.active and core.prepared is not None and core.base_height > core.final.number:
        step: Header | None = core.chain.header(core.base_hash)
        while step is not None and step.number > core.prepared.height:
            step = core.chain.header(step.parent_hash)
        if core.prepared.height > core.final.number and step is not None and step.hash != core.prepared.block_hash:
            return
    _find_base(self, me)


def _accept_if_locked_on(self: Ordering, me: int) -> bool:
    """Nor for any other block at its height, whoever proposes it."""
    core, lock = self.core, self.core.prepared
    if core.tip is not None and lock is not None and core.final.number < lock.height == core.tip.number + 1:
        slot = core.slots.get(lock.height)
        if slot is not None and slot.proposal is not None and slot.proposal.header.hash != lock.block_hash:
            return False
    return _accept_next(self, me)


def _refusal_whatever_parent(self: Ordering, tip: Header, sender: int, header: Header, block: Block) -> str:
    """As if the proposal stood on the block that we accepted before it."""
    parent = self.core.chain.header(header.parent_hash)
    return _refusal(self, tip if parent is None else parent, sender, header, block)


def _decode_unlinked(self: Codec, header: Header, certificate: bytes) -> FinalityProof:
    """The headers between a block and the one that was committed need not lead from one to the other."""
    try:
        return _decode_finality(self, header, certificate)
    except InvalidCertificate as fault:
        if fault.reason != "certificate-chain":
            raise
        view_item, signers, signatures, chain = rlp.decode_list(certificate, 4)
        descendants = tuple(Header.decode(as_bytes(item)) for item in as_list(chain))
        view, votes, top = bytes_to_int(view_item, size_max=8), self._votes(signers, signatures), descendants[-1]
        digest = self.committee.commit_digest(view, top.number, top.hash)
        return FinalityProof(view, votes, descendants, top, self.committee.claims(digest, votes))


def _never_patient_again(self: Timers) -> None:
    """Progress changes nothing."""


def _uncapped(self: Timers) -> int:
    return self.core.parameters.view_timeout_ms << min(self.doublings, 32)


def _stay_behind(self: ViewChanging) -> None:
    """Whatever view the others are in, wait for the own timer."""


def _always_impatient(self: Timers, *, view_needed: bool, batch_needed: bool, restart_view: bool) -> None:
    """The timer runs from the start of a view, whether or not its primary owes anything."""
    _update(self, view_needed=self.core.me is not None, batch_needed=batch_needed, restart_view=restart_view)


MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "P5",
        "pbft",
        "a view change drops prepared certificates: the new primary starts from what it has finalised",
        source="johnhenry/raijin #8",
        invariants=SAFETY,
        swaps=(Swap(ViewChanging, "choose", _choose_freely),),
    ),
    mutant(
        "P6",
        "pbft",
        "a NEW-VIEW is believed without its quorum of VIEW-CHANGEs",
        source="Castro & Liskov 1999, 4.4; boscore/bos #166",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(ViewChanging, "proves", _believe),),
    ),
    mutant(
        "P7",
        "pbft",
        "one invalid prepared certificate in a VIEW-CHANGE hides the valid ones of the others",
        source="vmware/concord-bft #50",
        invariants=SAFETY,
        swaps=(
            Swap(Codec, "_view_change", _decode_any_prepared),
            Swap(ViewChanging, "choose", _choose_or_nothing),
        ),
    ),
    mutant(
        "P8",
        "pbft",
        "the prepared block of a new view is picked by height before view",
        source="Castro & Liskov 1999, 4.4: the highest view number decides",
        invariants=SAFETY,
        swaps=(Swap(ViewChanging, "choose", _choose_by_height),),
    ),
    mutant(
        "I1",
        "pbft",
        "VIEW-CHANGEs do not carry what was prepared (no lock is carried over)",
        source="EIP-650 IBFT; Saltini, arXiv:1901.07160; Saltini & Hyland-Wood, arXiv:2002.03613",
        invariants=SAFETY,
        swaps=(
            Swap(ViewChanging, "start", _start_without_lock),
            Swap(ViewChanging, "choose", _choose_or_final),
        ),
    ),
    mutant(
        "H4",
        "pbft",
        "the prepared certificate is lost in the second of two view changes in a row",
        source="sei-protocol/sei-chain #3029",
        invariants=SAFETY,
        swaps=(
            Swap(ViewChanging, "start", _start_and_forget),
            Swap(ViewChanging, "choose", _choose_or_final),
        ),
    ),
    mutant(
        "H6",
        "pbft",
        "a second NEW-VIEW for the same view is entered too (>= where > belongs): two votes in one place",
        source="EspressoSystems/HotShot #3971",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(ViewChanging, "on_new_view", _on_new_view_again),),
    ),
    mutant(
        "I2",
        "pbft",
        "a replica that has prepared a block votes for no other at its height, whatever later views do",
        source="Saltini, arXiv:1901.07160 (revised IBFT: locks on different blocks); tendermint #1047 (T2)",
        invariants=PROGRESS,
        swaps=(
            Swap(Ordering, "_find_base", _find_base_if_locked_on),
            Swap(Ordering, "_accept_next", _accept_if_locked_on),
        ),
    ),
    mutant(
        "H2",
        "pbft",
        "the parents of proposals, and of the headers in a certificate, are not checked",
        source="relab/hotstuff #249 (found by Twins)",
        invariants=SAFETY,
        swaps=(
            Swap(Ordering, "_refusal", _refusal_whatever_parent),
            Swap(Codec, "decode_finality", _decode_unlinked),
        ),
    ),
    mutant(
        "P14",
        "pbft",
        "view timeouts double without a cap and never come down",
        source="hyperledger/besu #7642 (a round timer of 4096 s)",
        invariants=PROGRESS,
        swaps=(
            Swap(Timers, "on_progress", _never_patient_again),
            Swap(Timers, "view_timeout_ms", property(_uncapped)),
        ),
    ),
    mutant(
        "P14b",
        "pbft",
        "no jump to the view that f+1 others have reached",
        source="Castro & Liskov 1999, 4.5.2; besu-docs #611",
        invariants=PROGRESS,
        swaps=(Swap(ViewChanging, "_follow_others", _stay_behind),),
    ),
    mutant(
        "P15",
        "pbft",
        "the view timer runs before a block is due: an idle network changes its primary over and over",
        source="hyperledger/besu #2095, #10917",
        invariants=PROGRESS,
        swaps=(Swap(Timers, "update", _always_impatient),),
    ),
)
