"""A small network for sync: chains of headers that weigh what they say, honest servers, and liars."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from typing import Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.chain.roots import ordered_root
from raclette.engine.contract import Draft, Lookup
from raclette.engine.effects import CancelTimer, Effect, SetTimer
from raclette.engine.events import Event
from raclette.engine.message import Message
from raclette.node.sync import (
    Ask,
    Bodies,
    GetBodies,
    GetHeaders,
    Headers,
    Import,
    Penalise,
    Sync,
    SyncEffect,
    SyncLimits,
    serve_bodies,
    serve_headers,
)
from raclette.primitives.errors import InvalidCertificate, InvalidHeader
from raclette.primitives.hashing import sha256
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Claim
from raclette.primitives.units import MILLISECOND

GENESIS = Header(parent_hash=bytes(32), number=0, timestamp=0)


def extend(parent: Header, count: int, *, salt: bytes = b"", transactions: int = 2, work: int = 1) -> list[Block]:
    """`count` blocks on `parent`."""
    out: list[Block] = []
    for _ in range(count):
        number = parent.number + 1
        raws = tuple(sha256(b"%d/%d" % (number, i) + salt) for i in range(transactions))
        header = Header(
            parent_hash=parent.hash,
            number=number,
            timestamp=number,
            transactions_root=ordered_root(raws),
            extra_data=salt,
            difficulty=work,
        )
        out.append(Block(header, raws))
        parent = header
    return out


def certify(block_hash: bytes) -> bytes:
    """The one valid certificate of this world."""
    return sha256(b"certificate" + block_hash)


class TinyChain:
    """The heaviest branch of a dictionary of blocks."""

    chain_id = 1
    genesis = GENESIS
    finalized = GENESIS

    def __init__(self, blocks: list[Block] | None = None) -> None:
        self.blocks = {GENESIS.hash: Block(GENESIS)}
        self.weights = {GENESIS.hash: 0}
        self.branch = [GENESIS]
        self.certified: set[bytes] = set()
        for block in blocks or []:
            self.insert(block)

    @property
    def head(self) -> Header:
        return self.branch[-1]

    def insert(self, block: Block) -> None:
        """Raises KeyError on an unknown parent."""
        self.weights[block.hash] = self.weights[block.parent_hash] + block.header.difficulty
        self.blocks[block.hash] = block
        if self.weights[block.hash] > self.weights[self.head.hash]:
            path = [block.header]
            while path[-1].number > len(self.branch) or self.branch[path[-1].number - 1].hash != path[-1].parent_hash:
                path.append(self.blocks[path[-1].parent_hash].header)
            del self.branch[path[-1].number :]
            self.branch.extend(reversed(path))

    def header(self, block_hash: bytes) -> Header | None:
        block = self.blocks.get(block_hash)
        return None if block is None else block.header

    def block(self, block_hash: bytes) -> Block | None:
        return self.blocks.get(block_hash)

    def canonical(self, number: int) -> Header | None:
        return self.branch[number] if 0 <= number < len(self.branch) else None

    def certificate(self, block_hash: bytes) -> bytes:
        return certify(block_hash)

    def state(self, block_hash: bytes) -> StateReader:
        raise NotImplementedError

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        return ()

    def pending_from(self, account: bytes) -> bool:
        return False

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        return False

    def has_pending(self, parent: Header) -> bool:
        return False

    def build(self, parent: Header, draft: Draft) -> Block:
        raise NotImplementedError

    def check(self, block: Block) -> None:
        self.insert(block)


class TinyEngine:
    """Headers that say "bad" are invalid; weight is difficulty."""

    name = "tiny"

    def __init__(self, needs_certificate: bool = False) -> None:
        self.needs_certificate = needs_certificate

    def handle(self, event: Event) -> tuple[Effect, ...]:
        return ()

    def encode(self, message: Message) -> bytes:
        return b""

    def decode(self, payload: bytes) -> Message:
        raise NotImplementedError

    def check_header(self, header: Header, parent: Header, lookup: Lookup, now: int) -> None:
        if header.extra_data == b"bad" or lookup(header.parent_hash) is None:
            raise InvalidHeader("bad-seal")

    def check_certificate(self, header: Header, certificate: bytes) -> tuple[Claim, ...]:
        if certificate != certify(header.hash):
            raise InvalidCertificate("bad-certificate")
        return ()

    def weight(self, header: Header) -> int:
        return header.difficulty

    def reward(self, number: int) -> int:
        return 0

    def validators(self) -> tuple[bytes, ...]:
        return ()

    def status(self) -> dict[str, Any]:
        return {}


Answer = Headers | Bodies
# How a server behaves: the honest answer goes in, what it says (None: nothing) comes out.
Behaviour = Callable[[GetHeaders | GetBodies, Answer], Answer | None]


@dataclass
class Server:
    """A peer with a chain; `height` and `weight` are what it claims."""

    chain: TinyChain
    behave: Behaviour
    height: int
    weight: int
    head: bytes
    asked: int = 0


class World:
    """One syncing node among servers, in virtual time."""

    def __init__(self, seed: int = 1, *, certificates: bool = False, limits: SyncLimits | None = None) -> None:
        self.random = Random(seed)
        self.chain = TinyChain()
        self.engine = TinyEngine(certificates)
        weight = self._weight
        self.sync = Sync(self.chain, self.engine, Random(seed, 1), weight, limits)
        self.servers: dict[bytes, Server] = {}
        self.now = 0
        self.penalties: list[tuple[bytes, str]] = []
        self.imported: list[int] = []
        self.invalid: set[bytes] = set()
        # Blocks that the engine does not take yet, and calls by no name.
        self.unwanted: set[bytes] = set()
        self.peak: dict[str, int] = {}
        self._events: list[tuple[int, int, Callable[[], tuple[SyncEffect, ...]]]] = []
        self._sequence = 0
        self._timers: dict[str, int] = {}

    def _weight(self) -> int:
        return self.chain.weights[self.chain.head.hash]

    def restart(self, limits: SyncLimits | None = None) -> None:
        """The process dies; the chain stays."""
        self._events.clear()
        self._timers.clear()
        self.sync = Sync(self.chain, self.engine, Random(9, 1), self._weight, limits)
        for peer in self.servers:
            self.greet(peer)

    def serve(
        self,
        name: bytes,
        blocks: list[Block],
        behave: Behaviour = lambda _, answer: answer,
        *,
        height: int | None = None,
        weight: int | None = None,
        head: bytes | None = None,
    ) -> Server:
        """Add a peer and greet it."""
        chain = TinyChain(blocks)
        total = chain.weights[chain.head.hash]
        server = Server(
            chain,
            behave,
            chain.head.number if height is None else height,
            total if weight is None else weight,
            chain.head.hash if head is None else head,
        )
        self.servers[name] = server
        self.greet(name)
        return server

    def greet(self, name: bytes) -> None:
        """Link up and tell its status."""
        self.carry(self.sync.up(self.now, name))
        self.tell_status(name)

    def tell_status(self, name: bytes) -> None:
        """Repeat its claim."""
        server = self.servers[name]
        self.carry(self.sync.status(self.now, name, server.head, server.height, server.weight))

    def vanish(self, name: bytes) -> None:
        """The link breaks."""
        del self.servers[name]
        self.carry(self.sync.down(self.now, name))

    def later(self, delay: int, action: Callable[[], tuple[SyncEffect, ...]]) -> None:
        """Schedule."""
        self._sequence += 1
        heappush(self._events, (self.now + delay, self._sequence, action))

    def run(self, seconds: int = 600, until: Callable[[], bool] = lambda: False) -> None:
        """Let time pass, until something has happened if told so."""
        end = self.now + seconds * 1_000_000_000
        while self._events and self._events[0][0] <= end and not until():
            self.now, _, action = heappop(self._events)
            self.carry(action())
            for name, size in self.sync.stats().items():
                self.peak[name] = max(self.peak.get(name, 0), size)
        if not until():
            self.now = end

    def carry(self, effects: tuple[SyncEffect, ...]) -> None:
        """Do what sync asks."""
        pending = list(effects)
        while pending:
            effect = pending.pop(0)
            if isinstance(effect, Ask):
                self._ask(effect)
            elif isinstance(effect, Import):
                pending.extend(self._import(effect))
            elif isinstance(effect, Penalise):
                self.penalties.append((effect.peer, effect.reason))
            elif isinstance(effect, SetTimer):
                self._set_timer(effect)
            else:
                assert isinstance(effect, CancelTimer)
                self._timers.pop(effect.name, None)

    def _set_timer(self, effect: SetTimer) -> None:
        self._sequence += 1
        number = self._timers[effect.name] = self._sequence

        def fire() -> tuple[SyncEffect, ...]:
            if self._timers.get(effect.name) != number:
                return ()
            del self._timers[effect.name]
            return self.sync.fired(self.now, effect.name)

        self.later(effect.delay, fire)

    def _import(self, effect: Import) -> tuple[SyncEffect, ...]:
        block = effect.block
        assert ordered_root(block.transactions) == block.header.transactions_root
        assert not self.engine.needs_certificate or not effect.certificate or effect.certificate == certify(block.hash)
        if block.hash in self.unwanted:
            return self.sync.failed(self.now, block.hash, None)
        if block.hash in self.invalid or block.parent_hash not in self.chain.blocks:
            return self.sync.failed(self.now, block.hash, "invalid-block")
        self.chain.insert(block)
        self.imported.append(block.number)
        return self.sync.imported(self.now, block.hash)

    def _ask(self, effect: Ask) -> None:
        server = self.servers.get(effect.peer)
        if server is None:
            return
        server.asked += 1
        request = effect.request
        honest: Answer
        if isinstance(request, GetHeaders):
            honest = serve_headers(server.chain, request)
        else:
            honest = serve_bodies(server.chain, request)
        answer = server.behave(request, honest)
        if answer is None:
            return
        delay = self.random.between(5 * MILLISECOND, 80 * MILLISECOND)
        peer = effect.peer

        def deliver() -> tuple[SyncEffect, ...]:
            if peer not in self.servers:
                return ()
            if isinstance(answer, Headers):
                return self.sync.headers(self.now, peer, answer)
            return self.sync.bodies(self.now, peer, answer)

        self.later(delay, deliver)


def silent(_: GetHeaders | GetBodies, __: Answer) -> None:
    """Takes the question and says nothing."""
    return


def no_bodies(_: GetHeaders | GetBodies, answer: Answer) -> Answer:
    """Has headers, never bodies."""
    return Bodies(answer.request, ()) if isinstance(answer, Bodies) else answer


def wrong_bodies(_: GetHeaders | GetBodies, answer: Answer) -> Answer:
    """Swaps a transaction."""
    if isinstance(answer, Headers):
        return answer
    return Bodies(answer.request, tuple((name, (b"forged", *raws[1:])) for name, raws in answer.items))


def no_headers(_: GetHeaders | GetBodies, answer: Answer) -> Answer:
    """Claims, and shows nothing."""
    return Headers(answer.request, ()) if isinstance(answer, Headers) else answer


def bad_seals(_: GetHeaders | GetBodies, answer: Answer) -> Answer:
    """Headers without work."""
    if isinstance(answer, Bodies):
        return answer
    return Headers(answer.request, tuple((replace(h, extra_data=b"bad"), c) for h, c in answer.items))
