"""Blocks inside the node: consensus messages out with compact bodies, and in, made whole, to the engine.

A block is passed on by gossip only after the engine has taken it: nobody relays what it has not checked.
"""

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from raclette.chain.block import Block
from raclette.chain.compact import Reassembly, encode_short_ids
from raclette.chain.header import Header
from raclette.chain.ledger import Transaction
from raclette.engine.events import Received
from raclette.engine.message import Message, carries_block
from raclette.gossip.events import Topic
from raclette.node.assembly import OWNER as ASSEMBLY
from raclette.node.assembly import Ask, Assemblies, Ready, Step, Wait, Waiting
from raclette.node.host import Lane
from raclette.node.wire import (
    BlockTransactions,
    EngineSaid,
    GetBlockTransactions,
    encode_block_transactions,
    encode_engine,
    encode_get_block_transactions,
)
from raclette.primitives.errors import InvalidHeader, NotYet, PeerFault
from raclette.primitives.hashing import keccak256

if TYPE_CHECKING:
    from raclette.node.node import Node

# Public block frames kept to answer a neighbour's GRAFT: it grafts within seconds; older blocks come by sync.
PUBLIC_FRAMES_MAX = 64
# Public statements without a block (votes) kept likewise: a few heights of the largest electorates.
STATEMENTS_MAX = 4_096
# Most bytes of transactions in one answer for a compact body; the asker asks again for the rest.
ANSWER_BYTES_MAX = 2 * 1024 * 1024

T = TypeVar("T")


