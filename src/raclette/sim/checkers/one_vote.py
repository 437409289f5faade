"""One vote: who votes is enrolled, has one vote in an election, and the tally is what a recount gives. Always.

For the poll ledger. The recount reads genesis and the blocks of an honest node's branch, in which every transaction has
been executed: who was enrolled, who voted, who committed, who revealed what.
"""

from collections.abc import Sequence

from raclette.chain.genesis import Genesis, address
from raclette.chain.header import Header
from raclette.chain.transaction import EthereumTransaction
from raclette.ledgers import ledger_of
from raclette.ledgers.poll.actions import POLL_ADDRESS, Action, Commit, Enrol, Open, Reveal, Vote, decode_action
from raclette.ledgers.poll.records import read_tally
from raclette.node.view import NodeView
from raclette.sim.checkers.contract import Base, Subject
from raclette.sim.world import World


class Recount:
    """Ballots in the order of a branch. `faults` are those of voters who had more than their vote."""

    def __init__(self, genesis: Genesis) -> None:
        everybody = {address(text, "alloc") for text in genesis.alloc}
        self.enrolled: set[tuple[bytes, bytes]] = set()
        for election in genesis.ledger_parameters.get("elections", ()):
            given = election["voters"]
            voters = everybody if given == "alloc" else {address(text, "voters") for text in given}
            self.enrolled |= {(election["id"].encode(), voter) for voter in voters}
        self.votes: dict[bytes, dict[bytes, int]] = {}
        self.committed: set[tuple[bytes, bytes]] = set()
        self.faults: list[str] = []

    def take(self, voter: bytes, action: Action) -> None:
        """One executed action."""
        if isinstance(action, Open | Enrol):
            name = action.election.name if isinstance(action, Open) else action.name
            self.enrolled |= {(name, each) for each in action.voters}
        if not isinstance(action, Vote | Commit | Reveal):
            return
        place = (action.name, voter)
        who = f"0x{voter.hex()[:8]} in {action.name.decode()}"
        counted = self.votes.setdefault(action.name, {})
        if place not in self.enrolled:
            self.faults.append(f"{who} is no voter and has voted")
        if isinstance(action, Commit):
            if place in self.committed:
                self.faults.append(f"{who} has committed to two ballots")
            self.committed.add(place)
            return
        if isinstance(action, Reveal) and place not in self.committed:
            self.faults.append(f"{who} has revealed what it never committed to")
        if voter in counted:
            self.faults.append(f"{who} has voted twice")
        counted[voter] = action.choice

    def counts(self, name: bytes, choices: int) -> list[int]:
        """Votes of each choice."""
        chosen = list(self.votes.get(name, {}).values())
        return [chosen.count(number) for number in range(choices)]


class OneVote(Base):
    """Recounts every honest node's branch."""

    name = "one-vote"

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject.view_of)
        self._genesis = subject.genesis
        self._ledger = ledger_of(subject.genesis)

    def finish(self, world: World) -> None:
        seen: set[bytes] = set()
        for host in world.hosts:
            if not (host.honest and host.alive):
                continue
            view = self.view_of(host)
            if view.head.hash not in seen:
                seen.add(view.head.hash)
                for fault in self._faults(view, view.head)[:1]:
                    self.report(world, host.index, fault)

    def _faults(self, view: NodeView, head: Header) -> Sequence[str]:
        recount = Recount(self._genesis)
        for number in range(1, head.number + 1):
            header = view.canonical(number)
            block = view.block(header.hash) if header is not None else None
            for raw in block.transactions if block is not None else ():
                transaction = self._ledger.decode(raw)
                detail: EthereumTransaction = transaction.detail
                if detail.to == POLL_ADDRESS:
                    recount.take(transaction.sender, decode_action(detail.data, transaction.sender))
        return [*recount.faults, *self._differences(view, head, recount)]

    def _differences(self, view: NodeView, head: Header, recount: Recount) -> list[str]:
        """Where the state's tally says something else."""
        state, found = view.state(head.hash), []
        for name in recount.votes if state is not None else ():
            tally = read_tally(name, state) if state is not None else None
            counts = list(tally.counts) if tally is not None else []
            recounted = recount.counts(name, len(counts))
            if counts != recounted:
                found.append(f"the tally of {name.decode()} is {counts}, a recount gives {recounted}")
        return found
