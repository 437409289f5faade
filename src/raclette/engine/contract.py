"""The contract of a consensus engine.

An engine is a pure machine: the same events give the same effects, everywhere. It knows no clock (time is in the
event), no socket, no thread, no randomness but what its seed or its signatures give it; it iterates collections in a
defined order and computes in integers. An invalid event changes nothing, but may `Accuse`.

It sees the chain through `ChainView`: synchronous questions, answered from the node's own block tree. It never
executes transactions itself; it asks the chain to `build` a block or to `check` one.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from raclette.chain.block import Block
from raclette.chain.header import ZERO_ADDRESS, ZERO_NONCE, Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.engine.effects import Effect
from raclette.engine.events import Event
from raclette.engine.message import Message
from raclette.engine.nesting import ALONE, Frame
from raclette.primitives.hashing import ZERO_HASH
from raclette.primitives.signing import Claim, Signer

Lookup: TypeAlias = Callable[[bytes], Header | None]


class Draft(NamedTuple):
    """What the engine decides about a block; the chain fills in transactions, roots and gas.

    `transactions_max` is the protocol's own limit, if it has one below the chain's (0: none). If `sample` is not 0, the
    block's transactions are the best of so many drawn from those that wait, by a lottery seeded with `sample_seed`.
    `mix_hash` (32 bytes) and `nonce` (8) are for engines inside another: see `nesting`. A seal replaces the nonce.
    """

    timestamp: int
    beneficiary: bytes = ZERO_ADDRESS
    difficulty: int = 1
    extra_data: bytes = b""
    transactions_max: int = 0
    sample: int = 0
    sample_seed: int = 0
    mix_hash: bytes = ZERO_HASH
    nonce: bytes = ZERO_NONCE


class ChainView(Protocol):
    """What an engine may ask of the chain it runs on."""

    @property
    def chain_id(self) -> int:
        """From genesis; part of everything signed."""

    @property
    def genesis(self) -> Header:
        """The block that this engine starts from and never votes on: block 0, or the block on which an engine around
        it has started it."""

    @property
    def head(self) -> Header:
        """The adopted block."""

    @property
    def finalized(self) -> Header:
        """The last final block (genesis at first)."""

    def header(self, block_hash: bytes) -> Header | None:
        """Header of a block in the tree (or final): checked, parent known."""

    def block(self, block_hash: bytes) -> Block | None:
        """The same with its body."""

    def canonical(self, number: int) -> Header | None:
        """The block at `number` on the head's branch."""

    def certificate(self, block_hash: bytes) -> bytes:
        """The certificate kept with the block, or empty."""

    def state(self, block_hash: bytes) -> StateReader:
        """State after that block (of the tree). For stakes and weights."""

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        """The nodes on the roll after that block (of the tree), sorted by node id, each with its account's stake."""

    def has_pending(self, parent: Header) -> bool:
        """Would a block on `parent` contain a transaction?"""

    def pending_from(self, account: bytes) -> bool:
        """Does a transaction that `account` sent wait here, executable on the head?"""

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        """Did `account` send a transaction of this block (of the tree)?"""

    def build(self, parent: Header, draft: Draft) -> Block:
        """A valid block on `parent` with transactions from the mempool; known to the chain from then on (unsealed)."""

    def check(self, block: Block) -> None:
        """Execute and verify everything that is not the engine's business: number, roots, gas, transactions. The block
        is in the tree afterwards. Idempotent. Raises UnknownParent, InvalidBlock."""


class Engine(Protocol):
    """A consensus protocol as a pure machine: same events, same effects, everywhere.

    One whose votes count only together may also offer `ballot(message)`, so that a host can count for it: see `ballot`.
    """

    name: str
    # True if a block from a stranger counts only with a certificate (BFT); False if its header alone shows its weight.
    needs_certificate: bool

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """React to `event`; an event that breaks the protocol changes nothing but may `Accuse`."""

    def encode(self, message: Message) -> bytes:
        """To the wire (without a block's body)."""

    def decode(self, payload: bytes) -> Message:
        """From the wire. Pure and thread-safe, bounded in time and memory. Raises DecodeError."""

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        """May this header follow `parent`? `lookup` finds ancestors by hash, during sync before they are in the tree.
        Raises InvalidHeader."""

    def check_certificate(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        """The claims that make `certificate` a proof that `header` is final, after checking that they would suffice
        (distinct entitled signers, quorum). Pure and thread-safe. Raises InvalidCertificate."""

    def weight(self, header: Header) -> int:
        """What this one block adds in fork choice (work for proof of work, 1 otherwise)."""

    def reward(self, number: int) -> int:
        """New money paid to the beneficiary of block `number`, in the ledger's smallest unit."""

    def validators(self) -> tuple[bytes, ...]:
        """Node ids with a vote now; empty where anybody may take part."""

    def status(self) -> dict[str, Any]:
        """For people and RPC: view, leader, votes, timers... JSON-able; never consulted by machines."""


class SealCheck(Protocol):
    """Decides whether proof of work was done. Not consensus data: the live host hashes, the simulator has an ideal one
    that recognises the nonces it gave out itself. Part of how an engine is made, never of what a chain agrees on."""

    def holds(self, header: Header, target: int) -> bool:
        """Does the header's nonce prove work for `target` (a hash at most that counts)? Pure and thread-safe."""


class EngineSetup(NamedTuple):
    """What a protocol's factory gets. `parameters` is genesis' `config.protocol` without its name, validated by the
    protocol (unknown keys raise ConfigError with their path). `records` is what the engine persisted before."""

    parameters: Mapping[str, Any]
    chain: ChainView
    signer: Signer
    beneficiary: bytes
    records: Mapping[bytes, bytes]
    # True if this node should propose, mine or vote; an observer only follows.
    active: bool = True
    # The engine around this one, if there is one: see `nesting`.
    frame: Frame = ALONE


EngineFactory: TypeAlias = Callable[[EngineSetup], Engine]
