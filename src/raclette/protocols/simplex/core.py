"""A replica's state, and the few things every part of the protocol does with it: sign, persist, speak, find a slot.

The parts (voting, finality, recovery, timers) share one `Core`. None of them continues into another: each changes
state, and at the end of an event the engine does all that the new state allows.
"""

from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup
from raclette.primitives import rlp
from raclette.protocols.core import CommitteeCore
from raclette.protocols.simplex import records
from raclette.protocols.simplex.codec import Codec
from raclette.protocols.simplex.messages import Proposal, Vote, make_vote
from raclette.protocols.simplex.parameters import Parameters
from raclette.protocols.simplex.records import Promises
from raclette.protocols.simplex.statements import Certificate, Committee, Phase, iteration_of


class Slot:
    """One iteration: what each replica said first in each phase, and the leader's proposal until it is voted on."""

    __slots__ = ("proposal", "refused", "votes")

    def __init__(self) -> None:
        self.votes: dict[Phase, dict[int, Vote]] = {phase: {} for phase in Phase}
        self.proposal: Proposal | None = None
        self.refused = False


class Core(CommitteeCore):
    """See the module. `final` is the last block we finalised, `final_iteration` the one it was proposed in."""

    committee: Committee

    def __init__(self, setup: EngineSetup, parameters: Parameters) -> None:
        # SIM-7: `me`. SIM-40: `persist`. SIM-70: `frame`. SIM-74: `start`.
        super().__init__(setup, Committee(parameters.node_ids, setup.chain.chain_id, parameters.weights))
        self.parameters = parameters
        self.codec = Codec(self.committee, self.start)

        # The iteration we are in, and what we said there: our promises.
        self.promises = Promises()
        self.final_iteration = self.iteration_of(self.final)
        # Finalization of `final` itself, if we hold one: what a proposal on top of it shows.
        self.final_proof: Certificate | None = None
        # iteration -> its notarized block, and its notarized dummy block; above the last final block's.
        self.notarized: dict[int, Certificate] = {}
        self.dummies: dict[int, Certificate] = {}
        self.slots: dict[int, Slot] = {}
        # (iteration, phase) whose votes changed in this event.
        self.touched: dict[tuple[int, Phase], None] = {}

        # Events of this one handling, for the timers.
        self.progressed = False

    # --- effects --------------------------------------------------------------------------------------------------

    def persist_promises(self) -> None:
        """Where we are and what we said there."""
        self.persist(records.STATE, records.encode_promises(self.promises))

    def persist_certificate(self, certificate: Certificate) -> None:
        """Until the iteration is final."""
        self.persist(records.proof_key(certificate), rlp.encode(self.codec.encode_certificate(certificate)))

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
                self.forget(records.proof_key(book.pop(iteration)))
        # By iteration, not by number: a block that is left behind on a branch may have any number.
        self.forget_bodies(final)

    # --- our own statements ---------------------------------------------------------------------------------------

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
