"""A small bank chain behind a real RPC server on loopback: what the RPC's tests talk to.

The server runs in an event loop of its own thread, because web3's HTTP provider blocks. Everything that touches the
chain goes through `World.do`, which runs it in that loop.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Any, TypeVar

from raclette.chain.block import Block
from raclette.chain.chain import Chain
from raclette.chain.genesis import Genesis, make_genesis_block
from raclette.chain.header import Header
from raclette.chain.ledger import Ledger, StateReader, Transaction
from raclette.chain.mempool import Mempool
from raclette.chain.presets import even_alloc
from raclette.chain.receipt import Receipt
from raclette.chain.trie import root_of_mapping
from raclette.engine.contract import Draft
from raclette.ledgers import ledger_of
from raclette.live.faucet import Faucet
from raclette.node.host import Accepted, NewHead, Notice
from raclette.node.view import Located, PeerInfo, SyncProgress
from raclette.primitives.errors import Refused
from raclette.primitives.units import ETHER
from raclette.rpc.config import RpcConfig
from raclette.rpc.server import RpcServer
from raclette.store.contract import Table
from raclette.store.memory import MemoryStore

CHAIN_ID = 4242
BASE_FEE = 7
NODE_ID = bytes(range(32))
MINER = b"\xaa" * 20
ACCOUNTS = 5
BALANCE = 100 * ETHER
T = TypeVar("T")


class Stream:
    """An unbounded queue of notices."""

    def __init__(self, backend: "FakeBackend", kinds: tuple[type, ...]) -> None:
        self._backend, self.kinds = backend, kinds
        self.queue: asyncio.Queue[Notice] = asyncio.Queue()

    async def __aiter__(self) -> AsyncIterator[Notice]:
        while True:
            yield await self.queue.get()

    def close(self) -> None:
        if self in self._backend.streams:
            self._backend.streams.remove(self)


class FakeBackend:
    """A host without a network: a chain, a pool, and blocks when `mine` is called. Is its own NodeView."""

    node_id = NODE_ID

    def __init__(self, genesis: Genesis | None = None) -> None:
        if genesis is None:
            genesis = Genesis("pbft", "bank", CHAIN_ID, alloc=even_alloc(ACCOUNTS, BALANCE), base_fee=BASE_FEE)
        self.ledger: Ledger = ledger_of(genesis)
        self.store = MemoryStore()
        block, state = make_genesis_block(genesis, self.ledger, root_of_mapping)
        self.pool = Mempool(self.ledger)
        self.chain = Chain.open(
            self.store, block, state, self.ledger, chain_id=CHAIN_ID, candidates=self.pool.candidates
        )
        self.chain_id = CHAIN_ID
        self.streams: list[Stream] = []
        self.progress: SyncProgress | None = None
        self.batches: list[int] = []
        self.faucet: Faucet | None = None
        # Peers that a tracker would know, by name.
        self.known_peers: dict[str, dict[str, Any]] = {}

    # The host's side

    @property
    def view(self) -> "FakeBackend":
        return self

    async def submit(self, raw: bytes) -> bytes:
        return self._take(self.ledger.decode(raw))

    async def submit_many(self, raws: list[bytes]) -> list[bytes | Refused]:
        self.batches.append(len(raws))
        outcomes: list[bytes | Refused] = []
        for raw in raws:
            try:
                outcomes.append(self._take(self.ledger.decode(raw)))
            except Refused as refused:
                outcomes.append(refused)
        return outcomes

    async def find_peer(self, name: str) -> dict[str, Any] | None:
        return self.known_peers.get(name)

    async def fund(self, address: bytes, amount: int, *, name: str, request: str, client: str) -> dict[str, Any]:
        if self.faucet is None:
            raise Refused("no-faucet", "this node has no faucet")
        return await self.faucet.give(address, amount, name=name, request=request, client=client)

    def now(self) -> int:
        return time.time_ns()

    def _take(self, transaction: Transaction) -> bytes:
        self.pool.add(transaction, self.chain.state(self.head.hash))
        self._tell(Accepted(transaction))
        return transaction.hash

    def subscribe(self, *kinds: type) -> Stream:
        stream = Stream(self, kinds)
        self.streams.append(stream)
        return stream

    def _tell(self, notice: Notice) -> None:
        for stream in self.streams:
            if isinstance(notice, stream.kinds):
                stream.queue.put_nowait(notice)

    def host_info(self) -> dict[str, Any]:
        return {"name": "test", "huge": 2**80}

    def mine(self, *, on: Header | None = None, final: bool = False) -> Block:
        """A block with what waits, adopted (and perhaps final)."""
        parent = on or self.head
        block = self.chain.build(parent, Draft(parent.timestamp + 1, MINER, extra_data=b"cheese"))
        self.chain.check(block)
        moved = self.chain.adopt(block.hash)
        state = self.chain.state(block.hash)
        for executed in moved.added:
            self.pool.included(executed.transactions, state)
        if final:
            self.chain.finalize(block.hash, b"certificate of " + block.hash)
        self._tell(
            NewHead(tuple(old.header for old in moved.removed), tuple(executed.header for executed in moved.added))
        )
        return block

    # The node's side

    @property
    def genesis(self) -> Header:
        return self.chain.genesis

    @property
    def head(self) -> Header:
        return self.chain.head

    @property
    def safe(self) -> Header:
        return self.chain.finalized

    @property
    def finalized(self) -> Header:
        return self.chain.finalized

    def header(self, block_hash: bytes) -> Header | None:
        return self.chain.header(block_hash)

    def canonical(self, number: int) -> Header | None:
        return self.chain.canonical(number)

    def block(self, block_hash: bytes) -> Block | None:
        return self.chain.block(block_hash)

    def receipts(self, block_hash: bytes) -> tuple[Receipt, ...] | None:
        return self.chain.receipts(block_hash)

    def certificate(self, block_hash: bytes) -> bytes:
        return self.chain.certificate(block_hash)

    def locate(self, transaction_hash: bytes) -> Located | None:
        found = self.chain.locate(transaction_hash)
        block = None if found is None else self.chain.block(found[0].hash)
        if found is None or block is None:
            return None
        return Located(found[0], found[1], self.ledger.decode(block.transactions[found[1]]))

    def pooled(self, transaction_hash: bytes) -> Transaction | None:
        return self.pool.get(transaction_hash)

    def state(self, block_hash: bytes) -> StateReader | None:
        return self.chain.state_or_none(block_hash)

    def issued(self, number: int) -> int:
        return 0

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        return iter([(key, value) for key, value in self._all_state() if value])

    def _all_state(self) -> Iterator[tuple[bytes, bytes]]:
        state = self.chain.state(self.head.hash)
        keys = {key for key, _ in self.store.scan(Table.STATE)} | {MINER}
        return ((key, state.get(key) or b"") for key in sorted(keys))

    def prove(self, block_hash: bytes, key: bytes) -> list[bytes] | None:
        return self.chain.prove(block_hash, key)

    def next_nonce(self, sender: bytes) -> int:
        return self.pool.next_nonce(sender, self.chain.state(self.head.hash))

    def mempool(self) -> dict[str, Any]:
        return dict(self.pool.stats())

    def pooled_transactions(self, limit: int) -> Sequence[Transaction]:
        return self.pool.best(limit)

    def peers(self) -> Sequence[PeerInfo]:
        return [PeerInfo(b"\x01" * 32, 3, -2, True), PeerInfo(b"\x02" * 32, 2, 0, False)]

    def consensus(self) -> dict[str, Any]:
        return {
            "protocol": "pbft",
            "view": 3,
            "leader": b"\x01" * 32,
            "votes": {"4": {"prepares": 2}},
            "target": 2**255,
        }

    def syncing(self) -> SyncProgress | None:
        return self.progress

    def evidence(self) -> Sequence[dict[str, Any]]:
        return [{"accused": b"\x03" * 32, "reason": "equivocation"}]


@dataclass
class World:
    """A running server. `url` for HTTP and WebSocket clients alike."""

    backend: FakeBackend
    server: RpcServer
    loop: asyncio.AbstractEventLoop
    host: str
    port: int

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://{self.host}:{self.port}"

    def do(self, action: Callable[[], T]) -> T:
        """Run `action` in the server's loop and wait for it."""
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(action())
            except BaseException as error:
                done.set_exception(error)

        self.loop.call_soon_threadsafe(run)
        return done.result(20)

    def mine(self, *, final: bool = False) -> Block:
        """A block with what waits."""
        return self.do(lambda: self.backend.mine(final=final))

    def submit(self, raw: bytes) -> bytes:
        """Put a transaction into the pool, past the RPC."""
        return asyncio.run_coroutine_threadsafe(self.backend.submit(raw), self.loop).result(20)


def serve(config: RpcConfig | None = None, backend: FakeBackend | None = None) -> Iterator[World]:
    """For fixtures: a world, stopped at the end."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    backend = backend or FakeBackend()
    server = RpcServer(backend, config or RpcConfig(port=0))
    host, port = asyncio.run_coroutine_threadsafe(server.start(), loop).result(20)
    try:
        yield World(backend, server, loop, host, port)
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()
