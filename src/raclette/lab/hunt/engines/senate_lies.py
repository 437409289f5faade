"""What a lying holder says. It signs and draws with its own key only, so a lie is a choice of content, not a forgery.

Two blocks behind one ticket, a ticket that was never drawn, proposals out of turn or against the lock, votes for
another block or round, TIMEOUTs that hide a lock or show an older one, a certificate of one signer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.message import Message
from raclette.lab.hunt.engines.lying import Mind, remember
from raclette.lab.hunt.engines.world import Replica
from raclette.primitives.randomness import Random
from raclette.primitives.signing import LOT_BYTES, Lot
from raclette.protocols.senate.codec import reason_of
from raclette.protocols.senate.core import Core
from raclette.protocols.senate.messages import (
    Candidate,
    Commit,
    Committed,
    Entry,
    Lock,
    Prepare,
    Proposal,
    Timeout,
)
from raclette.protocols.senate.statements import read_extra

_VOTES = ("prepare", "commit")
LIES: Mapping[str, Sequence[str]] = {
    "other-block": ("candidate", "proposal", *_VOTES),
    "both-blocks": ("candidate", "proposal", *_VOTES),
    "false-ticket": ("entry", "candidate"),
    "false-lot": ("candidate",),
    "false-senate": ("candidate",),
    "false-root": ("candidate",),
    "own-block": ("proposal",),
    "thin-certificate": ("committed",),
    "other-round": (*_VOTES, "timeout"),
    "other-height": _VOTES,
    "repeat": (*_VOTES, "timeout", "entry"),
    "forgotten-lock": ("timeout",),
    "old-lock": ("timeout",),
    "own-lock": ("timeout",),
}
RETORTS: Sequence[str] = ("echo-vote", "eager-commit", "out-of-turn", "hasty-timeout")


class SenateTrickster(Mind[Core]):
    """See `adapter.Trickster`."""

    def __init__(self, replica: Replica, random: Random) -> None:
        super().__init__(replica, random)
        self.blocks: dict[bytes, tuple[Block, bytes]] = {}
        self.hashes: dict[bytes, int] = {}
        self.locks: dict[tuple[int, int], Lock] = {}

    def overhear(self, message: Message) -> None:
        if isinstance(message, Candidate) and message.block is not None:
            self._note_block(message.block, message.claim.signature)
        elif isinstance(message, Proposal) and message.block is not None:
            self._note_block(message.block, message.director_signature)
            if message.justification is not None:
                self._note_lock(message.header.number, message.justification.lock)
        elif isinstance(message, Timeout):
            self._note_lock(message.height, message.lock)

    def _note_block(self, block: Block, director_signature: bytes) -> None:
        remember(self.blocks, block.hash, (block, director_signature))
        remember(self.hashes, block.hash, block.number)

    def _note_lock(self, height: int, lock: Lock | None) -> None:
        if lock is not None:
            remember(self.locks, (height, lock.round), lock)

    # --- instead of what was said ---------------------------------------------------------------------------------

    def lies(self, name: str, message: Message) -> Sequence[Message]:
        if isinstance(message, Candidate) and message.block is not None:
            self._note_block(message.block, message.claim.signature)
            return self._candidates(name, message, message.block)
        if isinstance(message, Proposal) and message.sender == self.core.me:
            return self._proposals(name, message)
        if isinstance(message, Prepare | Commit):
            return self._votes(name, message)
        if isinstance(message, Timeout):
            return self._timeouts(name, message)
        if isinstance(message, Entry) and name == "false-ticket":
            return [replace(message, ticket=Lot(*message.ticket[:2], _best_lot(message.ticket.signature)))]
        if isinstance(message, Committed) and name == "thin-certificate":
            return [self._thin(message)]
        return [message] * (3 if name == "repeat" else 1)

    def _candidates(self, name: str, message: Candidate, block: Block) -> Sequence[Message]:
        header, extra = message.header, read_extra(message.header)
        match name:
            case "other-block" | "both-blocks":
                header = replace(header, beneficiary=self.random.bytes(20))
            case "false-ticket":
                header = replace(header, extra_data=extra._replace(ticket=_best_lot(extra.ticket)).encode())
            case "false-lot":
                header = replace(header, extra_data=extra._replace(next_lot=self.random.bytes(LOT_BYTES)).encode())
            case "false-senate":
                header = replace(header, extra_data=extra._replace(senate_root=self.random.bytes(32)).encode())
            case "false-root":
                header = replace(header, state_root=self.random.bytes(32))
        other = self._candidate(header, Block(header, block.transactions))
        return [message, other] if name == "both-blocks" else [other]

    def _candidate(self, header: Header, block: Block) -> Candidate:
        core = self.core
        claim = core.sign(core.statements.candidate_digest(header.number, header.hash))
        self._note_block(block, claim.signature)
        return Candidate(header, core.me, claim, core.statements.lots(header), block)

    def _proposals(self, name: str, message: Proposal) -> Sequence[Message]:
        others = [known for known in self.blocks.values() if known[0].number == message.header.number]
        others = [known for known in others if known[0].hash != message.header.hash]
        if name == "own-block":
            own = [known for known in others if read_extra(known[0].header).director == self.core.me]
            others = own or others
        if not others:
            return [message]
        other = self._propose(message, *self.random.choice(others))
        return [message, other] if name == "both-blocks" else [other]

    def _propose(self, like: Proposal, block: Block, director_signature: bytes) -> Proposal:
        core = self.core
        is_locked = like.justification is not None and like.justification.lock is not None
        signature = b"" if is_locked else director_signature
        digest = core.statements.proposal_digest(block.number, like.round, block.hash, reason_of(like.justification))
        proposal = core.codec.make_proposal(
            like.round, block.header, like.justification, signature, core.me, core.sign(digest).signature
        )
        return proposal.with_block(block)

    def _votes(self, name: str, vote: Prepare | Commit) -> Sequence[Message]:
        others = [known for known, height in self.hashes.items() if height == vote.height and known != vote.block_hash]
        step, own_vote = self.random.choice((-1, 1)), self.core.own_vote
        match name:
            case "other-block":
                return [own_vote(type(vote), vote.height, vote.round, self.random.choice(others or [bytes(32)]))]
            case "both-blocks":
                return [vote, *(own_vote(type(vote), vote.height, vote.round, other) for other in others)]
            case "other-round":
                return [own_vote(type(vote), vote.height, max(0, vote.round + step), vote.block_hash)]
            case "other-height":
                return [own_vote(type(vote), max(1, vote.height + step), vote.round, vote.block_hash)]
        return [vote] * 3

    def _timeouts(self, name: str, message: Timeout) -> Sequence[Message]:
        lock, round_number = message.lock, message.round
        if name == "forgotten-lock":
            lock = None
        elif name == "old-lock":
            known = [old for (height, _), old in self.locks.items() if height == message.height]
            known = [old for old in known if old.round <= round_number]
            lock = self.random.choice(known) if known else None
        elif name == "own-lock":
            # True and worthless: nobody's signature but its own.
            block_hash = self.random.choice(list(self.hashes) or [bytes(32)])
            vote = self.core.own_vote(Prepare, message.height, round_number, block_hash)
            lock = Lock(round_number, block_hash, ((vote.sender, vote.claim.signature),))
        elif name == "other-round":
            round_number += self.random.choice((1, 2, 1_000_000))
        return [self.core.own_timeout(message.height, round_number, lock)] * (3 if name == "repeat" else 1)

    def _thin(self, message: Committed) -> Message:
        """A certificate of one signer, who says that he owns all seats."""
        core, header = self.core, message.header
        owners = ((core.me, core.parameters.seats),)
        header = replace(
            header,
            extra_data=read_extra(header)._replace(senate_root=core.statements.senate_root(owners)).encode(),
        )
        vote = core.own_vote(Commit, header.number, 0, header.hash)
        certificate = core.codec.encode_finality(0, owners, ((vote.sender, vote.claim.signature),))
        claims = core.codec.decode_finality(header, certificate).claims
        block = Block(header, message.block.transactions) if message.block is not None else None
        return Committed(header, certificate, claims, block)

    # --- unasked --------------------------------------------------------------------------------------------------

    def retorts(self, name: str, message: Message) -> Sequence[Message]:
        if name == "echo-vote" and isinstance(message, Prepare | Commit):
            return [self.core.own_vote(type(message), message.height, message.round, message.block_hash)]
        if name == "eager-commit" and isinstance(message, Proposal):
            return [self.core.own_vote(Commit, message.header.number, message.round, message.header.hash)]
        if name == "out-of-turn" and isinstance(message, Proposal) and message.block is not None:
            return [self._propose(message, message.block, message.director_signature)]
        if name == "hasty-timeout" and isinstance(message, Prepare):
            return [self.core.own_timeout(message.height, message.round, None)]
        return []


def _best_lot(lot: bytes) -> bytes:
    """With an output that would beat every other."""
    return lot[:-64] + b"\xff" * 64
