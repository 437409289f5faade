"""The chain of one node: block tree, execution, state and records, behind the questions that an engine asks.

Four blocks matter. *Genesis* starts it. *Finalized* is never reverted. *Base* is the block whose state lies flat in the
store. *Head* is what the engine adopted. Always genesis <= finalized <= head and base <= head, all on the head's
branch; what lies above the base, and every branch beside, is in the tree, its state as layers over the base.

Every step is one batch: checking keeps header and body, adopting moves head, numbers and transaction index, finalising
keeps the certificate, moving the base changes state, trie and undo records. Death between two steps loses no step and
leaves none half done: on opening, what lies between base and head is executed again.
"""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from raclette.chain import archive as records
from raclette.chain.archive import Archive, number_key
from raclette.chain.base import RETREAT_BLOCKS_MAX
from raclette.chain.block import Block
from raclette.chain.execution import DraftLike, Executor, Outcome
from raclette.chain.header import Header
from raclette.chain.ledger import Executed, Ledger, Transaction
from raclette.chain.limits import ChainLimits
from raclette.chain.opening import begin
from raclette.chain.reads import ChainReads
from raclette.chain.roll import Member, read_roll
from raclette.chain.state import StateLayer
from raclette.chain.tree import TreeNode
from raclette.chain.trie import Trie
from raclette.primitives.errors import InvalidBlock, InvariantBroken, Misuse, UnknownParent
from raclette.primitives.hashing import keccak256
from raclette.store.contract import Batch, Store, Table

Candidates = Callable[[Container[bytes]], Iterable[Transaction]]
# Candidates looked at to answer whether a block would contain a transaction.
PENDING_LOOKS_MAX = 64


class Reorganisation(NamedTuple):
    """What adopting did: blocks that left the head's branch, newest first, and that joined it, oldest first."""

    removed: tuple[Executed, ...] = ()
    added: tuple[Executed, ...] = ()


# Rolls kept at hand: those of the blocks that engines build and vote on now.
ROLLS_KEPT = 16


