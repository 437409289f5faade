"""Simplex without one of the few things that it consists of.

Its safety rests on one sentence, "nobody honest votes for the dummy block and finalizes in the same iteration", on
quorums that share an honest replica, and on proposals that account for every iteration before them.
"""

from typing import Any

from raclette.chain.header import Header
from raclette.engine.effects import Effect, Persist
from raclette.engine.events import Event
from raclette.lab.mutants.contract import Mutant
from raclette.lab.mutants.planting import PROGRESS, SAFETY, Swap, mutant
from raclette.protocols.committee import Committee, Votes
from raclette.protocols.simplex import voting
from raclette.protocols.simplex.engine import SimplexEngine
from raclette.protocols.simplex.messages import Proposal, Vote
from raclette.protocols.simplex.records import Promises, Restored
from raclette.protocols.simplex.recovery import Recovery
from raclette.protocols.simplex.statements import DUMMY_HASH, Certificate, Phase
from raclette.protocols.simplex.voting import Voting

_init = Committee.__init__
_handle = SimplexEngine.handle
_restore = Recovery.restore
_leave = Voting._leave
_on_proposal = Voting.on_proposal
_on_vote = Voting.on_vote


def _finalize_every_block(self: Voting, certificate: Certificate) -> bool:
    return certificate.phase is Phase.NOTARIZED


def _leave_and_give_up(self: Voting, certificate: Certificate, me: int) -> None:
    """The timer of the iteration that we have just finalized still runs, and runs out."""
    finalizes = self.may_finalize(certificate)
    _leave(self, certificate, me)
    if finalizes and self.core.in_window(certificate.iteration):
        vote = self.core.own_vote(Phase.DUMMY, certificate.iteration, DUMMY_HASH, me)
        self.core.file_own(vote)
        self.core.broadcast(vote)


def _quorum_of_f_and_1(self: Committee, ids: Any, chain_id: int, weights: Any = ()) -> None:
    _init(self, ids, chain_id, weights)
    self.quorum = self.faults + 1


def _any_signatures(votes: dict[int, Vote], block_hash: bytes) -> Votes:
    return tuple(sorted((number, vote.claim.signature) for number, vote in votes.items()))


def _on_vote_of_any_iteration(self: Voting, vote: Vote) -> None:
    """What a replica says about another iteration counts for ours."""
    core = self.core
    if vote.sender != core.me and vote.phase is Phase.DUMMY and vote.iteration < core.iteration:
        votes = core.slot(core.iteration).votes[Phase.DUMMY]
        votes.setdefault(vote.sender, vote)
        core.touched[core.iteration, Phase.DUMMY] = None
    _on_vote(self, vote)


def _extends_anything(self: Voting, parent: Header, iteration: int) -> bool:
    return self.core.path_from_final(parent) is not None


def _parent_notarized_only(self: Voting, parent: Header, iteration: int) -> bool:
    """The iterations between the parent and the proposal are nobody's business."""
    core = self.core
    known = any(certificate.block_hash == parent.hash for certificate in core.notarized.values())
    return parent.hash == core.final.hash or (known and core.path_from_final(parent) is not None)


def _take_second_proposal(self: Voting, message: Proposal) -> None:
    """Whatever the leader proposes last is voted for."""
    core = self.core
    if message.iteration == core.iteration and core.promises.voted not in (b"", message.header.hash):
        core.promises.voted = b""
        core.slot(message.iteration).votes[Phase.NOTARIZED].pop(message.sender, None)
    _on_proposal(self, message)


def _handle_without_records(self: SimplexEngine, event: Event) -> tuple[Effect, ...]:
    return tuple(effect for effect in _handle(self, event) if not isinstance(effect, Persist))


def _restore_without_promises(self: Recovery, state: Restored) -> None:
    """A restarted replica knows its iteration, and nothing of what it has said there."""
    state.promises = Promises(state.promises.iteration)
    _restore(self, state)


# Whoever breaks the key rule convicts itself, and honest nodes shut it out: so X1 and X2 may cost progress first.
MUTANTS: tuple[Mutant, ...] = (
    mutant(
        "X1",
        "simplex",
        "a notarized block is finalized although the timer had run out and the dummy block was voted for",
        source="Chan & Pass 2023, section 2: finalize only if the timer did not fire",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(Voting, "may_finalize", _finalize_every_block),),
    ),
    mutant(
        "X2",
        "simplex",
        "the timer of a finalized iteration is not cancelled: the dummy block is voted for afterwards",
        source="Chan & Pass 2023, section 2: the timer is cancelled, and never fires",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(Voting, "_leave", _leave_and_give_up),),
    ),
    mutant(
        "X3",
        "simplex",
        "a quorum is f+1 replicas",
        source="Bano et al., Twins, arXiv:2004.10617 (planted there)",
        invariants=SAFETY,
        swaps=(Swap(Committee, "__init__", _quorum_of_f_and_1),),
    ),
    mutant(
        "X4",
        "simplex",
        "votes for different blocks of an iteration are added together",
        source="Chan & Pass 2023, section 2: a notarization is for one block",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(voting, "signatures_for", _any_signatures),),
    ),
    mutant(
        "X5",
        "simplex",
        "votes for the dummy blocks of different iterations are added together",
        source="Chan & Pass 2023, section 2: votes are for an iteration",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(Voting, "on_vote", _on_vote_of_any_iteration),),
    ),
    mutant(
        "X6",
        "simplex",
        "a proposal is not asked for the notarizations of what it builds on and skips",
        source="Chan & Pass 2023, section 2: the parent chain is notarized",
        invariants=SAFETY,
        swaps=(Swap(Voting, "extends_notarized", _extends_anything),),
    ),
    mutant(
        "X7",
        "simplex",
        "a proposal may skip iterations whose dummy blocks are not notarized",
        source="Chan & Pass 2023, section 2: a notarized chain has a block, dummy or not, for every iteration",
        invariants=SAFETY,
        swaps=(Swap(Voting, "extends_notarized", _parent_notarized_only),),
    ),
    mutant(
        "X8",
        "simplex",
        "a leader's second proposal is voted for too",
        source="Chan & Pass 2023, section 2: the first proposal seen",
        invariants=SAFETY,
        swaps=(Swap(Voting, "on_proposal", _take_second_proposal),),
    ),
    mutant(
        "X9",
        "simplex",
        "a replica restarts without its consensus state",
        source="onflow/flow-go #105 (a node that lost its state proposed twice)",
        invariants=(*SAFETY, *PROGRESS),
        swaps=(Swap(SimplexEngine, "handle", _handle_without_records),),
    ),
    mutant(
        "X10",
        "simplex",
        "amnesia: a restarted replica forgets what it has voted for in its iteration",
        source="CometBFT evidence specification (amnesia)",
        invariants=SAFETY,
        swaps=(Swap(Recovery, "restore", _restore_without_promises),),
    ),
)
