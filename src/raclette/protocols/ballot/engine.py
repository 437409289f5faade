"""The ballot engine: candidates in, votes out, and the branch whose certificates weigh most.

An event leads to at most one `Adopt`. Votes are counted as they come, so a node may see somebody elected before it has
voted itself; late votes may move the head as long as nothing is final.
"""

from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.engine.contract import EngineSetup, Lookup, SealCheck
from raclette.engine.effects import Adopt, Broadcast, Certify, Effect, Fetch, Finalize, Publish, Send
from raclette.engine.events import BlockReceived, Event, Gathered, Pending, Received, Sealed, Started, TimerFired
from raclette.engine.message import Message
from raclette.primitives.errors import InvalidCertificate
from raclette.primitives.signing import Claim
from raclette.primitives.units import MILLISECOND
from raclette.protocols.ballot import records
from raclette.protocols.ballot.answers import Answers
from raclette.protocols.ballot.certificate import (
    Certificate,
    claims_of,
    decode_certificate,
    encode_certificate,
)
from raclette.protocols.ballot.core import Core
from raclette.protocols.ballot.election import makes_final
from raclette.protocols.ballot.messages import Ballots, Candidate, Elected, Question, Vote
from raclette.protocols.ballot.mining import MINE, Mining
from raclette.protocols.ballot.parameters import Parameters
from raclette.protocols.ballot.polls import Polls
from raclette.protocols.ballot.rules import TAG_BYTES, CandidateRules, HashSeal
from raclette.protocols.ballot.tree import BallotTree
from raclette.protocols.ballot.voter import ROUND, WINDOW, Voter
from raclette.protocols.parameters import parse_parameters


