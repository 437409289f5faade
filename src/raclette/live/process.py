"""A whole process put together: store, node, transport, host, tracker client, metrics; and the tracker likewise.

RPC is a room above this one, so the command line starts it on what `open_process` returns.
"""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

from raclette.chain.genesis import Genesis, make_genesis_block
from raclette.chain.trie import root_of_mapping
from raclette.ledgers import ledger_of
from raclette.live.addresses import parse_host_port, parse_peer
from raclette.live.config import NodeConfigFile, TrackerConfigFile
from raclette.live.contract import ChainIdentity, PeerAddress, Role
from raclette.live.faucet import Faucet, GrantBook, load_account_key
from raclette.live.host import HostSettings, LiveHost
from raclette.live.keyfile import load_or_create_key
from raclette.live.metrics import MetricsServer, make_registry
from raclette.live.miner.driver import Miner
from raclette.live.sealing import SearcherFactory
from raclette.live.tracker.client import Membership, TrackerClient
from raclette.live.tracker.machine import TrackerLimits, TrackerMachine
from raclette.live.tracker.policy import NeighbourPolicy
from raclette.live.tracker.service import TrackerHost
from raclette.live.transport import TlsTransport
from raclette.node.node import Node, NodeConfig, open_node
from raclette.primitives.errors import ConfigError
from raclette.primitives.keys import parse_address
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Ed25519Signer
from raclette.primitives.units import SECOND
from raclette.protocols import find_protocol
from raclette.protocols.parameters import parse_parameters
from raclette.store.contract import Store
from raclette.store.database import open_store

_log = structlog.get_logger(room="process")


@dataclass(slots=True)
class NodeProcess:
    """A running node and what belongs to it. `failure` of the host says whether it ended well."""

    config: NodeConfigFile
    node: Node
    host: LiveHost
    transport: TlsTransport
    store: Store
    tracker: TrackerClient | None

    @property
    def address(self) -> PeerAddress:
        """Where others dial this node."""
        hello = self.transport.hello
        return PeerAddress(self.node.node_id, hello.host, hello.port)


def read_genesis(path: Path) -> Genesis:
    """From its file. Raises ConfigError, which names the file."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"genesis file {path}: cannot be read: {getattr(error, 'strerror', None) or error}"
        ) from error
    with _naming(path):
        return Genesis.from_json(text)


def load_genesis(path: Path) -> Genesis:
    """As `read_genesis`, and its protocol and ledger take its parameters and accounts. Checked before a database is
    opened, for which a genesis with a mistake is just another chain's. Raises ConfigError."""
    genesis = read_genesis(path)
    with _naming(path):
        parse_parameters(find_protocol(genesis.protocol).parameters, genesis.protocol_parameters)
        ledger_of(genesis).genesis(genesis.alloc)
    return genesis


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"genesis file {path}: {error}") from error


def chain_identity(genesis: Genesis) -> ChainIdentity:
    """Chain id and the hash of block 0. Raises ConfigError."""
    block, _ = make_genesis_block(genesis, ledger_of(genesis), root_of_mapping)
    return ChainIdentity(genesis.chain_id, block.header.hash)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data directory {path}: cannot be made: {error.strerror}") from error


def _advertised(config: NodeConfigFile) -> tuple[str, int] | None:
    return parse_host_port(config.network.advertise) if config.network.advertise else None


def _searcher_factory(config: NodeConfigFile) -> SearcherFactory:
    threads = config.node.miner_threads
    return lambda on_found: Miner(on_found, threads=threads)


def _tracker_client(
    config: NodeConfigFile, node: Node, transport: TlsTransport, signer: Ed25519Signer, store: Store
) -> TrackerClient | None:
    if not config.network.tracker:
        return None
    if not config.node.name:
        raise ConfigError("node.name: needed where network.tracker is set; accepted: a name of your own")
    membership = Membership(
        tracker=parse_peer(config.network.tracker),
        chain_id=node.view.chain_id,
        name=config.node.name,
        account_key=bytes.fromhex(config.node.account_key),
        host=transport.hello.host,
        port=transport.hello.port,
    )
    configured = frozenset(peer.node_id for peer in config.peers)
    return TrackerClient(
        membership,
        signer,
        transport,
        store,
        is_validator=lambda node_id: node_id in node.engine.validators(),
        configured=configured,
    )


# A thread that comes back from the disk waits this long for the interpreter at most. Python's 5 ms would be added to
# every fsync, of which a commit needs three one after another.
THREAD_SWITCH_SECONDS = 0.0005


