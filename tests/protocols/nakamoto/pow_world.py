"""A light world for the proof-of-work engine: several engines, each over a fake chain, in virtual time.

The chain executes nothing: transactions are opaque and every block is valid unless a test forbids it. Seals are
ideal; who finds the next block, and when, is drawn from a seeded stream.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from heapq import heappop, heappush
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.engine.contract import Draft, EngineSetup, SealCheck
from raclette.engine.effects import Adopt, CancelTimer, Effect, Fetch, Finalize, Publish, Seal, SetTimer, StopSealing
from raclette.engine.events import BlockReceived, Event, Pending, Received, Sealed, Started, TimerFired
from raclette.primitives.errors import InvalidBlock, UnknownParent
from raclette.primitives.hashing import ZERO_HASH, keccak256
from raclette.primitives.randomness import Random
from raclette.primitives.signing import IdealSignatures
from raclette.primitives.units import MILLISECOND, SECOND
from raclette.protocols.nakamoto import BlockAnnouncement, IdealSeal, Nakamoto, make_engine

EPOCH_S = 1_700_000_000
EPOCH = EPOCH_S * SECOND
SEAL = IdealSeal(b"world")
GENESIS = Header(ZERO_HASH, 0, EPOCH_S)


class FakeChain:
    """A `ChainView` that keeps every block it is given. `forbidden` hashes fail execution."""

    chain_id = 7

    def __init__(self, genesis: Header = GENESIS) -> None:
        self.genesis = genesis
        self.head = genesis
        self.finalized = genesis
        self.blocks: dict[bytes, Block] = {genesis.hash: Block(genesis)}
        self.pool: list[bytes] = []
        self.forbidden: set[bytes] = set()
        self.checked = 0
        self.built = 0

    def header(self, block_hash: bytes) -> Header | None:
        block = self.blocks.get(block_hash)
        return block.header if block else None

    def block(self, block_hash: bytes) -> Block | None:
        return self.blocks.get(block_hash)

    def canonical(self, number: int) -> Header | None:
        return next((header for header in self.branch() if header.number == number), None)

    def certificate(self, block_hash: bytes) -> bytes:
        return b""

    def state(self, block_hash: bytes) -> StateReader:
        raise NotImplementedError

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        return ()

    def pending_from(self, account: bytes) -> bool:
        return False

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        return False

    def has_pending(self, parent: Header) -> bool:
        return bool(self.pool)

    def build(self, parent: Header, draft: Draft) -> Block:
        self.built += 1
        transactions = tuple(self.pool)
        header = Header(
            parent.hash,
            parent.number + 1,
            draft.timestamp,
            beneficiary=draft.beneficiary,
            difficulty=draft.difficulty,
            extra_data=draft.extra_data,
            transactions_root=keccak256(b"".join(transactions)),
        )
        return Block(header, transactions)

    def check(self, block: Block) -> None:
        if block.parent_hash not in self.blocks:
            raise UnknownParent("unknown-parent", block.parent_hash.hex())
        if block.hash in self.forbidden:
            raise InvalidBlock("state-root", "forbidden by the test")
        self.checked += 1
        self.blocks[block.hash] = block

    def branch(self) -> Iterator[Header]:
        """The head's branch, newest first, genesis included."""
        header: Header | None = self.head
        while header is not None:
            yield header
            header = self.header(header.parent_hash)


class Node:
    """One engine over its chain; carries effects out and keeps what it did."""

    def __init__(
        self,
        index: int = 0,
        *,
        parameters: Mapping[str, Any] | None = None,
        active: bool = True,
        seal: SealCheck = SEAL,
        chain: FakeChain | None = None,
    ) -> None:
        self.index = index
        self.id = bytes([index]) * 32
        self.chain = chain or FakeChain()
        self.timers: dict[str, int] = {}
        self.search: Seal | None = None
        self.done: list[Effect] = []
        self.send: Callable[[Effect], None] = lambda effect: None
        self._active = active
        self.engine: Nakamoto = make_engine(self.engine_setup(parameters or {}), seal_check=seal)

    def engine_setup(self, parameters: Mapping[str, Any]) -> EngineSetup:
        """What this node's engine was made from."""
        return EngineSetup(
            parameters=parameters,
            chain=self.chain,
            signer=IdealSignatures(b"world").signer(self.id),
            beneficiary=bytes([self.index]) * 20,
            records={},
            active=self._active,
        )

    def handle(self, event: Event) -> tuple[Effect, ...]:
        effects = self.engine.handle(event)
        for effect in effects:
            self._carry_out(effect, event.now)
        self.done.extend(effects)
        return effects

    def _carry_out(self, effect: Effect, now: int) -> None:
        match effect:
            case SetTimer(name, delay):
                assert delay >= 0
                self.timers[name] = now + delay
            case CancelTimer(name):
                self.timers.pop(name, None)
            case Seal():
                self.search = effect
            case StopSealing():
                self.search = None
            case Adopt(block_hash):
                self.chain.head = self.chain.blocks[block_hash].header
            case Finalize(block_hash, _):
                self.chain.finalized = self.chain.blocks[block_hash].header
            case Publish() | Fetch():
                self.send(effect)
            case _:
                pass

    def give(self, block: Block, *, now: int | None = None, peer: bytes | None = b"p" * 32) -> tuple[Effect, ...]:
        """A block arrives (in time, if `now` is not said)."""
        at = block.header.timestamp * SECOND if now is None else now
        return self.handle(BlockReceived(at, peer, block, b""))

    def run_timers(self, now: int) -> None:
        """Fire whatever is due by `now`, in order."""
        while due := sorted((at, name) for name, at in self.timers.items() if at <= now):
            at, name = due[0]
            del self.timers[name]
            self.handle(TimerFired(at, name))


