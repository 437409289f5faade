"""False certificates, stale ones, and votes in others' names: what a PBFT replica might be made to believe.

Those that no honest gate lets pass (too few or foreign signers, somebody else's name) are marked `refused`: whoever
receives one knows its sender for a liar. The others are the dangerous ones: everything in them is signed by whom it
names. A certificate that counts a signer twice is not among them: the wire form, a bit field, cannot say such a thing.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from raclette.chain.block import Block
from raclette.engine.contract import Draft
from raclette.engine.message import Message
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.protocols.pbft.messages import Committed, Prepare, Status, ViewChange
from raclette.protocols.pbft.quorum import Certificate
from raclette.sim.liars.forging.contract import Forged
from raclette.sim.liars.forging.craft import FAR, forged

if TYPE_CHECKING:
    from raclette.sim.liars.forging.pbft import PbftForger

Maker: TypeAlias = Callable[["PbftForger", int, Random], Forged | None]


def _said(forger: "PbftForger", what: str, message: Message, *, refused: bool) -> Forged:
    return forged(forger.node, what, message, refused=refused)


def _certified(forger: "PbftForger", what: str, prepared: Certificate) -> Forged:
    """In a VIEW-CHANGE for the next view, which itself we may sign."""
    core = forger.core
    view = max(core.view, prepared.view) + 1
    claim = core.sign(core.committee.view_change_digest(core.codec.view_change_content(view, None, prepared)))
    change = ViewChange(view, None, prepared, forger.committee.numbers[claim.author], claim, ())
    return _said(forger, what, change, refused=True)


def _own_signatures(forger: "PbftForger", view: int, height: int, block_hash: bytes, count: int) -> Certificate:
    """A certificate whose every vote is signed by us."""
    signature = forger.core.sign(forger.committee.prepare_digest(view, height, block_hash)).signature
    return Certificate(view, height, block_hash, tuple((number, signature) for number in range(count)))


def _too_few(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    whole = _own_signatures(forger, core.view, core.final.number + 1, random.bytes(32), core.committee.quorum)
    return _certified(forger, "too-few-signers", whole._replace(votes=whole.votes[:-1]))


def _alone_prepared(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    """True, and by far not enough: its own signature under a block of its own, of the highest rank there can be."""
    core = forger.core
    whole = _own_signatures(forger, core.view, core.final.number + 1, random.bytes(32), me + 1)
    return _certified(forger, "own-signature-alone", whole._replace(votes=whole.votes[me:]))


def _own_block(forger: "PbftForger", me: int, random: Random) -> Block | None:
    """On the last final one; None if the state there is not at hand."""
    core = forger.core
    draft = Draft(core.final.timestamp, random.bytes(20), extra_data=core.committee.ids[me])
    try:
        return core.chain.build(core.final, draft)
    except Misuse:
        return None


def _shown_final(forger: "PbftForger", what: str, block: Block, certificate: bytes) -> Forged:
    return _said(forger, what, Committed(block.header, certificate, (), block), refused=True)


def _alone_final(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    """A block of its own that is final by its own COMMIT."""
    core, block = forger.core, _own_block(forger, me, random)
    if block is None:
        return None
    commit = core.own_commit(core.view, block.number, block.hash, me)
    certificate = core.codec.encode_finality(core.view, ((me, commit.claim.signature),), ())
    return _shown_final(forger, "final-by-itself", block, certificate)


def _borrowed(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    """A block of its own that is final because of a final block, shown as its descendant, which it is not."""
    core, block = forger.core, _own_block(forger, me, random)
    shown = core.chain.certificate(core.final.hash)
    if block is None or not shown:
        return None
    proof = core.codec.decode_finality(core.final, shown)
    certificate = core.codec.encode_finality(proof.view, proof.votes, (core.final, *proof.descendants))
    return _shown_final(forger, "borrowed-certificate", block, certificate)


def _foreign(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    whole = _own_signatures(forger, core.view, core.final.number + 1, random.bytes(32), core.committee.quorum)
    beyond = (*whole.votes[:-1], (core.committee.size + random.below(3), whole.votes[0][1]))
    return _certified(forger, "foreign-signer", whole._replace(votes=beyond))


def _self_signed(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    height = core.final.number + 1 + random.below(core.parameters.window)
    whole = _own_signatures(forger, core.view, height, random.bytes(32), core.committee.quorum)
    return _certified(forger, "self-signed-certificate", whole)


def _relabelled(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    prepared = forger.core.prepared
    if prepared is None:
        return None
    changed = random.choice((prepared._replace(view=prepared.view + 1), prepared._replace(height=prepared.height + 1)))
    return _certified(forger, "relabelled-certificate", changed)


def _stolen_vote(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    other = (me + 1 + random.below(max(1, core.committee.size - 1))) % core.committee.size
    block_hash = random.choice(tuple(forger.hashes) or (random.bytes(32),))
    claim = core.own_prepare(core.view, core.final.number + 1, block_hash, me).claim
    vote = Prepare(core.view, core.final.number + 1, block_hash, other, claim)
    return _said(forger, "vote-in-anothers-name", vote, refused=other != me)


def _crossed(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    """A final block with the certificate of its parent."""
    chain, final = forger.core.chain, forger.core.final
    certificate = chain.certificate(final.parent_hash)
    if not certificate:
        return None
    return _said(forger, "certificate-of-another-height", Committed(final, certificate, ()), refused=True)


def _invented_change(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    view = _own_view(forger, me)
    changes = tuple(core.own_view_change(view, None, None, number) for number in range(core.committee.quorum))
    return _said(forger, "new-view-in-others-names", core.own_new_view(view, changes), refused=True)


def _own_view(forger: "PbftForger", me: int) -> int:
    """The next one whose primary we are."""
    after = forger.core.view + 1
    return after + (me - after) % forger.committee.size


def _hidden(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    change = core.own_view_change(core.view + 1, core.checkpoint, None, me)
    return _said(forger, "hides-what-it-prepared", change, refused=False)


def _stale(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    old = [known for known in forger.certificates if known != forger.core.prepared]
    checkpoints = tuple(forger.checkpoints)
    if not old:
        return None
    prepared, checkpoint = random.choice(old), random.choice(checkpoints) if checkpoints else None
    view = max(forger.core.view, prepared.view) + 1
    return _said(
        forger, "stale-certificate", forger.core.own_view_change(view, checkpoint, prepared, me), refused=False
    )


def _far_view(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    change = core.own_view_change(core.view + FAR, core.checkpoint, core.prepared, me)
    return _said(forger, "far-view-change", change, refused=False)


def _alone(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    view = _own_view(forger, me)
    own = forger.core.own_view_change(view, forger.core.checkpoint, None, me)
    count = random.choice((1, forger.committee.quorum))
    return _said(forger, "new-view-from-itself", forger.core.own_new_view(view, (own,) * count), refused=False)


def _mixed(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    """VIEW-CHANGEs of several views, each true."""
    latest = {sender: change for (_, sender), change in forger.changes.items()}
    changes = tuple(latest[sender] for sender in sorted(latest))[: forger.committee.quorum]
    view = _own_view(forger, me)
    return (
        _said(forger, "new-view-of-other-views", forger.core.own_new_view(view, changes), refused=False)
        if changes
        else None
    )


def _checkpoint(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    interval = core.parameters.checkpoint_interval
    height = core.low - core.low % interval + interval * (1 + random.below(4))
    vote = core.own_checkpoint(height, random.bytes(32), me)
    return _said(forger, "invented-checkpoint", vote, refused=False)


def _boast(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    far = random.choice((1, 10, FAR))
    status = Status(core.view + far, random.chance(1, 2), core.final.number + far, core.final.number + far, core.low)
    return _said(forger, "boast", status, refused=False)


def _absurd_vote(forger: "PbftForger", me: int, random: Random) -> Forged | None:
    core = forger.core
    height = core.final.number + 1 + random.below(core.parameters.window)
    cast = core.own_commit if random.chance(1, 2) else core.own_prepare
    return _said(forger, "vote-of-a-far-view", cast(core.view + FAR, height, random.bytes(32), me), refused=False)


REFUSED: tuple[Maker, ...] = (
    _too_few,
    _alone_prepared,
    _alone_final,
    _borrowed,
    _foreign,
    _self_signed,
    _relabelled,
    _stolen_vote,
    _crossed,
    _invented_change,
)
BELIEVED: tuple[Maker, ...] = (
    _hidden,
    _stale,
    _far_view,
    _alone,
    _mixed,
    _checkpoint,
    _boast,
    _absurd_vote,
)