class BlockDesk:
    """Everything that happens to a consensus message between wire and engine."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._chain = node.chain
        self._out = node.out
        self._spread = node.spread
        self._assemblies = Assemblies()
        self._public: OrderedDict[bytes, tuple[bytes, str]] = OrderedDict()
        # Public statements without a block: frames by id, and from whom those came that the engine has not published.
        self._statements: OrderedDict[bytes, tuple[bytes, str]] = OrderedDict()
        self._heard: OrderedDict[bytes, bytes] = OrderedDict()
        # Public messages that the engine is looking at: block hash -> whom they came from, frame, kind.
        self._judging: dict[bytes, tuple[bytes, bytes, str]] = {}
        # Answers that each peer may still send: one for each question, however late.
        self._owed: dict[bytes, int] = {}
        node.spread.serve(Topic.BLOCKS, self._payloads)

    @property
    def waits(self) -> bool:
        """Is a block waiting for transactions?"""
        return len(self._assemblies) > 0

    # Out

    def frame(self, message: Message, *, public: bool) -> bytes:
        """A consensus message as a frame, its block's body (if it carries one) as short ids."""
        block = message.block if carries_block(message) else None
        ids = None if block is None else encode_short_ids(keccak256(raw) for raw in block.transactions)
        return encode_engine(self._node.engine.encode(message), ids, public=public)

    def publish(self, message: Message) -> None:
        """A public message about a block of our own, or a statement that the engine finds worth passing on."""
        if not carries_block(message):
            payload = self._node.engine.encode(message)
            item = keccak256(payload)
            _keep(self._statements, item, (encode_engine(payload, None, public=True), message.kind))
            self._spread.publish(Topic.BLOCKS, (item,), self._heard.pop(item, None))
            return
        block_hash = message.header.hash
        self._keep_public(block_hash, self.frame(message, public=True), message.kind)
        self._spread.publish(Topic.BLOCKS, (block_hash,))

    def _keep_public(self, block_hash: bytes, frame: bytes, kind: str) -> None:
        self._public[block_hash] = (frame, kind)
        if len(self._public) > PUBLIC_FRAMES_MAX:
            self._public.popitem(last=False)

    def _payloads(self, ids: Sequence[bytes]) -> list[tuple[bytes, str]]:
        held = (self._public.get(item) or self._statements.get(item) for item in ids)
        return [frame for frame in held if frame is not None]

    # In

    def received(self, peer: bytes, said: EngineSaid) -> None:
        """A consensus message from a peer."""
        message = said.message
        if not carries_block(message):
            if not said.public or self._is_news(peer, message):
                self._node.tell(Received(self._out.now, peer, message))
            return
        block_hash = message.header.hash
        if said.public and not self._spread.fresh(peer, Topic.BLOCKS, (block_hash,)):
            return
        if said.public and self._is_stale(message.header):
            return
        waiting = Waiting(peer, message, said.public)
        block = self._chain.block(block_hash)
        if block is not None:
            self._deliver(block, (waiting,))
            return
        unsigned = said.public or not self._node.engine.needs_certificate
        if unsigned and not self._plausible(peer, message.header):
            return
        if said.short_ids is None:
            self._node.tell(Received(self._out.now, peer, message))
            return
        reassembly = Reassembly(message.header, said.short_ids, self._node.mempool.by_short_id)
        self._act(self._assemblies.add(waiting, reassembly))

    def _is_news(self, peer: bytes, statement: Message) -> bool:
        """A public statement without a block: heard for the first time? If the engine publishes it, it goes on to the
        others."""
        item = keccak256(self._node.engine.encode(statement))
        if not self._spread.fresh(peer, Topic.BLOCKS, (item,)):
            return False
        _keep(self._heard, item, peer)
        return True

    def _is_stale(self, header: Header) -> bool:
        """A block that everybody has had for long, so one repeated by a stranger does not go round again."""
        return header.number + PUBLIC_FRAMES_MAX <= self._chain.head.number and (
            self._chain.header(header.hash) is not None
        )

    def _plausible(self, peer: bytes, header: Header) -> bool:
        """Nobody signs such a block: its header is checked before anything is kept or asked for its sake. A block on an
        unknown parent is left to sync. Raises PeerFault."""
        parent = self._chain.header(header.parent_hash)
        if parent is None:
            self._node.sync.want(peer, header.hash)
            return False
        if header.number != parent.number + 1:
            raise InvalidHeader("header-number", f"{header.number} after {parent.number}")
        with suppress(NotYet):  # the engine knows how long to keep what comes early
            self._node.engine.check_header(header, parent, self._chain.header, self._out.now)
        return True

    def answered(self, peer: bytes, answer: BlockTransactions) -> None:
        """Missing transactions came. If they are wrong, the next one who knows the block is asked at once. Raises
        PeerFault if nobody asked: opening an answer costs far more than sending it."""
        owed = self._owed.get(peer, 0)
        if not owed:
            raise PeerFault("unasked-answer", f"transactions of block {answer.block_hash.hex()[:16]}")
        self._owed[peer] = owed - 1
        try:
            self._act(self._assemblies.answered(peer, answer.block_hash, answer.transactions))
        except PeerFault as fault:
            self._node.conduct.fault(peer, fault.reason, fault.detail)
            self._act(self._assemblies.ask(answer.block_hash))

    def gone(self, peer: bytes) -> None:
        """A link is down."""
        self._owed.pop(peer, None)

    def fired(self, name: str) -> None:
        """Nobody answered in time."""
        self._act(self._assemblies.timed_out(bytes.fromhex(name)))

    def arrived(self, block: Block) -> None:
        """A block came by sync: release what waited for it."""
        self._deliver(block, self._assemblies.arrived(block))

    def asked(self, peer: bytes, ask: GetBlockTransactions) -> None:
        """A peer lacks transactions of a block that we told it about. Silent if we do not have it."""
        block = self._chain.block(ask.block_hash)
        if block is None:
            return
        count = len(block.transactions)
        if any(index >= count for index in ask.indexes):
            raise PeerFault("bad-index", f"block {block.number} has {count} transactions")
        items: list[tuple[int, bytes]] = []
        room = ANSWER_BYTES_MAX
        for index in ask.indexes or range(count):
            raw = block.transactions[index]
            room -= len(raw)
            if room < 0:
                break
            items.append((index, raw))
        frame = encode_block_transactions(ask.block_hash, items)
        self._out.transmit((peer,), Lane.BLOCKS, frame, "block-transactions")

    def judged(self) -> None:
        """The engine has seen everything told so far: pass on the public blocks that it took."""
        judged, self._judging = self._judging, {}
        for block_hash, (peer, frame, kind) in judged.items():
            if self._chain.header(block_hash) is not None:
                self._keep_public(block_hash, frame, kind)
                self._spread.publish(Topic.BLOCKS, (block_hash,), peer)

    def gossiped(self, transactions: Sequence[Transaction]) -> None:
        """Transactions came by gossip: they may be what a block waits for."""
        for step in self._assemblies.gossiped(transactions):
            self._act(step)

    def _act(self, step: Step) -> None:
        if isinstance(step, Wait):
            self._out.set_timer(ASSEMBLY, step.block_hash.hex(), step.delay)
        elif isinstance(step, Ask):
            frame = encode_get_block_transactions(step.request)
            if step.peer in self._node.links:
                self._owed[step.peer] = self._owed.get(step.peer, 0) + 1
                self._out.transmit((step.peer,), Lane.BLOCKS, frame, "get-block-transactions")
            self._out.set_timer(ASSEMBLY, step.request.block_hash.hex(), step.timeout)
        elif isinstance(step, Ready):
            self._out.cancel_timer(ASSEMBLY, step.block.hash.hex())
            self._deliver(step.block, step.waiting)

    def _deliver(self, block: Block, waiting: Sequence[Waiting]) -> None:
        for peer, message, public in waiting:
            whole = message.with_block(block)
            if public:
                self._judging[block.hash] = (peer, self.frame(whole, public=True), whole.kind)
            self._node.tell(Received(self._out.now, peer, whole))


def _keep(memory: OrderedDict[bytes, T], key: bytes, value: T) -> None:
    """Remember it; the oldest is forgotten."""
    memory[key] = value
    if len(memory) > STATEMENTS_MAX:
        memory.popitem(last=False)
