"""Blocks whose parent we lack: kept for a while, within bounds, until the parent comes."""

from collections import OrderedDict
from typing import NamedTuple

from raclette.chain.block import Block
from raclette.node.sync.limits import SyncLimits


class Orphan(NamedTuple):
    """A waiting block, who brought it, and when (ns)."""

    block: Block
    certificate: bytes
    peer: bytes
    since: int
    size: int


class OrphanPool:
    """Bounded by count, bytes, each peer's share and age; the oldest goes first."""

    def __init__(self, limits: SyncLimits) -> None:
        self._limits = limits
        self._orphans: OrderedDict[bytes, Orphan] = OrderedDict()
        self._children: dict[bytes, list[bytes]] = {}
        self._shares: dict[bytes, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._orphans)

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._orphans

    def add(self, now: int, peer: bytes, block: Block, certificate: bytes) -> bool:
        """Keep it. False if it is known or `peer` has its share already."""
        limits = self._limits
        size = sum(map(len, block.transactions)) + len(certificate) + len(block.header.encoded)
        if block.hash in self._orphans or self._shares.get(peer, 0) >= limits.orphans_per_peer:
            return False
        self._orphans[block.hash] = Orphan(block, certificate, peer, now, size)
        self._children.setdefault(block.parent_hash, []).append(block.hash)
        self._shares[peer] = self._shares.get(peer, 0) + 1
        self._bytes += size
        while self._orphans and (
            len(self._orphans) > limits.orphans_max
            or self._bytes > limits.orphan_bytes_max
            or now - next(iter(self._orphans.values())).since > limits.orphan_age
        ):
            self._remove(next(iter(self._orphans)))
        return block.hash in self._orphans

    def root_of(self, block_hash: bytes) -> bytes:
        """The unknown ancestor below a chain of orphans."""
        while block_hash in self._orphans:
            block_hash = self._orphans[block_hash].block.parent_hash
        return block_hash

    def take_children(self, parent_hash: bytes) -> list[Orphan]:
        """Remove and return those that waited for this parent, in order of arrival."""
        return [self._remove(child) for child in list(self._children.get(parent_hash, ()))]

    def _remove(self, block_hash: bytes) -> Orphan:
        orphan = self._orphans.pop(block_hash)
        siblings = self._children[orphan.block.parent_hash]
        siblings.remove(block_hash)
        if not siblings:
            del self._children[orphan.block.parent_hash]
        self._shares[orphan.peer] -= 1
        if not self._shares[orphan.peer]:
            del self._shares[orphan.peer]
        self._bytes -= orphan.size
        return orphan