# Objects made before Python looks for cycles among the young ones. A block makes tens of thousands of objects that die
# by themselves; looking after every 700 (the default) costs a third of the time of large blocks.
YOUNG_OBJECTS_MAX = 50_000


def _tune_interpreter() -> None:
    """For a process that is nothing but a node."""
    sys.setswitchinterval(THREAD_SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 20, 20)


@asynccontextmanager
async def open_process(config: NodeConfigFile) -> AsyncIterator[NodeProcess]:
    """A started node; on leaving the block it is stopped and its store closed, whatever happened. Raises ConfigError,
    StoreRefused, StoreDamaged before anything listens."""
    genesis = load_genesis(config.node.genesis)
    _make_directory(config.node.data_dir)
    seed = load_or_create_key(config.key_path)
    signer = Ed25519Signer(seed)
    chain = chain_identity(genesis)
    store = open_store(config.node.data_dir / "db", chain.chain_id, chain.genesis_hash)
    try:
        beneficiary = parse_address(config.node.beneficiary)
        node = open_node(NodeConfig(genesis, signer, beneficiary, active=config.node.active), store)
        transport = TlsTransport(
            seed,
            chain,
            listen=parse_host_port(config.network.listen),
            advertise=_advertised(config),
            name=config.node.name,
            limits=config.limits.transport(config.network.max_peers),
        )
        settings = HostSettings(config.node.name, config.node.gate_threads)
        host = LiveHost(
            node,
            transport,
            store,
            decode=node.decode,
            view=node.view,
            settings=settings,
            make_searcher=_searcher_factory(config) if find_protocol(node.engine.name).seals else None,
        )
        if config.faucet.key_file is not None:
            key = load_account_key(config.faucet.key_file, config.faucet.passphrase_file)
            host.faucet = Faucet(host, key, GrantBook(store), config.faucet.limits())
        metrics = MetricsServer.of(make_registry(host, transport, node.view))
        tracker: TrackerClient | None = None
        try:
            await host.start()
            if config.metrics.listen:
                await metrics.start(*parse_host_port(config.metrics.listen))
            tracker = _tracker_client(config, node, transport, signer, store)
            _connect(config, host, transport, tracker)
            _log.info("node-ready", node_id=node.node_id.hex(), port=transport.port, head=node.view.head.number)
            _tune_interpreter()
            yield NodeProcess(config, node, host, transport, store, tracker)
        finally:
            if tracker is not None:
                tracker.stop()
            await metrics.stop()
            await host.stop()
            if host.failure is None:
                node.chain.flush()
    finally:
        store.close()


def _connect(config: NodeConfigFile, host: LiveHost, transport: TlsTransport, tracker: TrackerClient | None) -> None:
    for peer in config.peers:
        transport.want(peer)
    if tracker is not None:
        host.tracker_handler = tracker
        tracker.start()


@asynccontextmanager
async def open_tracker(config: TrackerConfigFile) -> AsyncIterator[TrackerHost]:
    """A started tracker, as `open_process`."""
    chain = chain_identity(load_genesis(config.tracker.genesis))
    _make_directory(config.tracker.data_dir)
    seed = load_or_create_key(config.key_path)
    store = open_store(config.tracker.data_dir / "db", chain.chain_id, chain.genesis_hash)
    try:
        limits = TrackerLimits(
            ping_interval=int(config.tracker.ping_interval_s * SECOND), records_max=config.tracker.records_max
        )
        policy = NeighbourPolicy.parse(config.tracker.neighbours)
        random = Random(int.from_bytes(seed[:8], "big"))
        machine = TrackerMachine(store, chain.chain_id, policy, random, limits)
        transport = TlsTransport(
            seed,
            chain,
            listen=parse_host_port(config.network.listen),
            name=config.tracker.name,
            role=Role.TRACKER,
            limits=config.limits.transport(),
        )
        host = TrackerHost(machine, transport, store)
        try:
            await host.start()
            _log.info("tracker-ready", node_id=transport.node_id.hex(), port=transport.port)
            yield host
        finally:
            await host.stop()
    finally:
        store.close()


def _end_on_signals(end: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end)


async def run_node(config: NodeConfigFile) -> None:
    """A node until SIGINT or SIGTERM. Raises what made it fail."""
    async with open_process(config) as process:
        _end_on_signals(process.host.end)
        await process.host.wait()
    if process.host.failure is not None:
        raise process.host.failure


async def run_tracker(config: TrackerConfigFile) -> None:
    """A tracker until SIGINT or SIGTERM. Raises what made it fail."""
    async with open_tracker(config) as host:
        _end_on_signals(host.end)
        await host.wait()
    if host.failure is not None:
        raise host.failure
