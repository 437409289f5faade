"""`Peer`: a live node for a small program: encrypted links, gossip, sync, mining, on a thread of its own.

It is the node that `raclette node` runs (`live.host` over `live.transport`), with the ledger `data` and the program's
rule. All methods may be called from any thread. `close`, or leaving the `with` block, says goodbye to the others and
ends the thread; a peer that is forgotten is closed when the program ends.
"""

import asyncio
import atexit
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from raclette.chain.block import Block
from raclette.chain.genesis import Genesis
from raclette.chain.header import Header
from raclette.door import judge, reading
from raclette.door.answer import Answer, Status
from raclette.door.blockchain import Blockchain
from raclette.door.identity import Identity
from raclette.door.recipe import identity_of, make_genesis, make_ledger
from raclette.door.running import Background, NotConnected, NotRunning
from raclette.door.values import Record, Valid, encode_value
from raclette.ledgers.data import sign_entry
from raclette.live.contract import PeerAddress
from raclette.live.controls import check_name
from raclette.live.host import HostSettings, LiveHost
from raclette.live.logs import set_up_logs
from raclette.live.miner.driver import Miner
from raclette.live.tls import context_for, node_id_of
from raclette.live.transport import TlsTransport
from raclette.node.host import NewHead
from raclette.node.node import NodeConfig, open_node
from raclette.primitives.errors import ConfigError, DecodeError, Misuse, PeerFault, Refused
from raclette.primitives.signing import NODE_ID_BYTES
from raclette.primitives.units import SECOND
from raclette.protocols import find_protocol
from raclette.store.contract import Store
from raclette.store.database import open_store
from raclette.store.memory import MemoryStore

CONNECT_SECONDS = 10.0
# How long a peer that dialled us is kept away after `disconnect`; its dialler tries again for ever.
DISCONNECT_BAN = 60 * SECOND
_POLL_SECONDS = 0.01
# Refusals that trying again does not change.
_HOPELESS = {
    "refused-wrong-chain": "it belongs to a chain with another id",
    "refused-wrong-genesis": "it belongs to another chain: other parameters, or another rule",
}


class Neighbour(NamedTuple):
    """A linked peer: its name (its own word), node id (proven) and address."""

    name: str
    node_id: bytes
    address: str


