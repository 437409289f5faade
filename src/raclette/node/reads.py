"""The node's read side (`view.NodeView`): chain, mempool, peers and engine, asked together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from raclette.chain.block import Block
from raclette.chain.header import Header
from raclette.chain.ledger import Ledger, StateReader, Transaction
from raclette.chain.receipt import Receipt
from raclette.chain.state import StateLayer
from raclette.node.view import Located, PeerInfo, SyncProgress
from raclette.store.contract import Table

if TYPE_CHECKING:
    from raclette.node.node import Node

# Where nothing is ever final, a block this deep counts as safe: Nakamoto's six confirmations.
SAFE_DEPTH = 6
# Most evidence records shown at once.
EVIDENCE_SHOWN_MAX = 100


class NodeReads:
    """Answers from the node's own parts; changes nothing."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._chain = node.chain
        self.node_id = node.node_id
        self.chain_id = node.chain.chain_id
        self.ledger: Ledger = node.ledger
        # (height, rewards up to it): rewards never change, so they are added up once.
        self._issued = (0, 0)

    @property
    def genesis(self) -> Header:
        """Block 0."""
        return self._chain.genesis

    @property
    def head(self) -> Header:
        """The adopted block."""
        return self._chain.head

    @property
    def finalized(self) -> Header:
        """The last final block."""
        return self._chain.finalized

    @property
    def safe(self) -> Header:
        """Final where the engine finalises, six blocks back where it does not."""
        if self._node.engine.needs_certificate:
            return self.finalized
        return self._chain.canonical(max(self.finalized.number, self.head.number - SAFE_DEPTH)) or self.finalized

    def header(self, block_hash: bytes) -> Header | None:
        """A known block's header."""
        return self._chain.header(block_hash)

    def canonical(self, number: int) -> Header | None:
        """The block at `number` on the head's branch."""
        return self._chain.canonical(number)

    def block(self, block_hash: bytes) -> Block | None:
        """A known block."""
        return self._chain.block(block_hash)

    def receipts(self, block_hash: bytes) -> tuple[Receipt, ...] | None:
        """What its transactions left behind."""
        return self._chain.receipts(block_hash)

    def certificate(self, block_hash: bytes) -> bytes:
        """What proves it final, or empty."""
        return self._chain.certificate(block_hash)

    def locate(self, transaction_hash: bytes) -> Located | None:
        """A transaction on the head's branch."""
        found = self._chain.locate(transaction_hash)
        if found is None:
            return None
        header, index = found
        block = self._chain.block(header.hash)
        if block is None:
            return None
        return Located(header, index, self._node.decode(block.transactions[index]))

    def pooled(self, transaction_hash: bytes) -> Transaction | None:
        """A transaction that waits."""
        return self._node.mempool.get(transaction_hash)

    def state(self, block_hash: bytes) -> StateReader | None:
        """State after a block, or None if no longer kept."""
        return self._chain.state_or_none(block_hash)

    def issued(self, number: int) -> int:
        """New money that the protocol has paid for blocks 1 to `number`, in the ledger's smallest unit."""
        known, total = self._issued
        if number < known:
            known, total = 0, 0
        total += sum(map(self._node.engine.reward, range(known + 1, number + 1)))
        self._issued = (number, total)
        return total

    def entries(self) -> Iterator[tuple[bytes, bytes]]:
        """The head's state: the store's flat state of this moment, with what the blocks above it changed."""
        layer = self._chain.state(self.head.hash)
        changes = layer.difference() if isinstance(layer, StateLayer) else {}
        return _overlaid(self._node.store.snapshot().scan(Table.STATE), changes)

    def prove(self, block_hash: bytes, key: bytes) -> list[bytes] | None:
        """Trie nodes from the state root to `key`."""
        return self._chain.prove(block_hash, key)

    def next_nonce(self, sender: bytes) -> int:
        """First nonce after the sender's mined and pooled transactions."""
        return self._node.mempool.next_nonce(sender, self._chain.state(self.head.hash))

    def mempool(self) -> dict[str, Any]:
        """Counts and bytes."""
        return self._node.mempool.stats()

    def pooled_transactions(self, limit: int) -> Sequence[Transaction]:
        """What waits, best first."""
        return self._node.mempool.best(limit)

    def peers(self) -> Sequence[PeerInfo]:
        """The linked peers, by id."""
        links, conduct = self._node.links, self._node.conduct
        validators = set(self._node.engine.validators())
        infos = []
        for peer in links:
            said = links.status(peer)
            infos.append(PeerInfo(peer, said.height if said else 0, conduct.score(peer), peer in validators))
        return infos

    def consensus(self) -> dict[str, Any]:
        """The engine's own words, with its name and validators."""
        engine = self._node.engine
        return {
            "protocol": engine.name,
            "validators": ["0x" + node_id.hex() for node_id in engine.validators()],
            "head": "0x" + self.head.hash.hex(),
            "height": self.head.number,
            **engine.status(),
        }

    def syncing(self) -> SyncProgress | None:
        """None when not behind."""
        return self._node.sync.progress()

    def evidence(self) -> Sequence[dict[str, Any]]:
        """Proofs of guilt, as kept on disk."""
        records = []
        for key, value in self._node.store.scan(Table.EVIDENCE):
            reason, _, proof = value.partition(b"\0")
            records.append({"accused": "0x" + key[:32].hex(), "reason": reason.decode(), "proof": "0x" + proof.hex()})
            if len(records) == EVIDENCE_SHOWN_MAX:
                break
        return records


def _overlaid(
    flat: Iterator[tuple[bytes, bytes]], changes: Mapping[bytes, bytes | None]
) -> Iterator[tuple[bytes, bytes]]:
    """The pairs of `flat` that did not change, then those that did."""
    for key, value in flat:
        if key not in changes:
            yield key, value
    for key, changed in changes.items():
        if changed is not None:
            yield key, changed
