"""The node: one pure machine made of engine, ledger, chain, mempool, gossip, sync, outbox and scores.

A turn: an event comes in, goes to the desk that it is for, and whatever the desks tell the engine is worked off before
the turn ends. Effects leave in the order in which they were made; `outbound.py` puts the durability barrier in.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from raclette.chain.block import Block
from raclette.chain.chain import Chain
from raclette.chain.genesis import Genesis, make_genesis_block
from raclette.chain.ledger import Ledger, Transaction
from raclette.chain.mempool import Mempool, MempoolLimits
from raclette.chain.trie import root_of_mapping
from raclette.engine.contract import EngineSetup, SealCheck
from raclette.engine.events import BlockReceived, Event, Pending, Sealed, Started, TimerFired
from raclette.gossip.limits import GossipLimits
from raclette.gossip.machine import Gossip
from raclette.ledgers import ledger_of
from raclette.node import assembly, host, spread, syncing, transactions, wire
from raclette.node.blocks import BlockDesk
from raclette.node.conduct import Conduct
from raclette.node.engine_effects import EngineDesk
from raclette.node.gate import NodeGate
from raclette.node.host import HostEffect, NodeEvent
from raclette.node.links import Links
from raclette.node.memo import DecodeMemo
from raclette.node.outbound import Outbound
from raclette.node.reads import NodeReads
from raclette.node.service import Service
from raclette.node.spread import Spread
from raclette.node.syncing import SyncDesk
from raclette.node.transactions import TransactionDesk
from raclette.primitives.errors import InvariantBroken, PeerFault
from raclette.primitives.randomness import Random
from raclette.primitives.signing import Signer
from raclette.protocols import make_engine
from raclette.store.contract import Store, Table

# Most engine events in one turn. Each adopted block may raise one; more than this is an engine talking to itself.
EVENTS_PER_TURN_MAX = 100_000
# What makes us work for the one who sent it; a GRAFT is among the announcements.
QUESTIONS = frozenset({wire.Announced, wire.GetBlockTransactions, wire.GetHeaders, wire.GetBodies})


@dataclass(frozen=True)
class NodeConfig:
    """What makes one node different from another. `beneficiary` (20 bytes) is paid for its blocks; an inactive node
    follows without proposing or voting; `seal_check` replaces real proof of work in the simulator, `ledger` the one
    that genesis names (for a program that brings a rule of its own)."""

    genesis: Genesis
    signer: Signer
    beneficiary: bytes
    active: bool = True
    mempool: MempoolLimits = field(default_factory=MempoolLimits)
    seal_check: SealCheck | None = None
    ledger: Ledger | None = None


class Node:
    """Implements `host.HostedNode`. Not thread-safe: one host, one thread; only `gate` may be used from others."""

    def __init__(self, config: NodeConfig, store: Store) -> None:
        """Raises ConfigError (genesis), StoreRefused (another chain), StoreDamaged."""
        self.config = config
        self.store = store
        self.node_id = config.signer.public_key
        self.ledger = config.ledger or ledger_of(config.genesis)
        self.decode = DecodeMemo(self.ledger.decode)
        seed = int.from_bytes(self.node_id[:8], "big")
        self.mempool = Mempool(self.ledger, config.mempool, Random(seed, 0))
        self.chain = self._open_chain()
        setup = EngineSetup(
            parameters=config.genesis.protocol_parameters,
            chain=self.chain,
            signer=config.signer,
            beneficiary=config.beneficiary,
            records=dict(store.scan(Table.CONSENSUS)),
            active=config.active,
        )
        self.engine = make_engine(config.genesis.protocol, setup, seal_check=config.seal_check)
        self.chain.reward_of = self.engine.reward
        self.chain.waits_for = self.mempool.has_pending_from
        self.chain.draw = self.mempool.drawn
        self.gate = NodeGate(self.engine, self.decode)
        self.out = Outbound()
        self._inbox: deque[Event] = deque()
        self._pending_told = False
        # The mempool as it was when it was last looked through for something executable.
        self._pool_looked_at = -1
        self._service = Service()
        self.links = Links(self.node_id)
        self.conduct = Conduct(store, self.links, self.out)
        self.spread = Spread(Gossip(self.node_id, GossipLimits()), self.out)
        self.transactions = TransactionDesk(self)
        self.blocks = BlockDesk(self)
        self.sync = SyncDesk(self, Random(seed, 1))
        self._engine_desk = EngineDesk(self)
        self.view = NodeReads(self)
        self._contents = self._content_handlers()
        self._timers: dict[str, Callable[[str], None]] = {
            "engine": lambda name: self.tell(TimerFired(self.out.now, name)),
            spread.OWNER: self.spread.fired,
            transactions.OWNER: self.transactions.fired,
            assembly.OWNER: self.blocks.fired,
            syncing.OWNER: self.sync.fired,
        }

    def _open_chain(self) -> Chain:
        genesis = self.config.genesis
        block, state = make_genesis_block(genesis, self.ledger, root_of_mapping)
        return Chain.open(
            self.store,
            block,
            state,
            self.ledger,
            chain_id=genesis.chain_id,
            candidates=self.mempool.candidates,
            decode=self.decode,
        )

    def _content_handlers(self) -> Mapping[type, Callable[[bytes, Any], None]]:
        return {
            wire.EngineSaid: self.blocks.received,
            wire.Transactions: lambda peer, said: self.transactions.received(peer, said.transactions),
            wire.Announced: self.spread.control,
            wire.GetBlockTransactions: self.blocks.asked,
            wire.BlockTransactions: self.blocks.answered,
            wire.Status: self.sync.status,
            wire.GetHeaders: self.sync.asked,
            wire.GetBodies: self.sync.asked,
            wire.Headers: self.sync.answered,
            wire.Bodies: self.sync.answered,
        }

    # The host's side

    def handle(self, event: NodeEvent) -> tuple[HostEffect, ...]:
        """React; effects in order. An event from a peer that breaks a rule costs the peer, nothing else."""
        self.out.begin(event.now)
        match event:
            case host.Delivered(_, peer, parcel):
                self._deliver(peer, parcel)
            case host.Fired(_, name):
                owner, _, rest = name.partition("/")
                self._guarded(None, lambda: self._timers[owner](rest))
            case host.Connected(_, peer):
                self._connected(peer)
            case host.Disconnected(_, peer):
                self._disconnected(peer)
            case host.NonceFound(_, header):
                self.tell(Sealed(self.out.now, header))
            case host.Misbehaved(_, peer, reason):
                self.conduct.fault(peer, reason)
            case host.NodeStarted():
                self._started()
        self._work_off()
        return self.out.take()

    def submit(self, now: int, transaction: Transaction) -> tuple[HostEffect, ...]:
        """A local client's transaction. Raises Refused."""
        self.out.begin(now)
        self.transactions.submit(transaction)
        self._work_off()
        return self.out.take()

    def offer(self, now: int, block: Block, certificate: bytes = b"") -> tuple[HostEffect, ...]:
        """A block that the host has from elsewhere (a file, its user) and whose certificate's claims it has verified:
        to be judged as one that sync brings. Its parent must be known."""
        self.out.begin(now)
        self.tell(BlockReceived(now, None, block, certificate))
        self._work_off()
        return self.out.take()

    # The desks' side

    def tell(self, event: Event) -> None:
        """Queue an event for the engine; it is worked off in this turn."""
        self._inbox.append(event)

    def head_moved(self) -> None:
        """The chain has another head: the engine is told again if transactions wait."""
        self._pending_told = False
        self._pool_looked_at = -1

    def _work_off(self) -> None:
        for _ in range(EVENTS_PER_TURN_MAX):
            if not self._inbox:
                self.blocks.judged()
                self.sync.judged()
                if self._inbox:
                    continue
                if not self._has_news():
                    return
                self._pending_told = True
                self._inbox.append(Pending(self.out.now))
            self._engine_desk.carry(self.engine.handle(self._inbox.popleft()))
        raise InvariantBroken(f"the {self.engine.name} engine raised {EVENTS_PER_TURN_MAX} events in one turn")

    def _has_news(self) -> bool:
        """Is there something to order, of which the engine does not know since the head moved? What cannot be executed
        (a nonce too high) is nothing to order, and must not stand for what comes after it."""
        pool = self.mempool
        if self._pending_told or not len(pool) or self._pool_looked_at == pool.version:
            return False
        self._pool_looked_at = pool.version
        return self.chain.has_pending(self.chain.head)

    def _deliver(self, peer: bytes, parcel: host.Parcel) -> None:
        if peer not in self.links:
            return  # cut while the frame was at the gate
        answer = self._served if type(parcel.content) in QUESTIONS else self._receive
        self._guarded(peer, lambda: answer(peer, parcel.content))

    def _receive(self, peer: bytes, content: Any) -> None:
        self._contents[type(content)](peer, content)

    def _served(self, peer: bytes, content: Any) -> None:
        self._service.admit(self.out.now, peer)
        before = self.out.transmitted
        self._receive(peer, content)
        self._service.charge(peer, self.out.transmitted - before)

    def _guarded(self, peer: bytes | None, action: Callable[[], None]) -> None:
        """Run; a PeerFault is the peer's, and nothing of ours."""
        try:
            action()
        except PeerFault as fault:
            if peer is None:
                raise InvariantBroken(f"a fault without a peer: {fault}") from fault
            self.conduct.fault(peer, fault.reason, fault.detail)

    def _started(self) -> None:
        self.tell(Started(self.out.now))
        if not self.engine.needs_certificate:
            # Fork choice by weight: a branch beside the head, or a block that a crash kept from being adopted, counts.
            # One at a time, for together they may not fit into memory.
            for block_hash in [block.hash for block in self.chain.beside()]:
                block = self.chain.block(block_hash)
                if block is not None:
                    self.tell(BlockReceived(self.out.now, None, block, b""))
                    self._work_off()
        self.transactions.start()

    def _connected(self, peer: bytes) -> None:
        banned = self.conduct.banned_for(peer)
        if banned:
            # The host forgets its bans when the process ends; scores are kept.
            self.out.drop(peer, "banned", banned)
            return
        self.links.up(peer)
        self.spread.up(peer)
        self.sync.greet(peer)
        self.transactions.greet(peer)

    def _disconnected(self, peer: bytes) -> None:
        self.links.down(peer)
        self.spread.down(peer)
        self.blocks.gone(peer)
        self._service.gone(peer)
        self.sync.gone(peer)


def open_node(config: NodeConfig, store: Store) -> Node:
    """A node over `store`, new or as it was left. Raises ConfigError, StoreRefused, StoreDamaged."""
    return Node(config, store)