class Peer:
    """One participant: adds data, keeps the chain, helps to make it. Starts when it is made.

    Where a method gives an `Answer`, its truth is whether it was accepted, and `reason` says why not.
    """

    def __init__(
        self,
        name: str,
        *,
        valid: Valid | None = None,
        genesis: Genesis | None = None,
        protocol: str = "nakamoto",
        parameters: Mapping[str, Any] | None = None,
        members: Sequence[bytes] = (),
        identity: Identity | None = None,
        folder: str | Path | None = None,
        chain: Blockchain | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        active: bool = True,
    ) -> None:
        """`valid` is the rule of the program, the same at every peer; `genesis`, or `protocol`, `parameters` and
        `members`, as in `Blockchain`, and equal at every peer too. With a `folder` key and chain are kept there;
        otherwise in memory. `chain` is one to start from. It listens at `host` and `port` (0: any free one). If not
        `active`, it follows without mining or voting. Raises ConfigError, StoreRefused, StoreDamaged."""
        try:
            self.name = check_name(name)
        except DecodeError as error:
            raise ConfigError(f"name: {error.detail}") from None
        if not structlog.is_configured():
            set_up_logs("warning")
        self._folder = None if folder is None else Path(folder)
        self.identity = identity or (Identity() if self._folder is None else Identity.kept_in(self._folder))
        if chain is not None:
            genesis, valid = genesis or chain.genesis, valid or chain.valid
        self.valid = valid
        self.genesis = genesis or make_genesis(valid, protocol, parameters, members)
        self._ledger = make_ledger(self.genesis, valid)
        self._where = (host, port)
        self._active = active
        self._news = threading.Condition()
        self._seen = 0  # heads that have come
        self._background = Background(name)
        try:
            self._background.run(self._start(chain))
        except BaseException:
            self._background.close()
            raise
        atexit.register(self.close)

    # Life

    async def _start(self, chain: Blockchain | None) -> None:
        identity = identity_of(self.genesis, self._ledger)
        self._store: Store = (
            MemoryStore()
            if self._folder is None
            else open_store(self._folder / "db", identity.chain_id, identity.genesis_hash)
        )
        try:
            config = NodeConfig(
                self.genesis,
                self.identity.signer,
                self.identity.account.address,
                active=self._active,
                ledger=self._ledger,
            )
            self._node = open_node(config, self._store)
            self._transport = TlsTransport(self.identity.seed, identity, listen=self._where, name=self.name)
            self._host = LiveHost(
                self._node,
                self._transport,
                self._store,
                decode=self._node.decode,
                view=self._node.view,
                settings=HostSettings(self.name, gate_threads=0),
                make_searcher=Miner if find_protocol(self._node.engine.name).seals else None,
            )
            await self._host.start()
            self._heads = asyncio.get_running_loop().create_task(self._tell_news())
            if chain is not None:
                self._take_over(chain)
        except BaseException:
            self._store.close()
            raise

    def close(self) -> None:
        """Stop mining, say goodbye, close the store, end the thread. Idempotent."""
        atexit.unregister(self.close)
        try:
            self._background.run(self._stop())
        except NotRunning:
            return
        finally:
            self._background.close()
        self._tell()

    async def _stop(self) -> None:
        self._heads.cancel()
        await self._host.stop()
        if self._host.failure is None:
            self._node.chain.flush()
        self._store.close()

    def __enter__(self) -> "Peer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Peers

    @property
    def node_id(self) -> bytes:
        """By which others know this node: 32 bytes."""
        return self.identity.node_id

    @property
    def address(self) -> tuple[str, int]:
        """Where others `connect`: host and port."""
        return self._where[0], self._transport.port

    def connect(self, host: str, port: int, node_id: bytes | None = None, *, timeout: float = CONNECT_SECONDS) -> str:
        """Link with the peer there, and keep the link: dial again whenever it is lost. Returns the peer's name.

        Without `node_id` whoever answers is taken for the peer that is meant, and held to it afterwards; what it says
        is verified as everybody's. Raises NotConnected, which says why: nobody there, or a peer of another chain or
        rule."""
        if node_id is not None and len(node_id) != NODE_ID_BYTES:
            raise Misuse(f"a node id has {NODE_ID_BYTES} bytes, not {len(node_id)}")
        return self._background.run(self._connect(host, port, node_id, timeout), timeout + CONNECT_SECONDS)

    async def _connect(self, host: str, port: int, node_id: bytes | None, timeout: float) -> str:
        before = self._transport.counters.refusals.copy()
        try:
            async with asyncio.timeout(timeout):
                node_id = node_id or await self._who_is(host, port)
                if node_id == self.node_id:
                    raise NotConnected(f"{host}:{port} is this peer itself")
                self._transport.want(PeerAddress(node_id, host, port))
                while (link := self._transport.live_link(node_id)) is None or link.hello is None:
                    for reason in self._transport.counters.refusals - before:
                        if reason in _HOPELESS:
                            self._transport.unwant(node_id)
                            raise NotConnected(f"{host}:{port}: {reason}: {_HOPELESS[reason]}")
                    await asyncio.sleep(_POLL_SECONDS)
                return link.hello.name
        except TimeoutError:
            if node_id is not None:
                self._transport.unwant(node_id)
            raise NotConnected(f"no link with {host}:{port} after {timeout:g} s") from None
        except (OSError, PeerFault) as error:
            raise NotConnected(f"{host}:{port}: {error}") from None

    async def _who_is(self, host: str, port: int) -> bytes:
        """The key that the process there proves to have. Raises OSError, PeerFault."""
        context = context_for(self.identity.seed, server=False)
        _, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname="raclette")
        try:
            return node_id_of(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
        finally:
            writer.close()

    def disconnect(self, who: str | bytes | None = None) -> int:
        """Cut the link with a peer (its name or node id), or with all; how many were cut. One that had dialled us may
        not come back for a minute."""
        return self._background.call(lambda: self._disconnect(who))

    def _disconnect(self, who: str | bytes | None) -> int:
        cut = 0
        for link in self._transport.links():
            if who is None or who in (link.hello.name, link.hello.node_id):
                self._transport.unwant(link.hello.node_id)
                self._transport.drop(link.hello.node_id, "disconnected", 0 if link.dialled else DISCONNECT_BAN)
                cut += 1
        for wanted in self._transport.wanted:
            if who is None or who == wanted.node_id:
                self._transport.unwant(wanted.node_id)
        return cut

    @property
    def peers(self) -> list[Neighbour]:
        """Whom this peer is linked with."""
        links = self._background.call(self._transport.links)
        return [Neighbour(link.hello.name, link.hello.node_id, link.address) for link in links]

    # Data

    def add_data(self, value: Any) -> Answer:
        """Sign a JSON value and hand it to all; when this returns, it is in the outbox, and on disk if there is a
        folder. RETRY: the pool is full. INVALID: it is there already, or the rule forbids it after what is in the
        chain or waits. Raises Misuse (no JSON; another ledger)."""
        if self.genesis.ledger != "data":
            raise Misuse(f"the ledger {self.genesis.ledger!r} keeps no data; accepted: `submit` of its transactions")
        return self.submit(sign_entry(self.identity.account, chain_id=self.genesis.chain_id, data=encode_value(value)))

    def submit(self, raw: bytes) -> Answer:
        """Any transaction of the ledger."""
        return self._background.run(self._submit(raw))

    async def _submit(self, raw: bytes) -> Answer:
        objection = judge.objection_to(self._node, raw)
        if objection is not None:
            return objection
        try:
            return Answer(Status.ACCEPTED, "", await self._host.submit(raw))
        except Refused as refusal:
            return Answer.refused(refusal)

    def get_data(self, number: int | None = None) -> list[Record]:
        """The data of the chain, oldest first, or that of one block. Raises Misuse (no such block; another ledger)."""
        return self._background.call(lambda: reading.records(self._node.view, number))

    def query(self, path: str, *arguments: Any) -> Any:
        """A question that the ledger knows, asked of the head's state. Raises Misuse."""
        chain, ledger = self._node.chain, self._ledger
        return self._background.call(lambda: ledger.query(path, arguments, chain.state(chain.head.hash)))

    # The chain

    @property
    def head(self) -> Header:
        """The newest block's header."""
        return self._background.call(lambda: self._node.view.head)

    @property
    def blocks(self) -> list[Block]:
        """All blocks of the head's branch, genesis first."""
        return self._background.call(lambda: reading.blocks(self._node.view))

    def to_json(self) -> str:
        """The whole chain as text, for `Blockchain.load_json`."""
        return self._background.call(lambda: reading.write(self._node.view, self.genesis))

    def blockchain(self) -> Blockchain:
        """A copy of the chain, every block verified on the way, that the caller may examine and extend."""
        return Blockchain.load_json(self.to_json(), valid=self.valid, identity=self.identity)

    def add_block(self, block: Block, certificate: bytes = b"") -> Answer:
        """Verify a block from elsewhere and take it in; the engine decides whether it becomes the head."""
        return self._background.call(
            lambda: judge.offer(self._node, block, certificate, self._host.now(), self._host.take)
        )

    def _take_over(self, chain: Blockchain) -> None:
        for block in chain.blocks[1:]:
            certificate = chain.view.certificate(block.hash)
            answer = judge.offer(self._node, block, certificate, self._host.now(), self._host.take)
            if not answer:
                raise Misuse(f"chain: block {block.number}: {answer.reason}")

    # Waiting

    def wait(self, answer: Answer, *, timeout: float = 30.0) -> bool:
        """Until a block of the chain contains what was accepted; False after `timeout` seconds. Under proof of work a
        longer branch may still push the block out."""
        return self.wait_until(lambda: self._contains(answer.hash), timeout=timeout)

    def _contains(self, transaction_hash: bytes) -> bool:
        return self._background.call(lambda: self._node.view.locate(transaction_hash) is not None)

    def wait_until(self, condition: Callable[[], bool], *, timeout: float = 30.0) -> bool:
        """Until `condition()` holds, asked again after each new head; False after `timeout` seconds, or if the peer is
        closed meanwhile."""
        deadline = time.monotonic() + timeout
        while True:
            seen = self._seen
            try:
                if condition():
                    return True
            except NotRunning:
                return False
            # The condition was asked without the lock: it may itself wait for the peer's thread, which needs the lock.
            if not self._wait_for_news(seen, deadline - time.monotonic()):
                return False

    def _wait_for_news(self, seen: int, seconds: float) -> bool:
        with self._news:
            return self._news.wait_for(lambda: self._seen != seen, seconds)

    async def _tell_news(self) -> None:
        async for _ in self._host.subscribe(NewHead):
            self._tell()

    def _tell(self) -> None:
        with self._news:
            self._seen += 1
            self._news.notify_all()
