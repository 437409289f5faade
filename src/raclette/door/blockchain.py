"""`Blockchain`: one node without a network, hosted by the caller's own thread.

It is the node of every other host: the same engine, ledger, mempool and chain, driven by calls instead of sockets.
Mining is the engine's `Seal` answered at once. Not thread-safe: one thread at a time.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from raclette.chain.block import Block
from raclette.chain.genesis import Genesis
from raclette.chain.header import NONCE_BYTES, Header
from raclette.door import judge, reading
from raclette.door.answer import Answer, Status
from raclette.door.identity import Identity
from raclette.door.recipe import make_genesis, make_ledger
from raclette.door.values import Record, Valid, encode_value
from raclette.engine.effects import CancelTimer, Seal, SetTimer, StopSealing
from raclette.ledgers.data import sign_entry
from raclette.live.miner.kernel import NONCE_SPAN, Kernel, make_kernel
from raclette.node.host import Fired, HostEffect, NodeStarted, NonceFound
from raclette.node.node import Node, NodeConfig, open_node
from raclette.node.view import NodeView
from raclette.primitives.errors import DecodeError, InvalidBlock, Misuse, Refused
from raclette.store.contract import Store
from raclette.store.memory import MemoryStore

# Timers that `mine_block` lets run out before it gives up: an engine that has something to order needs two or three.
TURNS_MAX = 64
# Hashes between two looks at nothing in particular: a call of the kernel must end for Ctrl-C to be heard.
CHUNK = 1 << 20
_ENGINE = "engine/"


class Blockchain:
    """A chain that one program keeps: add data, mine, verify, save and load.

    Where a method gives an `Answer`, its truth is whether it was accepted, and `reason` says why not.
    """

    def __init__(
        self,
        genesis: Genesis | None = None,
        *,
        valid: Valid | None = None,
        protocol: str = "nakamoto",
        parameters: Mapping[str, Any] | None = None,
        members: Sequence[bytes] = (),
        identity: Identity | None = None,
        store: Store | None = None,
    ) -> None:
        """`genesis`, or one made from `protocol`, `parameters`, `members` (see `recipe.make_genesis`) and the rule
        `valid`. Data is signed by `identity`, a new one by default; `store` is memory by default. Raises ConfigError,
        StoreRefused, StoreDamaged."""
        self.identity = identity or Identity()
        self.valid = valid
        if not members and genesis is None:
            members = (self.identity.node_id,)
        self.genesis = genesis or make_genesis(valid, protocol, parameters, members)
        config = NodeConfig(
            self.genesis,
            self.identity.signer,
            self.identity.account.address,
            ledger=make_ledger(self.genesis, valid),
        )
        self._node: Node = open_node(config, store or MemoryStore())
        self._kernel: Kernel | None = None
        self._seal: Seal | None = None
        self._timers: dict[str, int] = {}
        self._now = 0
        self._carry(self._node.handle(NodeStarted(self._clock())))

    # Reading

    @property
    def view(self) -> NodeView:
        """The node's read side, with all that RPC can ask."""
        return self._node.view

    @property
    def head(self) -> Header:
        """The newest block's header."""
        return self.view.head

    @property
    def blocks(self) -> list[Block]:
        """All blocks of the head's branch, genesis first."""
        return reading.blocks(self.view)

    def __len__(self) -> int:
        return self.head.number + 1

    def get_data(self, number: int | None = None) -> list[Record]:
        """The data of the chain, oldest first, or that of one block. Raises Misuse (no such block; another ledger)."""
        return reading.records(self.view, number)

    def query(self, path: str, *arguments: Any) -> Any:
        """A question that the ledger knows, asked of the head's state. Raises Misuse."""
        return self.view.ledger.query(path, arguments, self._node.chain.state(self.head.hash))

    # Adding

    def add_data(self, value: Any) -> Answer:
        """Sign a JSON value and let it wait for a block. RETRY: the pool is full. INVALID: it is there already, or the
        rule forbids it after what is in the chain or waits. Raises Misuse (no JSON; another ledger)."""
        if self.genesis.ledger != "data":
            raise Misuse(f"the ledger {self.genesis.ledger!r} keeps no data; accepted: `submit` of its transactions")
        return self.submit(sign_entry(self.identity.account, chain_id=self.genesis.chain_id, data=encode_value(value)))

    def submit(self, raw: bytes) -> Answer:
        """Any transaction of the ledger."""
        objection = judge.objection_to(self._node, raw)
        if objection is not None:
            return objection
        transaction = self._node.decode(raw)
        try:
            self._carry(self._node.submit(self._clock(), transaction))
        except Refused as refusal:
            return Answer.refused(refusal, transaction.hash)
        return Answer(Status.ACCEPTED, "", transaction.hash)

    def mine_block(self) -> Block | None:
        """The next block, of what waits: proof of work is searched here and now; in a protocol with votes, of which
        this node has all, it is voted on. None if nothing waits, or this node alone cannot make a block."""
        before = self.head.hash
        for _ in range(TURNS_MAX):
            if self.head.hash != before:
                return self.view.block(self.head.hash)
            if self._seal is not None:
                self._search(self._seal)
            elif not self._fire_next():
                break
        return None

    def add_block(self, block: Block, certificate: bytes = b"") -> Answer:
        """Verify somebody's block and take it in; the engine decides whether it becomes the head. RETRY: its parent is
        unknown, or its time has not come."""
        return judge.offer(self._node, block, certificate, self._clock(), self._carry)

    # Verifying

    def verify_block(self, block: Block, certificate: bytes = b"") -> Answer:
        """Could this block be added on its parent? Checks everything and changes nothing."""
        return judge.verify(self._node, block, certificate, self._clock())

    def verify_chain(self) -> Answer:
        """Every record of the store against every other, then every block again by a new node that starts at
        genesis."""
        for problem in self._node.chain.verify():
            return Answer(Status.INVALID, problem, self.head.hash)
        try:
            self.load_json(self.to_json(), valid=self.valid)
        except (InvalidBlock, DecodeError) as wrong:
            return Answer(Status.INVALID, str(wrong), self.head.hash)
        return Answer(Status.ACCEPTED, "", self.head.hash)

    # Files

    def to_json(self) -> str:
        """The whole chain as text."""
        return reading.write(self.view, self.genesis)

    @classmethod
    def load_json(
        cls,
        text: str,
        *,
        valid: Valid | None = None,
        identity: Identity | None = None,
        store: Store | None = None,
    ) -> "Blockchain":
        """A chain from `to_json`: each block is verified whole and added by a new node before you get anything.
        `valid` must be the rule that genesis names. Raises DecodeError (no such document), InvalidBlock (says which),
        ConfigError."""
        genesis, chapters, head = reading.read(text)
        chain = cls(genesis, valid=valid, identity=identity, store=store)
        for block, certificate in chapters:
            answer = chain.add_block(block, certificate)
            if not answer:
                raise InvalidBlock("document", f"block {block.number}: {answer.reason}")
        if chain.head.hash != head:
            raise InvalidBlock("document", f"its blocks lead to {chain.head.hash.hex()}, not to {head.hex()}")
        return chain

    # The host

    def _clock(self) -> int:
        self._now = max(self._now + 1, time.time_ns())
        return self._now

    def _carry(self, effects: tuple[HostEffect, ...]) -> None:
        """Timers and searches are kept for `mine_block`; there is nobody to send to, and memory needs no flush."""
        for effect in effects:
            match effect:
                case Seal():
                    self._seal = effect
                case StopSealing():
                    self._seal = None
                case SetTimer(name, delay):
                    self._timers[name] = self._now + delay
                case CancelTimer(name):
                    self._timers.pop(name, None)

    def _fire_next(self) -> bool:
        """Let the engine's next timer run out at once; False if it has set none."""
        due = [(at, name) for name, at in self._timers.items() if name.startswith(_ENGINE)]
        if not due:
            return False
        _, name = min(due)
        del self._timers[name]
        self._carry(self._node.handle(Fired(self._clock(), name)))
        return True

    def _search(self, seal: Seal) -> None:
        if self._kernel is None:
            self._kernel = make_kernel()
        for start in range(0, NONCE_SPAN, CHUNK):
            nonce = self._kernel.search(seal.header.prehash, seal.target, start, CHUNK)
            if nonce is not None:
                sealed = seal.header.sealed_with(nonce.to_bytes(NONCE_BYTES, "big"))
                self._seal = None
                self._carry(self._node.handle(NonceFound(self._clock(), sealed)))
                return
        raise Misuse("no nonce seals this block")
