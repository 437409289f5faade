"""One ballot engine on a light chain, other voters as keys in the test's hand, and time as the test says."""

from collections.abc import Mapping
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.roll import Member
from raclette.engine.contract import Draft, EngineSetup
from raclette.engine.effects import Accuse, Adopt, Certify, Effect, Finalize, Persist, Publish, SetTimer
from raclette.engine.events import BlockReceived, Event, Received, Started, TimerFired
from raclette.engine.lightchain import LightChain
from raclette.engine.message import Message
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.ballot import Ballot, make_engine
from raclette.protocols.ballot.messages import Candidate, Vote
from raclette.protocols.ballot.rules import extra_data

START_S = 1_700_000_000
SIGNATURES = IdealSignatures(b"ballot")
PEER = b"\xee" * 32
STRANGER = b"\x99" * 32
PENNILESS = b"\x88" * 32


class AnySeal:
    """Every nonce counts."""

    def holds(self, header: Header, target: int) -> bool:
        return True


def voter_id(number: int) -> bytes:
    """Node id of a voter; number 0 is the engine under test."""
    return bytes((0x10 + number,)) * 32


def account_of(number: int) -> bytes:
    """Its account."""
    return bytes((0xA0 + number,)) * 20


class OneVoter:
    """The engine, what it has persisted, and what it last said. All have the same stake unless `stakes` says more."""

    def __init__(self, voters: int = 3, *, stakes: Mapping[int, int] | None = None, **parameters: Any) -> None:
        self.parameters = {"initial_difficulty": 1, "candidates": 1, **parameters}
        self.voters = voters
        self.chain = LightChain(7, Header(parent_hash=bytes(32), number=0, timestamp=START_S))
        given = stakes or {}
        roll = [Member(voter_id(n), account_of(n), given.get(n, 100)) for n in range(voters)]
        self.chain.roll = (*roll, Member(PENNILESS, b"\x77" * 20, 0))
        self.maker = LightChain(7, self.chain.genesis)  # where the others build
        self.records: dict[bytes, bytes] = {}
        self.now_ms = START_S * 1000
        self.engine: Ballot
        self.effects: list[Effect] = []
        self.boot()

    def boot(self) -> None:
        """A process begins on what is on disk."""
        signer = SIGNATURES.signer(voter_id(0))
        setup = EngineSetup(self.parameters, self.chain, signer, account_of(0), dict(self.records))
        self.engine = make_engine(setup, seal_check=AnySeal())
        self.feed(Started(self.now))

    @property
    def now(self) -> int:
        """In ns."""
        return self.now_ms * MILLISECOND

    def feed(self, event: Event) -> list[Effect]:
        """Let it react; the chain follows."""
        self.effects = list(self.engine.handle(event))
        for effect in self.effects:
            if isinstance(effect, Adopt):
                self.chain.adopt(effect.block_hash)
            elif isinstance(effect, Finalize):
                self.chain.finalize(effect.block_hash, effect.certificate)
            elif isinstance(effect, Certify):
                self.chain.keep_certificate(effect.block_hash, effect.certificate)
            elif isinstance(effect, Persist) and effect.value is not None:
                self.records[effect.key] = effect.value
        return self.effects

    def block(
        self, parent: Header, miner: int, claimed_ms: int, transactions: tuple[bytes, ...] = (), **changes: int
    ) -> Block:
        """Another miner's candidate; `claimed_ms` counts from the start."""
        for transaction in transactions:
            self.maker.submit(transaction)
        claimed = START_S * 1000 + claimed_ms
        draft = Draft(
            claimed // 1000,
            account_of(miner),
            changes.get("difficulty", 1),
            extra_data(voter_id(miner), claimed),
            transactions_max=len(transactions) or 1,
        )
        block = self.maker.build(parent, draft)
        self.maker.pool.clear()
        return block

    def candidate(self, block: Block, certificate: bytes = b"") -> list[Effect]:
        """It arrives."""
        message = self.engine.core.codec.make_candidate(block.header, certificate)
        return self.hear(message.with_block(block))

    def hear(self, message: Message, peer: bytes = PEER) -> list[Effect]:
        """Through the wire, as from a peer."""
        decoded = self.engine.decode(self.engine.encode(message))
        if isinstance(decoded, Candidate) and isinstance(message, Candidate) and message.block is not None:
            decoded = decoded.with_block(message.block)
        return self.feed(Received(self.now, peer, decoded))

    def sync(self, block: Block, certificate: bytes = b"") -> list[Effect]:
        """It arrives by sync."""
        return self.feed(BlockReceived(self.now, PEER, block, certificate))

    def vote(self, node_id: bytes, block: Block, *, round_number: int = 0) -> Vote:
        """Signed by anybody."""
        codec = self.engine.core.codec
        unsigned = codec.make_vote(block.number, round_number, block.hash, node_id, b"")
        signature = SIGNATURES.signer(node_id).sign(unsigned.claim.digest)
        return codec.make_vote(block.number, round_number, block.hash, node_id, signature)

    def say(self, *numbers: int, block: Block, round_number: int = 0) -> list[Effect]:
        """These voters vote for it, one after the other; the effects of all."""
        heard: list[Effect] = []
        for number in numbers:
            heard += self.hear(self.vote(voter_id(number), block, round_number=round_number))
        return heard

    def wait(self, ms: int) -> None:
        """Time passes; nothing fires."""
        self.now_ms += ms

    def fire(self, name: str) -> list[Effect]:
        """A timer."""
        return self.feed(TimerFired(self.now, name))

    @property
    def head(self) -> bytes:
        """The adopted block's hash."""
        return self.chain.head.hash

    @property
    def own_votes(self) -> list[Vote]:
        """What it has just said as a voter."""
        said = [effect.message for effect in self.effects if isinstance(effect, Publish)]
        return [vote for vote in said if isinstance(vote, Vote) and vote.voter == voter_id(0)]

    def refused(self, reason: str) -> int:
        """How often something was, for this reason."""
        return int(self.engine.status()["refused"].get(reason, 0))


def accusations(effects: list[Effect]) -> list[tuple[bytes, str]]:
    """Whom and why."""
    return [(effect.peer, effect.reason) for effect in effects if isinstance(effect, Accuse)]


def delay_of(effects: list[Effect], name: str) -> int | None:
    """Of the timer last set under that name, in ms."""
    delays = [effect.delay // MILLISECOND for effect in effects if isinstance(effect, SetTimer) and effect.name == name]
    return delays[-1] if delays else None


__all__ = ["PEER", "PENNILESS", "SECOND", "SIGNATURES", "STRANGER", "OneVoter", "accusations", "delay_of", "voter_id"]
