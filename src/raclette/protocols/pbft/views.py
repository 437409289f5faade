"""Which view we are in, and on which block it continues: entering a view, and the choice that everybody recomputes.

A view has a *base*: the block on which its first new proposal is built. View 0 is based on genesis. The base of a later
view is the highest-ranked prepared block that its NEW-VIEW shows, and it is the first block voted on in that view;
nothing below it is ever voted on there. This is what makes one certificate speak for a block's whole ancestry (see
spec/pbft.md, "Why two honest replicas never finalise different blocks").
"""

from collections.abc import Iterable
from typing import NamedTuple

from raclette.chain.header import Header
from raclette.protocols.pbft import records
from raclette.protocols.pbft.core import Core
from raclette.protocols.pbft.messages import NewView, ViewChange


class Base(NamedTuple):
    """The block a view starts from, and a replica that says it holds it (None for the first block of all)."""

    height: int
    block_hash: bytes
    holder: int | None


def choose_base(view_changes: Iterable[ViewChange], first: Header) -> Base:
    """PBFT-32: the prepared block of the highest rank, (view, height), among the VIEW-CHANGEs, or the
    block that we start from (PBFT-74: genesis, without an engine around).

    Castro & Liskov 1999, 4.4: "the one with the highest view number"; the height decides among certificates of one
    view, where the higher block contains the lower.
    """
    best = None
    holder = None
    for change in view_changes:
        if change.prepared is not None and (best is None or change.prepared.rank > best.rank):
            best, holder = change.prepared, change.sender
    if best is None:
        return Base(first.number, first.hash, None)
    return Base(best.height, best.block_hash, holder)


def enter_view(core: Core, view: int, base_height: int, base_hash: bytes, new_view: NewView | None) -> None:
    """Begin voting in `view`. The caller has verified why. `new_view` is None when a commit certificate of that view
    brought us here: then the base is the committed block."""
    core.view = view
    core.active = True
    core.base_height, core.base_hash, core.new_view = base_height, base_hash, new_view
    core.tip = None
    core.voted.clear()
    core.entered_view = True
    for slot in core.slots.values():
        if slot.proposal is not None and slot.proposal.view != view:
            slot.proposal = None
    core.touched.update(core.slots)
    for sender in [number for number, change in core.view_changes.items() if change.view <= view]:
        del core.view_changes[sender]
    _forget_unreachable_bodies(core)
    # PBFT-41: which NEW-VIEW we accepted is part of what we may not contradict.
    core.persist(records.VIEW, records.encode_view(core.codec, view, base_height, base_hash, new_view))


def _forget_unreachable_bodies(core: Core) -> None:
    """Of the unfinalised bodies keep those that a certificate or this view's base still leads to."""
    keep: set[bytes] = set()
    roots = [core.base_hash] if core.prepared is None else [core.base_hash, core.prepared.block_hash]
    for block_hash in roots:
        step = core.chain.header(block_hash)
        while step is not None and step.number > core.final.number and step.hash not in keep:
            keep.add(step.hash)
            step = core.chain.header(step.parent_hash)
        keep.add(block_hash)
    for block_hash in [known for known in core.bodies if known not in keep]:
        core.forget_body(block_hash)
