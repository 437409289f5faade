"""What can be asked of the chain: blocks, numbers, transactions, states, proofs. Nothing here writes to the store."""

from collections.abc import Iterator

from raclette.chain import archive as records
from raclette.chain.archive import Archive, damaged
from raclette.chain.base import Base
from raclette.chain.block import Block
from raclette.chain.execution import Executor, Outcome
from raclette.chain.header import Header
from raclette.chain.ledger import Executed, StateReader
from raclette.chain.limits import ChainLimits
from raclette.chain.opening import reopen
from raclette.chain.receipt import Receipt
from raclette.chain.state import StateLayer
from raclette.chain.tree import BlockTree, TreeNode
from raclette.chain.trie import Trie
from raclette.chain.verify import verify_chain
from raclette.chain.versions import Versions
from raclette.primitives.errors import Misuse
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Store, Table


class ChainReads:
    """The reading half of `Chain`, and what both halves share."""

    def __init__(self, store: Store, executor: Executor, limits: ChainLimits) -> None:
        """From a store in which the chain has begun. Raises StoreDamaged."""
        self._executor = executor
        self._limits = limits
        self._archive = Archive(store)
        self.genesis, self.head, self.finalized, base = reopen(self._archive)
        self._base = Base(self._archive, base, executor, limits)
        self._tree = BlockTree()
        for header, reward in self._archive.tree():
            self._tree.add(TreeNode(header, reward))
        # Hashes of the head's branch above the base, lowest first.
        self._line = self._read_line()
        self._versions = Versions(self._archive, self._tree, self._base, executor, limits)
        # Blocks built here, by what a seal does not change (`Header.prehash`).
        self._built: dict[bytes, Outcome] = {}

    def _read_line(self) -> list[bytes]:
        line: list[bytes] = []
        cursor = self.head
        while cursor.number > self._base.number:
            if cursor.hash not in self._tree:
                raise damaged(Table.META, records.tree_key(cursor), "a block between base and head is not in the tree")
            line.append(cursor.hash)
            cursor = self._archive.need_header(cursor.parent_hash)
        if cursor.hash != self._base.header.hash:
            raise damaged(Table.META, records.BASE_KEY, "the base is not on the head's branch")
        return line[::-1]

    def header(self, block_hash: bytes) -> Header | None:
        """Header of a block in the tree or below it: checked (or built here), parent known."""
        node = self._tree.get(block_hash)
        if node is not None:
            return node.header
        built = self._built_as(block_hash)
        return built.block.header if built is not None else self._archive.header(block_hash)

    def block(self, block_hash: bytes) -> Block | None:
        """The same with its body."""
        node = self._tree.get(block_hash)
        if node is not None and node.block is not None:
            return node.block
        built = self._built_as(block_hash)
        if built is not None:
            return built.block
        header = self._archive.header(block_hash)
        return None if header is None else self._archive.block(header)

    def canonical(self, number: int) -> Header | None:
        """The block at `number` on the head's branch."""
        block_hash = self._canonical_hash(number)
        return None if block_hash is None else self.header(block_hash)

    def _canonical_hash(self, number: int) -> bytes | None:
        if number == self.head.number:
            return self.head.hash
        above = number - self._base.number - 1
        if above >= 0:
            return self._line[above] if above < len(self._line) else None
        return self._archive.canonical(number) if number >= 0 else None

    def is_canonical(self, header: Header) -> bool:
        """Is it on the head's branch?"""
        return self._canonical_hash(header.number) == header.hash

    def is_ancestor(self, ancestor: bytes, descendant: bytes) -> bool:
        """Does `descendant` build on `ancestor`, or are they one? False if either is unknown."""
        above, cursor = self.header(ancestor), self.header(descendant)
        if above is None or cursor is None:
            return False
        while cursor.number > above.number:
            if self.is_canonical(cursor):
                return self._canonical_hash(above.number) == above.hash
            cursor = self._need_header(cursor.parent_hash)
        return cursor.hash == above.hash

    def headers_from(self, number: int, count: int) -> list[Header]:
        """Up to `count` headers of the head's branch from `number` up: what sync serves."""
        found: list[Header] = []
        for height in range(max(0, number), min(number + count, self.head.number + 1)):
            header = self.canonical(height)
            if header is None:
                break
            found.append(header)
        return found

    def beside(self) -> Iterator[Block]:
        """Blocks of the tree that are not on the head's branch, parents first: an engine that keeps its own tree takes
        them in again after a restart."""
        for node in sorted(self._tree, key=lambda node: node.header.number):
            if not self.is_canonical(node.header):
                yield node.block or self._archive.block(node.header)

    def certificate(self, block_hash: bytes) -> bytes:
        """The certificate kept with the block, or empty."""
        return self._archive.certificate(block_hash)

    def receipts(self, block_hash: bytes) -> tuple[Receipt, ...] | None:
        """What the block's transactions left behind, or None if the block is unknown."""
        node = self._tree.get(block_hash)
        if node is not None and node.executed is not None:
            return node.executed.receipts
        kept = self._archive.receipts(block_hash)
        if kept is None and node is not None:
            return self.executed(block_hash).receipts
        return kept

    def executed(self, block_hash: bytes) -> Executed:
        """A known block's header, receipts and decoded transactions. Raises Misuse if unknown."""
        node = self._tree.get(block_hash)
        if node is not None and node.executed is not None:
            return node.executed
        header = self._need_header(block_hash)
        receipts = self._archive.receipts(block_hash)
        if receipts is None and node is not None:
            # Never adopted, and its state forgotten: execute it again.
            node.layer = None
            self._versions.layer(header)
            if node.executed is not None:
                return node.executed
        if receipts is None:
            raise damaged(Table.RECEIPTS, block_hash, "missing")
        return Executed(header, receipts, tuple(self._executor.decode_all(self._archive.block(header))))

    def locate(self, transaction_hash: bytes) -> tuple[Header, int] | None:
        """(block, position) of a transaction on the head's branch."""
        place = self._archive.place(transaction_hash)
        return None if place is None else (self._need_header(place[0]), place[1])

    def state(self, block_hash: bytes) -> StateReader:
        """State after a block. Valid until the chain moves. Raises Misuse if unknown or no longer kept."""
        layer = self.state_or_none(block_hash)
        if layer is None:
            raise Misuse(f"the state of block {block_hash.hex()} is not kept")
        return layer

    def state_or_none(self, block_hash: bytes) -> StateReader | None:
        """As `state`, but None for a block that is unknown, or deeper below the base than `history_depth`."""
        header = self._kept(block_hash)
        return None if header is None else self._layer(header)

    def prove(self, block_hash: bytes, key: bytes) -> list[bytes] | None:
        """Trie nodes from the state root of a block to the ledger's `key`, in eth_getProof's order; None as `state`."""
        header = self._kept(block_hash)
        trie = None if header is None else self._trie(header)
        return None if trie is None else trie.prove(keccak256(key))

    def _kept(self, block_hash: bytes) -> Header | None:
        """The block whose state may be asked for."""
        header = self.header(block_hash)
        if header is None:
            return None
        if self._is_settled(header) and header.number < self._base.number - self._limits.history_depth:
            return None
        return header

    def _layer(self, header: Header) -> StateLayer | None:
        """The state after a known block, also one that was built here and not checked yet."""
        if header.hash not in self._tree and (built := self._built_as(header.hash)) is not None:
            parent = self._layer(self._need_header(header.parent_hash))
            return None if parent is None else parent.child(header.number, built.changes)
        return self._versions.layer(header)

    def _trie(self, header: Header) -> Trie | None:
        if header.hash not in self._tree and (built := self._built_as(header.hash)) is not None:
            return built.trie
        return self._versions.trie(header)

    def _need_header(self, block_hash: bytes) -> Header:
        header = self.header(block_hash)
        if header is None:
            raise Misuse(f"block {block_hash.hex()} is not in the tree")
        return header

    def _built_as(self, block_hash: bytes) -> Outcome | None:
        for outcome in self._built.values():
            if outcome.block.hash == block_hash:
                return outcome
        return None

    def _is_settled(self, header: Header) -> bool:
        """Is it the base, or below it on the head's branch?"""
        return header.number <= self._base.number and self.is_canonical(header)

    def verify(self) -> Iterator[str]:
        """Every record examined, the base state's root and trie made anew, the blocks above executed again; each
        problem a line that names table and key. Reads the whole database."""
        yield from verify_chain(self._archive, self.genesis, self.head, self._base)
        yield from self._versions.verify()