class Forge:
    """Makes valid blocks without mining: as many branches as a story needs."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.headers: dict[bytes, Header] = {node.chain.genesis.hash: node.chain.genesis}

    def block(self, parent: Block | Header, *, after_s: int = 5, tag: bytes = b"", **changes: Any) -> Block:
        """A sealed child of `parent`, with the difficulty that the rule asks for unless told otherwise."""
        above = parent.header if isinstance(parent, Block) else parent
        header = Header(
            above.hash,
            above.number + 1,
            above.timestamp + after_s,
            difficulty=self._node.engine._rule.after(above),
            extra_data=tag,
        )
        header = SEAL.seal(replace(header, **changes))
        self.headers[header.hash] = header
        return Block(header)

    def branch(self, parent: Block | Header, count: int, **kwargs: Any) -> list[Block]:
        """`count` blocks, one on the other."""
        blocks: list[Block] = []
        for _ in range(count):
            blocks.append(self.block(blocks[-1] if blocks else parent, **kwargs))
        return blocks


class World:
    """Miners and links in virtual time. `power[i]` is hashes a second of node i; links delay by `latency` ns."""

    def __init__(
        self,
        power: list[int],
        *,
        seed: int,
        latency: int = 100 * MILLISECOND,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        self.now = EPOCH
        self.power = power
        self.latency = latency
        self.parted: set[int] = set()
        self._random = Random(seed)
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._count = 0
        self.nodes = [Node(index, parameters=parameters) for index in range(len(power))]
        for node in self.nodes:
            node.send = self._sender(node)
            node.handle(Started(self.now))

    def run_for(self, seconds: int) -> None:
        """Advance: deliveries and timers exactly, sealing in steps of a second."""
        until = self.now + seconds * SECOND
        while self.now < until:
            step = min(self.now + SECOND, until)
            self._deliver_until(step)
            self.now = step
            for node in self.nodes:
                self._maybe_find(node)

    def part(self, *group: int) -> None:
        """Cut `group` off from the others."""
        self.parted = set(group)

    def heal(self) -> None:
        """Join the halves; both sides hear of the other's head."""
        self.parted = set()
        for node in self.nodes:
            block = node.chain.blocks[node.chain.head.hash]
            self._spread(node, BlockAnnouncement(block.header, block))

    def pend(self, node: int, transaction: bytes) -> None:
        """A transaction reaches one node's mempool."""
        self.nodes[node].chain.pool.append(transaction)
        self.nodes[node].handle(Pending(self.now))

    def _maybe_find(self, node: Node) -> None:
        if node.search is None:
            return
        if self._random.chance(
            min(self.power[node.index], node.search.header.difficulty), node.search.header.difficulty
        ):
            sealed, node.search = SEAL.seal(node.search.header), None
            node.handle(Sealed(self.now, sealed))

    def _sender(self, node: Node) -> Callable[[Effect], None]:
        def send(effect: Effect) -> None:
            match effect:
                case Publish(message) if isinstance(message, BlockAnnouncement):
                    self._spread(node, message)
                case Fetch(peer, block_hash):
                    self._at(self.now + 2 * self.latency, lambda: self._answer(node, peer, block_hash))
                case _:
                    pass

        return send

    def _spread(self, node: Node, message: BlockAnnouncement) -> None:
        for other in self.nodes:
            if other is not node and (other.index in self.parted) == (node.index in self.parted):
                self._at(self.now + self.latency, self._delivery(other, node.id, message))

    def _delivery(self, to: Node, peer: bytes, message: BlockAnnouncement) -> Callable[[], None]:
        return lambda: void(to.handle(Received(self.now, peer, message)))

    def _answer(self, node: Node, peer: bytes, block_hash: bytes) -> None:
        """The peer's missing blocks, oldest first, as sync would bring them."""
        giver = self.nodes[peer[0]]
        wanted: list[Block] = []
        block = giver.chain.block(block_hash)
        while block is not None and node.chain.header(block.hash) is None:
            wanted.append(block)
            block = giver.chain.block(block.parent_hash)
        for missing in reversed(wanted):
            node.handle(BlockReceived(self.now, peer, missing, b""))

    def _at(self, when: int, action: Callable[[], None]) -> None:
        self._count += 1
        heappush(self._queue, (when, self._count, action))

    def _deliver_until(self, until: int) -> None:
        while self._queue and self._queue[0][0] <= until:
            when, _, action = heappop(self._queue)
            for node in self.nodes:
                node.run_timers(when)
            self.now = when
            action()
        for node in self.nodes:
            node.run_timers(until)


def void(_: object) -> None:
    """Drop a value."""
