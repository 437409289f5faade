"""What a lying voter or miner says. It signs with its own key only, so a lie is a choice of content, not a forgery."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.lab.hunt.engines.lying import Mind, remember
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.randomness import Random
from raclette.protocols.ballot.certificate import encode_certificate, make_certificate
from raclette.protocols.ballot.core import Core
from raclette.protocols.ballot.messages import Ballots, Candidate, Elected, Vote
from raclette.protocols.ballot.rules import claimed_ms, extra_data

LIES: Mapping[str, Sequence[str]] = {
    "other-candidate": ("vote",),
    "both-candidates": ("vote",),
    "no-candidate": ("vote",),
    "other-round": ("vote",),
    "other-height": ("vote",),
    "repeat": ("vote", "ballots"),
    "own-votes": ("ballots",),
    "false-claim": ("candidate",),
    "false-root": ("candidate",),
    "withheld": ("candidate", "vote", "elected"),
    "heavy-certificate": ("elected", "candidate"),
    "thin-certificate": ("elected",),
}
RETORTS: Sequence[str] = ("echo-vote", "counter-vote", "crown")
HEAVY = 1_000_000


class BallotTrickster(Mind[Core]):
    """See `adapter.Trickster`."""

    def __init__(self, replica: Replica, random: Random) -> None:
        super().__init__(replica, random)
        self.headers: dict[bytes, Header] = {}

    def overhear(self, message: Message) -> None:
        if isinstance(message, Candidate):
            remember(self.headers, message.header.hash, message.header)

    def _others(self, height: int, block_hash: bytes) -> list[bytes]:
        return [known for known, header in self.headers.items() if header.number == height and known != block_hash]

    def lies(self, name: str, message: Message) -> Sequence[Message]:
        if name == "withheld":
            return []
        if isinstance(message, Vote):
            return self._false_votes(name, message)
        if isinstance(message, Candidate) and message.block is not None:
            return [self._false_candidate(name, message, message.block)]
        if isinstance(message, Elected):
            return [self._false_certificate(name, message)]
        if isinstance(message, Ballots):
            own = tuple(vote for vote in message.votes if vote.voter == self.replica.node_id)
            return [message] * 2 if name == "repeat" else [Ballots(own)] if own else []
        return [message]

    def _false_votes(self, name: str, vote: Vote) -> Sequence[Message]:
        if vote.voter != self.replica.node_id:
            return [vote]
        others = self._others(vote.height, vote.block_hash) or [self.random.bytes(32)]
        own_vote = self.core.own_vote
        match name:
            case "other-candidate":
                return [own_vote(vote.height, vote.round, self.random.choice(others))]
            case "both-candidates":
                return [vote, *(own_vote(vote.height, vote.round, other) for other in others)]
            case "no-candidate":
                return [own_vote(vote.height, vote.round, self.random.bytes(32))]
            case "other-round":
                return [own_vote(vote.height, vote.round + 1, vote.block_hash)]
            case "other-height":
                height = max(1, vote.height + self.random.choice((-1, 1)))
                return [own_vote(height, vote.round, vote.block_hash)]
        return [vote] * 3

    def _false_candidate(self, name: str, message: Candidate, block: Block) -> Message:
        header = message.header
        if name == "heavy-certificate" and message.certificate:
            shown = self._crowned(header.number - 1, header.parent_hash)
            told: Candidate = self.core.codec.make_candidate(header, shown)
            return told.with_block(block)
        if name == "false-claim":
            claimed = max(1, claimed_ms(header) + self.random.choice((-60_000, -500, 500)))
            said = extra_data(self.replica.node_id, claimed)
            header = replace(header, extra_data=said, timestamp=claimed // 1_000)
        elif name == "false-root":
            header = replace(header, state_root=bytes(32))
        sealed = self.replica.world.seal.seal(header)
        changed: Candidate = self.core.codec.make_candidate(sealed, message.certificate)
        return changed.with_block(Block(sealed, block.transactions))

    def _crowned(self, height: int, block_hash: bytes) -> bytes:
        """One vote that says it weighs more than all."""
        return encode_certificate(make_certificate(HEAVY, 0, [self.core.own_vote(height, 0, block_hash)]))

    def _false_certificate(self, name: str, message: Elected) -> Message:
        data = self._crowned(message.number, message.block_hash)
        if name == "thin-certificate":
            vote = self.core.own_vote(message.number, 0, message.block_hash)
            data = encode_certificate(make_certificate(10, 0, [vote]))
        told: Elected = self.core.codec.make_elected(message.number, message.block_hash, data)
        return told

    def retorts(self, name: str, message: Message) -> Sequence[Message]:
        if name == "crown" and isinstance(message, Candidate):
            number, block_hash = message.header.number, message.header.hash
            codec = self.core.codec
            return [codec.make_elected(number, block_hash, self._crowned(number, block_hash))]
        if not isinstance(message, Vote) or message.voter == self.replica.node_id:
            return []
        if name == "echo-vote":
            return [self.core.own_vote(message.height, message.round, message.block_hash)]
        others = self._others(message.height, message.block_hash)
        return [self.core.own_vote(message.height, message.round, self.random.choice(others))] if others else []