class Chain(ChainReads):
    """Implements the engine's `ChainView`, and what the node's view needs of storage. Made by `Chain.open`."""

    def __init__(
        self,
        store: Store,
        chain_id: int,
        ledger: Ledger,
        executor: Executor,
        candidates: Candidates,
        limits: ChainLimits,
    ) -> None:
        super().__init__(store, executor, limits)
        self.chain_id = chain_id
        self.ledger = ledger
        # New money for the beneficiary of block `number`, in the ledger's smallest unit: set once the engine is made.
        self.reward_of: Callable[[int], int] = lambda number: 0
        # Told which candidates a block built here left out, and why. For the mempool.
        self.on_refused: Callable[[Sequence[tuple[Transaction, str]]], None] = lambda refused: None
        # Does a transaction of this account wait? And: so many drawn from those that wait, the best of them kept, by a
        # lottery with this seed. Both are the mempool's.
        self.waits_for: Callable[[bytes], bool] = lambda account: False
        self.draw: Callable[[Container[bytes], int, int, int], Iterable[Transaction]] | None = None
        self._candidates = candidates
        self._invalid: dict[bytes, InvalidBlock] = {}
        # Keys changed by so many of the lowest blocks above the base, all due to go into it.
        self._counted = 0
        # Rolls with stakes, by state root.
        self._members: dict[bytes, tuple[Member, ...]] = {}
        self._changed: set[bytes] = set()

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        """The nodes on the roll after a block, with their accounts' stakes. Raises Misuse as `state`."""
        root = self._need_header(block_hash).state_root
        known = self._members.get(root)
        if known is None:
            state = self.state(block_hash)
            stake = self.ledger.stake
            known = tuple(Member(node, account, stake(account, state)) for node, account in read_roll(state))
            if len(self._members) >= ROLLS_KEPT:
                del self._members[next(iter(self._members))]
            self._members[root] = known
        return known

    @classmethod
    def open(
        cls,
        store: Store,
        genesis_block: Block,
        genesis_state: Mapping[bytes, bytes],
        ledger: Ledger,
        *,
        chain_id: int,
        candidates: Candidates = lambda skip: (),
        decode: Callable[[bytes], Transaction] | None = None,
        limits: ChainLimits | None = None,
    ) -> "Chain":
        """The chain in `store`, begun from genesis if the store has none.

        `candidates(skip)` gives the mempool's transactions in order, without those in `skip`; `decode` is the ledger's,
        or a memo around it. Raises StoreRefused (another chain or a newer format), StoreDamaged, Misuse (the genesis
        block does not fit its state).
        """
        limits = limits or ChainLimits()
        begin(Archive(store), genesis_block, genesis_state, chain_id)
        executor = Executor(ledger, decode or ledger.decode, limits)
        return cls(store, chain_id, ledger, executor, candidates, limits)

    # Building and checking

    def has_pending(self, parent: Header) -> bool:
        """Would a block on `parent` contain a transaction? Looks at the first candidates only."""
        layer = self._layer(self._need_header(parent.hash))
        if layer is None:
            return False
        for looks, transaction in enumerate(self._candidates(self._unadopted(parent))):
            if looks == PENDING_LOOKS_MAX or self._executor.is_executable(transaction, layer):
                return True
        return False

    def pending_from(self, account: bytes) -> bool:
        """Does an executable transaction of this account wait?"""
        return self.waits_for(account)

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        """Did this account send a transaction of a block of the tree? Raises Misuse."""
        return any(transaction.sender == account for transaction in self.executed(block_hash).transactions)

    def build(self, parent: Header, draft: DraftLike) -> Block:
        """A valid block on `parent` with transactions from the mempool; known from then on. Raises Misuse."""
        parent = self._entered(self._need_header(parent.hash))
        layer, trie = self._versions.layer(parent), self._versions.trie(parent)
        if layer is None or trie is None:
            raise Misuse(f"the state of block {parent.hash.hex()} is not kept")
        reward = self.reward_of(parent.number + 1)
        skip = self._unadopted(parent)
        if draft.sample and self.draw is not None:
            candidates = self.draw(skip, draft.sample, draft.transactions_max, draft.sample_seed)
        else:
            candidates = self._candidates(skip)
        outcome, refused = self._executor.build(parent, draft, reward, candidates, layer, trie)
        self._built[outcome.block.header.prehash] = outcome
        while len(self._built) > self._limits.built_max:
            del self._built[next(iter(self._built))]
        if refused:
            self.on_refused(refused)
        return outcome.block

    def check(self, block: Block) -> None:
        """Verify everything that is not the engine's business, by executing; the block is in the tree afterwards.
        Idempotent. Raises UnknownParent, InvalidBlock."""
        header = block.header
        if header.hash in self._tree or self._is_settled(header):
            return
        known = self._invalid.get(header.hash)
        if known is not None:
            raise InvalidBlock(known.reason, known.detail)
        parent = self._parent_of(header)
        if parent.number < self.finalized.number:
            raise InvalidBlock(
                "below-final", f"block {header.number} branches off below the final {self.finalized.number}"
            )
        built = self._built.get(header.prehash)
        if built is not None and built.block.transactions == block.transactions:
            self._enter(block, parent, built)
        else:
            self._executor.check_form(block, parent)
            self._enter(block, parent, None)

    def examine(self, block: Block) -> None:
        """As `check`, but takes nothing in. Raises UnknownParent, InvalidBlock."""
        if block.hash in self._tree or self._is_settled(block.header):
            return
        parent = self._parent_of(block.header)
        self._executor.check_form(block, parent)
        layer, trie = self._versions.layer(parent), self._versions.trie(parent)
        if layer is None or trie is None:
            raise UnknownParent("parent-state-gone", f"block {block.number} on {parent.hash.hex()}")
        self._execute(block, layer, trie)

    def why_invalid(self, block_hash: bytes) -> str | None:
        """The reason for which `check` has lately refused this block, if it has."""
        known = self._invalid.get(block_hash)
        return None if known is None else known.reason

    @property
    def invalid_blocks(self) -> tuple[bytes, ...]:
        """Hashes of the blocks that `check` has lately found invalid, the oldest first."""
        return tuple(self._invalid)

    def _parent_of(self, header: Header) -> Header:
        parent = self.header(header.parent_hash)
        if parent is None:
            raise UnknownParent("unknown-parent", f"block {header.number} on {header.parent_hash.hex()}")
        return self._entered(parent)

    def _enter(self, block: Block, parent: Header, built: Outcome | None) -> None:
        """Execute (or recall) a block of good form and take it into the tree."""
        layer = self._versions.layer(parent)
        if layer is None:
            raise UnknownParent("parent-state-gone", f"block {block.number} on {parent.hash.hex()}")
        if built is not None:
            executed = Executed(block.header, built.executed.receipts, built.executed.transactions)
            outcome = Outcome(block, executed, built.changes, built.trie, built.reward)
        else:
            trie = self._versions.trie(parent)
            if trie is None:
                raise UnknownParent("parent-state-gone", f"block {block.number} on {parent.hash.hex()}")
            outcome = self._execute(block, layer, trie)
        node = TreeNode(block.header, outcome.reward, block)
        batch = Batch()
        records.put_block(batch, block, outcome.reward)
        self._archive.store.write(batch)
        self._tree.add(node)
        self._versions.hold(node, outcome, layer)
        if len(self._tree) > len(self._line) + 1:
            self._bound_sides(block.hash)

    def _execute(self, block: Block, layer: StateLayer, trie: Trie) -> Outcome:
        try:
            return self._executor.execute(block, self.reward_of(block.number), layer, trie)
        except InvalidBlock as error:
            # The header commits to the body by now, so this hash can never be valid.
            self._invalid[block.hash] = error
            while len(self._invalid) > self._limits.invalid_max:
                del self._invalid[next(iter(self._invalid))]
            raise

    def _entered(self, header: Header) -> Header:
        """A known block, in the tree: one that was built here may have to be taken in first."""
        if header.hash not in self._tree and not self._is_settled(header):
            built = self._built_as(header.hash)
            if built is None:
                raise Misuse(f"block {header.hash.hex()} is not in the tree")
            self._enter(built.block, self._parent_of(header), built)
        return header

    def _unadopted(self, parent: Header) -> "_Contents":
        """Transactions of `parent` and its ancestors that the head's branch does not have."""
        found: list[frozenset[bytes]] = []
        cursor = parent
        while not self.is_canonical(cursor):
            node = self._tree.get(cursor.hash)
            if node is None or node.contents is None:
                block = self.block(cursor.hash)
                contents = frozenset(keccak256(raw) for raw in block.transactions) if block is not None else frozenset()
                if node is not None:
                    node.contents = contents
            else:
                contents = node.contents
            found.append(contents)
            cursor = self._need_header(cursor.parent_hash)
        return _Contents(found)

    def _bound_sides(self, newest: bytes) -> None:
        """Forget the branches beside the head's that nobody has added to for longest, if there are too many."""
        line = set(self._line)
        batch = Batch()
        while len(self._tree) - len(line) > self._limits.side_blocks_max:
            lost = next((node.header for node in self._tree if self._is_idle(node, line, newest)), None)
            if lost is None:
                break
            self._tree.remove(lost.hash)
            self._archive.forget(batch, lost)
        if batch.operations:
            self._archive.store.write(batch)
        self._versions.drop_side_layers(line)

    def _is_idle(self, node: TreeNode, line: set[bytes], newest: bytes) -> bool:
        own = node.header.hash
        return own != newest and own not in line and self._tree.is_leaf(own)

    # Moving

    def adopt(self, block_hash: bytes) -> Reorganisation:
        """Make a checked block the head. Raises Misuse (unknown block), InvariantBroken (it does not build on the final
        block)."""
        header = self._entered(self._need_header(block_hash))
        if block_hash == self.head.hash:
            return Reorganisation()
        joining: list[Header] = []
        fork = header
        while not self.is_canonical(fork):
            joining.append(fork)
            fork = self._need_header(fork.parent_hash)
        if fork.number < self.finalized.number:
            raise InvariantBroken(
                f"adopting block {header.number} would revert the final block {self.finalized.number}"
            )
        joining.reverse()
        leaving = [self._need_canonical(number) for number in range(self.head.number, fork.number, -1)]
        moved = Reorganisation(
            tuple(self.executed(old.hash) for old in leaving), tuple(self.executed(new.hash) for new in joining)
        )
        if leaving:
            self._counted = 0
        while self._base.number > fork.number:
            self._retreat(fork)
        self._write_head(header, moved)
        self._line[fork.number - self._base.number :] = [new.hash for new in joining]
        self.head = header
        self._forget_bodies(len(joining))
        self._settle()
        return moved

    def _need_canonical(self, number: int) -> Header:
        header = self.canonical(number)
        if header is None:
            raise records.damaged(Table.CANONICAL, number_key(number), "missing")
        return header

    def _write_head(self, header: Header, moved: Reorganisation) -> None:
        batch = Batch()
        for old in moved.removed:
            batch.delete(Table.CANONICAL, number_key(old.header.number))
            for transaction in old.transactions:
                batch.delete(Table.INDEX, transaction.hash)
        for new in moved.added:
            own = new.header.hash
            batch.put(Table.CANONICAL, number_key(new.header.number), own)
            batch.put(Table.RECEIPTS, own, records.encode_receipts(new.receipts))
            for index, transaction in enumerate(new.transactions):
                batch.put(Table.INDEX, transaction.hash, own + index.to_bytes(4, "big"))
        batch.put(Table.META, records.HEAD_KEY, header.hash)
        self._archive.store.write(batch)

    def finalize(self, block_hash: bytes, certificate: bytes = b"") -> bool:
        """This block and its ancestors are never reverted; keep what proves it. True if that is news.

        Raises InvariantBroken if the block is not on the head's branch: adopt it first.
        """
        header = self.header(block_hash)
        if header is None or not self.is_canonical(header):
            raise InvariantBroken(f"finalising {block_hash.hex()}, which is not on the head's branch")
        batch = Batch()
        if certificate:
            batch.put(Table.CERTIFICATES, block_hash, certificate)
        is_news = header.number > self.finalized.number
        if is_news:
            batch.put(Table.META, records.FINALIZED_KEY, block_hash)
            self._drop_losers(batch, header)
        self._archive.store.write(batch)
        if is_news:
            self.finalized = header
            self._settle()
        return is_news

    def keep_certificate(self, block_hash: bytes, certificate: bytes) -> None:
        """Keep a certificate with a known block. Raises Misuse."""
        batch = Batch()
        batch.put(Table.CERTIFICATES, self._need_header(block_hash).hash, certificate)
        self._archive.store.write(batch)

    def flush(self) -> None:
        """Move the base as far as it may go, so that opening again has little to execute. For an orderly shutdown."""
        self._settle(at_once=True)

    def _drop_losers(self, batch: Batch, final: Header) -> None:
        """Forget every block that can no longer be adopted."""
        if len(self._tree) == len(self._line):
            return
        lost: dict[bytes, Header] = {}
        for node in self._tree:
            header = node.header
            if header.parent_hash in lost or (header.number <= final.number and not self.is_canonical(header)):
                lost[header.hash] = header
        for header in lost.values():
            self._tree.remove(header.hash)
            self._archive.forget(batch, header)

    def _forget_bodies(self, count: int) -> None:
        """Blocks that lie deep enough need not stay decoded: `count` more than before."""
        last = len(self._line) - self._limits.bodies_kept
        for block_hash in self._line[max(0, last - count) : max(0, last)]:
            node = self._tree.get(block_hash)
            if node is not None:
                node.block = node.executed = node.contents = None

    def _settle(self, *, at_once: bool = False) -> None:
        """Move the base up behind the head or to the final block, once that is worth a write."""
        limits = self._limits
        target = max(self.finalized.number, self.head.number - limits.layers_kept)
        while (due := target - self._base.number) > 0:
            if due < limits.flush_blocks and not at_once and self._due_keys(due) < limits.flush_keys:
                return
            self._advance(min(due, limits.flush_blocks))

    def _due_keys(self, due: int) -> int:
        """How many keys the lowest `due` blocks above the base have changed."""
        if self._counted == 0:
            self._changed.clear()
        for block_hash in self._line[self._counted : due]:
            node = self._tree.get(block_hash)
            if node is not None and node.changes is not None:
                self._changed.update(node.changes)
        self._counted = due
        return len(self._changed)

    def _advance(self, count: int) -> None:
        nodes: list[TreeNode] = []
        for block_hash in self._line[:count]:
            node = self._tree.get(block_hash)
            if node is None:
                raise InvariantBroken(f"block {block_hash.hex()} of the head's branch is not in the tree")
            self._versions.need_changes(node)
            nodes.append(node)
        last = nodes[-1].header
        trie = self._versions.trie(last)
        if trie is None:
            raise InvariantBroken(f"block {last.hash.hex()} has no state to become the base")
        old_from = self._base.undo_from
        undo_from = max(old_from, min(self.finalized.number, last.number) - self._limits.history_depth)
        forget = [self._need_canonical(number).hash for number in range(old_from, undo_from)]
        before = self._base.advance(nodes, trie, forget, undo_from)
        self._counted = 0
        settled = self._tree.descendants(last.hash)
        for node in nodes:
            self._tree.remove(node.header.hash)
        del self._line[:count]
        self._versions.moved(before, settled)

    def _retreat(self, fork: Header) -> None:
        """Move the base down towards `fork`, by as much as one batch takes."""
        lowest = max(fork.number + 1, self._base.number - RETREAT_BLOCKS_MAX + 1)
        leaving = [self._need_canonical(number) for number in range(self._base.number, lowest - 1, -1)]
        before, nodes = self._base.retreat(leaving)
        for node in nodes:
            self._tree.add(node)
            self._line.insert(0, node.header.hash)
        self._tree.sort()
        self._versions.moved(before, set())


class _Contents:
    """Membership in any of several sets."""

    def __init__(self, parts: Sequence[frozenset[bytes]]) -> None:
        self._parts = parts

    def __contains__(self, item: object) -> bool:
        return any(item in part for part in self._parts)
