"""A chain that executes nothing: the smallest honest `ChainView`, for exams, tests and engine-only simulations.

A transaction is any non-empty byte string, valid once per branch. The state root is a running hash over what was
executed, so two chains agree on it exactly if they executed the same transactions in the same order.
"""

from collections.abc import Callable, Sequence

from raclette.chain.block import Block
from raclette.chain.header import ADDRESS_BYTES, Header
from raclette.chain.ledger import StateReader
from raclette.chain.roll import Member
from raclette.engine.contract import Draft
from raclette.primitives.errors import InvalidBlock, Misuse, UnknownParent
from raclette.primitives.hashing import keccak256

# Most transactions that `build` puts into one block.
LIGHT_BLOCK_TRANSACTIONS = 500


class NoState:
    """There is none."""

    def get(self, key: bytes) -> bytes | None:
        """Always None."""
        return None


def light_root(transactions: Sequence[bytes]) -> bytes:
    """Stands for the transactions root."""
    return keccak256(b"".join(len(item).to_bytes(4, "big") + item for item in transactions))


def light_sender(transaction: bytes) -> bytes:
    """The account that a transaction is said to be of: its first bytes."""
    return transaction[:ADDRESS_BYTES]


def light_genesis(chain_id: int = 1, timestamp: int = 0) -> Header:
    """Block 0."""
    return Header(parent_hash=bytes(32), number=0, timestamp=timestamp, extra_data=b"light %d" % chain_id)


