"""Guilt among voters: two votes of one voter, for different candidates, at one (height, round).

If two honest nodes finalise different blocks at a height (which takes a quorum q of at least 2/3), these convict voters
who weigh more than `faults` of all weight W. In one round, more than q W voted for each block, so more than
(2q - 1) W, which is no less, voted for both. Across rounds, let X be elected in round r, and take the first honest vote
for another candidate in a later round. If that is r + 1: by BAL-33 X's weight among the votes held, that of votes not
held, and `faults` together did not exceed q W, so of X's voters more than `faults` showed another vote of round r.

Where this ends: a later vote carries no reason, so liars who vote in round r + 1 for what BAL-34 forbids convict
themselves of nothing. To deceive an honest voter in the round after that, they must weigh 1 - q + `faults`, which is
more than the protocol bears.
"""

from fractions import Fraction
from typing import Any

from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.node.wire import EngineSaid
from raclette.primitives.errors import InvalidCertificate
from raclette.protocols.ballot.certificate import decode_certificate
from raclette.protocols.ballot.evidence import check_evidence
from raclette.protocols.ballot.messages import Ballots, Candidate, Elected, Vote
from raclette.protocols.ballot.parameters import Parameters
from raclette.protocols.ballot.weights import register_of
from raclette.protocols.parameters import parse_parameters
from raclette.sim.checkers.fork import Fork, Reading


class BallotForensics:
    """Implements `Forensics`."""

    def __init__(self, genesis: Genesis) -> None:
        """Raises ConfigError."""
        parameters = parse_parameters(Parameters, genesis.protocol_parameters)
        quorum = Fraction(*parameters.needed)
        # Computed here, not asked of the engine, so that a wrong one cannot vouch for itself.
        self.faults = Fraction(parameters.faults) if parameters.faults else max(Fraction(0), 2 * quorum - 1) / 3
        self._chain_id = genesis.chain_id
        # (height, round, voter) -> the candidates it voted for there.
        self._votes: dict[tuple[int, int, bytes], set[bytes]] = {}
        self._read: set[tuple[int, bytes]] = set()

    def hear(self, content: Any) -> None:
        """Write down who said what."""
        if not isinstance(content, EngineSaid):
            return
        message = content.message
        if isinstance(message, Vote):
            self._note(message)
        elif isinstance(message, Ballots):
            for vote in message.votes:
                self._note(vote)
        elif isinstance(message, Candidate):
            self._certificate(message.header.number - 1, message.certificate)
        elif isinstance(message, Elected):
            self._certificate(message.number, message.certificate)

    def certified(self, header: Header, certificate: bytes) -> None:
        """Its votes, each of its own author."""
        self._certificate(header.number, certificate)

    def convict(self, evidence: bytes) -> tuple[Reading, ...]:
        """As the protocol's own evidence module says."""
        return (check_evidence(self._chain_id, evidence),)

    def culprits(self) -> dict[bytes, str]:
        """By the rule of the module."""
        guilty: dict[bytes, str] = {}
        for (height, round_number, voter), hashes in self._votes.items():
            if len(hashes) > 1:
                guilty.setdefault(voter, f"two votes at height {height}, round {round_number}")
        return {voter: guilty[voter] for voter in sorted(guilty)}

    def lacking(self, fork: Fork) -> str:
        """More than `faults` of the weight of those who vote at the fork's height."""
        register = register_of(fork.members())
        twice = {
            voter for (height, _, voter), hashes in self._votes.items() if height == fork.height and len(hashes) > 1
        }
        proved = sum(register.weights.get(voter, 0) for voter in sorted(twice))
        return "" if proved > self.faults * register.total else f"against more than {self.faults} of the weight"

    def _certificate(self, height: int, certificate: bytes) -> None:
        place = (height, certificate)
        if not certificate or place in self._read:
            return
        self._read.add(place)
        try:
            votes = decode_certificate(self._chain_id, height, certificate).votes
        except InvalidCertificate:
            return  # that it proves nothing is for another checker to say
        for vote in votes:
            self._note(vote)

    def _note(self, vote: Vote) -> None:
        self._votes.setdefault((vote.height, vote.round, vote.voter), set()).add(vote.block_hash)
