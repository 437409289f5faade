"""Surviving loss, crashes and absence: repeat what matters, help who is behind, read one's own records back.

The paper's network loses nothing. Ours does, so a replica that is stuck says where it stands, and whoever sees what it
lacks sends exactly that. Answers are bounded per peer and period.
"""

from raclette.primitives.errors import PeerFault
from raclette.protocols.helping import Helping
from raclette.protocols.simplex.core import Core
from raclette.protocols.simplex.finality import Finality
from raclette.protocols.simplex.messages import Finalized, SimplexMessage, Status
from raclette.protocols.simplex.records import Restored
from raclette.protocols.simplex.statements import DUMMY_HASH, Phase
from raclette.protocols.simplex.voting import Voting, own_votes

# Iterations for which one answer carries certificates, and for which it repeats our votes.
HELP_CERTIFICATES = 32
HELP_VOTES = 8
# Ticks between statuses of a replica that has nothing to do: how soon a restarted or cut-off one notices.
IDLE_TICKS = 16


class Recovery(Helping[Status]):
    """See the module."""

    def __init__(self, core: Core, voting: Voting, finality: Finality, period: int) -> None:
        super().__init__(core, period)
        self.core = core
        self.voting = voting
        self.finality = finality
        self._idle_ticks = 0
        self._at_tick = (-1, -1)

    # --- asking ---------------------------------------------------------------------------------------------------

    def on_tick(self, *, unsettled: bool) -> None:
        """SIM-44: ask for what we may have missed, if nothing moved since the last tick."""
        core = self.core
        here = (core.final_iteration, core.iteration)
        stuck = unsettled and here == self._at_tick
        self._at_tick = here
        self._idle_ticks += 1
        if core.wanted and stuck:
            core.ask_again()
        if core.me is not None and (stuck or self._idle_ticks >= IDLE_TICKS):
            self._idle_ticks = 0
            core.broadcast(self.status())

    def status(self) -> Status:
        """Where we stand."""
        core = self.core
        gap = core.final_iteration + 1
        while gap < core.iteration and (gap in core.notarized or gap in core.dummies):
            gap += 1
        return Status(core.iteration, core.final_iteration, gap)

    # --- answering ------------------------------------------------------------------------------------------------

    def answers(self, status: Status, me: int) -> list[SimplexMessage]:
        """SIM-53."""
        core = self.core
        answers: list[SimplexMessage] = []
        if status.final < core.final_iteration:
            final = self.decided(Finalized, core.codec.finality_claims)
            if final is not None:
                answers.append(final)
        answers += self._certificates_from(max(status.gap, core.final_iteration + 1), status.iteration)
        first = max(core.final_iteration + 1, core.iteration - HELP_VOTES)
        answers += self._own_votes(range(first, core.iteration + 1), me)
        if status.iteration > core.iteration or status.final > core.final_iteration:
            answers.append(self.status())
        return answers

    def _certificates_from(self, gap: int, theirs: int) -> list[SimplexMessage]:
        """From the first iteration of which they know nothing; and the last one, which takes them to ours."""
        core = self.core
        iterations = list(range(gap, core.iteration))[:HELP_CERTIFICATES]
        last = core.iteration - 1
        if theirs < core.iteration and last > core.final_iteration and last not in iterations:
            iterations.append(last)
        return [
            core.codec.make_notarized(book[iteration])
            for iteration in iterations
            for book in (core.notarized, core.dummies)
            if iteration in book
        ]

    def _own_votes(self, iterations: range, me: int) -> list[SimplexMessage]:
        """Our votes; the one for a block of our own as the proposal that it is."""
        core = self.core
        answers: list[SimplexMessage] = []
        for vote in own_votes(core.slots, me, iterations):
            proposal = None
            if vote.phase is Phase.NOTARIZED and vote.iteration == core.iteration and core.is_leader:
                proposal = self.voting.own_proposal(vote)
            answers.append(vote if proposal is None else proposal)
        return answers

    # --- after a restart ------------------------------------------------------------------------------------------

    def restore(self, state: Restored) -> None:
        """SIM-43: take up the iteration, the promises and the proofs that our records hold."""
        core = self.core
        for block in state.blocks:
            core.bodies[block.hash] = core.iteration_of(block.header)
        for certificate in state.certificates:
            book = core.dummies if certificate.phase is Phase.DUMMY else core.notarized
            book[certificate.iteration] = certificate
        core.promises = state.promises
        # SIM-74: what proves the block that we start from is not ours to read.
        proof = core.chain.certificate(core.final.hash) if core.final.number > core.start else b""
        if proof:
            finality = core.codec.decode_finality(core.final, proof)
            core.final_proof = finality.certificate if not finality.descendants else None
        core.forget_old()
        # The crash came between a block and our vote for it, which nobody has heard.
        for block_hash in [known for known, begun in core.bodies.items() if begun >= core.iteration]:
            if block_hash != core.promises.voted:
                core.forget_body(block_hash)

    def rejoin(self, state: Restored) -> None:
        """Put unfinal blocks back into the chain, repeat our last words, and do what the crash kept us from."""
        core = self.core
        for block in state.blocks:
            if block.hash in core.bodies:
                try:
                    core.chain.check(block)
                except PeerFault:
                    continue
        if core.final_iteration >= core.iteration:
            self.finality.skip_to(core.final_iteration + 1)
            core.forget_old()
        if core.me is not None:
            self._repeat_votes(core.me)
            self.voting.catch_up(core.me)
            core.broadcast(self.status())

    def _repeat_votes(self, me: int) -> None:
        core = self.core
        said = core.promises
        words: list[tuple[Phase, int, bytes]] = []
        if said.finalized_iteration > core.final_iteration:
            words.append((Phase.FINALIZED, said.finalized_iteration, said.finalized_hash))
        if said.voted:
            words.append((Phase.NOTARIZED, said.iteration, said.voted))
        if said.dummied:
            words.append((Phase.DUMMY, said.iteration, DUMMY_HASH))
        for phase, iteration, block_hash in words:
            vote = core.own_vote(phase, iteration, block_hash, me)
            core.file_own(vote)
            core.broadcast(vote)
