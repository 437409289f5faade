"""How to lie in Simplex: the adapter of `protocols.simplex`."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.node.host import Delivered
from raclette.node.node import Node
from raclette.primitives.errors import Misuse
from raclette.primitives.randomness import Random
from raclette.protocols.simplex.engine import SimplexEngine
from raclette.protocols.simplex.messages import Finalized, Notarized, Proposal, Status, Vote, make_vote
from raclette.protocols.simplex.statements import DUMMY_HASH, Certificate, Phase, extra_data
from raclette.sim.liars.forging.contract import Forged, Round
from raclette.sim.liars.forging.craft import FAR, forged, heard, keep, read_own, rival_block, rival_hash
from raclette.sim.liars.forging.numbered import NumberedForger
from raclette.sim.liars.forging.steps import mutate_field


class SimplexForger(NumberedForger):
    """Implements `Forger` for the replica inside."""

    votes: tuple[str, ...] = ("vote", "dummy", "finalize")

    def __init__(self, node: Node) -> None:
        """Raises Misuse if the node runs something else."""
        if not isinstance(node.engine, SimplexEngine):
            raise Misuse(f"lies in simplex, not in {node.engine.name}")
        self.core = core = node.engine.core
        self.committee = core.committee
        super().__init__(node, core.committee.numbers.get(core.signer.public_key))
        self.certificates: dict[Certificate, None] = {}

    # --- frames ---------------------------------------------------------------------------------------------------

    def open(self, frame: bytes) -> Message | None:
        """What our own node says."""
        return read_own(self.node, frame, whole=(Proposal,))

    def round_of(self, message: Message) -> Round:
        """By kind and iteration; heights follow from it."""
        return Round(message.kind, getattr(message, "iteration", 0), 0)

    def hear(self, event: Delivered) -> None:
        """Keep hashes and certificates."""
        message = heard(event)
        if isinstance(message, Vote) and message.phase is not Phase.DUMMY:
            keep(self.hashes, message.block_hash, None)
        elif isinstance(message, Notarized):
            keep(self.certificates, message.certificate, None)

    # --- signing as ourselves -------------------------------------------------------------------------------------

    def signed(self, message: Message) -> Message | None:
        """`message` with our signature over what it now says; None if it is not ours to sign."""
        core, me = self.core, self.me
        if isinstance(message, Status):
            return message
        if me is None:
            return None
        if isinstance(message, Vote):
            return core.own_vote(message.phase, message.iteration, message.block_hash, me)
        if isinstance(message, Proposal):
            digest = self.committee.digest(Phase.NOTARIZED, message.iteration, message.header.hash)
            made = core.codec.make_proposal(message.header, core.sign(digest).signature, message.certificates)
            return made if message.block is None else made.with_block(message.block)
        return None

    # --- small steps ----------------------------------------------------------------------------------------------

    def mutate(self, message: Message, random: Random) -> Message | None:
        """One field, one step."""
        if not self.is_ours(message):
            return None
        if isinstance(message, Proposal):
            if random.chance(1, 3):
                changed: Message = mutate_field(message, {"certificates": ()}, random)
            else:
                return self.with_spoilt_block(message, random)
        elif isinstance(message, Vote):
            known: dict[str, tuple[Any, ...]] = {"iteration": ()}
            if message.phase is not Phase.DUMMY:
                known["block_hash"] = tuple(self.hashes)
            changed = mutate_field(message, known, random)
        elif isinstance(message, Status):
            changed = mutate_field(message, {"iteration": (), "final": (), "gap": ()}, random)
        else:
            return None
        return None if changed == message else self.signed(changed)

    # --- two of a kind --------------------------------------------------------------------------------------------

    def rival(self, message: Message, book: dict[bytes, Any], random: Random) -> Message | None:
        """A proposal has a second, as valid block for its rival, and votes follow the book; a vote for a block without
        one has a block that does not exist; where we gave up, some hear that we finalized."""
        if self.me is None or not self.is_ours(message):
            return None
        if isinstance(message, Proposal):
            block = rival_block(self.core.chain, message.header, book)
            return None if block is None else self.with_block(message, block)
        if isinstance(message, Vote):
            if message.phase is Phase.DUMMY:
                return self._finalize_instead(message)
            return self.signed(replace(message, block_hash=rival_hash(book, message.block_hash)))
        return self.twist(message, random)

    def _finalize_instead(self, vote: Vote) -> Message | None:
        slot = self.core.slots.get(vote.iteration)
        voted = list(slot.votes[Phase.NOTARIZED].values()) if slot is not None else []
        if self.me is None or not voted:
            return None
        return self.core.own_vote(Phase.FINALIZED, vote.iteration, voted[0].block_hash, self.me)

    def twist(self, message: Message, random: Random) -> Message | None:
        """A proposal that shows old notarizations, or none."""
        if self.me is None or not isinstance(message, Proposal) or not self.is_ours(message):
            return None
        old = tuple(self.certificates)
        return self.signed(replace(message, certificates=random.choice(((), old[:4], old[-4:]))))

    # --- from nothing ---------------------------------------------------------------------------------------------

    def forge(self, random: Random, *, refused: bool) -> Forged | None:
        """See `REFUSED` and `BELIEVED`."""
        return None if self.me is None else random.choice(REFUSED if refused else BELIEVED)(self, self.me, random)

    def junk(self, random: Random) -> Message:
        """Votes and proposals that nothing can come of, near and far."""
        core, me = self.core, self.me
        iteration = random.choice((core.iteration, core.iteration + 1 + random.below(100), 1 + random.below(FAR)))
        if me is None or random.chance(1, 5):
            return Status(iteration, iteration, iteration)
        if random.chance(1, 4):
            own = iteration - iteration % self.committee.size + me or self.committee.size
            extra = extra_data(self.committee.ids[me], own)
            header = Header(random.bytes(32), core.final.number + 1, core.final.timestamp, extra_data=extra)
            digest = self.committee.digest(Phase.NOTARIZED, own, header.hash)
            return core.codec.make_proposal(header, core.sign(digest).signature, ()).with_block(Block(header, ()))
        phase = random.choice(tuple(Phase))
        return core.own_vote(phase, iteration, DUMMY_HASH if phase is Phase.DUMMY else random.bytes(32), me)


# --- false certificates, and votes in others' names -------------------------------------------------------------------

Maker: TypeAlias = Callable[[SimplexForger, int, Random], Forged | None]


def _said(forger: SimplexForger, what: str, message: Message, *, refused: bool) -> Forged:
    return forged(forger.node, what, message, refused=refused)


def _own_signatures(forger: SimplexForger, phase: Phase, block_hash: bytes, count: int) -> Certificate:
    """A certificate whose every vote is signed by us."""
    iteration = forger.core.iteration
    signature = forger.core.sign(forger.committee.digest(phase, iteration, block_hash)).signature
    return Certificate(phase, iteration, block_hash, tuple((number, signature) for number in range(count)))


def _too_few(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    """True, and by far not enough: its own signature."""
    whole = _own_signatures(forger, Phase.DUMMY, DUMMY_HASH, me + 1)
    return _said(forger, "own-signature-alone", Notarized(whole._replace(votes=whole.votes[me:]), ()), refused=True)


def _foreign(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    committee = forger.committee
    whole = _own_signatures(forger, Phase.NOTARIZED, random.bytes(32), committee.quorum)
    beyond = (*whole.votes[:-1], (committee.size + random.below(3), whole.votes[0][1]))
    return _said(forger, "foreign-signer", Notarized(whole._replace(votes=beyond), ()), refused=True)


def _self_signed(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    phase = random.choice(tuple(Phase))
    block_hash = DUMMY_HASH if phase is Phase.DUMMY else random.bytes(32)
    certificate = _own_signatures(forger, phase, block_hash, forger.committee.quorum)
    return _said(forger, "self-signed-certificate", Notarized(certificate, ()), refused=True)


def _relabelled(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    """A true notarization as one of the next iteration, or as a finalization."""
    blocks = [known for known in forger.certificates if known.phase is Phase.NOTARIZED]
    if not blocks:
        return None
    known = random.choice(blocks)
    false = random.choice((known._replace(iteration=known.iteration + 1), known._replace(phase=Phase.FINALIZED)))
    return _said(forger, "relabelled-certificate", Notarized(false, ()), refused=True)


def _stolen_vote(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    core = forger.core
    other = (me + 1 + random.below(max(1, forger.committee.size - 1))) % forger.committee.size
    own = core.own_vote(Phase.FINALIZED, core.iteration, random.bytes(32), me)
    vote = make_vote(own.phase, own.iteration, own.block_hash, other, own.claim)
    return _said(forger, "vote-in-anothers-name", vote, refused=other != me)


def _crossed(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    """A final block with the certificate of its parent."""
    chain, final = forger.core.chain, forger.core.final
    certificate = chain.certificate(final.parent_hash)
    if not certificate:
        return None
    return _said(forger, "certificate-of-another-height", Finalized(final, certificate, ()), refused=True)


def _stale(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    known = tuple(forger.certificates)
    if not known:
        return None
    message = forger.core.codec.make_notarized(random.choice(known))
    return _said(forger, "stale-certificate", message, refused=False)


def _both(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    """FINALIZE for what is voted on, whatever else we say there."""
    core = forger.core
    known = tuple(forger.hashes)
    if not known:
        return None
    vote = core.own_vote(Phase.FINALIZED, core.iteration, known[-1], me)
    return _said(forger, "finalizes-too-early", vote, refused=False)


def _gives_up(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    core = forger.core
    iteration = max(core.final_iteration + 1, core.iteration - random.below(3)) + random.choice((0, 0, 1))
    return _said(forger, "gives-up", core.own_vote(Phase.DUMMY, iteration, DUMMY_HASH, me), refused=False)


def _boast(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    core = forger.core
    far = random.choice((1, 10, FAR))
    status = Status(core.iteration + far, core.final_iteration + far, core.iteration + far)
    return _said(forger, "boast", status, refused=False)


def _absurd_vote(forger: SimplexForger, me: int, random: Random) -> Forged | None:
    vote = forger.core.own_vote(Phase.NOTARIZED, forger.core.iteration + FAR, random.bytes(32), me)
    return _said(forger, "vote-of-a-far-iteration", vote, refused=False)


REFUSED: tuple[Maker, ...] = (_too_few, _foreign, _self_signed, _relabelled, _stolen_vote, _crossed)
BELIEVED: tuple[Maker, ...] = (_stale, _both, _gives_up, _boast, _absurd_vote)

__all__ = ["BELIEVED", "REFUSED", "SimplexForger"]