class LightChain:
    """Block tree, mempool and final branch in dictionaries. The host calls `adopt`, `finalize` and `submit`."""

    def __init__(self, chain_id: int = 1, genesis: Header | None = None) -> None:
        self.chain_id = chain_id
        self.genesis = genesis if genesis is not None else light_genesis(chain_id)
        self.head = self.genesis
        self.finalized = self.genesis
        self._blocks: dict[bytes, Block] = {self.genesis.hash: Block(self.genesis)}
        self._certificates: dict[bytes, bytes] = {}
        self._canonical: dict[int, Header] = {self.genesis.number: self.genesis}
        # Who is on the roll, at every block: set it before the engine starts.
        self.roll: tuple[Member, ...] = ()
        # Transactions on the adopted branch, and those that wait, in order of arrival.
        self.included: dict[bytes, int] = {}
        self.pool: dict[bytes, None] = {}

    # --- ChainView ------------------------------------------------------------------------------------------------

    def header(self, block_hash: bytes) -> Header | None:
        block = self._blocks.get(block_hash)
        return block.header if block is not None else None

    def block(self, block_hash: bytes) -> Block | None:
        return self._blocks.get(block_hash)

    def canonical(self, number: int) -> Header | None:
        return self._canonical.get(number)

    def certificate(self, block_hash: bytes) -> bytes:
        return self._certificates.get(block_hash, b"")

    def state(self, block_hash: bytes) -> StateReader:
        return NoState()

    def members(self, block_hash: bytes) -> tuple[Member, ...]:
        return self.roll

    def has_pending(self, parent: Header) -> bool:
        return bool(self._candidates(parent, 1))

    def pending_from(self, account: bytes) -> bool:
        return any(light_sender(item) == account for item in self.pool)

    def sends(self, block_hash: bytes, account: bytes) -> bool:
        return any(light_sender(item) == account for item in self._blocks[block_hash].transactions)

    def build(self, parent: Header, draft: Draft) -> Block:
        if parent.hash not in self._blocks:
            raise Misuse(f"building on unknown block {parent.number}")
        transactions = tuple(self._candidates(parent, draft.transactions_max or LIGHT_BLOCK_TRANSACTIONS))
        root = light_root(transactions)
        header = Header(
            parent_hash=parent.hash,
            number=parent.number + 1,
            timestamp=draft.timestamp,
            beneficiary=draft.beneficiary,
            state_root=keccak256(parent.state_root + root),
            transactions_root=root,
            difficulty=draft.difficulty,
            extra_data=draft.extra_data,
            mix_hash=draft.mix_hash,
            nonce=draft.nonce,
        )
        block = Block(header, transactions)
        self._blocks[block.hash] = block
        return block

    def check(self, block: Block) -> None:
        if block.hash in self._blocks:
            return
        parent = self.header(block.parent_hash)
        if parent is None:
            raise UnknownParent("unknown-parent", block.parent_hash.hex())
        if block.number != parent.number + 1:
            raise InvalidBlock("block-number", f"{block.number} after {parent.number}")
        root = light_root(block.transactions)
        if block.header.transactions_root != root or block.header.state_root != keccak256(parent.state_root + root):
            raise InvalidBlock("block-root", "the header does not match the body")
        before = self._executed_before(parent)
        for place, transaction in enumerate(block.transactions):
            if not transaction or before(transaction) or transaction in block.transactions[:place]:
                raise InvalidBlock("block-transaction", "empty or executed before")
        self._blocks[block.hash] = block

    # --- the host's side ------------------------------------------------------------------------------------------

    def submit(self, transaction: bytes) -> None:
        """A client's transaction."""
        if transaction not in self.included:
            self.pool[transaction] = None

    def adopt(self, block_hash: bytes) -> None:
        """Make a known block the head, whatever branch it is on."""
        block = self._blocks[block_hash]
        added: list[Block] = []
        while self._canonical.get(block.number) != block.header:
            added.append(block)
            block = self._blocks[block.parent_hash]
        for number in range(self.head.number, block.number, -1):
            for transaction in self._blocks[self._canonical.pop(number).hash].transactions:
                del self.included[transaction]
                self.pool[transaction] = None
        for block in reversed(added):
            self._canonical[block.number] = block.header
            for transaction in block.transactions:
                self.included[transaction] = block.number
                self.pool.pop(transaction, None)
        self.head = self._blocks[block_hash].header

    def finalize(self, block_hash: bytes, certificate: bytes) -> None:
        """Never revert this adopted block. Side branches at and below its height are dropped."""
        header = self._blocks[block_hash].header
        if self._canonical.get(header.number) != header:
            raise Misuse(f"finalising block {header.number}, which is not on the head's branch")
        self._certificates[block_hash] = certificate
        if header.number > self.finalized.number:
            self.finalized = header

    def keep_certificate(self, block_hash: bytes, certificate: bytes) -> None:
        """Keep a proof with a known block, final or not."""
        self._certificates[self._blocks[block_hash].hash] = certificate

    def durable_copy(self) -> "LightChain":
        """What a crash leaves: the final branch and its certificates."""
        copy = LightChain(self.chain_id, self.genesis)
        copy.roll = self.roll
        for number in range(self.genesis.number + 1, self.finalized.number + 1):
            block = self._blocks[self._canonical[number].hash]
            copy._blocks[block.hash] = block
            copy._certificates[block.hash] = self._certificates.get(block.hash, b"")
        if self.finalized.number > self.genesis.number:
            copy.adopt(self.finalized.hash)
            copy.finalized = self.finalized
        return copy

    def _executed_before(self, parent: Header) -> Callable[[bytes], bool]:
        """Membership in what was executed up to `parent`."""
        beside: set[bytes] = set()
        step: Block | None = self._blocks[parent.hash]
        while step is not None and self._canonical.get(step.number) != step.header:
            beside.update(step.transactions)
            step = self._blocks.get(step.parent_hash)
        fork = step.number if step is not None else 0
        included = self.included
        return lambda transaction: transaction in beside or included.get(transaction, fork + 1) <= fork

    def _candidates(self, parent: Header, count: int) -> list[bytes]:
        reverted = (
            [item for item, number in self.included.items() if number > parent.number]
            if (parent.number < self.head.number)
            else []
        )
        before = self._executed_before(parent)
        found: list[bytes] = []
        for transaction in (*self.pool, *reverted):
            if not before(transaction):
                found.append(transaction)
                if len(found) == count:
                    break
        return found