class Ballot:
    """See the module and spec/ballot.md."""

    name = "ballot"
    # Blocks show the work that they cost, and candidates must be heard before anybody is elected.
    needs_certificate = False

    def __init__(self, setup: EngineSetup, parameters: Parameters, seal_check: SealCheck) -> None:
        self.core = core = Core(setup, parameters)
        self._rules = CandidateRules(parameters, seal_check)
        self.tree = BallotTree(setup.chain.head, self._kept_weight, setup.chain.header, lambda: core.final)
        # Certificates of the last heights, the heaviest known for each block; and those not on disk as they are.
        self._certificates: dict[bytes, tuple[int, Certificate]] = {}
        self._improved: dict[bytes, None] = {}
        self.polls = Polls(core, self._rules, self._on_elected)
        self._restored = records.restore(setup.records)
        self.voter = Voter(core, self.polls, self._restored)
        self._mining = Mining(setup, parameters) if setup.active else None
        self._answers = Answers(parameters.round_ms * MILLISECOND // 2)
        self._reorganisations = 0
        # Who told us what we handle.
        self._peer: bytes | None = None

    # --- the machine ----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """See the module."""
        core = self.core
        core.now = event.now
        self._peer = event.peer if isinstance(event, Received | BlockReceived) else None
        before = self.tree.head
        match event:
            case Received(_, peer, message):
                self._hear(peer, message)
            case BlockReceived(_, peer, block, certificate):
                self._receive(peer, block, certificate)
            case TimerFired(_, name):
                self._on_timer(name)
            case Sealed(_, header):
                self._sealed(header)
            case Pending():
                if self._mining is not None:
                    core.emit(*self._mining.on_pending(core.now, self._head()))
            case Gathered(_, votes):
                for vote in votes:
                    self._hear(core.node_id, vote)
            case Started():
                self._on_head()
                for block in self._restored.blocks:  # BAL-38
                    self._take(None, block)
                self._restored.blocks.clear()
                self.voter.on_start()
        if self.tree.head != before:
            self._adopt(before)
        return core.take_effects()

    def _head(self) -> Header:
        return self.core.chain.header(self.tree.head) or self.core.chain.head

    def _on_timer(self, name: str) -> None:
        core = self.core
        if name == MINE and self._mining is not None:
            core.emit(*self._mining.start(core.now, self._head()))
        elif name == WINDOW:
            self._write_improved()
            self.polls.tidy(self._head())
            self.voter.on_window()
        elif name == ROUND:
            self.voter.on_round()
            core.emit(*(Broadcast(Question(*gap)) for gap in self.tree.gaps()))  # BAL-41

    # --- messages -------------------------------------------------------------------------------------------------

    def _hear(self, peer: bytes, message: Message) -> None:
        match message:
            case Candidate():
                self._on_candidate(peer, message)
            case Vote():
                self.polls.hear(peer, message)
            case Ballots(votes):
                self._on_ballots(peer, votes)
            case Elected(number, block_hash, certificate):
                self._on_shown(peer, number, block_hash, certificate)
            case Question(number, block_hash):
                self._answer(peer, number, block_hash)

    def _on_candidate(self, peer: bytes, message: Candidate) -> None:
        """BAL-12: first what it stands on, then the block itself."""
        header = message.header
        parent = self.core.chain.header(header.parent_hash)
        if message.certificate and parent is not None and self._is_news(parent.hash, len(message.proof)):
            self._on_shown(peer, parent.number, parent.hash, message.certificate)
        if message.block is None:
            if self.core.chain.header(header.hash) is None:
                self.core.emit(Fetch(peer, header.hash))
        else:
            self._take(peer, message.block)

    def _is_news(self, block_hash: bytes, signers: int) -> bool:
        """BAL-27: may a certificate of so many votes be heavier than ours? Others are not worth counting."""
        known = self._certificates.get(block_hash)
        return not self.tree.weight(block_hash) or (known is not None and signers > len(known[1].votes))

    def _take(self, peer: bytes | None, block: Block) -> None:
        if self.polls.take(peer, block):
            self.voter.on_candidate(block.header)

    def _on_ballots(self, peer: bytes, votes: tuple[Vote, ...]) -> None:
        """BAL-37: votes once more. Who still repeats those of a height at which we know the elected is told."""
        for vote in votes:
            self.polls.hear(peer, vote)
        height = max(vote.height for vote in votes)
        done = self.core.chain.canonical(height)
        if done is not None:
            self._answer(peer, height, done.hash)

    def _answer(self, peer: bytes, number: int, block_hash: bytes) -> None:
        """The certificate of a block, if we have one. BAL-43: each once in a while, and few, for an answer may be a
        thousand times as large as the question."""
        header = self.core.chain.header(block_hash)
        kept = self.core.chain.certificate(block_hash) if header is not None and header.number == number else b""
        if kept and self._answers.admit(self.core.now, peer, block_hash):
            self.core.emit(Send(peer, self.core.codec.make_elected(number, block_hash, kept)))

    def _on_shown(self, peer: bytes | None, number: int, block_hash: bytes, data: bytes) -> None:
        """A certificate that came with a message, or with a block."""
        header = self.core.chain.header(block_hash)
        if number <= self.core.final or (header is not None and header.number != number):
            return
        try:
            certificate = decode_certificate(self.core.chain.chain_id, number, data)
        except InvalidCertificate as fault:
            self.core.refuse(peer, fault.reason)
            return
        if header is not None:
            self.polls.show(peer, header, certificate)
        elif peer is not None:
            self.polls.place_later(peer, block_hash, certificate)

    def _receive(self, peer: bytes | None, block: Block, certificate: bytes) -> None:
        """A block by sync, or one of our own store."""
        self._take(peer, block)
        if self.core.chain.header(block.hash) is not None:
            shown = certificate or self.core.chain.certificate(block.hash)
            if shown:
                self._on_shown(peer, block.number, block.hash, shown)

    def _sealed(self, header: Header) -> None:
        """A nonce of our own: the candidate goes the way of every other, and out to everybody."""
        block = self._mining.found(header) if self._mining is not None else None
        if block is None:
            return
        self._take(None, block)
        if self.core.chain.header(block.hash) is not None:
            message = self.core.codec.make_candidate(header, self._kept(header.parent_hash))
            self.core.emit(Publish(message.with_block(block)))

    # --- the head -------------------------------------------------------------------------------------------------

    def _on_elected(self, header: Header, certificate: Certificate) -> None:
        """A certificate of a block of the tree, counted by ourselves or checked. BAL-27: only a heavier one is news."""
        if certificate.weight <= self.tree.weight(header.hash):
            return
        core = self.core
        is_first = header.hash not in self._certificates
        self._certificates[header.hash] = (header.number, certificate)
        self.tree.certify(header, certificate.weight)
        if not is_first:
            self._improved[header.hash] = None
            return
        data = encode_certificate(certificate)
        core.emit(Certify(header.hash, data))
        gap = self.tree.gap(header.hash)
        if gap is not None:  # BAL-41
            question = Question(*gap)
            core.emit(Send(self._peer, question) if self._peer is not None else Broadcast(question))
        if header.extra_data[:TAG_BYTES] == core.node_id[:TAG_BYTES]:  # BAL-36: its miner tells everybody
            core.emit(Publish(core.codec.make_elected(header.number, header.hash, data)))

    def _write_improved(self) -> None:
        """The heavier certificates of a height, once it is over."""
        for block_hash in self._improved:
            kept = self._certificates.get(block_hash)
            if kept is not None and self.core.chain.header(block_hash) is not None:
                self.core.emit(Certify(block_hash, encode_certificate(kept[1])))
        self._improved.clear()

    def _adopt(self, before: bytes) -> None:
        """BAL-29: another branch is the heaviest."""
        core, head = self.core, self._head()
        core.emit(Adopt(head.hash))
        step: Header | None = head
        while step is not None and step.hash != before and step.number > core.final:
            step = core.chain.header(step.parent_hash) if step.number else None
        if step is None or step.hash != before:
            self._reorganisations += 1
        if makes_final(core.needed):  # BAL-30
            core.emit(Finalize(head.hash, self._kept(head.hash)))
            core.final = head.number
        self._on_head()

    def _on_head(self) -> None:
        head = self._head()
        if self._mining is not None:
            self.core.emit(*self._mining.on_head())
        self.voter.on_head(head)
        below = head.number - records.RING
        for block_hash in [known for known, kept in self._certificates.items() if kept[0] < below]:
            del self._certificates[block_hash]

    def _kept(self, block_hash: bytes) -> bytes:
        """The heaviest certificate that we have of a block; empty if there is none."""
        known = self._certificates.get(block_hash)
        return encode_certificate(known[1]) if known is not None else self.core.chain.certificate(block_hash)

    def _kept_weight(self, header: Header) -> int:
        """Of the certificate that the chain keeps with a block: we have checked it before it was kept."""
        data = self.core.chain.certificate(header.hash) if header.number else b""
        return decode_certificate(self.core.chain.chain_id, header.number, data).weight if data else 0

    # --- what anybody may ask -------------------------------------------------------------------------------------

    def encode(self, message: Message) -> bytes:
        """To the wire, without a block's body."""
        return self.core.codec.encode(message)

    def decode(self, payload: bytes) -> Message:
        """From the wire. Raises DecodeError."""
        return self.core.codec.decode(payload)

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        """BAL-4 to BAL-8. Raises InvalidHeader."""
        self._rules.check(header, parent, now)

    def check_certificate(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """BAL-26: the votes in it. Whether they suffice depends on the register, which only the machine can read.
        Raises InvalidCertificate."""
        return claims_of(decode_certificate(self.core.chain.chain_id, header.number, certificate))

    def weight(self, header: Header) -> int:
        """BAL-39: what sync compares is length; which branch is the chain, certificates decide."""
        return 1

    def reward(self, number: int) -> int:
        """For the beneficiary of an elected block; genesis earns nothing."""
        return self.core.parameters.reward if number else 0

    def validators(self) -> tuple[bytes, ...]:
        """The registered voters, in the order of ids."""
        register = self.core.register(self._head())
        return tuple(sorted(register.weights)) if register is not None else ()

    def status(self) -> dict[str, Any]:
        """For people: head, round, votes, and what was refused."""
        core, head = self.core, self._head()
        register = core.register(head)
        votes = self.polls.book.votes(head.number + 1, self.voter.round)
        return {
            "head": {"number": head.number, "hash": "0x" + head.hash.hex(), "weight": self.tree.weight(head.hash)},
            "quorum": core.parameters.quorum,
            "final": core.final,
            "round": self.voter.round,
            "voters": register.size if register is not None else 0,
            "total_weight": register.total if register is not None else 0,
            "votes": len(votes),
            "candidates": len(self.polls.candidates(head.hash)),
            "mining": self._mining is not None,
            "reorganisations": self._reorganisations,
            "refused": dict(sorted(core.refused.items())),
            "held": self.polls.sizes(),
        }


def make_engine(setup: EngineSetup, *, seal_check: SealCheck | None = None) -> Ballot:
    """The factory. `seal_check` defaults to real hashing. Raises ConfigError, StoreDamaged."""
    return Ballot(setup, parse_parameters(Parameters, setup.parameters), seal_check or HashSeal())
