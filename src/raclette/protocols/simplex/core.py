"""A replica's state, and the few things every part of the protocol does with it: sign, persist, speak, find a slot.

The parts (voting, finality, recovery, timers) share one `Core`. None of them continues into another: each changes
state, and at the end of an event the engine does all that the new state allows.
"""

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.engine.effects import Accuse, Broadcast, Effect, Fetch, Persist
from raclette.primitives import rlp
from raclette.primitives.signing import Claim
from raclette.protocols.simplex import records
from raclette.protocols.simplex.codec import Codec
from raclette.protocols.simplex.messages import Proposal, SimplexMessage, Vote, make_vote
from raclette.protocols.simplex.parameters import Parameters
from raclette.protocols.simplex.records import Promises
from raclette.protocols.simplex.statements import Certificate, Committee, Phase, iteration_of

# Blocks we ask for and wait for at once: the highest notarized and the highest final one, and one more of each.
WANTED_MAX = 4


class Slot:
    """One iteration: what each replica said first in each phase, and the leader's proposal until it is voted on."""

    __slots__ = ("proposal", "refused", "votes")

    def __init__(self) -> None:
        self.votes: dict[Phase, dict[int, Vote]] = {phase: {} for phase in Phase}
        self.proposal: Proposal | None = None
        self.refused = False


class Core:
    """See the module. `final` is the last block we finalised, `final_iteration` the one it was proposed in."""

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        self.parameters = parameters
        self.chain = setup.chain
        self.signer = setup.signer
        self.beneficiary = setup.beneficiary
        # SIM-70: the engine around this one.
        self.frame = setup.frame
        self.committee = Committee(parameters.node_ids, setup.chain.chain_id, parameters.weights)
        # SIM-74: the number of the block that we start from; nothing at or below it is ours to vote on.
        self.start = setup.chain.genesis.number
        self.codec = Codec(self.committee, self.start)
        number = self.committee.numbers.get(setup.signer.public_key)
        # SIM-7: without a vote (not a validator, or told to watch), a node only follows certificates.
        self.me: int | None = number if setup.active else None
        self.now = 0
        self._effects: list[Effect] = []

        # The iteration we are in, and what we said there: our promises.
        self.promises = Promises()
        self.final = setup.chain.finalized
        self.final_iteration = self.iteration_of(self.final)
        # Finalization of `final` itself, if we hold one: what a proposal on top of it shows.
        self.final_proof: Certificate | None = None
        # iteration -> its notarized block, and its notarized dummy block; above the last final block's.
        self.notarized: dict[int, Certificate] = {}
        self.dummies: dict[int, Certificate] = {}
        self.slots: dict[int, Slot] = {}
        # (iteration, phase) whose votes changed in this event.
        self.touched: dict[tuple[int, Phase], None] = {}

        # hash -> peer we asked last.
        self.wanted: dict[bytes, bytes] = {}
        # hash -> iteration of the blocks above the last final one whose bodies are among our records.
        self.bodies: dict[bytes, int] = {}
        self._stale: list[bytes] = []
        # Events of this one handling, for the timers.
        self.progressed = False

    # --- effects --------------------------------------------------------------------------------------------------

    def emit(self, effect: Effect) -> None:
        """Append to this event's answer."""
        self._effects.append(effect)

    def take_effects(self) -> tuple[Effect, ...]:
        """The answer, which is then empty again."""
        effects = tuple(self._effects)
        self._effects.clear()
        return effects

    def broadcast(self, message: SimplexMessage) -> None:
        """To the other replicas."""
        self._effects.append(Broadcast(message))

    def persist(self, key: bytes, value: bytes) -> None:
        """SIM-40: before the message that depends on it. Forgetting old records rides along with the next one."""
        for old in self._stale:
            self._effects.append(Persist(old, None))
        self._stale.clear()
        self._effects.append(Persist(key, value))

    def persist_promises(self) -> None:
        """Where we are and what we said there."""
        self.persist(records.STATE, records.encode_promises(self.promises))

    def persist_body(self, block: Block) -> None:
        """Once per block."""
        if block.hash not in self.bodies:
            self.bodies[block.hash] = self.iteration_of(block.header)
            self.persist(records.BODY + block.hash, block.encoded)

    def persist_certificate(self, certificate: Certificate) -> None:
        """Until the iteration is final."""
        self.persist(records.proof_key(certificate), rlp.encode(self.codec.encode_certificate(certificate)))

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

    def want_from(self, certificate: Certificate) -> None:
        """Ask one of those who signed it for its block: each of them has it, or is a liar."""
        holder = next((self.committee.ids[number] for number, _ in certificate.votes if number != self.me), None)
        if holder is not None:
            self.want(certificate.block_hash, holder)

    # --- who and where --------------------------------------------------------------------------------------------

    @property
    def iteration(self) -> int:
        """The one we are in."""
        return self.promises.iteration

    def iteration_of(self, header: Header) -> int:
        """In which a block was proposed; 0 for the one that we start from."""
        return iteration_of(header, self.start)

    @property
    def is_leader(self) -> bool:
        """Do we propose in this iteration?"""
        return self.me is not None and self.committee.leader(self.iteration) == self.me

    @property
    def low(self) -> int:
        """SIM-51: votes of this iteration and earlier ones are no longer counted."""
        return max(self.final_iteration, self.iteration - self.parameters.window)

    def in_window(self, iteration: int) -> bool:
        """SIM-51: do we keep votes of it?"""
        return self.low < iteration <= self.iteration + self.parameters.window

    def slot(self, iteration: int) -> Slot:
        """The slot of an iteration in the window."""
        slot = self.slots.get(iteration)
        if slot is None:
            slot = self.slots[iteration] = Slot()
        return slot

    def forget_old(self) -> None:
        """What lies behind the last final block, or behind the window, can change nothing any more."""
        low, final = self.low, self.final_iteration
        for iteration in [known for known in self.slots if known <= low]:
            del self.slots[iteration]
        for book in (self.notarized, self.dummies):
            for iteration in [known for known in book if known <= final]:
                self._stale.append(records.proof_key(book.pop(iteration)))
        # By iteration, not by number: a block that is left behind on a branch may have any number.
        for block_hash in [known for known, begun in self.bodies.items() if begun <= final]:
            self.forget_body(block_hash)

    def forget_body(self, block_hash: bytes) -> None:
        """Of a block that nobody can need from us."""
        del self.bodies[block_hash]
        self._stale.append(records.BODY + block_hash)

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

    def own_vote(self, phase: Phase, iteration: int, block_hash: bytes, me: int) -> Vote:
        """The same bytes each time it is made: signatures are deterministic."""
        return make_vote(
            phase, iteration, block_hash, me, self.sign(self.committee.digest(phase, iteration, block_hash))
        )

    def file_own(self, vote: Vote) -> None:
        """Count what we say ourselves."""
        if self.in_window(vote.iteration):
            self.slot(vote.iteration).votes[vote.phase][vote.sender] = vote
            self.touched[vote.iteration, vote.phase] = None
