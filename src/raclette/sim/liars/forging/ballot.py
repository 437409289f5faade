"""How to lie in ballot: the adapter of `protocols.ballot`.

A voter's lie is a second vote: the same place, another candidate. Sealing two candidates is no lie, only work; so of a
candidate nothing is changed here, for every change costs its seal.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.node.host import Delivered, Lane, Transmit
from raclette.node.node import Node
from raclette.primitives.errors import Misuse
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.protocols.ballot.certificate import encode_certificate, make_certificate
from raclette.protocols.ballot.engine import Ballot
from raclette.protocols.ballot.messages import Ballots, Candidate, Elected, Vote
from raclette.sim.liars.forging.contract import Forged, Round
from raclette.sim.liars.forging.craft import FAR, heard, keep, read_own
from raclette.sim.liars.forging.steps import mutate_field

_Maker = Callable[["BallotForger", Random], Message]


class BallotForger:
    """Implements `Forger` for the voter inside. What it signs without being registered, honest nodes refuse."""

    votes: tuple[str, ...] = ("vote", "ballots")

    def __init__(self, node: Node) -> None:
        """Raises Misuse if the node runs something else."""
        if not isinstance(node.engine, Ballot):
            raise Misuse(f"lies in ballot, not in {node.engine.name}")
        self.node = node
        self.engine = node.engine
        self.core = node.engine.core
        # Headers of candidates by hash, in order of arrival.
        self.headers: dict[bytes, Header] = {}

    # --- frames ---------------------------------------------------------------------------------------------------

    def open(self, frame: bytes) -> Message | None:
        """What our own node says of itself: its votes. What it passes on is left alone."""
        message = read_own(self.node, frame, public=True)
        if isinstance(message, Vote) and message.voter == self.core.node_id:
            return message
        return message if isinstance(message, Ballots) else None

    def wrap(self, peers: Sequence[bytes], message: Message) -> Transmit:
        """As the node inside would send it: votes by gossip, what is repeated directly."""
        return Transmit(tuple(peers), Lane.BLOCKS, self._frame(message), message.kind)

    def _frame(self, message: Message) -> bytes:
        return self.node.blocks.frame(message, public=not isinstance(message, Ballots))

    def round_of(self, message: Message) -> Round:
        """By kind, round and height."""
        vote = message.votes[0] if isinstance(message, Ballots) else message
        return Round("vote", getattr(vote, "round", 0), getattr(vote, "height", 0))

    def hear(self, event: Delivered) -> None:
        """Keep candidates."""
        message = heard(event)
        if isinstance(message, Candidate):
            keep(self.headers, message.header.hash, message.header)

    # --- signing as ourselves -------------------------------------------------------------------------------------

    def _rivals(self, height: int, block_hash: bytes) -> list[bytes]:
        """Other candidates of that height."""
        return [
            known for known, header in self.headers.items() if header.number == height and header.hash != block_hash
        ]

    def mutate(self, message: Message, random: Random) -> Message | None:
        """One field of a vote, one step."""
        if not isinstance(message, Vote):
            return None
        known = {"height": (), "round": (), "block_hash": tuple(self.headers)}
        changed = mutate_field(message, known, random)
        return None if changed == message else self.core.own_vote(changed.height, changed.round, changed.block_hash)

    def rival(self, message: Message, book: dict[bytes, Any], random: Random) -> Message | None:
        """A vote has a second one, for another candidate: the same for all who conspire, and for a block that does not
        exist where there is only one."""
        if isinstance(message, Ballots):
            votes = [self.rival(vote, book, random) for vote in message.votes if vote.voter == self.core.node_id]
            own = tuple(vote for vote in votes if isinstance(vote, Vote))
            return Ballots(own) if own else None
        if not isinstance(message, Vote):
            return None
        other = book.get(message.block_hash)
        if other is None:
            rivals = self._rivals(message.height, message.block_hash)
            other = random.choice(rivals) if rivals else sha256(b"rival of " + message.block_hash)
            keep(book, message.block_hash, other)
        return self.core.own_vote(message.height, message.round, other)

    def twist(self, message: Message, random: Random) -> Message | None:
        """A vote for the candidate that came last instead of the earliest: once, and so no proof of anything."""
        if not isinstance(message, Vote):
            return None
        rivals = self._rivals(message.height, message.block_hash)
        return self.core.own_vote(message.height, message.round, rivals[-1]) if rivals else None

    # --- from nothing ---------------------------------------------------------------------------------------------

    def forge(self, random: Random, *, refused: bool) -> Forged | None:
        """A certificate or a vote that is not what it says."""
        name, make = random.choice(REFUSED if refused else BELIEVED)
        message = make(self, random)
        return Forged(name, self._frame(message), message.kind, refused)

    def next_height(self) -> int:
        """That of the next vote."""
        return self.core.chain.head.number + 1

    def candidate(self, random: Random) -> bytes:
        """Some candidate's hash, true or invented."""
        return random.choice((*self.headers, random.bytes(32)))

    def junk(self, random: Random) -> Message:
        """Votes for nothing, near and far."""
        height = random.choice((self.next_height(), self.next_height() + 1, random.below(FAR)))
        return self.core.own_vote(height, random.choice((0, 1, random.below(FAR))), random.bytes(32))


def _stolen_vote(forger: BallotForger, random: Random) -> Message:
    vote = forger.core.own_vote(forger.next_height(), 0, forger.candidate(random))
    other = sha256(vote.voter)
    return replace(vote, claim=vote.claim._replace(author=other))


def _stolen_certificate(forger: BallotForger, random: Random) -> Message:
    """Every voter's vote, signed by us."""
    head, core = forger.core.chain.head, forger.core
    vote = forger.core.own_vote(head.number, 0, head.hash)
    names = forger.engine.validators() or (core.node_id, sha256(core.node_id))
    votes = [replace(vote, claim=vote.claim._replace(author=name)) for name in names]
    data = encode_certificate(make_certificate(10 * len(votes), 0, votes))
    return Elected(head.number, head.hash, data, ())


def _repeated_signer(forger: BallotForger, random: Random) -> Message:
    head = forger.core.chain.head
    certificate = make_certificate(20, 0, (forger.core.own_vote(head.number, 0, head.hash),) * 2)
    return Elected(head.number, head.hash, encode_certificate(certificate), ())


def _far_round(forger: BallotForger, random: Random) -> Message:
    return forger.core.own_vote(forger.next_height(), random.choice((1, 2, FAR)), forger.candidate(random))


def _unknown_candidate(forger: BallotForger, random: Random) -> Message:
    return forger.core.own_vote(forger.next_height(), 0, random.bytes(32))


def _next_vote(forger: BallotForger, random: Random) -> Message:
    """For any candidate, before its time."""
    return forger.core.own_vote(forger.next_height(), 0, forger.candidate(random))


def _old_vote(forger: BallotForger, random: Random) -> Message:
    return forger.core.own_vote(max(1, forger.next_height() - 1 - random.below(8)), 0, forger.candidate(random))


# What no honest gate lets pass, and what only the engine can tell.
REFUSED: tuple[tuple[str, _Maker], ...] = (
    ("vote-in-anothers-name", _stolen_vote),
    ("certificate-in-others-names", _stolen_certificate),
    ("repeated-signer", _repeated_signer),
)
BELIEVED: tuple[tuple[str, _Maker], ...] = (
    ("vote-of-a-far-round", _far_round),
    ("vote-for-an-unknown-candidate", _unknown_candidate),
    ("vote-before-its-time", _next_vote),
    ("vote-for-a-past-height", _old_vote),
)
